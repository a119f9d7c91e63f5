"""Checkpoints by hand: taken now, listed, and rebuilt in a work tree."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, HeldError, UsageError
from mosaic.git.git import find_work_tree, has_object, run_git
from mosaic.git.restore import apply_patch, find_changes, rebuild_tree
from mosaic.git.snapshot import is_within, take_tree
from mosaic.machine.lock import hold_folder
from mosaic.records import replace
from mosaic.runs.checkpoint import FoundCheckpoint, Trigger, checkpoint_event, read_checkpoints
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import run_of, runs_of_task
from mosaic.runs.snapshots import Source, state_prefix, take_checkpoint
from mosaic.sessions.restoring import RestoredTree, noted, refuse_half_restored
from mosaic.sessions.step import noted_step
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.workspaces.provision import own_prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.runs.checkpoint import Checkpoint, CheckpointRead
    from mosaic.runs.record import Run
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


def checkpoint_task(
    snapshot: Snapshot, task_id: str | None, *, note: str, base: str | None
) -> FoundCheckpoint:
    """Take a checkpoint now: into the live run of the task, else into a record of its own.

    Without a task it is of that of the live or the last session; `base` is a branch or commit to
    compare with.
    """
    live = live_or_unknown(snapshot)
    task = snapshot.get(task_id or _task_at_work(snapshot, live)).task
    layout = snapshot.layout
    metas = (run.find_meta() for run in reversed(runs_of_task(layout.runs_dir, task.id)))
    last = next((meta for meta in metas if meta is not None and meta.session_id is not None), None)

    def take(into: Run) -> Checkpoint:
        meta = into.meta()
        source = Source(
            run=into,
            # What an agent began from says more than where the work tree is now.
            meta=replace(meta, base_commit=(last and last.base_commit) or meta.base_commit),
            state_dir=layout.state_dir,
            settings=snapshot.document.mission.runs,
        )
        checkpoint = take_checkpoint(source, Trigger.COMMAND, note=note, base=base)
        assert checkpoint is not None
        message, level, data = checkpoint_event(checkpoint)
        EventLog(into).append(EventType.CHECKPOINT_CAPTURED, message, level=level, data=data)
        return checkpoint

    run_id = next((each.lock.run_id for each in live if each.lock.task_id == task.id), None)
    if run_id is not None:
        run = run_of(layout.runs_dir, task.id, run_id)
        return FoundCheckpoint(run, take(run))
    with noted_step(snapshot, task.id, name="checkpoint", kind="git") as run:
        return FoundCheckpoint(run, take(run))


def checkpoints_of(snapshot: Snapshot, task_id: str) -> CheckpointRead:
    """Return a task's checkpoints in their order."""
    task = snapshot.get(task_id).task
    return read_checkpoints(runs_of_task(snapshot.layout.runs_dir, task.id))


def restore_checkpoint(
    snapshot: Snapshot, found: FoundCheckpoint, *, into: Path | None, keep_own: bool = False
) -> RestoredTree:
    """Rebuild a checkpoint's tree, and prove that it is that very tree.

    It is rebuilt in the mission's work tree or `into` a clean one, or a folder that is not there
    yet and becomes a worktree of the repository. With `keep_own` the mission's own files are left
    as they are, even where they are committed.
    """
    layout, checkpoint = snapshot.layout, found.checkpoint
    if checkpoint.tree is None:
        raise FailedError(f"checkpoint {checkpoint.seq} holds no tree", detail=checkpoint.problem)
    home = find_work_tree(layout.project)
    place = into.absolute() if into is not None else home
    if place is None:
        raise FailedError("there is no git repository", path=layout.project)
    made = into is not None and _make_worktree(home, place, checkpoint)
    try:
        tree = _tree_in(place, found, layout)
        kept: tuple[str, ...] = ()
        if home is not None and place.resolve() == home.resolve():
            kept = _kept_files(layout, place, always=keep_own)
            _refuse_live(snapshot)
        with hold_folder(place):
            refuse_half_restored(layout, place)
            rebuilt = rebuild_tree(
                place,
                tree,
                scratch=layout.state_dir,
                without=state_prefix(layout.state_dir, place),
                keep=lambda path: any(is_within(path, each) for each in kept),
                noting=lambda *trees: noted(layout, found, place, kept, trees),
            )
    except BaseException:
        if made and home is not None:
            run_git(["worktree", "remove", "--force", str(place)], home, check=False)
            shutil.rmtree(place, ignore_errors=True)
        raise
    return RestoredTree(
        task_id=checkpoint.task_id,
        seq=checkpoint.seq,
        place=str(place),
        tree=rebuilt.tree,
        found=found,
        kept=rebuilt.kept,
        extra=rebuilt.extra,
    )


