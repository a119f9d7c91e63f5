"""`mission sessions`."""

from typer import Argument, Option

from mosaic.cli.options import Json, MissionPath, complete_session_or_task
from mosaic.cli.output import answer, paint
from mosaic.cli.sessions_view import LIVE_COLUMNS, SESSION_COLUMNS, live_row, session_row
from mosaic.cli.table import table
from mosaic.cli.tasks_view import report_problems
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission sessions", "every session, how it ended and what it cost"),
    ("mission sessions --live", "what agents do now"),
)


def sessions_command(
    named: str | None = Argument(
        None,
        metavar="[ID]",
        autocompletion=complete_session_or_task,
        help="Only this one, or those of this task.",
    ),
    live: bool = Option(False, "--live", help="Only those that are live."),
    last: int | None = Option(None, "--last", "-n", min=1, metavar="N", help="Only the newest N."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions, the oldest first: runtime, task, start, length, end, cost.

    `mission sessions --last 10`, `mission sessions --live`.
    """
    from mosaic.app.status import list_sessions

    found = list_sessions(locate_mission(mission), live=live, named=named, last=last)
    columns = LIVE_COLUMNS if live else SESSION_COLUMNS
    rows = map(live_row if live else session_row, found.sessions)
    lines = table(rows, columns, headed=True) or [paint("no sessions", "dim")]
    if found.hidden:
        lines.append(paint(f"{found.hidden} before", "dim"))
    return answer(
        "session.list",
        found,
        lines,
        exit_code=report_problems(found.problems, as_json=as_json),
        then=["mission status"],
        as_json=as_json,
    )
