"""Pull requests: a task's branch is pushed, its request opened, followed and seen merged.

What people with write access write on a request, and checks that fail, become entries of the
task's decisions (`commented`), each under the name that the host has it by, so that none is
handed on twice. Everything here asks a host over the network, by `gh` or `glab`.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from mosaic.app.change import editing, is_agent
from mosaic.app.tasks import TaskView
from mosaic.errors import MissionError, NotReadyError, PullRequestError, UsageError
from mosaic.git.diff import compare_trees
from mosaic.git.git import answer_of, find_work_tree, head_commit
from mosaic.git.github import GitHub
from mosaic.git.gitlab import GitLab
from mosaic.git.hosting import find_place, push_branch
from mosaic.git.pulling import bring_merge, take_commits
from mosaic.git.worktrees import BRANCHES, commit_of
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.prompts.bounded import one_line
from mosaic.records import NamedTuple
from mosaic.review.filing import note_saved
from mosaic.review.requests import (
    CHECK,
    check_name,
    draft_handing_on,
    handed_on_before,
    request_body,
    source_of,
)
from mosaic.review.verdict import review_task
from mosaic.sessions.attempt import forgive_attempts
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.reading import read_mission
from mosaic.store.written import note_files, turn_at_home
from mosaic.text.decisions import Decision
from mosaic.text.lines import counted
from mosaic.workers.ledger import Looked
from mosaic.workspaces.landed import find_unlanded
from mosaic.workspaces.merge import refuse_unsaved
from mosaic.workspaces.record import SeenRequest, find_workspace, write_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.git.hosting import Check, Comment, Place, PullRequest
    from mosaic.model import Task
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

HOSTS: dict[str, type[GitHub | GitLab]] = {"gh": GitHub, "glab": GitLab}
"""By the program that is asked."""
NUMBER = re.compile(r"/(?:pull|merge_requests)/(\d{1,9})\b")


class RequestPage(NamedTuple):
    """A task's pull request after a look at it."""

    task: TaskView
    request: SeenRequest
    did: tuple[str, ...] = ()
    """What was done, in words: pushed, opened, taken, brought home."""
    handed_on: tuple[Decision, ...] = ()
    """What the next attempt is given, as entries of the task's decisions."""
    shown: tuple[Comment, ...] = ()
    """Comments that nobody was given: their authors may not write, or an approval."""
    notices: tuple[str, ...] = ()


class RequestList(NamedTuple):
    """The pull requests of all tasks that have one."""

    requests: tuple[RequestPage, ...]
    problems: dict[str, str]
    """Why those of some tasks could not be looked at."""


def look_at_request(
    snapshot: Snapshot,
    task_id: str,
    *,
    force: bool = False,
    anew: bool = False,
    takes: Sequence[str] = (),
    actor: Actor | None = None,
) -> RequestPage:
    """Open a request for what a task's branch has, where it is done, and look at it.

    What a task that is worked on again has is not pushed yet. See `open_request`.
    """
    task = snapshot.get(task_id).task
    workspace = find_workspace(snapshot.layout, task.id)
    is_ready = task.status is Status.DONE or force
    if number_of(task, workspace) is not None and not (is_ready and workspace):
        return follow_request(snapshot, task_id, takes=takes, actor=actor)
    return open_request(snapshot, task_id, force=force, anew=anew, takes=takes, actor=actor)


