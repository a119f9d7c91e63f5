"""Rebuilding a tree in a work tree, so that nothing is lost and the result is proven.

A work tree with changes is refused. Afterwards the same commit is checked out as before,
and what the tree holds beside it stands there as changes and untracked files, as it did
when the tree was taken. That it is the very tree is shown by taking it again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.errors import DirtyTreeError, GitError
from mosaic.machine.git import answer_of, find_work_tree, head_commit, run_git
from mosaic.machine.snapshot import take_tree
from mosaic.machine.tree_diff import compare_trees, empty_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from mosaic.machine.snapshot import TakenTree
    from mosaic.machine.tree_diff import FileChange

GIT_SECONDS = 300.0
SHOWN_PATHS = 10
SUBMODULE_MODE = "160000"


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
        top: the top of the work tree.
        taken: the tree that was just taken of it: `git status` does not show everything,
            such as what stands in a folder where git knows a symlink.
        without: a folder relative to `top` that is not looked at.

    Raises:
        GitError: git could not tell.
    """
    answer = run_git(
        ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"],
        top,
        timeout_seconds=GIT_SECONDS,
    )
    lines = os.fsdecode(answer.stdout).split("\0")[:-1]
    prefix = f"{without}/" if without else None
    told = {line[3:] for line in lines if prefix is None or not line[3:].startswith(prefix)}
    return told | set(_differing(top, taken.head or empty_tree(top), taken.tree))


def rebuild_tree(
    top: Path,
    tree: str,
    *,
    scratch: Path,
    without: str | None = None,
    keep: Callable[[str], bool] = lambda _path: False,
) -> Rebuilt:
    """Make a clean work tree hold a tree, leaving its HEAD where it is.

    Args:
        top: the top of the work tree.
        tree: the tree, or a commit of it; its objects must be in the repository.
        scratch: a folder of our own, for copies of the index.
        without: a folder relative to `top` that is left alone.
        keep: whether a path stays as it is, whatever the tree says of it.

    Raises:
        DirtyTreeError: something in it is changed that is not to be kept; names it.
        GitError: git refused, such as where an ignored file stands in the way; nothing of
            what stood there before is lost.
    """
    before = take_tree(top, scratch=scratch, without=without)
    dirty = {path for path in find_changes(top, before, without) if not keep(path)}
    if dirty:
        raise DirtyTreeError(top, sorted(dirty))
    changes = compare_trees(top, before.tree, tree, find_renames=False)
    kept = [change.path for change in changes if keep(change.path)]
    wanted = _overlaid(top, tree, before.tree, kept, scratch)
    # The index becomes what stands there now, so that git sees nothing of it as changed.
    run_git(["read-tree", before.tree], top)
    run_git(["update-index", "-q", "--refresh"], top, check=False, timeout_seconds=GIT_SECONDS)
    try:
        run_git(["read-tree", "-m", "-u", before.tree, wanted], top, timeout_seconds=GIT_SECONDS)
        _set_submodules(top, [c for c in changes if not keep(c.path)], wanted)
    finally:
        _index_head(top)
    extra = _prove(top, before.tree, wanted, scratch, without)
    return Rebuilt(tree=wanted, kept=tuple(sorted(kept)), extra=tuple(extra))


def apply_patch(top: Path, base: str | None, patch: Path, *, scratch: Path) -> str:
    """Return the tree that a patch makes of a base commit; touches no work tree.

    Raises:
        GitError: the base is not in the repository, or the patch does not fit it.
    """
    index = scratch / f"patched.{os.getpid()}"
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        run_git(["read-tree", base or empty_tree(top)], top, env=env)
        if patch.stat().st_size:
            command = ["apply", "--cached", "--binary", "--whitespace=nowarn", str(patch)]
            run_git(command, top, env=env, timeout_seconds=GIT_SECONDS)
        return run_git(["write-tree"], top, env=env).text
    finally:
        index.unlink(missing_ok=True)


