"""`mission sync`."""

from typer import Argument, Option

from mosaic.cli.completing import complete_task
from mosaic.cli.options import Json, MissionPath, one_of
from mosaic.cli.output import answer, clean, paint, plain
from mosaic.cli.tasks_view import report_notices, report_problems
from mosaic.errors import UsageError
from mosaic.store.in_step import synchronize
from mosaic.store.reading import locate_mission
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
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring table and files in step, and show what was copied where."""
    if prefer not in (None, *Side):
        raise UsageError(f"`{prefer}` is not a side", hint="use `table` or `file`")
    carried, snapshot, notices = synchronize(
        locate_mission(mission), task_ids or [], Side(prefer) if prefer else None
    )
    report_notices(notices)
    problems = snapshot.problems
    lines = [
        f"{task_id}  {each.field}: {_words(each.value)} {paint('→', 'dim')} {each.to}"
        for task_id, each in carried
    ]
    if not (lines or problems or notices):
        lines = [paint("table and files are in step", "dim")]
    values = [{"task_id": task_id, **plain(each)} for task_id, each in carried]
    return answer(
        "task.sync",
        {"carried": values, "problems": problems},
        lines,
        exit_code=report_problems(problems, as_json=as_json),
        then=["mission list"],
        as_json=as_json,
    )


def _words(value: object) -> str:
    return clean(", ".join(value) if isinstance(value, tuple) else value) or "nothing"
