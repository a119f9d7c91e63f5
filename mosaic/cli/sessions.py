"""`mission sessions`."""

from pathlib import Path

from typer import Argument, Option

from mosaic.cli.options import Json, MissionPath, complete_session_or_task
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.sessions_view import (
    LIVE_COLUMNS,
    SESSION_COLUMNS,
    live_row,
    session_row,
    with_hosts,
)
from mosaic.cli.table import table
from mosaic.cli.tasks_view import report_problems
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, locate_to_change

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
    forget: bool = Option(
        False, "--forget", help="Give this one up, whose machine cannot be reached."
    ),
    last: int | None = Option(None, "--last", "-n", min=1, metavar="N", help="Only the newest N."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions, the oldest first: runtime, task, start, length, end, cost.

    `mission sessions --last 10`, `mission sessions --live`.
    """
    from mosaic.app.status import list_sessions

    if forget:
        return _forget(named, mission, as_json=as_json)
    found = list_sessions(locate_mission(mission), live=live, named=named, last=last)
    columns, rows = with_hosts(
        LIVE_COLUMNS if live else SESSION_COLUMNS,
        map(live_row if live else session_row, found.sessions),
        [each.host for each in found.sessions],
    )
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


def _forget(named: str | None, mission: Path | None, *, as_json: bool) -> int:
    """Give a session up, and say what that may cost."""
    from mosaic.sessions.given_up import forget_session

    if named is None:
        raise UsageError("`--forget` gives one session up", hint="`mission sessions --live`")
    session = forget_session(locate_to_change(mission), named)
    lines = [
        f"{session.id} is given up; its task can be handed off again",
        f"its agent may still be at work on `{clean(session.host)}`, and what it costs is unknown",
        "what it still brings is not taken; until it is removed, its work is kept there",
    ]
    return answer(
        "session.forgotten",
        {"session": session},
        lines,
        then=[f"mission next {session.last_task_id}"],
        show_next=True,
        as_json=as_json,
    )
