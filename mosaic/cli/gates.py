"""Quality gates: running them by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.cli.consent import with_consent
from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import Result, clean, clean_block, emit, paint, warn
from mosaic.errors import ExitCode, UsageError
from mosaic.store.ended_session import locate_to_change
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue
    from mosaic.sessions.examine import GateResult
    from mosaic.store.tasks import Snapshot

SHOWN_LINES = 20


def gates_command(
    task_id: MaybeTaskId = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Run the mission's quality gates, each as a recorded step."""
    from mosaic.git.git import find_work_tree
    from mosaic.plan.gates import parse_gates
    from mosaic.sessions.examine import run_gates
    from mosaic.store.consent import require_consent

    snapshot = read_mission(locate_to_change(mission))
    if not parse_gates(snapshot.document.mission.quality_gates):
        raise UsageError(
            "the mission has no quality gates", hint='set `"qualityGates": "pytest -q"`'
        )
    document = snapshot.document
    with_consent(document.path, lambda: require_consent(document), as_json=as_json)
    task = snapshot.get(task_id or _task_at_work(snapshot)).task
    here = Path.cwd()
    cwd = here if find_work_tree(here) is not None else snapshot.layout.project

    def tell(result: GateResult) -> None:
        if not as_json:
            for line in gate_lines(result):
                warn(line)

    results = run_gates(snapshot, task.id, cwd=cwd, tell=tell)
    green = all(result.is_green for result in results)
    result = Result(
        kind="gates",
        data={
            "task_id": task.id,
            "green": green,
            "gates": [gate_values(each) for each in results],
        },
        lines=[
            f"{task.id}: gates {paint('green', 'green') if green else paint('not green', 'red')}"
        ],
        exit_code=ExitCode.OK if green else ExitCode.FAILED,
        next_commands=[f"mission review {task.id}"],
    )
    return emit(result, as_json=as_json)


def gate_lines(result: GateResult) -> list[str]:
    """Return how a gate went; of a failure also the end of what it wrote."""
    color = {"passed": "green", "skipped": "dim"}.get(result.outcome, "red")
    run = f"  run {result.run.id}" if result.run else ""
    lines = [
        f"gate {result.gate.name}: {paint(result.words, color, err=True)}  "
        f"{clean(result.gate.shown)}{run}"
    ]
    return lines + [f"  {line}" for line in clean_block(result.tail)[-SHOWN_LINES:]]


def gate_values(result: GateResult) -> dict[str, JsonValue]:
    """Return how a gate went as JSON."""
    return {
        "name": result.gate.name,
        "command": result.gate.shown,
        "outcome": result.outcome,
        "words": result.words,
        "run_id": result.run.id if result.run else None,
        "tail": result.tail,
    }


def _task_at_work(snapshot: Snapshot) -> str:
    """Return the task that is being worked on: the caller's own, else that of the last session."""
    own = os.environ.get("MISSION_TASK")
    if own:
        return own
    sessions = [s.last_task_id for s in snapshot.document.mission.sessions if s.last_task_id]
    if not sessions:
        raise UsageError("no task is named", hint="`mission gates T-001`")
    return sessions[-1]
