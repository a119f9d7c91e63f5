"""`mission split`."""

from typer import Argument

from mosaic.app.order import split_task
from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.tasks_view import report_notices
from mosaic.store.reading import locate_mission

EXAMPLES = (
    (
        'mission split T-001 "Write the parser" "Read the old files"',
        "two tasks, for which T-001 waits",
    ),
    ('mission split t1 "Only the first part"', "one part on its own; a short id does"),
)


def split_command(
    task_id: TaskId,
    titles: list[str] = Argument(metavar="TITLE...", help="What each part is called."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Split a task: new ones below it, that depend as it did. It waits for them, and stays."""
    done = split_task(locate_mission(mission), task_id, titles)
    report_notices(done.notices)
    task = done.task.task
    lines = [f"{paint(each.id, 'bold')}  {clean(each.title)}" for each, *_ in done.parts]
    lines.append(f"{paint(task.id, 'bold')}  depends on {', '.join(task.depends_on)} now")
    then = [f"mission edit {done.parts[0].task.id}", "mission list"]
    return answer("task.split", done, lines, then=then, as_json=as_json)
