"""Restoring a work tree from a checkpoint, also where an earlier restore was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.records import dataclass
from mosaic.sessions.attempt import find_checkpoint
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.restoring import find_restoring, settle_restore

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.sessions.restoring import Restoring
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoredTree:
    """A work tree that was set to a checkpoint, or back to what it was before."""

    task_id: str
    seq: int
    place: str
    tree: str
    found: FoundCheckpoint | None = None
    """The checkpoint; None where an earlier restore was finished or taken back."""
    is_aborted: bool = False
    kept: tuple[str, ...] = ()
    """Paths that are never restored."""
    extra: tuple[str, ...] = ()
    """Paths that were there before and are not in the checkpoint."""
    left: tuple[str, ...] = ()
    """Paths that were changed since the interruption, and are left as they are."""
    replaced: tuple[str, ...] = ()
    """Paths that had something else, which `saved_commit` has."""
    saved_commit: str | None = None


def restore(snapshot: Snapshot, task_id: str, seq: int, into: Path | None) -> RestoredTree:
    """Set a work tree to a checkpoint; where the same restore was interrupted, finish that."""
    note = _note(snapshot, into)
    if note is not None and (note.task_id, note.seq) == (snapshot.get(task_id).task.id, seq):
        return _settle(snapshot, note, back=False)
    found = find_checkpoint(snapshot, task_id, seq)
    done = restore_checkpoint(snapshot, found, into=into)
    return RestoredTree(
        task_id=found.checkpoint.task_id,
        seq=seq,
        place=str(done.place),
        tree=done.tree,
        found=found,
        kept=done.kept,
        extra=done.extra,
    )


def settle_interrupted(snapshot: Snapshot, into: Path | None, *, back: bool) -> RestoredTree:
    """Finish a restore that was interrupted, or take it back."""
    note = _note(snapshot, into)
    if note is None and back:
        raise UsageError("no restore was interrupted here", hint="`mission status` shows any")
    if note is None:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
        )
    return _settle(snapshot, note, back=back)


def _note(snapshot: Snapshot, into: Path | None) -> Restoring | None:
    return find_restoring(snapshot.layout, into.absolute() if into else None)


def _settle(snapshot: Snapshot, note: Restoring, *, back: bool) -> RestoredTree:
    done = settle_restore(snapshot.layout, note, back=back)
    return RestoredTree(
        task_id=note.task_id,
        seq=note.seq,
        place=note.place,
        tree=done.tree,
        is_aborted=back,
        left=done.left,
        replaced=done.replaced,
        saved_commit=done.saved,
    )
