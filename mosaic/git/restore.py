"""Rebuilding a tree in a work tree, so that nothing is lost and the result is proven.

A work tree with changes is refused, and so is a tree that something is in the way of. The
same commit is checked out afterwards, the user's index is as it was, and what the tree
holds beside it stands there as changes and untracked files, as it did when the tree was
taken. That it is the very tree is shown by taking it again.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.errors import DirtyTreeError, GitError
from mosaic.git.diff import ABSENT, SUBMODULE, compare_trees, empty_tree, shown_paths, tree_names
from mosaic.git.git import answer_of, find_index, run_git
from mosaic.git.index_copy import as_input, copy_index, git_on, index_in, words_of
from mosaic.git.left_out import is_repository
from mosaic.git.snapshot import is_within, take_tree
from mosaic.machine.removing import remove_empty_folder
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mosaic.git.diff import FileChange
    from mosaic.git.snapshot import TakenTree


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """A tree that stands in a work tree again."""

    tree: str
    kept: tuple[str, ...] = ()
    """Paths that were left as they are, and so may differ from the tree."""
    extra: tuple[str, ...] = ()
    """Files that git ignored before, and that the tree's own .gitignore does not."""


def find_changes(top: Path, taken: TakenTree, without: str | None = None) -> set[str]:
    """Return the paths of a work tree that are changed, staged or untracked.

    Args:
        taken: the tree that was just taken of it: `git status` does not show everything,
            such as what stands in a folder where git knows a symlink.
        without: a folder relative to `top` that is not looked at.
    """
    command = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]
    answer = git_on([*command, "--ignore-submodules=none"], top, check=False)
    if answer.exit_code:  # it looks into submodules, and gives up at one that became a symlink
        answer = git_on([*command, "--ignore-submodules=dirty"], top)
    told = {line[3:].rstrip("/") for line in words_of(answer.stdout)}
    told |= _differing(top, taken.head or empty_tree(top), taken.tree)
    return {path for path in told if not is_within(path, without)}


def rebuild_tree(
    top: Path,
    tree: str,
    *,
    scratch: Path,
    without: str | None = None,
    keep: Callable[[str], bool] = lambda _path: False,
    noting: Callable[[str, str], AbstractContextManager[None]] | None = None,
) -> Rebuilt:
    """Make a clean work tree hold a tree, leaving its HEAD where it is.

    Args:
        tree: the tree, or a commit of it; its objects must be in the repository.
        keep: whether a path stays as it is, whatever the tree says of it.
        noting: is given the tree that stands there and the one that is to, and holds a note
            of both from before the first write to after the last.

    Raises:
        DirtyTreeError: something in it is changed that is not to be kept; names it.
        GitError: something is in the way, such as an ignored file; the work tree is as it was,
            but where the error says that it was rebuilt.
    """

    def stays(path: str) -> bool:
        return is_within(path, without) or keep(path)

    before = take_tree(top, scratch=scratch, without=without)
    dirty = {path for path in find_changes(top, before, without) if not keep(path)}
    if dirty:
        raise DirtyTreeError(top, sorted(dirty))
    wanted, changes, _ = _plan(top, before.tree, tree, stays, scratch)
    with noting(before.tree, wanted) if noting else contextlib.nullcontext():
        _move(top, before.tree, wanted, changes, scratch)
        extra = _settle(top, before.tree, wanted, stays, scratch=scratch, without=without)
    kept = sorted(path for path in _differing(top, tree, wanted) if not is_within(path, without))
    return Rebuilt(tree=wanted, kept=tuple(kept), extra=extra)


def carry_on(
    top: Path, goal: str, touched: Collection[str], *, scratch: Path, without: str | None = None
) -> Rebuilt:
    """Bring a work tree that a killed rebuild left half-way to one of its two trees.

    Paths that the rebuild was not to touch stay as they are, whatever became of them since.
    What is `kept` then was changed since and is not of `goal`.
    """

    def stays(path: str) -> bool:
        return is_within(path, without) or path not in touched

    now = take_tree(top, scratch=scratch, without=without).tree
    wanted, changes, stay = _plan(top, now, goal, stays, scratch)
    _move(top, now, wanted, changes, scratch)
    extra = _settle(top, now, wanted, stays, scratch=scratch, without=without)
    names = tree_names(top, wanted)
    for path in set(touched) - names:
        folder = (top / path).parent
        while folder != top and remove_empty_folder(top, folder):
            folder = folder.parent
    return Rebuilt(tree=wanted, kept=tuple(sorted(stay)), extra=extra)


