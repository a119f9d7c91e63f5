"""A restore that was interrupted: noted before its first write, then finished or taken back.

    .state/restore.json             of the mission's own work tree
    .state/restore-<digest>.json    of another one
      {"layout_version": 1, "task_id": "T-001", "seq": 3, "run_id": "r001-…", "place": "…",
       "from_tree": "…", "to_tree": "…", "kept": ["coordination/tasks"], "pid": 4711}

`kept` are the mission's own files that the restore leaves alone. Both trees are kept alive
by hidden refs while the note stands. In a project that was copied or moved the first note is
of the work tree that it stands in now, and one of another work tree is not its own. A
restore holds the lock of the work tree's folder: a note beside a free lock is that of a
restore that was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import GitError, MissionError, RestoreUnfinishedError
from mosaic.git.checkpoint_store import forget_trees, keep_tree
from mosaic.git.diff import compare_trees
from mosaic.git.git import find_work_tree, head_commit
from mosaic.git.restore import carry_on, foreign_paths
from mosaic.git.snapshot import TakenTree, is_within, take_tree
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.process import find_marked, send_signal
from mosaic.machine.removing import remove_file
from mosaic.machine.staging import scratch_of
from mosaic.records import dataclass, replace
from mosaic.runs.snapshots import state_prefix
from mosaic.store.project_paths import project_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.model import Text
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.store.layout import Layout

PREFIX = "restore"
GIT_END_SECONDS = 10.0
"""How long a git that a killed restore left may take to die."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restoring:
    """What is noted of a restore that has begun."""

    json_form = JsonForm(version=1)
    task_id: str
    seq: int
    run_id: str
    place: Text
    """The top of the work tree."""
    from_tree: str
    to_tree: str
    kept: tuple[Text, ...] = ()
    pid: int = 0
    """The process that restores; the copy of git's index is named by it."""

    @property
    def is_live(self) -> bool:
        """Whether a process restores at this moment."""
        return is_folder_held(self.place)

    def error(self) -> RestoreUnfinishedError:
        """Return the error for a command that needs this work tree."""
        return RestoreUnfinishedError(self.task_id, self.seq, self.place, is_live=self.is_live)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoredTree:
    """A work tree that was set to a checkpoint, or back to what it was before."""

    json_form = JsonForm(leaves_out=("found",))
    task_id: str
    seq: int
    place: str
    tree: str
    """The tree that stands there, taken again afterwards and compared."""
    found: FoundCheckpoint | None = None
    """The checkpoint; None where an earlier restore was finished or taken back."""
    is_aborted: bool = False
    kept: tuple[str, ...] = ()
    """The mission's own files, which were left as they are."""
    extra: tuple[str, ...] = ()
    """Files there that git ignored before and does not now."""
    left: tuple[str, ...] = ()
    """Paths that were changed since the interruption, and are left as they are."""
    replaced: tuple[str, ...] = ()
    """Paths that had something else, which `saved_commit` has."""
    saved_commit: str | None = None


def find_restoring(layout: Layout, place: Path | None = None) -> Restoring | None:
    """Return the note of a restore in a work tree, the mission's own unless another is named."""
    return _read(layout, _note_of(layout, place))


def list_restoring(layout: Layout) -> list[Restoring]:
    """Return the notes of all restores that have begun, where their work tree is still there."""
    notes = (_read(layout, path) for path in sorted(layout.state_dir.glob(f"{PREFIX}*.json")))
    return [note for note in notes if note is not None and os.path.isdir(note.place)]


def refuse_half_restored(layout: Layout, place: Path | None = None) -> None:
    """Make sure that a work tree, by default the mission's own, is not restored half-way."""
    note = find_restoring(layout, place)
    if note is not None and os.path.isdir(note.place):
        raise note.error()


@contextlib.contextmanager
def noted(
    layout: Layout,
    found: FoundCheckpoint,
    place: Path,
    kept: tuple[str, ...],
    trees: tuple[str, str],
) -> Iterator[None]:
    """Note a restore for the length of a `with` block, which brings the place from tree to tree.

    The note outlives the block where the place holds neither of the two afterwards.
    """
    note = Restoring(
        task_id=found.checkpoint.task_id,
        seq=found.checkpoint.seq,
        run_id=found.run.id,
        place=str(place),
        from_tree=trees[0],
        to_tree=trees[1],
        kept=kept,
        pid=os.getpid(),
    )
    for name, tree in (("from", note.from_tree), ("to", note.to_tree)):
        words = f"Restore of checkpoint {note.seq} of {note.task_id}: {name}"
        _keep(note, tree, f"{_note_of(layout, place).stem}/{name}", words)
    _write(layout, note)
    try:
        yield
    except BaseException:
        with contextlib.suppress(MissionError):
            if _tree_now(layout, place) in trees:
                _forget(layout, note)
        raise
    _forget(layout, note)


