"""`mission merge`, and the options of every merge."""

from typing import Annotated

from typer import Option

from mosaic.app.task_work import merge_task
from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.output import answer, clean, paint
from mosaic.errors import UsageError
from mosaic.store.reading import locate_to_change, read_mission
from mosaic.workspaces.merge import Merged, MergeWay

FastForward = Annotated[bool, Option("--ff-only", help="Only where no merge commit is needed.")]
NoFastForward = Annotated[bool, Option("--no-ff", help="With a merge commit, needed or not.")]
Squash = Annotated[bool, Option("--squash", help="As one new commit.")]


def merge_command(
    task_id: TaskId,
    ff_only: FastForward = False,
    no_ff: NoFastForward = False,
    squash: Squash = False,
    force: bool = Option(False, "--force", help="Also the work of a task that is not done."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Merge the branch that a task was worked on in its worktree into what is checked out."""
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    merged = merge_task(read_mission(locate_to_change(mission)), task_id, way, force=force)
    return show_merge(merged, "mission clean", as_json=as_json)


def merge_way(*, ff_only: bool, no_ff: bool, squash: bool) -> MergeWay:
    """Return what the options ask for; at most one of them may be set."""
    if ff_only + no_ff + squash > 1:
        raise UsageError("`--ff-only`, `--no-ff` and `--squash` exclude each other")
    if ff_only:
        return MergeWay.FAST_FORWARD
    if no_ff:
        return MergeWay.MERGE
    return MergeWay.SQUASH if squash else MergeWay.AUTO


def show_merge(merged: Merged, next_command: str, *, as_json: bool) -> int:
    """Print what a merge came to."""
    branch, into = clean(merged.branch), clean(merged.into)
    line = f"{paint(branch, 'bold')} → {into}, commit {merged.commit[:10]}"
    if merged.was_home:
        line = f"all of {branch} is in {into} already"
    lines = [line, *(f"  left out: {clean(each)}" for each in merged.left_out)]
    return answer("merge", merged, lines, then=[next_command], show_next=True, as_json=as_json)
