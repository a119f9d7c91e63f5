"""The landing queue: branches of done tasks come home one after the other, each tested first.

A branch is brought up to date in its own worktree, the gates run there on the combined result,
and what is checked out in the mission's work tree is moved forward to exactly that commit. What
conflicts, or is red, stays where it is, and so does all that depends on it. Nothing is remembered
beside git and the mission's files, so a queue that was killed is simply started again.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError, NotReadyError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import find_repository, head_commit
from mosaic.machine.lock import hold_folder
from mosaic.model import Status
from mosaic.plan.gates import parse_gates
from mosaic.plan.graph import levels
from mosaic.records import NamedTuple
from mosaic.review.decision import hand_back
from mosaic.sessions.examine import run_gates
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.consent import require_consent
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission
from mosaic.store.state import ensure_state_dir
from mosaic.workspaces.landed import find_unlanded
from mosaic.workspaces.merge import (
    branch_and_tip,
    fast_forward,
    refuse_unfinished,
    refuse_unsaved,
    target_branch,
)
from mosaic.workspaces.provision import WorkspaceRequest, provision
from mosaic.workspaces.record import find_workspace, list_workspaces
from mosaic.workspaces.update import update_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.machine.lock import FolderLock
    from mosaic.model import Task
    from mosaic.sessions.examine import GateResult
    from mosaic.store.tasks import Snapshot

MOST_TRIES = 3
"""How often a branch is brought up to date anew because others committed while its gates ran."""


class Outcome(StrEnum):
    """What became of a branch."""

    LANDED = "landed"
    CONFLICT = "conflict"
    """It changes what was changed on the mission's branch since."""
    RED = "red"
    """A gate fails on the combined result."""
    WAITS = "waits"
    """It was not tried, or git refuses: `why` and `hint` say what for."""
    NOTHING = "nothing"
    """There is nothing to bring."""
    NEXT = "next"
    """In a dry run: it would be tried."""


class Queued(NamedTuple):
    """One task of a queue."""

    task_id: str
    outcome: Outcome
    branch: str = ""
    why: str = ""
    hint: str | None = None
    commit: str | None = None
    """What the mission's branch was moved forward to."""
    conflicts: tuple[str, ...] = ()
    """The files that conflict."""
    detail: str = ""
    """The conflict as git writes it, or the end of what red gates, git or hooks wrote."""
    gates: tuple[GateResult, ...] = ()
    left_out: tuple[str, ...] = ()
    """What stands in the worktree and is on no branch, each with why."""
    handed_back: bool = False