def foreign_paths(top: Path, now: str, trees: Sequence[str], touched: Collection[str]) -> list[str]:
    """Return the touched paths that hold in `now` what they hold in none of some trees."""
    differing = [_differing(top, now, tree) for tree in trees]
    foreign = set(touched).intersection(*differing) & tree_names(top, now)
    return sorted(foreign)


def apply_patch(top: Path, base: str | None, patch: Path, *, scratch: Path) -> str:
    """Return the tree that a patch makes of a base commit; touches no work tree."""
    with index_in(scratch, f"patched.{os.getpid()}") as index:
        git_on(["read-tree", base or empty_tree(top)], top, index)
        if patch.stat().st_size:
            command = ["apply", "--cached", "--binary", "--whitespace=nowarn"]
            git_on([*command, str(patch.absolute())], top, index)
        return git_on(["write-tree"], top, index).text


def _plan(
    top: Path, now: str, goal: str, stays: Callable[[str], bool], scratch: Path
) -> tuple[str, list[FileChange], list[str]]:
    """Return the tree that is to stand there, what that changes, and the paths that stay."""
    changes = compare_trees(top, now, goal, find_renames=False)
    stay = [change.path for change in changes if stays(change.path)]
    wanted = _overlaid(top, goal, now, stay, scratch)
    if stay:
        changes = compare_trees(top, now, wanted, find_renames=False)
    _refuse_obstacles(top, now, changes, wanted)
    return wanted, changes, stay


def _overlaid(top: Path, tree: str, before: str, stay: Sequence[str], scratch: Path) -> str:
    """Return the tree with the paths that stay as they are now."""
    if not stay:
        return git_on(["rev-parse", f"{tree}^{{tree}}"], top).text
    with index_in(scratch, f"overlay.{os.getpid()}") as index:
        git_on(["read-tree", tree], top, index)
        git_on(["update-index", "--force-remove", "-z", "--stdin"], top, index, as_input(stay))
        there = _entries(top, before, stay)
        git_on(["update-index", "-z", "--index-info"], top, index, there)
        return git_on(["write-tree"], top, index).text


def _move(
    top: Path, before: str, wanted: str, changes: Sequence[FileChange], scratch: Path
) -> None:
    """Bring the work tree from one tree to another, or leave it as it is.

    By a copy of the index: the user's own keeps its entries and its marks.
    """
    with index_in(scratch, f"rebuilt.{os.getpid()}") as index:
        copy_index(top, index)
        git_on(["read-tree", "--reset", before], top, index)
        _refresh(top, index)
        # A sparse checkout would leave out new files that lie outside of it.
        move = ["read-tree", "-m", "-u", "--no-sparse-checkout", before, wanted]
        git_on([*move[:2], "--dry-run", *move[2:]], top, index)
        try:
            git_on(move, top, index)
            _set_submodules(top, changes, wanted)
        except BaseException:
            _undo(top, before, changes, index)
            raise


def _settle(
    top: Path,
    before: str,
    wanted: str,
    stays: Callable[[str], bool],
    *,
    scratch: Path,
    without: str | None,
) -> tuple[str, ...]:
    """Prove that a tree stands in the work tree; return the files that no tree knows of."""
    found = take_tree(top, scratch=scratch, without=without).tree
    if found != wanted:
        # What git does not see by itself: a submodule that is not there, an ignored file.
        unseen = [path for path in _differing(top, found, wanted) if not stays(path)]
        entries = _entries(top, wanted, unseen)
        git_on(["update-index", "-z", "--index-info"], top, stdin=entries)
        _refresh(top)
        found = take_tree(top, scratch=scratch, without=without).tree
    differing = [path for path in _differing(top, found, wanted) if not stays(path)]
    known = tree_names(top, before) | tree_names(top, wanted)
    wrong = sorted(path for path in differing if path in known)
    _refuse(wrong, "the tree was rebuilt, and is not quite the same", "look at `git status`")
    return tuple(sorted(differing))


