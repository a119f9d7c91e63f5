"""Whether a session's process is gone: what every look at a mission asks first.

Ending such a session takes much more (`mosaic.sessions.recover`), and hardly any look needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.identity import host_name, is_same_process
from mosaic.machine.lock import is_folder_held, was_killed
from mosaic.sessions.session_lock import find_locks
from mosaic.store.kept import list_kept_ends

if TYPE_CHECKING:
    from mosaic.model import Session
    from mosaic.sessions.settle import Settled
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


def recover_if_needed(snapshot: Snapshot) -> list[Settled]:
    """Record the end of every dead session, and settle what a killed writer left.

    Takes the mission lock only if there is something to do.

    Raises:
        LockFileError: a session lock cannot be read.
        LockTimeoutError: the mission lock was not free.
    """
    layout = snapshot.layout
    dead = any(found.is_dead for found in find_locks(layout)) or find_lost(snapshot)
    if not dead and not list_kept_ends(layout) and not was_killed(snapshot.layout.mission_lock):
        return []
    from mosaic.sessions.recover import recover_in  # start-up, as above
    from mosaic.store.draft import changing

    doing = "recording the end of a dead session"
    with changing(snapshot.document.path, doing=doing, fenced=False) as draft:
        return recover_in(draft)


def find_lost(snapshot: Snapshot) -> list[Session]:
    """Return sessions of this host without an end, a lock or a living process."""
    open_sessions = [
        session
        for session in snapshot.document.mission.sessions.without_end()
        if session.host == host_name()
    ]
    if not open_sessions:
        return []
    locked = {found.lock.session_id for found in find_locks(snapshot.layout)}
    return [s for s in open_sessions if s.id not in locked and _is_gone(s, snapshot.layout)]


def _is_gone(session: Session, layout: Layout) -> bool:
    from mosaic.runs.folders import find_run  # start-up, as above

    run = find_run(layout.runs_dir, session.run_id or "")
    if run is None:
        return True
    try:
        agent = run.state().agent
    except MissionError:
        return not is_folder_held(run.dir)
    return not is_folder_held(run.dir) and (agent is None or is_same_process(agent) is False)
