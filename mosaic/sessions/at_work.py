"""Who works now, and where, asked quickly: most often nobody does, and all is worked on here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.identity import find_variables, host_name, list_pids
from mosaic.store.layout import HOST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.model import Session
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.tasks import Snapshot

MARK = "MISSION_SESSION"


def sessions_at_work(snapshot: Snapshot) -> Sequence[FoundLock]:
    """Return what `live_or_unknown` does: the sessions that live, or may."""
    layout = snapshot.layout
    is_quiet = (
        MARK not in os.environ
        and not os.path.lexists(layout.session_lock)
        and not any(layout.session_locks_dir.glob("*.lock"))
        and not snapshot.document.mission.sessions.without_end()
        and not _is_anybody_marked(os.path.realpath(layout.mission_file))
    )
    if is_quiet:
        return ()
    from mosaic.sessions.unrecorded import live_or_unknown  # start-up: see above

    return live_or_unknown(snapshot)


def hosts_of(snapshot: Snapshot, sessions: Iterable[Session]) -> dict[str, str]:
    """Return the other machines that sessions were handed to, by session.

    One that only has another name by now is not another machine.
    """
    here, known = ("", host_name()), snapshot.document.mission.hosts
    return {
        each.id: each.host
        for each in sessions
        if each.host not in here and (each.host in known or _was_sent(snapshot, each))
    }


def _was_sent(snapshot: Snapshot, session: Session) -> bool:
    from mosaic.runs.folders import run_of  # start-up: see above

    run = run_of(snapshot.layout.runs_dir, session.last_task_id or "", session.run_id or "")
    return (run.dir / HOST_FILE).exists()


def _is_anybody_marked(mission_file: str) -> bool:
    """Tell whether a process lives that an agent of this mission is, or started."""
    return any(
        os.path.realpath(os.fsdecode(each.partition(b"=")[2])) == mission_file
        for pid in list_pids()
        if find_variables(pid, f"{MARK}=".encode())
        for each in find_variables(pid, b"MISSION_FILE=")
    )
