"""Removing a worker's work tree, and nothing that is not kept elsewhere."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mosaic.errors import NotReadyError
from mosaic.machine.work_trees import (
    commit_of,
    delete_branch,
    is_brought_home,
    remove_work_tree,
    what_would_be_lost,
)
from mosaic.workspaces.furnish import forget_files
from mosaic.workspaces.record import list_workspaces

if TYPE_CHECKING:
    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace


def why_kept(workspace: Workspace) -> str | None:
    """Say what removing a work tree would lose; None where it would lose nothing.

    A branch that was made for it and is not brought home counts as work that would be
    forgotten, though removing the work tree leaves the branch.

    Raises:
        GitError: git could not tell.
    """
    if workspace.is_there:
        lost = what_would_be_lost(workspace.path)
        if lost is not None:
            return lost
    branch = workspace.branch
    if branch is None or not workspace.is_own_branch:
        return None
    tip = commit_of(workspace.home, f"refs/heads/{branch}")
    if tip is None or tip in (workspace.base_commit, workspace.merged_commit):
        return None
    goal = workspace.base_ref or "HEAD"
    targets = [name for name in dict.fromkeys(("HEAD", goal)) if commit_of(workspace.home, name)]
    if any(is_brought_home(workspace.home, branch, name) for name in targets):
        return None
    return f"branch `{branch}` is not merged"


def remove_workspace(layout: Layout, workspace: Workspace, *, force: bool) -> None:
    """Remove a work tree, the branch that was made for it, and what is known of it.

    A branch that a person made, or that is not brought home, stays; with `force` one that
    was made for the work tree goes too.

    Raises:
        NotReadyError: something would be lost, and `force` is not set.
        GitError: git refused.
        FileAccessError: its record cannot be removed.
    """
    kept = why_kept(workspace)
    if kept is not None and not force:
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` holds {kept}",
            path=workspace.path,
            hint="commit and merge it, or use `--force` to lose it",
        )
    home, branch = workspace.home, workspace.branch
    remove_work_tree(home, workspace.path)
    if branch is not None and workspace.is_own_branch:
        tip = commit_of(home, f"refs/heads/{branch}")
        if tip is not None:
            delete_branch(home, branch, expected=tip)
    workspace.record.unlink(missing_ok=True)
    workspace.setup_log.unlink(missing_ok=True)
    if not list_workspaces(layout):
        forget_files(home)
        with contextlib.suppress(OSError):
            layout.worktrees_dir.rmdir()
