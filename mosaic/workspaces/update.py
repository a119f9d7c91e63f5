"""Bringing a worker's branch up to date with the mission's, in the worker's own worktree.

Its record says first from where to where, so that what is cut off half-way is taken back by who
comes next: a merge or rebase that an agent left there is another, and stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import GitError, NotReadyError
from mosaic.git.git import answer_of, head_commit, run_git
from mosaic.git.merging import take_back, try_git, unmerged_paths, way_on, words_of
from mosaic.records import NamedTuple
from mosaic.settings import LandingUpdate
from mosaic.workspaces.record import write_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.workspaces.record import Workspace

LONGEST_CONFLICT = 4000


class Updated(NamedTuple):
    """What became of a branch."""

    tip: str
    """Its commit now."""
    conflicts: tuple[str, ...] = ()
    """Files in which both sides changed the same; then the branch is as it was."""
    detail: str = ""
    """The conflicts themselves, as git writes them, their beginning where they are long."""
    said: str = ""
    """What git and the repository's hooks wrote."""


def update_branch(
    workspace: Workspace, onto: str, way: LandingUpdate, message: str, *, held: Sequence[int] = ()
) -> Updated:
    """Bring a branch up to date with a commit; its worktree is on it, and holds no other change.

    `held` are descriptors of a lock that git holds on when this process is killed.
    GitError: git or a hook refuses, and the worktree is as it was.
    """
    top = workspace.path
    tip = head_commit(top) or ""
    if answer_of(["merge-base", "--is-ancestor", onto, tip], top) is not None:
        return Updated(tip)
    command = ["merge", "--quiet", "--no-ff", "-m", message, onto]
    if way is LandingUpdate.REBASE:
        command = ["rebase", "--quiet", onto]
    workspace = write_workspace(workspace, update_from=tip)
    try:
        answer = try_git(command, top, held=held)
        conflicts = unmerged_paths(top) if answer.exit_code else []
        shown = answer_of(["diff", "--diff-filter=U"], top) if conflicts else None
    finally:
        settle_update(workspace)
    words = words_of(answer)
    if conflicts:
        return Updated(tip, tuple(conflicts), (shown or "")[:LONGEST_CONFLICT], words)
    if answer.exit_code:
        raise GitError(
            f"the branch cannot be brought up to date in its worktree: git {command[0]} fails",
            path=top,
            detail=words or None,
            hint=way_on(words),
        )
    if way is LandingUpdate.MERGE:
        _turn_around(top, onto, tip)
    return Updated(head_commit(top) or "", said=words)


def _turn_around(top: Path, onto: str, tip: str) -> None:
    """Make a merge that was just made one of the branch into the mission's, not the reverse.

    Else the first parents of the mission's branch would be the worker's commits once it lands.
    """
    message = run_git(["log", "-1", "--format=%B", "HEAD"], top).stdout
    signs = answer_of(["config", "--bool", "commit.gpgSign"], top) == "true"
    command = ["commit-tree", *(["-S"] if signs else []), "HEAD^{tree}", "-p", onto, "-p", tip]
    turned = try_git(command, top, makes_commit=False, stdin=message)
    if turned.exit_code == 0:
        run_git(["reset", "--quiet", "--soft", turned.text], top)


def settle_update(workspace: Workspace) -> Workspace:
    """Take back what an update of a branch that was cut off left in its worktree, if one was.

    NotReadyError: its half cannot be told from what a person staged there since.
    """
    if workspace.update_from is None:
        return workspace
    top = workspace.path
    if workspace.is_there:
        take_back(top)
        is_where_it_was = head_commit(top) == workspace.update_from
        if is_where_it_was and answer_of(["diff", "--cached", "--quiet"], top) is None:
            raise NotReadyError(
                f"an update of the worktree of `{workspace.owner}` was cut off",
                path=top,
                hint=f"`git -C {top} reset --merge` takes its half back",
            )
    return write_workspace(workspace, update_from=None)