def open_request(
    snapshot: Snapshot,
    task_id: str,
    *,
    force: bool = False,
    anew: bool = False,
    takes: Sequence[str] = (),
    actor: Actor | None = None,
) -> RequestPage:
    """Push a task's branch, open its request or take the one that is there, and look at it.

    Args:
        force: also where the task is not done.
        anew: open another where one was closed without a merge.
        takes: authors whose comments are handed on too.

    Raises:
        NotReadyError: a session works on it, it has no branch, is not done without `force`, there
            is no remote, or its request was closed without a merge.
        PullRequestError: the remote refused the push, or the program failed.
        ProgramNotFoundError: `gh` or `glab` is not installed.
    """
    _refuse_agent(snapshot, actor)
    task = snapshot.get(task_id).task
    refuse_live(snapshot, task)
    if task.status is not Status.DONE and not force:
        raise NotReadyError(
            f"`{task.id}` is {task.status.value}",
            hint=f"`mission review {task.id} --approve` first, or `--force`",
        )
    workspace = find_workspace(snapshot.layout, task.id)
    tip = None
    if workspace is not None and workspace.branch is not None:
        tip = commit_of(workspace.home, f"{BRANCHES}{workspace.branch}")
    if workspace is None or workspace.branch is None or tip is None:
        raise NotReadyError(
            f"`{task.id}` has no branch of its own",
            hint="a pull request is opened for work that was done in a worktree",
        )
    left_out = refuse_unsaved(workspace, workspace.branch, tip) if workspace.is_there else ()
    place = find_place(workspace.home, snapshot.document.mission.pull_request)
    requests = HOSTS[place.program](place, workspace.home)
    # Before the push: a program or login that is missing leaves the remote as it was.
    known = requests.find(workspace.branch)
    found = next((each for each in known if each.state == "open"), None)
    found = found or next((each for each in known if not _is_over(each, workspace, tip)), None)
    if found is None and known and known[0].state == "closed" and not anew:
        raise NotReadyError(
            f"the pull request #{known[0].number} of `{task.id}` was closed without a merge",
            detail=known[0].url,
            hint=f"open it again there, or another one: `mission pr {task.id} --new`",
        )
    did = list[str]()
    if found is not None and found.state == "open":
        did += _take_theirs(workspace, found, place)
        tip = commit_of(workspace.home, f"{BRANCHES}{workspace.branch}") or tip
    if (found is None or found.state == "open") and push_branch(
        place, workspace.home, workspace.branch, tip
    ):
        did.append(f"pushed {workspace.branch} to {place.remote}")
    number = found.number if found else 0
    if found is None:
        body = request_body(review_task(snapshot, task), snapshot.document.mission.name)
        title = one_line(f"{task.id}: {task.title}", 250)
        number = requests.open(workspace.branch, title, body)
        did.append(f"opened #{number}")
    elif workspace.request is None:
        did.append(f"took #{number}, which was there already")
    page = _look(snapshot, task, requests, number, workspace=workspace, takes=takes)
    notices = [f"not in the request: {each}" for each in left_out]
    if found is None and (more := _unpushed(workspace, place)):
        commits = counted(more, "commit")
        notices.append(f"it also carries {commits} of `{place.base}` that `{place.remote}` has not")
    return page._replace(did=(*did, *page.did), notices=(*notices, *page.notices))


def follow_request(
    snapshot: Snapshot, task_id: str, *, takes: Sequence[str] = (), actor: Actor | None = None
) -> RequestPage:
    """Look at a task's request, and hand on what is new.

    Raises:
        NotReadyError: the task has no request, or the repository no remote.
        PullRequestError: the program failed.
        ProgramNotFoundError: `gh` or `glab` is not installed.
    """
    _refuse_agent(snapshot, actor)
    task = snapshot.get(task_id).task
    workspace = find_workspace(snapshot.layout, task.id)
    number = number_of(task, workspace)
    if number is None:
        raise NotReadyError(
            f"`{task.id}` has no pull request", hint=f"`mission pr {task.id}` opens one"
        )
    home = find_work_tree(snapshot.layout.project) or snapshot.layout.project
    place = find_place(home, snapshot.document.mission.pull_request)
    requests = HOSTS[place.program](place, home)
    return _look(snapshot, task, requests, number, workspace=workspace, takes=takes)


def follow_requests(
    mission_file: Path, *, takes: Sequence[str] = (), actor: Actor | None = None
) -> RequestList:
    """Look at the requests of all tasks that were not seen merged or closed yet."""
    pages, problems = [], {}
    for task_id in open_requests(read_mission(mission_file)):
        try:
            snapshot = read_mission(mission_file)
            pages.append(follow_request(snapshot, task_id, takes=takes, actor=actor))
        except PullRequestError as error:
            problems[task_id] = error.summary
    return RequestList(tuple(pages), problems)