def _task_at_work(snapshot: Snapshot, live: Sequence[FoundLock]) -> str:
    if len(live) == 1:
        return live[0].lock.task_id
    last = [s.last_task_id for s in snapshot.document.mission.sessions if s.last_task_id]
    if live or not last:
        raise UsageError("no task is named", hint="`mission checkpoint T-001`")
    return last[-1]


def _make_worktree(home: Path | None, place: Path, checkpoint: Checkpoint) -> bool:
    """Make a worktree for a checkpoint, unless a work tree is there; tell whether it was made."""
    if place.is_dir() and any(place.iterdir()):
        if find_work_tree(place) != place.resolve():
            raise UsageError(
                f"`{place}` is neither a work tree nor empty",
                hint="name a folder that is not there yet, or the top of a clean work tree",
            )
        return False
    if home is None:
        raise FailedError("there is no git repository to make a worktree of")
    commits = filter(None, (checkpoint.head, checkpoint.base_commit, checkpoint.commit))
    at = next((name for name in commits if has_object(home, f"{name}^{{commit}}")), None)
    if at is None:
        raise FailedError(
            f"the commit that checkpoint {checkpoint.seq} stands on is not in this repository",
            detail=f"commit {checkpoint.head or checkpoint.base_commit}",
            hint="fetch it first",
        )
    command = ["worktree", "add", "--quiet", "--detach", str(place), at]
    run_git(command, home, timeout_seconds=300)
    return True


def _tree_in(place: Path, found: FoundCheckpoint, layout: Layout) -> str:
    """Return the checkpoint's tree where its objects are there, else made from its patch."""
    checkpoint = found.checkpoint
    assert checkpoint.tree is not None
    if has_object(place, f"{checkpoint.commit}^{{commit}}"):
        return checkpoint.tree
    patch = found.patch
    if patch is None or not patch.is_file():
        raise FailedError(
            f"checkpoint {checkpoint.seq} has no patch, and its commit is not in this repository",
            path=found.run.dir,
            detail=checkpoint.patch_left_out,
        )
    if checkpoint.base_commit and not has_object(place, f"{checkpoint.base_commit}^{{commit}}"):
        raise FailedError(
            f"the commit that checkpoint {checkpoint.seq} builds on is not in this repository",
            detail=f"commit {checkpoint.base_commit}",
            hint="fetch it first",
        )
    tree = apply_patch(place, checkpoint.base_commit, patch, scratch=layout.state_dir)
    if tree != checkpoint.tree:
        raise FailedError(
            f"the patch of checkpoint {checkpoint.seq} makes another tree",
            path=patch,
            detail=f"expected {checkpoint.tree}, made {tree}",
        )
    return tree


def _kept_files(layout: Layout, top: Path, *, always: bool) -> tuple[str, ...]:
    """Return the paths a restore leaves alone: the mission's own, where they have changes.

    A checkpoint of an earlier hour holds an earlier table and an earlier list of sessions.
    What is committed can be taken back; what is not would be lost.
    """
    own = tuple(own_prefixes(layout, top))
    if always:
        return own
    without = state_prefix(layout.state_dir, top)
    taken = take_tree(top, scratch=layout.state_dir, without=without)
    changes = find_changes(top, taken, without)
    changed = any(is_within(path, each) for path in changes for each in own)
    return own if changed else ()


def _refuse_live(snapshot: Snapshot) -> None:
    for found in live_or_unknown(snapshot):
        if found.path == snapshot.layout.session_lock:
            name = found.lock.session_id
            raise HeldError(
                f"session `{name}` works in this work tree",
                detail=found.judgement.because,
                hint=f"`mission stop {name}` ends it; `--into DIR` rebuilds elsewhere",
            )
