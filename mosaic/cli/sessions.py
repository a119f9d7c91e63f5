"""Sessions: listing them, and ending one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath, complete_session
from mosaic.cli.output import Result, align, emit, paint
from mosaic.cli.sessions_view import length_words, live_row, session_rows
from mosaic.cli.tasks_view import progress_json, session_json
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.sessions.session_lock import FoundLock


def sessions_command(
    live: Annotated[bool, typer.Option("--live", help="Only those that work now.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions: runtime, task, start, length, how they ended, cost."""
    from mosaic.sessions.claim import session_of
    from mosaic.sessions.live import observe_session
    from mosaic.sessions.lost import recover_if_needed
    from mosaic.sessions.session_lock import find_locks

    path = locate_mission(mission)
    recover_if_needed(read_mission(path))
    snapshot = read_mission(path)
    alive = {found.lock.session_id: found for found in find_locks(snapshot.layout)}
    listed = snapshot.document.mission.sessions
    known = {session.id for session in listed}
    unlisted = [session_of(found.lock) for name, found in alive.items() if name not in known]
    sessions = [s for s in (*listed, *unlisted) if not live or s.id in alive]
    observed = {
        session.id: observe_session(alive[session.id], snapshot.layout)
        for session in sessions
        if session.id in alive
    }
    if live:
        headers: tuple[str, ...] = ("session", "runtime", "task", "for", "used", "now")
        rows = [live_row(session, observed[session.id]) for session in sessions]
    else:
        headers = ("session", "runtime", "task", "started", "length", "ended", "used")
        rows = [
            (*row[:5], row[5] or _life(alive.get(session.id)), row[6])
            for session, row in zip(sessions, session_rows(sessions), strict=True)
        ]
    result = Result(
        kind="session.list",
        data={
            "sessions": [
                {
                    **session_json(session),
                    "live": session.id in alive,
                    "progress": progress_json(observed[session.id].progress)
                    if session.id in observed
                    else None,
                }
                for session in sessions
            ],
        },
        lines=align(rows, headers=headers) or [paint("no sessions", "dim")],
        next_commands=["mission status"],
    )
    return emit(result, as_json=as_json)


def _life(found: FoundLock | None) -> str:
    return f"live: {found.judgement.because}" if found else "open"


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
    from mosaic.store.fence import locate_to_change

    stopped = stop_session(locate_to_change(mission), session, now=now)
    result = Result(
        kind="session.stopped",
        data={"session": session_json(stopped)},
        lines=[
            f"{stopped.id} ended {stopped.ended_reason or 'unknown'} after "
            f"{length_words(stopped)}; {stopped.last_task_id} stays as it is"
        ],
        next_commands=[f"mission resume {stopped.last_task_id}"],
        show_next=True,
    )
    return emit(result, as_json=as_json)
