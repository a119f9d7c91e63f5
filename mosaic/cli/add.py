"""`mission add`."""

import sys
from pathlib import Path

from typer import Argument, Option

from mosaic.app.change import add_task
from mosaic.cli.completers import complete_tasks
from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    RuntimeName,
    complete_priority,
    read_stdin,
)
from mosaic.cli.output import answer, clean, warn, write
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.create import NewTask
from mosaic.store.reading import locate_mission

EXAMPLES = (
    (
        'mission add "Stream logs to disk" -m M1 --scope "src/logging/**"',
        "a task of milestone M1 that may change these files",
    ),
    (
        'mission add "Follow a log" -m M1 -d T-001 --priority high',
        "one that waits for T-001, and comes before others",
    ),
)


def add_command(
    title: str = Argument(metavar="TITLE", help="What is to be done, in one line."),
    milestone: MilestoneId = None,
    depends_on: list[str] | None = Option(
        None,
        "--depends-on",
        "-d",
        metavar="ID,...",
        autocompletion=complete_tasks,
        help="Tasks to be done before; repeat for more.",
    ),
    scope: list[str] | None = Option(
        None, "--scope", "-s", metavar="GLOB", help="Files that it may change; repeat for more."
    ),
    priority: str | None = Option(
        None,
        metavar="LEVEL",
        autocompletion=complete_priority,
        help="`high`, `low`, `P1` or a number.",
    ),
    runtime: RuntimeName = None,
    body: str | None = Option(None, metavar="FILE|-", help="Its whole text."),
    goal: str | None = Option(None, "--goal", metavar="TEXT", help="What it is to reach."),
    ac: list[str] | None = Option(
        None, "--ac", metavar="TEXT", help="An acceptance criterion. Repeat for more."
    ),
    edit: bool = Option(False, "--edit", "-e", help="Open it in an editor afterwards."),
    table_only: bool = Option(False, "--table-only", help="Write no task file."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Add a task: the next free id, a file from the template, a row at the table's end."""
    if table_only and (goal or ac or edit):
        raise UsageError("`--table-only` makes no file: a goal and criteria have no place")
    if body and (goal or ac):
        raise UsageError("`--body` is the whole text: write goal and criteria into it")
    new = NewTask(
        title=title,
        milestone=milestone,
        depends_on=tuple(depends_on or ()),
        write_scope=tuple(scope or ()),
        priority=priority,
        runtime=runtime,
        body=_read_body(body) if body else None,
        table_only=table_only,
        goal=(goal or "").strip(),
        criteria=tuple(filter(None, (" ".join(each.split()) for each in ac or ()))),
    )
    path = locate_mission(mission)
    added = add_task(path, new)
    report_notices(added.notices)
    task = added.task.task
    is_alone = sys.stdout.isatty()
    if task.file and not (as_json or is_alone):
        warn(clean(task.file))  # what reads stdout takes the id
    if edit:
        from mosaic.cli.edit import edit_task  # start-up

        if not as_json:
            write(task.id)
        return edit_task(path, task.id, as_json=as_json)
    line = f"{task.id}  {clean(task.file)}" if is_alone and task.file else task.id
    then = [f"mission show {task.id}", "mission next"]
    return answer("task.added", added, [line], then=then, as_json=as_json)


def _read_body(source: str) -> str:
    if source == "-":
        return read_stdin("a task").replace("\r\n", "\n")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{source}` cannot be read", detail=str(error)) from None
