"""Bringing a task's branch home from its worktree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.output import Result, clean, emit, paint
from mosaic.errors import NotReadyError, UsageError
from mosaic.store.ended_session import locate_to_change
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from mosaic.workspaces.merge import Merged, MergeWay

FastForward = Annotated[
    bool, typer.Option("--ff-only", help="Only where no merge commit is needed.")
]
NoFastForward = Annotated[bool, typer.Option("--no-ff", help="With a merge commit, needed or not.")]
Squash = Annotated[bool, typer.Option("--squash", help="As one new commit.")]


def merge_command(
    task_id: TaskId,
    ff_only: FastForward = False,
    no_ff: NoFastForward = False,
    squash: Squash = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also the work of a task that is not done.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Merge the branch that a task was worked on in its worktree into what is checked out."""
    from mosaic.model import Status
    from mosaic.sessions.unrecorded import live_or_unknown
    from mosaic.workspaces.merge import merge_workspace
    from mosaic.workspaces.record import find_workspace

    snapshot = read_mission(locate_to_change(mission))
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
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    merged = merge_workspace(workspace, way, f"Merge {task.id}: {task.title}")
    return emit(merge_result(merged, ["mission clean"]), as_json=as_json)


def merge_way(*, ff_only: bool, no_ff: bool, squash: bool) -> MergeWay:
    """Return what the options ask for.

    Raises:
        UsageError: they contradict each other.
    """
    from mosaic.workspaces.merge import MergeWay

    if sum((ff_only, no_ff, squash)) > 1:
        raise UsageError("`--ff-only`, `--no-ff` and `--squash` exclude each other")
    if ff_only:
        return MergeWay.FAST_FORWARD
    if no_ff:
        return MergeWay.MERGE
    return MergeWay.SQUASH if squash else MergeWay.AUTO


def merge_result(merged: Merged, next_commands: list[str]) -> Result:
    """Return what a merge came to, for people and programs."""
    if merged.was_home:
        line = f"all of {clean(merged.branch)} is in {clean(merged.into)} already"
    else:
        branch = paint(clean(merged.branch), "bold")
        line = f"{branch} → {clean(merged.into)}, commit {merged.commit[:10]}"
    return Result(
        kind="merge",
        data={
            "branch": merged.branch,
            "into": merged.into,
            "commit": merged.commit,
            "was_home": merged.was_home,
        },
        lines=[line],
        next_commands=next_commands,
        show_next=True,
    )
