"""Merging a task's branch from its worktree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import NotReadyError
from mosaic.model import Status
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.workspaces.merge import merge_workspace
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.merge import Merged, MergeWay


def merge_task(snapshot: Snapshot, task_id: str, way: MergeWay, *, force: bool = False) -> Merged:
    """Merge the branch that a task was worked on into what is checked out.

    Raises:
        NotReadyError: a session works on it, it has no worktree, or is not done without `force`.
        GitError: git refused.
    """
    task = snapshot.get(task_id).task
    if any(found.lock.task_id == task.id for found in live_or_unknown(snapshot)):
        raise NotReadyError(
            f"a session works on `{task.id}`", hint="`mission sessions --live` shows it"
        )
    if task.status is not Status.DONE and not force:
        raise NotReadyError(
            f"`{task.id}` is {task.status.value}",
            hint=f"`mission review {task.id} --approve` first, or `--force`",
        )
    workspace = find_workspace(snapshot.layout, task.id)
    if workspace is None:
        raise NotReadyError(
            f"`{task.id}` has no worktree",
            hint="its work is where it was done; `mission show` names the branch",
        )
    return merge_workspace(workspace, way, f"Merge {task.id}: {task.title}")
