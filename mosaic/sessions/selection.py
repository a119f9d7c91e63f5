"""Asking the one selector about a mission as it stands, live sessions included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.ready import Selection, select_tasks
from mosaic.sessions.unrecorded import live_or_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.tasks import Snapshot


def select_from(
    snapshot: Snapshot, *, milestone: str | None = None, reserved: Mapping[str, str] | None = None
) -> Selection:
    """Ask the one selector about a mission as it stands.

    Args:
        snapshot: the mission.
        milestone: the one milestone to choose from.
        reserved: tasks that are taken though no lock says so yet, with by whom.
    """
    mission = snapshot.document.mission
    held = dict(reserved or {})
    held |= {found.lock.task_id: found.lock.session_id for found in live_or_unknown(snapshot)}
    return select_tasks(
        snapshot.tasks,
        mission.milestones,
        held=held,
        broken=snapshot.broken_ids,
        only_milestone=milestone,
    )