def settle_restore(layout: Layout, note: Restoring, *, back: bool) -> RestoredTree:
    """Finish a restore that was killed, or take it back; what neither tree holds is saved."""
    top, trees = Path(note.place), (note.from_tree, note.to_tree)
    if note.is_live:
        raise note.error()
    with hold_folder(top):
        _end_left_git(layout, note)
        for path in scratch_of(layout.state_dir, note.pid):
            remove_file(layout.state_dir, path)
        note = replace(note, pid=os.getpid())
        _write(layout, note)
        touched = {change.path for change in compare_trees(top, *trees, find_renames=False)}
        now = _tree_now(layout, top)
        foreign = foreign_paths(top, now, trees, touched)
        saved = None
        if foreign:  # with the run's own checkpoints
            ref = f"{note.run_id}/interrupted-{now[:12]}"
            what = f"checkpoint {note.seq} of {note.task_id}"
            saved = _keep(note, now, ref, f"What stood where {what} was restored half-way")
        without = state_prefix(layout.state_dir, top)
        goal = note.from_tree if back else note.to_tree
        rebuilt = carry_on(top, goal, touched, scratch=layout.state_dir, without=without)
        _forget(layout, note)
    left = [path for path in rebuilt.kept if not any(is_within(path, own) for own in note.kept)]
    named = project_paths(layout).named
    return RestoredTree(
        task_id=note.task_id,
        seq=note.seq,
        place=note.place,
        tree=rebuilt.tree,
        is_aborted=back,
        left=tuple(map(named, left)),
        replaced=tuple(foreign),
        saved_commit=saved,
    )


def _note_of(layout: Layout, place: Path | None) -> Path:
    real = os.path.realpath(place) if place is not None else None
    if real is None or real == os.path.realpath(_home(layout)):
        return layout.state_dir / f"{PREFIX}.json"
    digest = sha256(os.fsencode(real)).hexdigest()[:12]
    return layout.state_dir / f"{PREFIX}-{digest}.json"


def _home(layout: Layout) -> Path:
    return find_work_tree(layout.project) or layout.project


def _read(layout: Layout, path: Path) -> Restoring | None:
    data = find_bytes(path)
    if data is None:
        return None
    what, hint = "the note of a restore", "look at `git status`, then remove the note"
    note = load_record(Restoring, data, path, what=what, hint=hint)
    if path == _note_of(layout, None):
        return replace(note, place=str(_home(layout)))
    return note if path == _note_of(layout, Path(note.place)) else None


def _write(layout: Layout, note: Restoring) -> None:
    path = _note_of(layout, Path(note.place))
    write_private(path, dump_json(dump_record(note)), root=layout.state_dir)


def _forget(layout: Layout, note: Restoring) -> None:
    path = _note_of(layout, Path(note.place))
    remove_file(layout.state_dir, path)
    with contextlib.suppress(GitError):
        forget_trees(Path(note.place), path.stem)


def _keep(note: Restoring, tree: str, ref: str, words: str) -> str:
    top = Path(note.place)
    return keep_tree(top, TakenTree(tree=tree, head=head_commit(top)), ref=ref, message=words)


def _tree_now(layout: Layout, top: Path) -> str:
    without = state_prefix(layout.state_dir, top)
    return take_tree(top, scratch=layout.state_dir, without=without).tree


def _end_left_git(layout: Layout, note: Restoring) -> None:
    """End a git that the killed process had started: it would go on writing under our hands."""
    index = layout.state_dir.absolute() / f"rebuilt.{note.pid}"
    until = time.monotonic() + GIT_END_SECONDS
    while left := find_marked("GIT_INDEX_FILE", str(index)):
        for process in left:
            send_signal(process, signal.SIGKILL)
        if time.monotonic() > until:
            raise note.error()
        time.sleep(0.05)
