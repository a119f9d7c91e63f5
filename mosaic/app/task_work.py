"""What happens to a task's work: its gates run, people decide, it is merged, it is restored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from mosaic.app.actor import is_agent
from mosaic.app.tasks import TaskView
from mosaic.codec import JsonForm
from mosaic.errors import NotReadyError, UsageError
from mosaic.git.git import find_work_tree
from mosaic.model import Status
from mosaic.plan.gates import parse_gates
from mosaic.records import dataclass
from mosaic.review.decision import approved_before, commit_decision, decide
from mosaic.sessions.attempt import find_checkpoint
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.examine import run_gates
from mosaic.sessions.restoring import find_restoring, settle_restore
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.consent import require_consent
from mosaic.workspaces.merge import merge_workspace
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.app.actor import Actor
    from mosaic.review.verdict import Review
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.sessions.examine import GateResult
    from mosaic.sessions.restoring import Restoring
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.merge import Merged, MergeWay


class Gates(NamedTuple):
    """How the gates of a task went."""

    task_id: str
    green: bool
    gates: tuple[GateResult, ...]


class Decision(NamedTuple):
    """A decision that was recorded."""

    task: TaskView
    decision: str
    overruled: tuple[str, ...]
    """The evidence against approving, where it was approved anyway."""
    commit: str | None
    notices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoredTree:
    """A work tree that was set to a checkpoint, or back to what it was before."""

    json_form = JsonForm(leaves_out=("found",))
    task_id: str
    seq: int
    place: str
    tree: str
    found: FoundCheckpoint | None = None
    """The checkpoint; None where an earlier restore was finished or taken back."""
    is_aborted: bool = False
    kept: tuple[str, ...] = ()
    """Paths that are never restored."""
    extra: tuple[str, ...] = ()
    """Paths that were there before and are not in the checkpoint."""
    left: tuple[str, ...] = ()
    """Paths that were changed since the interruption, and are left as they are."""
    replaced: tuple[str, ...] = ()
    """Paths that had something else, which `saved_commit` has."""
    saved_commit: str | None = None


def run_task_gates(
    snapshot: Snapshot, task_id: str | None, here: Path, watch: Callable[[GateResult], None]
) -> Gates:
    """Run every gate as a recorded step of a task.

    Args:
        snapshot: the mission.
        task_id: None: the task of the agent that calls, else of the last session.
        here: the gates run in it where it is in a work tree, else in the project.
        watch: is called with each gate as it ends.

    Raises:
        UsageError: there are no gates, or no task is named and none was worked on.
        ConsentNeededError: the mission names commands that the person has not allowed.
    """
    mission = snapshot.document.mission
    if not parse_gates(mission.quality_gates):
        raise UsageError(
            "the mission has no quality gates", hint='set `"qualityGates": "pytest -q"`'
        )
    require_consent(snapshot.document)
    worked_on = [each.last_task_id for each in mission.sessions if each.last_task_id]
    named = task_id or os.environ.get("MISSION_TASK") or (worked_on[-1] if worked_on else None)
    if named is None:
        raise UsageError("no task is named", hint="`mission gates T-001`")
    name = snapshot.get(named).task.id
    place = here if find_work_tree(here) is not None else snapshot.layout.project
    results = tuple(run_gates(snapshot, name, cwd=place, tell=watch))
    return Gates(name, all(result.is_green for result in results), results)


def refuse_agent(snapshot: Snapshot, actor: Actor | None = None) -> None:
    """Make sure that a person decides."""
    if is_agent(actor, snapshot.layout):
        raise UsageError("an agent cannot review", hint="a person decides")


def decide_review(
    snapshot: Snapshot,
    review: Review,
    *,
    approve: bool,
    why: str | None = None,
    force: bool = False,
    commit: bool = False,
    actor: Actor | None = None,
) -> Decision:
    """Set a task done, or back to todo with the reason in its notes.

    With `commit`, the decision and the work that it accepts are committed; an approval that is
    on record already is only committed.

    Raises:
        UsageError: an agent asks, or a rejection has no reason.
        NotReadyError: the task does not wait for a decision, or the evidence is against it.
        GitError: git made no commit; the decision is taken back.
    """
    refuse_agent(snapshot, actor)
    path = snapshot.document.path
    earlier = approved_before(path, review) if approve and commit else None
    decided = earlier or decide(path, review, approve=approve, why=why, force=force)
    return Decision(
        task=TaskView(decided.task),
        decision="approved" if approve else "rejected",
        overruled=decided.overruled,
        commit=commit_decision(review, decided) if commit else None,
        notices=decided.notices,
    )


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


def restore(snapshot: Snapshot, task_id: str, seq: int, into: Path | None) -> RestoredTree:
    """Set a work tree to a checkpoint; where the same restore was interrupted, finish that."""
    note = _interrupted(snapshot, into)
    if note is not None and (note.task_id, note.seq) == (snapshot.get(task_id).task.id, seq):
        return _settle(snapshot, note, back=False)
    found = find_checkpoint(snapshot, task_id, seq)
    done = restore_checkpoint(snapshot, found, into=into)
    return RestoredTree(
        task_id=found.checkpoint.task_id,
        seq=seq,
        place=str(done.place),
        tree=done.tree,
        found=found,
        kept=done.kept,
        extra=done.extra,
    )


def settle_interrupted(snapshot: Snapshot, into: Path | None, *, back: bool) -> RestoredTree:
    """Finish a restore that was interrupted, or take it back."""
    note = _interrupted(snapshot, into)
    if note is None and back:
        raise UsageError("no restore was interrupted here", hint="`mission status` shows any")
    if note is None:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore T-001 3`"
        )
    return _settle(snapshot, note, back=back)


def _interrupted(snapshot: Snapshot, into: Path | None) -> Restoring | None:
    return find_restoring(snapshot.layout, into.absolute() if into else None)


def _settle(snapshot: Snapshot, note: Restoring, *, back: bool) -> RestoredTree:
    done = settle_restore(snapshot.layout, note, back=back)
    return RestoredTree(
        task_id=note.task_id,
        seq=note.seq,
        place=note.place,
        tree=done.tree,
        is_aborted=back,
        left=done.left,
        replaced=done.replaced,
        saved_commit=done.saved,
    )
