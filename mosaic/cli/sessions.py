"""Sessions: listing them, and ending one."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.options import Json, MissionPath, complete_session
from mosaic.cli.output import Result, align, clean, emit, paint
from mosaic.cli.sessions_view import length_words, live_row, session_row
from mosaic.cli.tasks_view import report_problems, session_json
from mosaic.store.reading import locate_mission


def sessions_command(
    live: Annotated[bool, typer.Option("--live", help="Only those that are live.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions: runtime, task, start, length, how they ended, cost."""
    from mosaic.app.sessions import list_sessions

    found = list_sessions(locate_mission(mission), live=live)
    columns = ("for", "used", "now") if live else ("started", "length", "ended", "used")
    headers = ("session", "runtime", "task", *columns)
    rows = map(live_row if live else session_row, found.sessions)
    result = Result(
        kind="session.list",
        data=found,
        lines=align(rows, headers=headers) or [paint("no sessions", "dim")],
        exit_code=report_problems(found.problems, as_json=as_json),
        next_commands=["mission status"],
    )
    return emit(result, as_json=as_json)


def stop_command(
    session: Annotated[
        str | None,
        typer.Argument(metavar="[SESSION]", autocompletion=complete_session, help="A session."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Kill it at once.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """End a live session: interrupt, terminate, kill its whole process group."""
    from mosaic.sessions.stop import stop_session
    from mosaic.store.ended_session import locate_to_change

    stopped = stop_session(locate_to_change(mission), session, now=now)
    task_id = stopped.last_task_id
    stays = f"; {clean(task_id)} stays as it is" if task_id else ""
    result = Result(
        kind="session.stopped",
        data={"session": session_json(stopped)},
        lines=[
            f"{stopped.id} ended {stopped.ended_reason or 'unknown'} after "
            f"{length_words(stopped)}{stays}"
        ],
        next_commands=[f"mission resume {task_id}" if task_id else "mission status"],
        show_next=True,
    )
    return emit(result, as_json=as_json)
