"""Removing a worker's worktree, and nothing that is not kept elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import NotReadyError
from mosaic.git.git import current_branch
from mosaic.git.worktrees import (
    BRANCHES,
    commit_of,
    delete_branch,
    has_branch,
    holds_commit,
    is_brought_home,
    refuse_strange_tree,
    remove_worktree,
    what_would_be_lost,
)
from mosaic.machine.removing import remove_empty_folder, remove_file
from mosaic.workspaces.furnish import forget_files
from mosaic.workspaces.record import list_workspaces

if TYPE_CHECKING:
    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace


def why_kept(workspace: Workspace) -> str | None:
    """Say what removing a worktree would lose; None where it would lose nothing.

    A branch that was made for it and is not brought home counts as work that would be
    forgotten, though removing the worktree leaves the branch.
    """
    if workspace.is_there:
        lost = what_would_be_lost(workspace.path)
        if lost is not None:
            return lost
    branch = workspace.branch
    if branch is None or not workspace.is_own_branch:
        return None
    tip = commit_of(workspace.home, f"{BRANCHES}{branch}")
    if tip is None or tip in (workspace.base_commit, workspace.merged_commit):
        return None
    return None if _stands_elsewhere(workspace, branch) else f"branch `{branch}` is not merged"


def branch_to_delete(workspace: Workspace) -> tuple[str, str] | None:
    """Return the branch that goes with a worktree, and its commit; None where it stays.

    It goes when it was made for the worktree and its commit stays on another branch: it was
    merged, or holds no work. A squash leaves the commit nowhere; there it goes when
    `mission merge` made it, and what it changed still stands on a branch.
    """
    home, branch = workspace.home, workspace.branch
    if branch is None or not workspace.is_own_branch:
        return None
    tip = commit_of(home, f"{BRANCHES}{branch}")
    if tip is None:
        return None
    stays = tip == workspace.base_commit or holds_commit(home, tip, beside=branch)
    if not stays and tip == workspace.merged_commit:
        stays = _stands_elsewhere(workspace, branch)
    return (branch, tip) if stays else None


def _stands_elsewhere(workspace: Workspace, branch: str) -> bool:
    """Tell whether what a branch changed stands on what is checked out, or on its base."""
    home = workspace.home
    names = dict.fromkeys(filter(None, (current_branch(home), workspace.base_ref)))
    targets = [name for name in names if name != branch and has_branch(home, name)]
    return any(is_brought_home(home, branch, name) for name in targets)


def refuse_removal(workspace: Workspace, *, force: bool) -> None:
    """Make sure that removing a worktree loses nothing, and that it is one of this repository.

    Raises:
        NotReadyError: something would be lost, and `force` is not set.
        GitError: git could not tell, or what stands there is not a worktree of it.
    """
    refuse_strange_tree(workspace.home, workspace.path)
    kept = None if force else why_kept(workspace)
    if kept is not None:
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` holds {kept}",
            path=workspace.path,
            hint="commit and merge it, or use `--force` to lose it",
        )


def remove_workspace(layout: Layout, workspace: Workspace, *, force: bool) -> None:
    """Remove a worktree, the branch that was made for it, and what is known of it.

    A branch that a person made, or whose commit would be lost, stays; with `force` one that
    was made for the worktree goes too.

    Raises:
        NotReadyError: something would be lost, and `force` is not set.
        GitError: git refused, or what stands there is not a worktree of this repository.
        FileAccessError: something of it cannot be removed; the next call goes on.
    """
    refuse_removal(workspace, force=force)
    home, branch = workspace.home, workspace.branch
    gone = branch_to_delete(workspace)
    if force and branch is not None and workspace.is_own_branch:
        tip = commit_of(home, f"{BRANCHES}{branch}")
        gone = (branch, tip) if tip is not None else None
    remove_worktree(home, workspace.path)
    if gone is not None:
        delete_branch(home, gone[0], expected=gone[1])
    folder = layout.worktrees_dir
    remove_file(folder, workspace.record)
    remove_file(folder, workspace.setup_log)
    if not list_workspaces(layout):
        forget_files(home)
        remove_empty_folder(layout.state_dir, folder)