def _undo(top: Path, before: str, changes: Sequence[FileChange], index: Path) -> None:
    """Take back a move that broke off; what the new files needed was free before."""
    real = os.path.realpath(top)
    for change in changes:
        place = top / change.path
        if change.old_mode == ABSENT and os.path.realpath(place.parent) == os.path.join(
            real, os.path.dirname(change.path)
        ).rstrip("/"):
            with contextlib.suppress(OSError):
                if place.is_dir() and not place.is_symlink():
                    place.rmdir()
                else:
                    place.unlink()
                os.removedirs(place.parent)
    git_on(["read-tree", "--reset", before], top, index)
    _refresh(top, index)
    there = [c.path for c in changes if c.old_mode not in (ABSENT, SUBMODULE)]
    git_on(["checkout-index", "-f", "-q", "-z", "--stdin"], top, index, as_input(there))
    with contextlib.suppress(GitError):
        _set_submodules(top, changes, before)


def _set_submodules(top: Path, changes: Sequence[FileChange], tree: str) -> None:
    for path, commit in _submodules_in(top, changes, tree):
        command = ["checkout", "--quiet", "--no-overwrite-ignore", "--detach", commit]
        git_on(command, top / path)


def _differing(top: Path, one: str, other: str) -> set[str]:
    return {change.path for change in compare_trees(top, one, other, find_renames=False)}


def _refresh(top: Path, index: Path | None = None) -> None:
    # It fails where a file differs, which is fine here.
    git_on(["update-index", "-q", "--refresh"], top, index, check=False)


def _entries(top: Path, tree: str, paths: Iterable[str]) -> bytes:
    names = set(paths)
    listed = words_of(git_on(["ls-tree", "-r", "-z", "--full-tree", tree], top).stdout)
    return as_input(line for line in listed if line.partition("\t")[2] in names)


def _refuse_obstacles(top: Path, before: str, changes: Sequence[FileChange], wanted: str) -> None:
    # What would lose something, or could not be done: newer gits overwrite ignored files.
    index = find_index(top)
    if index is not None and os.path.lexists(f"{index}.lock"):
        raise GitError("another git is at work in the work tree", path=f"{index}.lock")
    listed = words_of(run_git(["ls-files", "-v", "-z"], top).stdout)
    hidden = {line[2:] for line in listed if line[0] == "S" or line[0].islower()}
    _refuse(
        [change.path for change in changes if change.path in hidden],
        "the tree changes files that are marked `skip-worktree` or `assume-unchanged`",
        "take the marks away with `git update-index`",
    )
    known = tree_names(top, before)
    found = (_in_the_way(top, change, known) for change in changes)
    _refuse(
        sorted({path for path in found if path is not None}),
        "the tree needs places that are taken by what git does not hold",
        "move it away, or rebuild in another folder",
    )
    _refuse(
        [
            path
            for path, commit in _submodules_in(top, changes, wanted)
            if answer_of(["cat-file", "-e", f"{commit}^{{commit}}"], top / path) is None
        ],
        "the tree needs a commit that a submodule does not have",
        "run `git fetch` in the submodule",
    )


def _refuse(paths: Sequence[str], message: str, hint: str) -> None:
    if paths:
        raise GitError(message, detail=shown_paths(paths, most=10), hint=hint)


def _in_the_way(top: Path, change: FileChange, known: Collection[str]) -> str | None:
    """Return what is in the place that a change needs, and is not among the known paths."""
    if change.old_mode == SUBMODULE != change.new_mode:
        place = top / change.path
        return change.path if place.is_dir() and os.listdir(place) else None
    if change.old_mode != ABSENT or change.new_mode == ABSENT:
        return None
    parts = change.path.split("/")
    for count in range(1, len(parts) + 1):
        path = "/".join(parts[:count])
        place = top / path
        if not os.path.lexists(place):
            return None
        if place.is_symlink() or not place.is_dir():
            return None if path in known else path
    for folder, folders, files in os.walk(top / change.path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*links, *files):
            path = os.path.relpath(os.path.join(folder, name), top)
            if path not in known:
                return path
    return None


def _submodules_in(top: Path, changes: Sequence[FileChange], tree: str) -> list[tuple[str, str]]:
    return [
        (change.path, run_git(["rev-parse", f"{tree}:{change.path}"], top).text)
        for change in changes
        if change.old_mode == change.new_mode == SUBMODULE and is_repository(top / change.path)
    ]
