"""Who works now, asked quickly: most often nobody does, and little has to be loaded to see it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.identity import find_variables, list_pids

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def _is_anybody_marked(mission_file: str) -> bool:
    """Tell whether a process lives that an agent of this mission is, or started."""
    return any(
        os.path.realpath(os.fsdecode(each.partition(b"=")[2])) == mission_file
        for pid in list_pids()
        if find_variables(pid, f"{MARK}=".encode())
        for each in find_variables(pid, b"MISSION_FILE=")
    )
