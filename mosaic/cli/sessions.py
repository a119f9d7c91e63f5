"""`mission sessions`."""

from typer import Argument, Option

from mosaic.cli.options import Json, MissionPath, complete_session_or_task
from mosaic.cli.output import align, answer, paint
from mosaic.cli.sessions_view import live_row, session_row
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
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions: runtime, task, start, length, how they ended, cost."""
    from mosaic.app.status import list_sessions

    found = list_sessions(locate_mission(mission), live=live, named=named)
    columns = ("for", "used", "now") if live else ("started", "length", "ended", "used")
    headers = ("session", "runtime", "task", *columns)
    rows = map(live_row if live else session_row, found.sessions)
    return answer(
        "session.list",
        found,
        align(rows, headers=headers) or [paint("no sessions", "dim")],
        exit_code=report_problems(found.problems, as_json=as_json),
        then=["mission status"],
        as_json=as_json,
    )
