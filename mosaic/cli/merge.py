"""`mission merge`, and the options of every merge."""

from typing import Annotated

from typer import Option

from mosaic.app.task_work import land_tasks, merge_task
from mosaic.cli.consent import require_settled, with_consent
from mosaic.cli.gates import show_gate
from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import answer, clean, clean_block, paint
from mosaic.cli.table import ID, WHOLE, Column, table_blocks
from mosaic.errors import UsageError
from mosaic.sessions.examine import GateResult
from mosaic.settings import Landing
from mosaic.store.reading import locate_to_change, read_mission
from mosaic.store.tasks import Snapshot
from mosaic.workers.queue import Outcome, Queue, Queued
from mosaic.workspaces.landed import find_unlanded
from mosaic.workspaces.merge import Merged, MergeWay

EXAMPLES = (
    ("mission merge", "land the work of all tasks that are done, in order"),
    ("mission merge T-001 --squash", "one branch, as one commit"),
    ("mission merge --dry-run", "only say what would be tried"),
)
FastForward = Annotated[bool, Option("--ff-only", help="Only where no merge commit is needed.")]
NoFastForward = Annotated[bool, Option("--no-ff", help="With a merge commit, needed or not.")]
Squash = Annotated[bool, Option("--squash", help="As one new commit.")]
OUTCOME_COLORS: dict[str, str] = {
    Outcome.LANDED: "green", Outcome.CONFLICT: "red", Outcome.RED: "red", Outcome.WAITS: "yellow",
}  # fmt: skip
COLUMNS = (ID, Column("outcome", colors=OUTCOME_COLORS), WHOLE)
SHOWN_LINES = 20


def merge_command(
    task_id: MaybeTaskId = None,
    ff_only: FastForward = False,
    no_ff: NoFastForward = False,
    squash: Squash = False,
    force: bool = Option(False, "--force", help="Also the work of a task that is not done."),
    hand_back: bool = Option(
        False, "--hand-back", help="Without ID: what does not land goes back to its agent."
    ),
    dry_run: bool = Option(False, "--dry-run", help="Without ID: only say what would be tried."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Merge a task's branch into what is checked out; without an ID, land all that are done.

    The branches of done tasks land in dependency, then plan order: each is brought up to date in
    its worktree, and its gates run there, before the branch here is moved forward. Where `landing`
    is `pull-request`, their requests are opened or looked at instead.
    """
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    snapshot = read_mission(locate_to_change(mission))
    if snapshot.document.mission.landing is Landing.PULL_REQUEST:
        if hand_back or dry_run or way is not MergeWay.AUTO:
            raise UsageError(
                "pull requests bring the work home here, and are merged where they are",
                hint="leave the options out; `landing` in mission.json says how work lands",
            )
        return _open_requests(snapshot, task_id, force=force, as_json=as_json)
    if task_id is not None:
        if hand_back or dry_run:
            option = "--hand-back" if hand_back else "--dry-run"
            raise UsageError(f"`{option}` is for all tasks", hint=f"`mission merge {option}`")
        merged = merge_task(snapshot, task_id, way, force=force)
        return show_merge(merged, "mission clean", as_json=as_json)
    if force or way is not MergeWay.AUTO:
        raise UsageError("no task is named", hint="name one, or leave the options out")

    def watch(name: str, result: GateResult) -> None:
        if not as_json:
            show_gate(result, task_id=name)

    done = with_consent(
        snapshot.document.path,
        lambda: land_tasks(snapshot, hand_back=hand_back, dry_run=dry_run, watch=watch),
        as_json=as_json,
    )
    return _show_queue(done, as_json=as_json)


def _open_requests(snapshot: Snapshot, task_id: str | None, *, force: bool, as_json: bool) -> int:
    from mosaic.app.pull_request import land_by_requests, look_at_request
    from mosaic.cli.pr import show_request, show_requests

    path = snapshot.document.path
    require_settled(path, as_json=as_json)
    if task_id is not None:
        return show_request(look_at_request(snapshot, task_id, force=force), as_json=as_json)
    waiting = list(find_unlanded(snapshot.layout, snapshot.tasks))
    return show_requests(land_by_requests(path, waiting), as_json=as_json)


def _show_queue(queue: Queue, *, as_json: bool) -> int:
    lines, stuck = [], []
    tried = [each for each in queue.tasks if each.outcome is not Outcome.NOTHING]
    rows = [(each.task_id, each.outcome.value, _why(each, queue.into)) for each in tried]
    for each, row in zip(tried, table_blocks(rows, COLUMNS), strict=True):
        lines += row.split("\n")
        # What red gates wrote was shown when they ended.
        block = [] if each.outcome is Outcome.RED else clean_block(each.detail)
        lines += [f"    {line}" for line in block[:SHOWN_LINES]]
        lines += [f"    left out: {clean(left)}" for left in each.left_out]
        if each.outcome in (Outcome.CONFLICT, Outcome.RED):
            stuck.append(each)
    if not lines:
        lines = [paint("nothing is to be landed", "dim")]
    then = ["mission clean" if queue.ok else "mission status"]
    if queue.dry_run:
        then = ["mission merge"]
    elif stuck:
        back = all(each.handed_back for each in stuck)
        then = ["mission next" if back else "mission merge --hand-back"]
    values = {"into": queue.into, "tasks": queue.tasks, "dry_run": queue.dry_run}
    ok = queue.dry_run or queue.ok
    return answer("merge.queue", values, lines, ok=ok, then=then, show_next=True, as_json=as_json)


def _why(each: Queued, into: str) -> str:
    if each.outcome is Outcome.LANDED:
        return f"{each.branch} → {into}, commit {(each.commit or '')[:10]}"
    if each.outcome is Outcome.NEXT:
        return f"{each.branch} → {into}"
    words = each.why
    if each.handed_back:
        return f"{words}; handed back"
    return f"{words} ({each.hint})" if each.hint else words


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
    lines = [line, *(f"  {said}" for said in clean_block(merged.said))]
    lines += [*(f"  left out: {clean(each)}" for each in merged.left_out)]
    return answer("merge", merged, lines, then=[next_command], show_next=True, as_json=as_json)
