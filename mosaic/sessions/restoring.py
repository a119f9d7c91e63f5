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
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import GitError, MissionError, RestoreUnfinishedError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.removing import remove_file
from mosaic.records import dataclass, replace

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
class Settled:
    """A work tree that holds one of the two trees again."""

    note: Restoring
    tree: str
    left: tuple[str, ...] = ()
    """Paths that were changed since and are left as they are."""
    replaced: tuple[str, ...] = ()
    """Paths that held something else again, which was replaced."""
    saved: str | None = None
    """The commit that holds what was replaced."""


def find_restoring(layout: Layout, place: Path | None = None) -> Restoring | None:
    """Return the note of a restore in a work tree, the mission's own unless another is named."""
    return _read(layout, _note_of(layout, place))


def list_restoring(layout: Layout) -> list[Restoring]:
    """Return the notes of all restores that have begun, where their work tree is still there."""
    try:
        names = sorted(os.listdir(layout.state_dir))
    except OSError:
        return []
    wanted = [name for name in names if name.startswith(PREFIX) and name.endswith(".json")]
    notes = (_read(layout, layout.state_dir / name) for name in wanted)
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
    path = _note_of(layout, place)
    _keep_trees(note, path)
    _write(layout, note)
    try:
        yield
    except BaseException:
        with contextlib.suppress(MissionError):
            if _tree_now(layout, note) in trees:
                _forget(layout, note, path)
        raise
    _forget(layout, note, path)


def settle_restore(layout: Layout, note: Restoring, *, back: bool) -> Settled:
    """Finish a restore that was killed, or take it back; what neither tree holds is saved."""
    from mosaic.git.diff import compare_trees
    from mosaic.git.restore import carry_on, foreign_paths
    from mosaic.machine.staging import scratch_of

    top = Path(note.place)
    if note.is_live:
        raise note.error()
    with hold_folder(top):
        _end_left_git(layout, note)
        for path in scratch_of(layout.state_dir, note.pid):
            remove_file(layout.state_dir, path)
        note = replace(note, pid=os.getpid())
        _write(layout, note)
        changes = compare_trees(top, note.from_tree, note.to_tree, find_renames=False)
        touched = {change.path for change in changes}
        now = _tree_now(layout, note)
        foreign = foreign_paths(top, now, (note.from_tree, note.to_tree), touched)
        saved = _save(note, now) if foreign else None
        without = _own_folder(layout, top)
        goal = note.from_tree if back else note.to_tree
        rebuilt = carry_on(top, goal, touched, scratch=layout.state_dir, without=without)
        _forget(layout, note, _note_of(layout, top))
    own = [path for path in rebuilt.kept if not any(_is_in(path, each) for each in note.kept)]
    return Settled(
        note=note, tree=rebuilt.tree, left=tuple(own), replaced=tuple(foreign), saved=saved
    )


def _write(layout: Layout, note: Restoring) -> None:
    path = _note_of(layout, Path(note.place))
    write_private(path, dump_json(dump_record(note)), root=layout.state_dir)


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _note_of(layout: Layout, place: Path | None) -> Path:
    real = os.path.realpath(place) if place is not None else None
    if real is None or real == os.path.realpath(_home(layout)):
        return layout.state_dir / f"{PREFIX}.json"
    return layout.state_dir / f"{PREFIX}-{_digest(real)}.json"


def _home(layout: Layout) -> Path:
    from mosaic.git.git import find_work_tree

    return find_work_tree(layout.project) or layout.project


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(os.fsencode(text)).hexdigest()[:12]


def _read(layout: Layout, path: Path) -> Restoring | None:
    data = find_bytes(path)
    if data is None:
        return None
    what, hint = "the note of a restore", "look at `git status`, then remove the note"
    note = load_record(Restoring, data, path, what=what, hint=hint)
    if path == _note_of(layout, None):
        return replace(note, place=str(_home(layout)))
    return note if path == _note_of(layout, Path(note.place)) else None


def _ref_of(path: Path) -> str:
    return path.stem


def _keep_trees(note: Restoring, path: Path) -> None:
    from mosaic.git.git import head_commit
    from mosaic.git.snapshot import TakenTree, keep_tree

    top = Path(note.place)
    head = head_commit(top)
    for name, tree in (("from", note.from_tree), ("to", note.to_tree)):
        words = f"Restore of checkpoint {note.seq} of {note.task_id}: {name}"
        keep_tree(
            top, TakenTree(tree=tree, head=head), ref=f"{_ref_of(path)}/{name}", message=words
        )


def _save(note: Restoring, now: str) -> str:
    """Keep the mixture that stands in the work tree, with the run's own checkpoints."""
    from mosaic.git.git import head_commit
    from mosaic.git.snapshot import TakenTree, keep_tree

    top = Path(note.place)
    ref = f"{note.run_id}/interrupted-{now[:12]}"
    words = f"What stood where checkpoint {note.seq} of {note.task_id} was restored half-way"
    return keep_tree(top, TakenTree(tree=now, head=head_commit(top)), ref=ref, message=words)


def _forget(layout: Layout, note: Restoring, path: Path) -> None:
    from mosaic.git.snapshot import forget_trees

    remove_file(layout.state_dir, path)
    with contextlib.suppress(GitError):
        forget_trees(Path(note.place), _ref_of(path))


def _own_folder(layout: Layout, top: Path) -> str | None:
    from mosaic.runs.snapshots import state_prefix

    return state_prefix(layout.state_dir, top)


def _tree_now(layout: Layout, note: Restoring) -> str:
    from mosaic.git.snapshot import take_tree

    top = Path(note.place)
    return take_tree(top, scratch=layout.state_dir, without=_own_folder(layout, top)).tree


def _end_left_git(layout: Layout, note: Restoring) -> None:
    """End a git that the killed process had started: it would go on writing under our hands."""
    from mosaic.machine.process import find_marked, send_signal

    index = layout.state_dir.absolute() / f"rebuilt.{note.pid}"
    until = time.monotonic() + GIT_END_SECONDS
    while left := find_marked("GIT_INDEX_FILE", str(index)):
        for process in left:
            send_signal(process, signal.SIGKILL)
        if time.monotonic() > until:
            raise note.error()
        time.sleep(0.05)
