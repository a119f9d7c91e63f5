"""Recording the ends of dead sessions where a command finds any; most find none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.sessions.liveness import find_locks
from mosaic.sessions.unrecorded import find_lost
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import SessionLock
    from mosaic.sessions.record_end import Settled
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


def read_recovered(mission_file: Path) -> tuple[Snapshot, list[Settled]]:
    """Return the mission with the end of every dead session recorded, and those ends.

    It is read a second time only where there was something to do.
    """
    snapshot = read_mission(mission_file)
    settled = recover_if_needed(snapshot)
    return (snapshot if settled is None else read_mission(mission_file)), settled or []


def recover_if_needed(snapshot: Snapshot) -> list[Settled] | None:
    """Record the end of every dead session, and settle what a killed writer left.

    Takes the mission lock only if there is something to do; None where there was nothing.
    """
    from mosaic.machine.lock import was_killed
    from mosaic.store.state import Standing, list_kept_ends

    layout = snapshot.layout
    is_unusable = layout.state.standing in (Standing.DOUBTED, Standing.CLOSED)
    if is_unusable or snapshot.document.conflict is not None:
        return None  # nothing could be recorded
    locks = find_locks(layout)
    for found in locks:
        if found.judgement.host:
            _keep_in_touch(found.lock, layout)
    dead = any(found.is_dead for found in locks) or find_lost(snapshot)
    if not (dead or list_kept_ends(layout) or was_killed(layout.mission_lock)):
        return None
    from mosaic.sessions.recovery import recover_in  # start-up: hardly any look needs it
    from mosaic.store.draft import changing

    doing = "recording the end of a dead session"
    with changing(snapshot.document.path, doing=doing, fenced=False) as draft:
        return recover_in(draft)


def _keep_in_touch(lock: SessionLock, layout: Layout) -> None:
    from mosaic.executors import keep_in_touch  # start-up: few sessions are elsewhere
    from mosaic.runs.folders import run_of

    keep_in_touch(run_of(layout.runs_dir, lock.task_id, lock.run_id))
