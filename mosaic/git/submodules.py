"""Submodules of a worktree: worktrees of the submodules that are checked out at home.

So they need no network and no second copy, their remotes and branches are the user's own, and a
commit that is made in one is in the user's own submodule as well. git has no command for this;
`git submodule update` would clone each of them anew.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.diff import SUBMODULE
from mosaic.git.git import find_index, has_object, run_git
from mosaic.git.index_copy import git_on, words_of
from mosaic.git.left_out import is_repository, repositories_in_index, submodule_paths
from mosaic.git.worktrees import GIT_SECONDS, forget_worktree, list_worktrees, turn_of

if TYPE_CHECKING:
    from pathlib import Path


def check_out_submodules(home: Path, place: Path) -> None:
    """Check out in a worktree the submodules that are checked out at home; others stay empty.

    Only for a commit that is not there yet the submodule's own remote is asked. Those that are
    checked out already are left as they are. GitError: a commit cannot be had; names it.
    """
    for path, commit in _commits_in(place).items():
        own, inner = home / path, place / path
        if not is_repository(own):
            continue
        if not is_repository(inner):
            _check_out(own, inner, commit, path)
        check_out_submodules(own, inner)


def forget_submodules(home: Path, place: Path) -> None:
    """Have the submodules at home forget their worktrees below a place that is gone."""
    if not (home / ".gitmodules").exists():
        return
    real = place.parent.resolve() / place.name
    for path in submodule_paths(home):
        own = home / path
        if not is_repository(own):
            continue
        for each in list_worktrees(own):
            if real in each.path.parents and not os.path.lexists(each.path):
                forget_worktree(own, each.path)
        forget_submodules(own, place)


def _check_out(own: Path, inner: Path, commit: str, path: str) -> None:
    for asked in ([], ["origin", commit]):
        if has_object(own, f"{commit}^{{commit}}"):
            break
        run_git(["fetch", "--quiet", *asked], own, check=False, timeout_seconds=GIT_SECONDS)
    else:
        if not has_object(own, f"{commit}^{{commit}}"):
            raise GitError(
                f"commit {commit[:12]} of the submodule `{path}` cannot be had",
                path=own,
                hint=f"`git -C {own} fetch`, or set `worktrees.submodules` to false",
            )
    with contextlib.suppress(OSError):
        inner.rmdir()  # git leaves an empty folder in the place of one
    if any(each.path == inner.resolve() for each in list_worktrees(own)):
        forget_worktree(own, inner)  # its folder is gone, and git does not know that
    command = ["worktree", "add", "--quiet", "--detach", str(inner), commit]
    with turn_of(own):
        run_git(command, own, timeout_seconds=GIT_SECONDS)


def _commits_in(top: Path) -> dict[str, str]:
    """Return the submodules in the index of a work tree, with their commits."""
    index = find_index(top)
    if index is None or not repositories_in_index(top, index):
        return {}
    asked = submodule_paths(top)
    lines = words_of(git_on(["ls-files", "--stage", "-z"], top).stdout)
    entries = (line.partition("\t")[::2] for line in lines if line.startswith(SUBMODULE))
    return {path: facts.split(" ")[1] for facts, path in entries if path in asked}
