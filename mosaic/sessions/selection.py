"""Asking the one selector about a mission as it stands, live sessions included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.ready import Selection, select_tasks
from mosaic.sessions.unrecorded import live_or_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.sessions.session_lock import FoundLock
    from mosaic.store.tasks import Snapshot


def select_from(
    snapshot: Snapshot,
    *,
    milestone: str | None = None,
    reserved: Mapping[str, str] | None = None,
    live: Sequence[FoundLock] | None = None,
) -> Selection:
    """Ask the one selector about a mission as it stands.

    Args:
        snapshot: the mission.
        milestone: the one milestone to choose from.
        reserved: tasks that are taken though no lock says so yet, with by whom.
        live: the sessions that live, where the caller has looked already.
    """
    mission = snapshot.document.mission
    held = dict(reserved or {})
    found = live_or_unknown(snapshot) if live is None else live
    held |= {each.lock.task_id: each.lock.session_id for each in found}
    return select_tasks(
        snapshot.tasks,
        mission.milestones,
        held=held,
        broken=snapshot.broken_ids,
        only_milestone=milestone,
    )
