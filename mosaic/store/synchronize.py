"""`mission sync`: carry to the other side what only one side has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.machine.clock import utc_now
from mosaic.records import dataclass
from mosaic.store.draft import changing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.store.sync import Carry, Side
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """One value that was carried."""

    task_id: str
    carry: Carry


@dataclass(frozen=True, kw_only=True, slots=True)
class Synchronized:
    """What a sync did, and the mission as it stands after it."""

    carried: tuple[Carried, ...]
    snapshot: Snapshot


def synchronize(mission_file: Path, task_ids: Sequence[str], prefer: Side | None) -> Synchronized:
    """Bring table and files in step."""
    with changing(mission_file, doing="bringing table and files in step", prefer=prefer) as draft:
        chosen = [draft.snapshot.get(name).task.id for name in task_ids]
        broken = draft.snapshot.broken_ids
        carried: list[Carried] = []
        for task_id, entry in draft.snapshot.entries().items():
            if task_id in broken or (chosen and task_id not in chosen) or not entry.carries:
                continue
            draft.edit_task(task_id, {}, utc_now())
            carried += [Carried(task_id=task_id, carry=carry) for carry in entry.carries]
        draft.agree_everywhere()
        draft.save()
        return Synchronized(carried=tuple(carried), snapshot=draft.snapshot)
