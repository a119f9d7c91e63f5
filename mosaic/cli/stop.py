"""`mission stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import Argument, Option

from mosaic.cli.completers import complete_live_session
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.errors import SessionNotFoundError
from mosaic.plan.ends import end_phrase, length_words
from mosaic.sessions.stop import stop_session
from mosaic.store.reading import locate_to_change

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Session

EXAMPLES = (
    ("mission stop", "end the session that is live here, and keep its work"),
    ("mission stop sess-004 --now", "kill one of several at once"),
)


def stop_command(
    session: str | None = Argument(
        None, metavar="[SESSION]", autocompletion=complete_live_session, help="A session."
    ),
    now: bool = Option(False, "--now", help="Kill it at once."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """End a live session: interrupt, terminate, kill its whole process group.

    One on another machine that was given up is killed there, where that can be reached again.
    """
    mission_file = locate_to_change(mission)
    try:
        stopped = stop_session(mission_file, session, now=now)
    except SessionNotFoundError:
        if session is None or (ended := _stop_given_up(mission_file, session)) is None:
            raise
        return _say_given_up(ended, as_json=as_json)
    task_id = stopped.last_task_id
    stays = f"; {clean(task_id)} stays as it is" if task_id else ""
    return answer(
        "session.stopped",
        {"session": stopped},
        [f"{stopped.id} {end_phrase(stopped)} after {length_words(stopped)}{stays}"],
        then=[f"mission resume {task_id}" if task_id else "mission status"],
        show_next=True,
        as_json=as_json,
    )


def _stop_given_up(mission_file: Path, name: str) -> Session | None:
    from mosaic.sessions.given_up import stop_given_up  # start-up: hardly any session is

    return stop_given_up(mission_file, name)


def _say_given_up(session: Session, *, as_json: bool) -> int:
    host = clean(session.host)
    return answer(
        "session.stopped",
        {"session": session},
        [
            f"{session.id} was given up; its agent on `{host}` is ended",
            f"its work is kept there until `mission hosts clean {host}`, and is not taken",
        ],
        then=[f"mission hosts clean {session.host}"],
        show_next=True,
        as_json=as_json,
    )
