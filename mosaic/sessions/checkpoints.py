"""Checkpoints by hand: taken now, listed, and rebuilt in a work tree."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from mosaic.errors import FailedError, HeldError, UsageError
from mosaic.git.diff import compare_trees
from mosaic.git.git import find_work_tree, has_object, run_git
from mosaic.git.restore import apply_patch, foreign_paths, rebuild_tree
from mosaic.git.snapshot import is_within, take_tree
from mosaic.machine.lock import hold_folder
from mosaic.records import replace
from mosaic.runs.checkpoint import FoundCheckpoint, Trigger, checkpoint_event, read_checkpoints
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import is_session_run, run_of, runs_in, runs_of_task, task_folders
from mosaic.runs.snapshots import Source, state_prefix, take_checkpoint
from mosaic.sessions.changes import tree_pair
from mosaic.sessions.restoring import RestoredTree, noted, refuse_half_restored
from mosaic.sessions.step import noted_step
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.project_paths import project_paths
from mosaic.workspaces.provision import own_prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.runs.checkpoint import Checkpoint, CheckpointRead
    from mosaic.runs.record import Run
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

MOST_NAMED = 10
"""Files of others that an error names."""


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
    snapshot: Snapshot,
    found: FoundCheckpoint,
    *,
    into: Path | None,
    whole: bool = False,
    force: bool = False,
) -> RestoredTree:
    """Rebuild a checkpoint's tree, and prove that it stands there.

    In the mission's work tree only the files that the task's own runs changed are set back, or
    with `whole` all but the mission's own, which stay as they are. What others changed since is
    refused unless `force` is set. `into` is a clean work tree, or a folder that is not there yet
    and becomes a worktree of the repository: it gets the whole tree.
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
        own: tuple[str, ...] = ()
        task_paths: set[str] | None = None
        if home is not None and place.resolve() == home.resolve():
            own = tuple(own_prefixes(layout, place))
            _refuse_live(snapshot)
            task_paths = _paths_to_set_back(layout, place, found, whole=whole, force=force)

        def stays(path: str) -> bool:
            is_own = any(is_within(path, each) for each in own)
            return is_own or (task_paths is not None and path not in task_paths)

        with hold_folder(place):
            refuse_half_restored(layout, place)
            rebuilt = rebuild_tree(
                place,
                tree,
                scratch=layout.state_dir,
                without=state_prefix(layout.state_dir, place),
                keep=stays,
                noting=lambda *trees: noted(layout, found, place, own, trees),
            )
    except BaseException:
        if made and home is not None:
            run_git(["worktree", "remove", "--force", str(place)], home, check=False)
            shutil.rmtree(place, ignore_errors=True)
        raise
    named = project_paths(layout).named
    return RestoredTree(
        task_id=checkpoint.task_id,
        seq=checkpoint.seq,
        place=str(place),
        tree=rebuilt.tree,
        found=found,
        kept=tuple(map(named, rebuilt.kept)),
        extra=tuple(map(named, rebuilt.extra)),
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


class _TaskChange(NamedTuple):
    """What the runs of a task changed, as far as their trees are known."""

    paths: set[str]
    trees: tuple[str, ...]
    """All trees that were taken of its work."""


def _paths_to_set_back(
    layout: Layout, top: Path, found: FoundCheckpoint, *, whole: bool, force: bool
) -> set[str] | None:
    """Return the files that a restore sets back, None for all; refuse what others changed since."""
    checkpoint = found.checkpoint
    change = _change_of_task(layout, top, found)
    if change is None and not whole:
        raise FailedError(
            f"what `{checkpoint.task_id}` changed up to checkpoint {checkpoint.seq} is not known",
            hint="`--whole` sets all files back; `--into DIR` rebuilds elsewhere",
        )
    paths = change.paths if change and not whole else None
    if not force:
        trees = change.trees if change else (checkpoint.tree or "",)
        _refuse_others_work(layout, top, found, trees, paths)
    return paths


def _change_of_task(layout: Layout, top: Path, found: FoundCheckpoint) -> _TaskChange | None:
    """Return what a task's runs changed; None where it is not known what this one began with."""
    tree = found.checkpoint.tree or ""
    runs = runs_of_task(layout.runs_dir, found.checkpoint.task_id)
    state, base = found.run.find_state(), found.checkpoint.base_commit
    begins = (state.begin_tree if state else None, base)
    begin = next((each for each in begins if each and has_object(top, each)), None)
    if begin is None:
        return None
    pairs = [pair for run in runs if is_session_run(run) and (pair := tree_pair(run, top))]
    paths = _differing(top, begin, tree)
    for pair in pairs:
        paths |= _differing(top, pair.before, pair.after) - pair.others
    taken = (each.checkpoint.tree for each in read_checkpoints(runs).found)
    trees = (begin, base, *(pair.before for pair in pairs), *taken, tree)
    known = (name for name in trees if name and has_object(top, name))
    return _TaskChange(paths, tuple(dict.fromkeys(known)))


def _refuse_others_work(
    layout: Layout, top: Path, found: FoundCheckpoint, trees: Sequence[str], paths: set[str] | None
) -> None:
    """Make sure that a restore takes back only what the task's own runs had put there."""
    checkpoint, without = found.checkpoint, state_prefix(layout.state_dir, top)
    now = take_tree(top, scratch=layout.state_dir, without=without).tree
    touched = _differing(top, now, checkpoint.tree or "")
    touched = touched if paths is None else touched & paths
    ours = (*own_prefixes(layout, top), without)
    touched = {path for path in touched if not any(is_within(path, each) for each in ours)}
    foreign = foreign_paths(top, now, trees, touched)
    if not foreign:
        return
    who = _who_changed(layout, top, foreign, found)
    named = project_paths(layout).named
    lines = [
        f"`{named(path)}`, changed since by {who.get(path, 'a person or git')}" for path in foreign
    ]
    more = len(lines) - MOST_NAMED
    raise FailedError(
        f"checkpoint {checkpoint.seq} of `{checkpoint.task_id}` would take back the work of others",
        detail="\n".join((*lines[:MOST_NAMED], *([f"and {more} more"] if more > 0 else []))),
        hint="`--into DIR` rebuilds elsewhere; `--force` takes that back as well",
    )


def _who_changed(
    layout: Layout, top: Path, paths: Sequence[str], found: FoundCheckpoint
) -> dict[str, str]:
    """Return which other task's runs changed some paths since a checkpoint was taken."""
    who: dict[str, str] = {}
    for run in (run for folder in task_folders(layout.runs_dir) for run in runs_in(folder)):
        meta, state = run.find_meta(), run.find_state()
        ended = state.finished_at if state else None
        is_later = ended is None or ended > found.checkpoint.created_at
        if meta is None or meta.task_id == found.checkpoint.task_id or not is_later:
            continue
        if is_session_run(run) and (pair := tree_pair(run, top)):
            changed = _differing(top, pair.before, pair.after) - pair.others
            who |= dict.fromkeys(changed.intersection(paths), f"`{meta.task_id}`")
    return who


def _differing(top: Path, one: str, other: str) -> set[str]:
    return {change.path for change in compare_trees(top, one, other, find_renames=False)}


def _refuse_live(snapshot: Snapshot) -> None:
    for found in live_or_unknown(snapshot):
        if found.path == snapshot.layout.session_lock:
            name = found.lock.session_id
            raise HeldError(
                f"session `{name}` works in this work tree",
                detail=found.judgement.because,
                hint=f"`mission stop {name}` ends it; `--into DIR` rebuilds elsewhere",
            )
