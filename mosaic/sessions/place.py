"""Where a session works: the mission's own work tree, or a worktree of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.git.git import find_work_tree
from mosaic.records import dataclass
from mosaic.workspaces.provision import WorkspaceRequest, default_branch
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace

WORKER = "work"
"""The worker in the name of a branch that is made for a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a session works."""

    cwd: Path
    lock_file: Path
    workspace: Workspace | None = None
    """None: the mission's own work tree."""


def home_place(layout: Layout) -> Place:
    """Return the mission's own work tree as a place; one session at a time works there."""
    return Place(cwd=layout.project, lock_file=layout.session_lock)


def worktree_place(layout: Layout, session_id: str, workspace: Workspace | None) -> Place:
    """Return a worktree as a place; before it is made, the place is the mission's own."""
    return Place(
        cwd=workspace.project if workspace else layout.project,
        lock_file=layout.session_locks_dir / f"{session_id}.lock",
        workspace=workspace,
    )


def wanted_worktree(layout: Layout, task: Task, request: HandOffRequest) -> WorkspaceRequest | None:
    """Return the worktree that a task is worked on in; None: the mission's own work tree.

    A task that has one goes on in it: that is where its work is.

    Raises:
        RecordError: what is known of its worktree cannot be read.
    """
    known = find_workspace(layout, task.id)
    if known is None and not request.worktree:
        return None
    home = find_work_tree(layout.project) or layout.project
    branch = task.branch or (known.branch if known else None)
    return WorkspaceRequest(
        name=task.id,
        owner=task.id,
        branch=branch or default_branch(home, task.id, WORKER),
        base_ref=task.base_ref,
        with_changes=request.with_changes,
    )


def folders_of_mission(layout: Layout) -> tuple[Path, ...]:
    """Return the folders that hold the mission's files, for agents that work elsewhere."""
    folders = {
        layout.mission_file.parent,
        layout.tasks_file.parent,
        layout.tasks_dir,
        layout.scratchpad_file.parent,
        layout.state_dir,
    }
    return tuple(
        sorted(
            one
            for one in folders
            if not any(one.is_relative_to(other) for other in folders - {one})
        )
    )
