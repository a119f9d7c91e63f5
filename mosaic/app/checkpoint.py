"""Restoring a work tree from a checkpoint, also where an earlier restore was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.sessions.attempt import find_checkpoint
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.restoring import find_restoring, settle_restore

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.sessions.restoring import RestoredTree, Restoring
    from mosaic.store.tasks import Snapshot


def restore(snapshot: Snapshot, task_id: str, seq: int, into: Path | None) -> RestoredTree:
    """Set a work tree to a checkpoint; where the same restore was interrupted, finish that."""
    note = _note(snapshot, into)
    if note is not None and (note.task_id, note.seq) == (snapshot.get(task_id).task.id, seq):
        return settle_restore(snapshot.layout, note, back=False)
    found = find_checkpoint(snapshot, task_id, seq)
    return restore_checkpoint(snapshot, found, into=into)


def settle_interrupted(snapshot: Snapshot, into: Path | None, *, back: bool) -> RestoredTree:
    """Finish a restore that was interrupted, or take it back."""
    note = _note(snapshot, into)
    if note is None and back:
        raise UsageError("no restore was interrupted here", hint="`mission status` shows any")
    if note is None:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
        )
    return settle_restore(snapshot.layout, note, back=back)


def _note(snapshot: Snapshot, into: Path | None) -> Restoring | None:
    return find_restoring(snapshot.layout, into.absolute() if into else None)
