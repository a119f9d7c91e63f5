"""What is in the way of a tree that is to be rebuilt in a work tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.diff import ABSENT, SUBMODULE, tree_names
from mosaic.git.git import answer_of, find_index, run_git
from mosaic.git.snapshot import is_repository

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from mosaic.git.diff import FileChange

SHOWN_PATHS = 10


def refuse_obstacles(top: Path, before: str, changes: Sequence[FileChange], wanted: str) -> None:
    """Refuse what would lose something, or could not be done: newer gits overwrite ignored files.

    Raises:
        GitError: names what is in the way.
    """
    index = find_index(top)
    if index is not None and os.path.lexists(f"{index}.lock"):
        raise GitError("another git is at work in the work tree", path=f"{index}.lock")
    listed = os.fsdecode(run_git(["ls-files", "-v", "-z"], top).stdout).split("\0")[:-1]
    hidden = {line[2:] for line in listed if line[0] == "S" or line[0].islower()}
    refuse(
        [change.path for change in changes if change.path in hidden],
        "the tree changes files that are marked `skip-worktree` or `assume-unchanged`",
        "take the marks away with `git update-index`",
    )
    known = tree_names(top, before)
    found = (_in_the_way(top, change, known) for change in changes)
    refuse(
        sorted({path for path in found if path is not None}),
        "the tree needs places that are taken by what git does not hold",
        "move it away, or rebuild in another folder",
    )
    refuse(
        [
            path
            for path, commit in submodules_in(top, changes, wanted)
            if answer_of(["cat-file", "-e", f"{commit}^{{commit}}"], top / path) is None
        ],
        "the tree needs a commit that a submodule does not have",
        "run `git fetch` in the submodule",
    )


def refuse(paths: Sequence[str], message: str, hint: str) -> None:
    """Raise an error that names the paths, if there are any.

    Raises:
        GitError: there are some.
    """
    if paths:
        more = f" and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else ""
        shown = ", ".join(f"`{path}`" for path in paths[:SHOWN_PATHS])
        raise GitError(message, detail=shown + more, hint=hint)


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


def submodules_in(top: Path, changes: Sequence[FileChange], tree: str) -> list[tuple[str, str]]:
    """Return the changed submodules that are checked out, and their commits in a tree."""
    return [
        (change.path, run_git(["rev-parse", f"{tree}:{change.path}"], top).text)
        for change in changes
        if change.old_mode == change.new_mode == SUBMODULE and is_repository(top / change.path)
    ]
