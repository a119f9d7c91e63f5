"""`mission stop`."""

from typer import Argument, Option

from mosaic.cli.completers import complete_live_session
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.plan.ends import end_phrase, length_words
from mosaic.sessions.stop import stop_session
from mosaic.store.reading import locate_to_change

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
    """End a live session: interrupt, terminate, kill its whole process group."""
    stopped = stop_session(locate_to_change(mission), session, now=now)
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
