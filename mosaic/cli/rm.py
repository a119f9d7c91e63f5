"""`mission rm`."""

import sys
from collections.abc import Iterator

from typer import Option

from mosaic.app.remove import RemovedTasks, remove_tasks
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath, TaskIds
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.reading import locate_to_change

EXAMPLES = (
    ("mission rm T-003", "asks, then removes its row, its file and what points at it"),
    ("mission rm T-002 T-003 --yes", "two at once, without a question"),
)


def rm_command(
    task_ids: TaskIds,
    yes: bool = Option(False, "--yes", "-y", help="Do not ask."),
    force: bool = Option(False, "--force", help="Also tasks that were worked on."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Remove tasks: row, file, and dependencies on them. Their ids stay reserved."""
    path = locate_to_change(mission)
    if not yes:
        planned = remove_tasks(path, task_ids, write=False, force=force)
        if as_json or not is_somebody_there():
            names = " ".join(each.id for each in planned.tasks)
            raise UsageError(
                "`rm` asks before it removes, and there is nobody to ask",
                hint=f"`mission rm {names} --yes`",
            )
        for line in _lines(planned):
            warn(line)
        sys.stderr.write("Remove it? [y/N] " if len(planned.tasks) == 1 else "Remove them? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 0
    done = remove_tasks(path, task_ids, write=True, force=force)
    report_notices(done.notices)
    then = ["mission list"]
    return answer("tasks.removed", done, [*_lines(done)], then=then, as_json=as_json)


def _lines(done: RemovedTasks) -> Iterator[str]:
    verb = "removed" if done.written else "would go"
    for each in done.tasks:
        yield f"{paint(each.id, 'bold')}  {clean(each.title)}"
        for place in filter(None, (each.row, each.file)):
            yield f"  {verb}: {clean(place)}"
        if not (each.row or each.file):
            yield "  was deleted by hand; its id stays reserved"
        for name in each.dependents:
            yield f"  {name} depends on it, and {'does not now' if done.written else 'would not'}"
        for words in each.loses:
            yield f"  {paint('lost', 'yellow')}: {clean(words)}"
        if each.kept:
            kept = "kept in" if done.written else "would be kept in"
            yield f"  git does not have its text: {kept} {clean(each.kept)}"
