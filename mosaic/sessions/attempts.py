"""How often a task was tried since a person last sent it on its way.

`.state/attempts.json` maps a task to the last session that counts no more. Sessions are
counted from mission.json, so nothing is counted twice, whoever is killed.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Session
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


def sessions_since(snapshot: Snapshot, task_id: str) -> list[Session]:
    """Return a task's ended sessions since a person last reopened or sent it back."""
    listed = snapshot.document.mission.sessions.of_task(task_id)
    ended = [session for session in listed if session.ended_at is not None]
    last = _read(_place(snapshot.layout)).get(task_id)
    for number, session in enumerate(ended):
        if session.id == last:
            return ended[number + 1 :]
    return ended


def forgive_attempts(snapshot: Snapshot, task_id: str) -> None:
    """Count a task's attempts from now on: a person has looked at it.

    Called with the mission lock held.
    """
    sessions = snapshot.document.mission.sessions.of_task(task_id)
    if not sessions:
        return
    place = _place(snapshot.layout)
    known = {**_read(place), task_id: sessions[-1].id}
    with contextlib.suppress(MissionError):  # at worst a task is given up on too early
        write_private(place, json.dumps(known).encode(), root=snapshot.layout.state_dir)


def _place(layout: Layout) -> Path:
    return layout.state_dir / "attempts.json"


def _read(place: Path) -> dict[str, str]:
    try:
        values = parse_json(find_bytes(place) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
