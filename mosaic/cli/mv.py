"""`mission mv`."""

from typer import Option

from mosaic.app.order import MovedTask, move_task
from mosaic.cli.completing import complete_task
from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.output import answer, clean
from mosaic.cli.tasks_view import report_notices
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission mv T-003 --before T-002", "it comes before T-002 in the plan"),
    ("mission mv T-002 --after T-003", "it comes behind T-003"),
)


def mv_command(
    task_id: TaskId,
    before: str | None = Option(
        None, "--before", metavar="ID", autocompletion=complete_task, help="Above this task."
    ),
    after: str | None = Option(
        None, "--after", metavar="ID", autocompletion=complete_task, help="Below this task."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Move a task in the plan: its row in the table, and not a byte else."""
    moved = move_task(locate_mission(mission), task_id, before=before, after=after)
    report_notices(moved.notices)
    return answer("task.moved", moved, _lines(moved), then=["mission list"], as_json=as_json)


def _lines(moved: MovedTask) -> list[str]:
    task, side = moved.task.task, "before" if moved.is_before else "after"
    if not moved.changed:
        return [f"{task.id}  stands {side} {moved.beside} already"]
    lines = [f"{task.id}  is {side} {moved.beside} now, place {task.position + 1} in the plan"]
    if moved.row_added:
        lines.append("  it stood in a file alone, and has a row now")
    if moved.milestone_before is not None:
        words = f"{moved.milestone_before} → {task.milestone or 'nothing'}"
        lines.append(f"  milestone: {clean(words)}, by the heading that it stands under")
    return lines