def land_by_requests(
    mission_file: Path, task_ids: Sequence[str], *, actor: Actor | None = None
) -> RequestList:
    """Open the requests of done tasks whose work waits in a branch, and look at all of these."""
    pages, problems = [], {}
    for task_id in task_ids:
        try:
            pages.append(look_at_request(read_mission(mission_file), task_id, actor=actor))
        except (PullRequestError, NotReadyError) as error:
            problems[task_id] = error.summary
    return RequestList(tuple(pages), problems)


def follow_all(mission_file: Path) -> Looked:
    """Open the requests that done tasks need, and look at all that are open, for a loop."""
    snapshot = read_mission(mission_file)
    waiting = find_unlanded(snapshot.layout, snapshot.tasks)
    names = dict.fromkeys([*waiting, *open_requests(snapshot)])
    found = land_by_requests(mission_file, list(names))
    said = [f"{name}: {words}" for name, words in found.problems.items()]
    for page in found.requests:
        words = [*page.did, *page.notices]
        if count := len(page.handed_on):
            words.append(f"{count} things said on #{page.request.number} go to the next attempt")
        said += [f"{page.task.task.id}: {each}" for each in words]
    pending = [each.task.task.id for each in found.requests if each.request.pending]
    return Looked(tuple(said), tuple(pending))


def open_requests(snapshot: Snapshot) -> list[str]:
    """Return the tasks whose requests were not seen merged or closed yet, in plan order."""
    found = []
    for task in snapshot.tasks:
        workspace = find_workspace(snapshot.layout, task.id) if task.pr else None
        if workspace and workspace.request and workspace.request.state == "open":
            found.append(task.id)
    return found


def number_of(task: Task, workspace: Workspace | None) -> int | None:
    """Return the number of a task's request: as it was seen, else as the task's `pr` says."""
    if workspace is not None and workspace.request is not None:
        return workspace.request.number
    found = NUMBER.search(task.pr or "")
    return int(found[1]) if found else None


def _refuse_agent(snapshot: Snapshot, actor: Actor | None) -> None:
    if is_agent(actor, snapshot.layout):
        raise UsageError("an agent opens no pull request", hint="a person does")


def refuse_live(snapshot: Snapshot, task: Task) -> None:
    """Make sure that no session works on a task."""
    if _is_live(snapshot, task):
        raise NotReadyError(
            f"a session works on `{task.id}`", hint="`mission sessions --live` shows it"
        )


def _is_live(snapshot: Snapshot, task: Task) -> bool:
    return any(found.lock.task_id == task.id for found in live_or_unknown(snapshot))


def _is_over(request: PullRequest, workspace: Workspace, tip: str) -> bool:
    """Tell whether a request has nothing to do with what is on a branch now."""
    seen = workspace.request
    is_known = seen is not None and seen.number == request.number and workspace.merged_commit == tip
    return request.state == "closed" or not (request.head == tip or is_known)


def _unpushed(workspace: Workspace, place: Place) -> int:
    """Count the commits below a branch that its remote has not."""
    theirs = f"refs/remotes/{place.remote}/{place.base}"
    command = ["rev-list", "--count", workspace.base_commit, f"^{theirs}"]
    return int(answer_of(command, workspace.home) or 0)


