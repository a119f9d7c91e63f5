"""`mission gates`."""

from pathlib import Path

from mosaic.app.task_work import run_task_gates
from mosaic.cli.consent import with_consent
from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import answer, clean, clean_block, paint, warn
from mosaic.sessions.examine import GateResult
from mosaic.store.reading import locate_to_change, read_mission

EXAMPLES = (
    ("mission gates T-001", "run all quality gates for a task"),
    ("mission gates --json", "for the task that was worked on last, as one document"),
)
SHOWN_LINES = 20


def gates_command(
    task_id: MaybeTaskId = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Run the mission's quality gates, each as a recorded step."""
    snapshot = read_mission(locate_to_change(mission))
    watch = (lambda _: None) if as_json else show_gate
    done = with_consent(
        snapshot.document.path,
        lambda: run_task_gates(snapshot, task_id, Path.cwd(), watch),
        as_json=as_json,
    )
    words = paint("green", "green") if done.green else paint("not green", "red")
    return answer(
        "gates",
        done,
        [f"{done.task_id}: gates {words}"],
        ok=done.green,
        then=[f"mission review {done.task_id}"],
        as_json=as_json,
    )


def show_gate(result: GateResult, *, task_id: str = "") -> None:
    """Print how a gate went; of a failure also the end of what it wrote."""
    color = {"passed": "green", "skipped": "dim"}.get(result.outcome, "red")
    run = f"  run {result.run.id}" if result.run else ""
    words = paint(result.words, color, err=True)
    whose = f"{task_id}: " if task_id else ""
    warn(f"{whose}gate {result.gate.name}: {words}  {clean(result.gate.shown)}{run}")
    for line in clean_block(result.tail)[-SHOWN_LINES:]:
        warn(f"  {line}")
