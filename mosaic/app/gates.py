"""Running a mission's quality gates by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.git.git import find_work_tree
from mosaic.plan.gates import parse_gates
from mosaic.records import dataclass
from mosaic.sessions.examine import run_gates
from mosaic.store.consent import require_consent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.sessions.examine import GateResult
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """How the gates of a task went."""

    task_id: str
    green: bool
    gates: tuple[GateResult, ...]


def run_task_gates(
    snapshot: Snapshot, task_id: str | None, here: Path, watch: Callable[[GateResult], None]
) -> Gates:
    """Run every gate as a recorded step of a task.

    Args:
        snapshot: the mission.
        task_id: None: the task of the agent that calls, else of the last session.
        here: the gates run in it where it is in a work tree, else in the project.
        watch: is called with each gate as it ends.

    Raises:
        UsageError: there are no gates, or no task is named and none was worked on.
        ConsentNeededError: the mission names commands that the person has not allowed.
    """
    mission = snapshot.document.mission
    if not parse_gates(mission.quality_gates):
        raise UsageError(
            "the mission has no quality gates", hint='set `"qualityGates": "pytest -q"`'
        )
    require_consent(snapshot.document)
    task_id = task_id or os.environ.get("MISSION_TASK")
    if not task_id:
        worked_on = [each.last_task_id for each in mission.sessions if each.last_task_id]
        if not worked_on:
            raise UsageError("no task is named", hint="`mission gates T-001`")
        task_id = worked_on[-1]
    task = snapshot.get(task_id).task
    results = run_gates(
        snapshot,
        task.id,
        cwd=here if find_work_tree(here) is not None else snapshot.layout.project,
        tell=watch,
    )
    return Gates(
        task_id=task.id,
        green=all(result.is_green for result in results),
        gates=tuple(results),
    )