def _look(
    snapshot: Snapshot,
    task: Task,
    requests: GitHub | GitLab,
    number: int,
    *,
    workspace: Workspace | None,
    takes: Sequence[str],
) -> RequestPage:
    """Look at a request, note what is seen, hand on what is new, and bring a merge home."""
    found = requests.view(number)
    did, notices, handed = list[str](), list[str](), list[Decision]()
    if found.state == "merged":
        home = find_work_tree(snapshot.layout.project) or snapshot.layout.project
        before = head_commit(home) or ""
        with turn_at_home(snapshot.layout.worktrees_dir):
            words, is_home = bring_merge(home, found, requests.place)
            with contextlib.suppress(MissionError):  # at worst it counts as a live agent's change
                changes = compare_trees(home, before, "HEAD", find_renames=False)
                note_files(snapshot.layout, [home / change.path for change in changes])
        (did if is_home else notices).append(words)
    elif found.state == "closed":
        notices.append(f"#{number} was closed without a merge: {found.url}")
    elif workspace is not None and not _is_live(snapshot, task):
        did += _take_theirs(workspace, found, requests.place)
    logs = {}
    for check in _news(snapshot, task, found, takes)[1]:  # before the mission is locked
        with contextlib.suppress(PullRequestError):
            logs[check] = requests.log(check)
    with editing(snapshot.document.path, f"looking at the pull request of {task.id}") as draft:
        task = draft.snapshot.get(task.id).task
        given, failed, fresh = _news(draft.snapshot, task, found, takes)
        if (given or failed) and _is_live(draft.snapshot, task):
            notices.append(f"a session works on {task.id}: what is new is handed on after it")
            given, failed = [], []
        now = utc_now().astimezone()
        if task.pr != found.url and found.url:
            draft.edit_task(task.id, {"pr": one_line(found.url)}, now)
        if given or failed:
            handed = draft_handing_on(draft, task, found, comments=given, failed=failed, logs=logs)
        draft.save()
        note_saved(draft, task.id, handed)
        if any(not source_of(each).startswith(CHECK) for each in handed):
            forgive_attempts(draft.snapshot, task.id)
        task = draft.snapshot.get(task.id).task
    ids = {source_of(each) for each in handed}
    shown = tuple(each for each in fresh if each.id not in ids)
    seen = _seen(found, unread=len([each for each in shown if each.asks]))
    if workspace is not None and workspace.record.exists():
        tip = commit_of(workspace.home, f"{BRANCHES}{workspace.branch}")
        is_all_home = found.state == "merged" and bool(did) and tip == found.head
        merged = tip if is_all_home else workspace.merged_commit
        write_workspace(workspace, request=seen, merged_commit=merged)
    return RequestPage(TaskView(task), seen, tuple(did), tuple(handed), shown, tuple(notices))


def _take_theirs(workspace: Workspace, found: PullRequest, place: Place) -> list[str]:
    if not workspace.is_there or workspace.branch is None:
        return []
    words = take_commits(workspace.home, workspace.path, workspace.branch, place, found.head)
    return [words] if words else []


def _news(
    snapshot: Snapshot, task: Task, found: PullRequest, takes: Sequence[str]
) -> tuple[list[Comment], list[Check], list[Comment]]:
    """Return which comments and failed checks are to be handed on, and all that are new."""
    known = handed_on_before(snapshot, task)
    fresh = [each for each in found.comments if each.id not in known]
    given = [each for each in fresh if each.asks and (each.may_write or each.author in takes)]
    failed = [each for each in found.checks if each.state == "failed"]
    failed = [each for each in failed if check_name(found, each) not in known]
    if found.state != "open":
        return [], [], fresh
    if any(each.state == "pending" for each in found.checks):
        failed = []  # all at once, when all have ended
    return given, failed, fresh


def _seen(found: PullRequest, *, unread: int) -> SeenRequest:
    names: dict[str, list[str]] = {"passed": [], "failed": [], "pending": [], "stopped": []}
    for each in found.checks:
        names[each.state].append(one_line(each.name, 80))
    return SeenRequest(
        number=found.number,
        url=one_line(found.url),
        state=found.state,
        seen_at=utc_now(),
        base=one_line(found.base),
        decision=one_line(found.decision, 80),
        passed=len(names["passed"]),
        failed=tuple(names["failed"]),
        pending=tuple(names["pending"]),
        unread=unread,
        merge_commit=found.merge_commit or None,
    )
