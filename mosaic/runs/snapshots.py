"""Taking a checkpoint of a run: its work tree, the end of its logs, a line that says what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.git.checkpoint_store import HIDDEN_REFS, keep_tree
from mosaic.git.diff import compare_trees, describe_changes, empty_tree, patch_bytes, write_patch
from mosaic.git.git import answer_of, current_branch, find_work_tree
from mosaic.git.snapshot import take_tree
from mosaic.git.worktrees import branch_or_commit, commit_of
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import write_private
from mosaic.machine.lock import hold_folder
from mosaic.plan.sizes import format_size
from mosaic.records import dataclass, replace
from mosaic.runs.checkpoint import (
    FILES_LISTED,
    Checkpoint,
    CheckpointType,
    Trigger,
    last_seq,
    read_checkpoints,
    write_checkpoint,
)
from mosaic.runs.folders import runs_in
from mosaic.runs.record import tail_bytes
from mosaic.runs.report import GATE_STEP
from mosaic.settings import PrivateFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.git.snapshot import TakenTree
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.runs.record import Run, RunMeta
    from mosaic.settings import RunSettings

LARGEST_PATCH_BYTES = 8 << 20
"""A larger patch is left out of a checkpoint: its commit holds the same, each content once."""
STDOUT_TAIL_BYTES = 64 << 10
STDERR_TAIL_BYTES = 16 << 10
TURN_SECONDS = 60.0
"""How long to wait for another checkpoint of the same task."""
TRIGGER_WORDS = {
    Trigger.COMMAND: "taken by hand",
    Trigger.INTERVAL: "while it works",
    Trigger.STOP: "before it is stopped",
    Trigger.TIMEOUT: "when its time ran out",
    Trigger.END: "at its end",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What checkpoints of a run are made of."""

    run: Run
    meta: RunMeta
    state_dir: Path
    settings: RunSettings


def take_checkpoint(
    source: Source,
    trigger: Trigger,
    *,
    note: str = "",
    base: str | None = None,
    only_if_changed: bool = False,
) -> Checkpoint | None:
    """Take a checkpoint and write it into the run's record.

    A work tree that cannot be taken (no git, a full disk) leaves a checkpoint without a
    tree that says why. `base` is compared with; else that of the settings, or of the run.
    With `only_if_changed` none is taken where the tree is that of the task's last one.
    Raises HeldError where another process takes checkpoints of the task and does not end.
    """
    run = source.run
    with hold_folder(run.dir.parent, wait_seconds=TURN_SECONDS):
        runs = runs_in(run.dir.parent)
        earlier = read_checkpoints(runs).found
        last = earlier[-1] if earlier else None
        taken, problem = _take(source, last.checkpoint if last else None)
        if only_if_changed and (taken is None or (last and last.checkpoint.tree == taken.tree)):
            return None
        checkpoint = Checkpoint(
            seq=1 + max(map(last_seq, runs), default=0),
            types=(CheckpointType.SUMMARY.value,),
            created_at=utc_now(),
            trigger=trigger.value,
            summary=TRIGGER_WORDS[trigger],
            task_id=source.meta.task_id,
            run_id=run.id,
            note=note,
            problem=problem,
        )
        if taken is not None:
            checkpoint = _with_tree(source, checkpoint, taken, base, last)
        checkpoint = _with_logs(checkpoint, run, runs, source.settings.log_tail_lines)
        write_checkpoint(run, checkpoint)
        return checkpoint


def take_begin_tree(source: Source) -> TakenTree | None:
    """Return the work tree as it stands before an agent begins; None where it cannot be taken."""
    return _take(source, None)[0]


def keep_begin_tree(source: Source, taken: TakenTree) -> None:
    """Have git keep the tree that a run began with."""
    if top := find_work_tree(source.meta.cwd):
        keep_tree(top, taken, ref=f"{source.run.id}/0", message=f"Begin of run {source.run.id}")


def _take(source: Source, last: Checkpoint | None) -> tuple[TakenTree | None, str | None]:
    top = find_work_tree(source.meta.cwd)
    if top is None:
        return None, "there is no git repository"
    left_out = last.left_out if last else ()
    try:
        taken = take_tree(
            top,
            scratch=source.run.dir,
            without=state_prefix(source.state_dir, top),
            largest_bytes=source.settings.largest_file_bytes,
            known={each.path: each for each in left_out},
            keep_private=source.settings.private_files is PrivateFiles.KEEP,
        )
    except MissionError as error:
        return None, error.summary
    return taken, None


def state_prefix(state_dir: Path, top: Path) -> str | None:
    """Return the mission's own folder as git names it; None where it lies elsewhere."""
    # Not `resolve`, which raises where links lead in a circle.
    try:
        return Path(os.path.realpath(state_dir)).relative_to(os.path.realpath(top)).as_posix()
    except ValueError:
        return None