def has_object(top: Path, name: str) -> bool:
    """Tell whether a commit or tree is in the repository."""
    return answer_of(["cat-file", "-e", name], top) is not None


def _overlaid(top: Path, tree: str, before: str, kept: Sequence[str], scratch: Path) -> str:
    """Return the tree with the paths that are kept as they are now."""
    if not kept:
        return run_git(["rev-parse", f"{tree}^{{tree}}"], top).text
    index = scratch / f"overlay.{os.getpid()}"
    env = {"GIT_INDEX_FILE": str(index)}
    paths = {os.fsencode(path) for path in kept}
    try:
        run_git(["read-tree", tree], top, env=env)
        gone = b"".join(path + b"\0" for path in sorted(paths))
        run_git(["update-index", "--force-remove", "-z", "--stdin"], top, env=env, stdin=gone)
        there = _entries(top, before, paths)
        run_git(["update-index", "-z", "--index-info"], top, env=env, stdin=there)
        return run_git(["write-tree"], top, env=env).text
    finally:
        index.unlink(missing_ok=True)


def _index_head(top: Path) -> None:
    """Set the index back to what is checked out; the work tree stays."""
    if head_commit(top) is None:
        run_git(["read-tree", "--empty"], top)
    else:
        run_git(["reset", "--quiet", "--mixed"], top, timeout_seconds=GIT_SECONDS)


def _set_submodules(top: Path, changes: Sequence[FileChange], wanted: str) -> None:
    """Check out the commits that a tree names in the submodules that are there."""
    for change in changes:
        if change.new_mode == SUBMODULE_MODE and find_work_tree(top / change.path) != top:
            commit = run_git(["rev-parse", f"{wanted}:{change.path}"], top).text
            run_git(["checkout", "--quiet", "--detach", commit], top / change.path)


def _prove(top: Path, before: str, wanted: str, scratch: Path, without: str | None) -> list[str]:
    """Take the tree again and compare; return the files that were ignored before.

    What git would not see by itself is put into the index: a submodule that is not there,
    or a file that .gitignore names.
    """
    found = take_tree(top, scratch=scratch, without=without)
    if found.tree == wanted:
        return []
    unseen = {os.fsencode(path) for path in _differing(top, found.tree, wanted)}
    _put_into_index(top, _entries(top, wanted, unseen))
    found = take_tree(top, scratch=scratch, without=without)
    differing = _differing(top, found.tree, wanted) if found.tree != wanted else []
    known = {line.partition(b"\t")[2] for line in _tree_lines(top, before)}
    known |= {line.partition(b"\t")[2] for line in _tree_lines(top, wanted)}
    wrong = [path for path in differing if os.fsencode(path) in known]
    if wrong:
        raise GitError(
            "the tree was rebuilt, and is not quite the same",
            detail="differing: " + ", ".join(f"`{path}`" for path in wrong[:SHOWN_PATHS]),
        )
    return differing


def _differing(top: Path, one: str, other: str) -> list[str]:
    return [change.path for change in compare_trees(top, one, other, find_renames=False)]


def _tree_lines(top: Path, tree: str) -> list[bytes]:
    answer = run_git(["ls-tree", "-r", "-z", "--full-tree", tree], top)
    return answer.stdout.split(b"\0")[:-1]


def _entries(top: Path, tree: str, paths: Collection[bytes]) -> bytes:
    """Return the entries of a tree as `update-index --index-info` takes them."""
    lines = (line for line in _tree_lines(top, tree) if line.partition(b"\t")[2] in paths)
    return b"".join(line + b"\0" for line in lines)


def _put_into_index(top: Path, entries: bytes) -> None:
    run_git(["update-index", "-z", "--index-info"], top, stdin=entries)
    run_git(["update-index", "-q", "--refresh"], top, check=False, timeout_seconds=GIT_SECONDS)