class Queue(NamedTuple):
    """What a queue did."""

    into: str
    """The branch that is checked out in the mission's work tree."""
    tasks: tuple[Queued, ...]
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is left to be landed."""
        return all(each.outcome in (Outcome.LANDED, Outcome.NOTHING) for each in self.tasks)


def land_all(
    mission_file: Path,
    *,
    sends_back: bool = False,
    in_loop: bool = False,
    dry_run: bool = False,
    hear: Callable[[Queued], object] = lambda _: None,
    watch: Callable[[str, GateResult], None] = lambda *_: None,
) -> Queue:
    """Land the branches of all done tasks, in dependency, then plan order.

    Args:
        sends_back: what conflicts or is red goes back to its agent, with that as a person's word.
        in_loop: it then counts as another attempt at the task, which goes on at once.
        dry_run: only say what would be tried.
        hear: called with each task as it is known what became of it.
        watch: called with a task and each of its gates as that ends.

    Raises:
        NotReadyError: no branch is checked out, or something of the user's is not finished there.
        ConsentNeededError: the mission names commands that the person has not allowed.
        HeldError: another queue is at work.
    """
    snapshot = read_mission(mission_file)
    home = find_repository(snapshot.layout.project)
    if home is None:
        raise NotReadyError("there is no git repository to land in")
    into = target_branch(home)
    waiting = find_unlanded(snapshot.layout, snapshot.tasks)
    done: list[Queued] = [*_with_nothing(snapshot, waiting)]
    for each in done:
        hear(each)
    if not waiting:
        return Queue(into, tuple(done), dry_run)
    if not dry_run:
        refuse_unfinished(home)
        mission = snapshot.document.mission
        if parse_gates(mission.quality_gates) or mission.worktrees.setup:
            require_consent(snapshot.document)
    depth = levels(snapshot.tasks)
    order = sorted(waiting, key=lambda name: depth.get(name, len(depth)))
    stopped = False
    with contextlib.nullcontext() if dry_run else _turn(snapshot) as lock:
        held = lock.descriptors if lock else ()
        for name in order:
            snapshot = read_mission(mission_file)
            why = "the queue was stopped" if stopped else _why_waits(snapshot, name, waiting, done)
            if why:
                found = Queued(name, Outcome.WAITS, waiting[name], why)
            elif dry_run:
                found = Queued(name, Outcome.NEXT, waiting[name])
            else:
                found = _land(snapshot, name, waiting[name], into, watch, held=held)
                if sends_back and found.outcome in (Outcome.CONFLICT, Outcome.RED):
                    hand_back(mission_file, name, _words(found, into), goes_on=in_loop)
                    found = found._replace(handed_back=True)
            stopped = stopped or any(gate.outcome == "stopped" for gate in found.gates)
            done.append(found)
            hear(found)
    return Queue(into, tuple(done), dry_run)


def _with_nothing(snapshot: Snapshot, waiting: dict[str, str]) -> list[Queued]:
    """Return the done tasks that have a worktree, and nothing in it to bring."""
    done = {task.id for task in snapshot.tasks if task.status is Status.DONE}
    return [
        Queued(each.owner, Outcome.NOTHING, each.branch or "")
        for each in list_workspaces(snapshot.layout)
        if each.owner in done and each.owner not in waiting
    ]


def _turn(snapshot: Snapshot) -> FolderLock:
    ensure_state_dir(snapshot.layout)
    try:
        return hold_folder(snapshot.layout.state_dir)
    except HeldError:
        raise HeldError(
            "another landing is under way", hint="wait for it, then `mission merge` again"
        ) from None


def _why_waits(
    snapshot: Snapshot, name: str, waiting: dict[str, str], done: list[Queued]
) -> str | None:
    """Say what a task waits for; None where it can be tried."""
    task = snapshot.get(name).task
    if task.status is not Status.DONE:
        return f"it is {task.status.value} again"
    if any(found.lock.task_id == name for found in live_or_unknown(snapshot)):
        return "a session works on it"
    landed = {each.task_id for each in done if each.outcome in (Outcome.LANDED, Outcome.NEXT)}
    for other in _needed(snapshot, task):
        if other.id in waiting and other.id not in landed:
            return f"`{other.id}`, which it depends on, has not landed"
        if not other.status.is_closed:
            return f"`{other.id}`, which it depends on, is {other.status.value}"
    branch = waiting[name]
    for each in list_workspaces(snapshot.layout):
        entry = snapshot.find(each.owner)
        if each.branch == branch and entry and not entry.task.status.is_closed:
            return f"`{each.owner}` is on branch `{branch}` too, and is {entry.task.status.value}"
    return None


def _needed(snapshot: Snapshot, task: Task) -> list[Task]:
    """Return all that a task depends on, directly or not."""
    names = dict.fromkeys(task.depends_on)
    found = []
    for name in (queue := [*names]):  # grows while it is gone through
        entry = snapshot.find(name)
        if entry is None or entry.task.id == task.id:
            continue
        found.append(entry.task)
        fresh = [each for each in entry.task.depends_on if each not in names]
        names |= dict.fromkeys(fresh)
        queue += fresh
    return found


def _land(
    snapshot: Snapshot,
    name: str,
    branch: str,
    into: str,
    watch: Callable[[str, GateResult], None],
    *,
    held: Sequence[int],
) -> Queued:
    try:
        return _try_to_land(snapshot, name, branch, into, watch, held=held)
    except MissionError as error:
        return Queued(
            name, Outcome.WAITS, branch, error.message, error.hint, detail=error.detail or ""
        )


def _try_to_land(
    snapshot: Snapshot,
    name: str,
    branch: str,
    into: str,
    watch: Callable[[str, GateResult], None],
    *,
    held: Sequence[int],
) -> Queued:
    task, mission = snapshot.get(name).task, snapshot.document.mission
    known = find_workspace(snapshot.layout, name)
    request = WorkspaceRequest(name=known.name if known else name, owner=name, branch=branch)
    workspace = provision(snapshot.layout, request, mission.worktrees)
    home, top = workspace.home, workspace.path
    left_out = refuse_unsaved(workspace, *branch_and_tip(workspace))
    named = project_paths(snapshot.layout).named
    said: list[str] = []
    for _ in range(MOST_TRIES):
        onto = head_commit(home) or ""
        message = f"Merge {name}: {task.title}"
        update = update_branch(workspace, onto, mission.landing_update, message, held=held)
        if update.conflicts:
            conflicts = tuple(map(named, update.conflicts))
            why = f"it conflicts with `{into}`: {shown_paths(conflicts)}"
            found = Queued(name, Outcome.CONFLICT, branch, why, detail=update.detail)
            hint = f"`git -C {top} {mission.landing_update.value} {into}` shows it"
            return found._replace(conflicts=conflicts, hint=hint)
        said.append(update.said)
        changes = compare_trees(top, onto, update.tip, find_renames=False)
        results = tuple(
            run_gates(
                snapshot,
                name,
                cwd=workspace.project,
                changed=[named(change.path) for change in changes],
                tell=lambda result: watch(name, result),
            )
        )
        if red := [each for each in results if not each.is_green]:
            why = "; ".join(f"gate `{each.gate.name}` {each.words}" for each in red)
            is_stopped = any(each.outcome == "stopped" for each in red)
            outcome = Outcome.WAITS if is_stopped else Outcome.RED
            tails = "\n".join(each.tail.rstrip() for each in red if each.tail.strip())
            hint = f"`mission gates {name}` in `{top}` runs them again"
            return Queued(name, outcome, branch, why, hint, detail=tails, gates=results)
        if head_commit(home) == onto:
            merged = fast_forward(workspace, update.tip)
            said.append(merged.said)
            found = Queued(name, Outcome.LANDED, branch, commit=merged.commit, gates=results)
            return found._replace(left_out=left_out, detail="\n".join(filter(None, said)))
    raise NotReadyError(
        f"`{into}` was committed to again and again while the gates of `{task.id}` ran"
    )


def _words(found: Queued, into: str) -> str:
    """Return what a person would say to the agent: why its work did not land, and what to do."""
    if found.outcome is Outcome.CONFLICT:
        words = (
            f"It did not land: {found.why}. Merge `{into}` into your branch (`git merge {into}`), "
            "keep what both sides meant, and hand off again."
        )
    else:
        words = (
            f"It did not land: together with what is on `{into}` now, {found.why}. Your branch "
            f"has `{into}` in it already; make it green there, and hand off again."
        )
    fence = "~~~~"
    while fence in found.detail:
        fence += "~"
    return f"{words}\n\n{fence}\n{found.detail}\n{fence}" if found.detail else words
