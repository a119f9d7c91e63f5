"""Recording the ends of dead sessions where a command finds any; most find none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.sessions.liveness import find_locks
from mosaic.sessions.unrecorded import find_lost

if TYPE_CHECKING:
    from mosaic.sessions.record_end import Settled
    from mosaic.store.tasks import Snapshot


def recover_if_needed(snapshot: Snapshot) -> list[Settled]:
    """Record the end of every dead session, and settle what a killed writer left.

    Takes the mission lock only if there is something to do.
    """
    from mosaic.machine.lock import was_killed
    from mosaic.store.state import list_kept_ends
    from mosaic.store.trust import Standing

    layout = snapshot.layout
    if layout.state.standing in (Standing.DOUBTED, Standing.CLOSED):
        return []  # nothing could be recorded
    dead = any(found.is_dead for found in find_locks(layout)) or find_lost(snapshot)
    if not dead and not list_kept_ends(layout) and not was_killed(snapshot.layout.mission_lock):
        return []
    from mosaic.sessions.recovery import recover_in  # start-up: hardly any look needs it
    from mosaic.store.draft import changing

    doing = "recording the end of a dead session"
    with changing(snapshot.document.path, doing=doing, fenced=False) as draft:
        return recover_in(draft)
