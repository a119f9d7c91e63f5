"""Restoring a work tree from a checkpoint, also where an earlier restore was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.records import dataclass
from mosaic.sessions.checkpoints import find_checkpoint, restore_checkpoint
from mosaic.sessions.restoring import find_restoring, settle_restore

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.sessions.restoring import Restoring
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoredCheckpoint:
    """A work tree that holds a checkpoint."""

    found: FoundCheckpoint
    place: Path
    tree: str
    kept: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SettledRestore:
    """A restore that was interrupted, and is finished or taken back."""

    task_id: str
    seq: int
    place: str
    tree: str
    left: tuple[str, ...]
    """Paths that were changed since and are left as they are."""
    replaced: tuple[str, ...]
    saved_commit: str | None
    """Holds what was replaced."""


def restore(
    snapshot: Snapshot, task_id: str, seq: int, into: Path | None
) -> RestoredCheckpoint | SettledRestore:
    """Set a work tree to a checkpoint; where the same restore was interrupted, finish that."""
    note = find_restoring(snapshot.layout, into.absolute() if into else None)
    if note is not None and (note.task_id, note.seq) == (snapshot.get(task_id).task.id, seq):
        return _settle(snapshot, note, back=False)
    found = find_checkpoint(snapshot, task_id, seq)
    done = restore_checkpoint(snapshot, found, into=into)
    return RestoredCheckpoint(
        found=found, place=done.place, tree=done.tree, kept=done.kept, extra=done.extra
    )


def settle_interrupted(snapshot: Snapshot, into: Path | None, *, back: bool) -> SettledRestore:
    """Finish a restore that was interrupted, or take it back.

    Raises:
        UsageError: none was.
    """
    note = find_restoring(snapshot.layout, into.absolute() if into else None)
    if note is None and back:
        raise UsageError("no restore was interrupted here", hint="`mission status` shows any")
    if note is None:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
        )
    return _settle(snapshot, note, back=back)


def _settle(snapshot: Snapshot, note: Restoring, *, back: bool) -> SettledRestore:
    done = settle_restore(snapshot.layout, note, back=back)
    return SettledRestore(
        task_id=note.task_id,
        seq=note.seq,
        place=note.place,
        tree=done.tree,
        left=done.left,
        replaced=done.replaced,
        saved_commit=done.saved,
    )
