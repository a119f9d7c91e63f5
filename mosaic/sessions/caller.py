"""Whether a command was called by an agent, or by a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.identity import find_entry
from mosaic.sessions.session_lock import find_locks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.store.layout import Layout


def is_agent_calling(layout: Layout) -> bool:
    """Tell whether this process was started by an agent, also by one that hides its marks.

    An agent's processes descend from its supervisor, which adopts those that it leaves behind.
    """
    if os.environ.get("MISSION_SESSION"):
        return True
    try:
        locks = [found.lock for found in find_locks(layout) if not found.is_dead]
    except MissionError:
        return False  # told where it matters: a lock that cannot be read
    carriers = {pid for lock in locks for pid in (lock.process.pid, lock.supervisor_pid)}
    return bool(carriers) and any(pid in carriers for pid in _ancestors())


def _ancestors() -> Iterator[int]:
    """Return the processes above this one, nearest first."""
    seen: set[int] = set()
    pid = os.getppid()
    while pid > 1 and pid not in seen:
        yield pid
        seen.add(pid)
        entry = find_entry(pid)
        pid = entry.parent if entry else 0
