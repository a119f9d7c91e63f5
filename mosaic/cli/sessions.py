"""Sessions: listing them, and ending one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath, complete_session
from mosaic.cli.output import Result, align, clean, emit, paint
from mosaic.cli.sessions_view import length_words, live_row, session_rows
from mosaic.cli.tasks_view import (
    problem_values,
    progress_json,
    report_problems,
    session_json,
)
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue
    from mosaic.sessions.liveness import FoundLock


def sessions_command(
    live: Annotated[bool, typer.Option("--live", help="Only those that work now.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List all sessions: runtime, task, start, length, how they ended, cost."""
    from mosaic.sessions.claim import session_of
    from mosaic.sessions.output import observe_session
    from mosaic.sessions.unrecorded import live_or_unknown, recover_if_needed

    path = locate_mission(mission)
    recover_if_needed(read_mission(path))
    snapshot = read_mission(path).with_session_problems()
    alive = {found.lock.session_id: found for found in live_or_unknown(snapshot)}
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
            (*row[:5], _life(alive.get(session.id)) or row[5] or "open", row[6])
            for session, row in zip(sessions, session_rows(sessions), strict=True)
        ]
    result = Result(
        kind="session.list",
        data={
            "sessions": [
                {
                    **session_json(session),
                    "live": session.id in alive,
                    "life": _life_values(alive.get(session.id)),
                    "progress": progress_json(observed[session.id].progress)
                    if session.id in observed
                    else None,
                }
                for session in sessions
            ],
            "problems": problem_values(snapshot),
        },
        lines=align(rows, headers=headers) or [paint("no sessions", "dim")],
        exit_code=report_problems(snapshot, as_json=as_json),
        next_commands=["mission status"],
    )
    return emit(result, as_json=as_json)


def _life(found: FoundLock | None) -> str:
    """Return how a session lives, in words; nothing for one that has ended."""
    from mosaic.sessions.liveness import Life

    if found is None:
        return ""
    if found.judgement.life is Life.UNKNOWN:
        return f"unknown: {found.judgement.because}; {found.way_out}"
    return f"live: {found.judgement.because}"


def _life_values(found: FoundLock | None) -> JsonValue:
    if found is None:
        return None
    judgement = found.judgement
    return {
        "life": judgement.life.value,
        "because": judgement.because,
        "stopped": judgement.is_stopped,
        "on_record": found.is_on_record,
    }


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