def _with_tree(
    source: Source,
    checkpoint: Checkpoint,
    taken: TakenTree,
    base: str | None,
    last: FoundCheckpoint | None,
) -> Checkpoint:
    run, seq, top = source.run, checkpoint.seq, find_work_tree(source.meta.cwd)
    assert top is not None
    ref = f"{run.id}/{seq}"
    base_ref = base or source.settings.checkpoint_base
    base_commit = _base_commit(top, base_ref, source.meta.base_commit)
    with_tree = replace(
        checkpoint,
        types=(*checkpoint.types, CheckpointType.GIT_DIFF.value),
        base_ref=base_ref,
        base_commit=base_commit,
        head=taken.head,
        branch=current_branch(top),
        tree=taken.tree,
        ref=f"{HIDDEN_REFS}/{ref}",
        left_out=taken.left_out,
    )
    try:
        message = f"Checkpoint {seq} of {source.meta.task_id}, run {run.id}\n\n{checkpoint.note}"
        with_tree = replace(with_tree, commit=keep_tree(top, taken, ref=ref, message=message))
        compared = _with_diff(with_tree, base_commit or empty_tree(top), top, run, last)
    except MissionError as error:
        return replace(checkpoint, problem=error.summary)
    return replace(compared, summary=f"{checkpoint.summary}: {compared.stat}")


def _with_diff(
    checkpoint: Checkpoint, base: str, top: Path, run: Run, last: FoundCheckpoint | None
) -> Checkpoint:
    """Compare base and tree, and write the patch unless it is large: the commit holds it all."""
    tree, patch = checkpoint.tree or "", f"{checkpoint.seq:04d}.patch"
    changes = compare_trees(top, base, tree)
    size = patch_bytes(top, base, tree, changes)
    checkpoint = replace(
        checkpoint,
        files=tuple(changes[:FILES_LISTED]),
        files_total=len(changes),
        stat=describe_changes(changes),
    )
    if size > LARGEST_PATCH_BYTES:
        command = f"git diff --binary {base} {checkpoint.commit}"
        words = f"it would take about {format_size(size)}: `{command}`"
        return replace(checkpoint, patch_left_out=words)
    if not _has_linked(last, checkpoint, run.checkpoints / patch):
        write_patch(top, base, tree, run.checkpoints / patch)
    return replace(checkpoint, patch=patch)


def _has_linked(last: FoundCheckpoint | None, checkpoint: Checkpoint, patch: Path) -> bool:
    """Link the patch of the last checkpoint where it compares the same two trees."""
    if last is None or last.patch is None:
        return False
    known = last.checkpoint
    if (known.tree, known.base_commit) != (checkpoint.tree, checkpoint.base_commit):
        return False
    try:
        os.link(last.patch, patch, follow_symlinks=False)
    except OSError:
        return False
    return True


def _base_commit(top: Path, base_ref: str | None, run_base: str | None) -> str | None:
    """Return what to compare with: where the work left the base, else the run's first commit."""
    commit = commit_of(top, branch_or_commit(top, base_ref)) if base_ref else None
    if commit is not None:
        return answer_of(["merge-base", "HEAD", commit], top) or commit
    if run_base and answer_of(["cat-file", "-e", f"{run_base}^{{commit}}"], top) is not None:
        return run_base
    return None


def _with_logs(
    checkpoint: Checkpoint, run: Run, runs: Sequence[Run], most_lines: int | None
) -> Checkpoint:
    metas = ((each, each.find_meta()) for each in reversed(runs))
    gates = (each for each, meta in metas if meta and meta.step_id.startswith(GATE_STEP))
    gate = next(gates, None)
    for kind, of, field, ending in (
        (CheckpointType.LOG_TAIL, run, "log_tail", "log"),
        (CheckpointType.GATE_OUTPUT, gate, "gate_output", "gate"),
    ):
        if of is not None and (tail := _log_tail(of, most_lines)):
            name = f"{checkpoint.seq:04d}.{ending}"
            write_private(run.checkpoints / name, tail, root=run.dir)
            changes: dict[str, Any] = {field: name, "types": (*checkpoint.types, kind.value)}
            checkpoint = replace(checkpoint, **changes)
    return checkpoint


def _log_tail(run: Run, most_lines: int | None) -> bytes:
    parts = []
    for path, limit in ((run.stdout_log, STDOUT_TAIL_BYTES), (run.stderr_log, STDERR_TAIL_BYTES)):
        tail = tail_bytes(path, limit)
        if most_lines is not None:
            lines = tail.splitlines(keepends=True)
            tail = b"".join(lines[max(0, len(lines) - most_lines) :])
        if tail:
            parts.append(b"== " + path.name.encode() + b"\n" + tail)
    return b"\n".join(parts)
