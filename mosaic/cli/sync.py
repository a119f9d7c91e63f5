"""`mission sync`."""

from typer import Argument, Option

from mosaic.cli.completing import complete_task
from mosaic.cli.options import Json, MissionPath, one_of
from mosaic.cli.output import answer, clean, paint, plain
from mosaic.cli.tasks_view import report_notices, report_problems
from mosaic.errors import UsageError
from mosaic.store.in_step import synchronize
from mosaic.store.reading import locate_mission
from mosaic.store.retitle import OtherHeading, other_headings, take_headings
from mosaic.store.sync import Side

EXAMPLES = (
    ("mission sync", "copy what changed in the table or in a file to the other"),
    ("mission sync T-001 --prefer table", "the table wins where both were changed"),
)


def sync_command(
    task_ids: list[str] | None = Argument(
        None, metavar="[ID]...", autocompletion=complete_task, help="Only these tasks."
    ),
    prefer: str | None = Option(
        None, "--prefer", **one_of(*Side), help="Which one wins where they disagree."
    ),
    titles: bool = Option(
        False, "--titles", help="Also take what the headings of files say as the titles."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring table and files in step, and show what was copied where."""
    if prefer not in (None, *Side):
        raise UsageError(f"`{prefer}` is not a side", hint="use `table` or `file`")
    path = locate_mission(mission)
    carried, snapshot, notices = synchronize(path, task_ids or [], Side(prefer) if prefer else None)
    report_notices(notices)
    problems = snapshot.problems
    found = other_headings(snapshot)
    if task_ids:
        named = {snapshot.get(task_id).task.id for task_id in task_ids}
        found = [each for each in found if each.task_id in named]
    if titles and found:
        take_headings(path, found)
    lines = [
        f"{task_id}  {each.field}: {_words(each.value)} {paint('→', 'dim')} {each.to}"
        for task_id, each in carried
    ]
    if titles:
        lines += [
            f"{each.task_id}  title: {clean(each.title)} {paint('→', 'dim')} {clean(each.heading)}"
            for each in found
        ]
    if not (lines or problems or notices):
        lines = [paint("table and files are in step", "dim")]
    if not titles:
        lines += [_offer(each) for each in found]
    values = [{"task_id": task_id, **plain(each)} for task_id, each in carried]
    return answer(
        "task.sync",
        {
            "carried": values,
            "problems": problems,
            "titles": found if titles else [],
            "other_headings": [] if titles else found,
        },
        lines,
        exit_code=report_problems(problems, as_json=as_json),
        then=["mission list"],
        as_json=as_json,
    )


def _offer(each: OtherHeading) -> str:
    command = f"mission sync --titles {each.task_id}"
    return f"{each.task_id}  the heading says `{clean(each.heading)}`: `{command}` takes it"


def _words(value: object) -> str:
    return clean(", ".join(value) if isinstance(value, tuple) else value) or "nothing"
