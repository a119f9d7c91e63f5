"""Sessions: all of them, and those that are live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Session
    from mosaic.sessions.liveness import FoundLock, Life
    from mosaic.sessions.output import Progress
    from mosaic.store.tasks import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveSession:
    """A session that is live, or may be."""

    session_id: str
    runtime: str
    task_id: str
    run_id: str
    pid: int
    host: str
    started_at: datetime
    life: Life
    because: str
    stopped: bool
    """Whether it does nothing until it is continued."""
    on_record: bool
    """Whether it has a lock; else it was found by what else is left of it."""
    way_out: str
    """What a person can do where it is in the way."""


class SessionView(NamedTuple):
    """A session, and how it gets on while it is live."""

    session: Session
    life: LiveSession | None
    progress: Progress | None

    def json_values(self) -> dict[str, Any]:
        """Return the session's own fields with the others beside them."""
        session = self.session
        values = {name: getattr(session, name) for name in session.__dataclass_fields__}
        live = self.life is not None
        return {**values, "live": live, "life": self.life, "progress": self.progress}


class SessionList(NamedTuple):
    """Sessions, the oldest first."""

    sessions: tuple[SessionView, ...]
    problems: tuple[Problem, ...]
    """What is wrong with their entries in mission.json."""


def view_live(found: FoundLock) -> LiveSession:
    """Return what is known of a live session."""
    lock, judgement = found.lock, found.judgement
    return LiveSession(
        session_id=lock.session_id,
        runtime=lock.runtime,
        task_id=lock.task_id,
        run_id=lock.run_id,
        pid=lock.process.pid,
        host=lock.process.host,
        started_at=lock.started_at,
        life=judgement.life,
        because=judgement.because,
        stopped=judgement.is_stopped,
        on_record=found.is_on_record,
        way_out=found.way_out,
    )


def list_sessions(mission_file: Path, *, live: bool = False) -> SessionList:
    """Return all sessions, those that are in no list too; ended ones are recorded first.

    Args:
        mission_file: path of mission.json.
        live: only those that are live, or may be.
    """
    from mosaic.sessions.claim import session_of
    from mosaic.sessions.dead_sessions import read_recovered
    from mosaic.sessions.output import observe_session
    from mosaic.sessions.unrecorded import live_or_unknown

    snapshot, _ = read_recovered(mission_file)
    alive = {found.lock.session_id: found for found in live_or_unknown(snapshot)}
    listed: Sequence[Session] = snapshot.document.mission.sessions
    known = {session.id for session in listed}
    unlisted = [session_of(found.lock) for name, found in alive.items() if name not in known]
    views = []
    for session in (*listed, *unlisted):
        found = alive.get(session.id)
        if found is not None:
            progress = _rounded(observe_session(found, snapshot.layout).progress)
            views.append(SessionView(session, view_live(found), progress))
        elif not live:
            views.append(SessionView(session, None, None))
    return SessionList(sessions=tuple(views), problems=snapshot.session_problems)


def _rounded(progress: Progress) -> Progress:
    return replace(
        progress,
        elapsed_seconds=round(progress.elapsed_seconds, 3),
        silent_seconds=round(progress.silent_seconds, 3),
    )
