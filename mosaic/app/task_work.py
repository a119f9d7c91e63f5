"""What happens to a task's work: its gates run, it is reviewed, merged and restored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.app.change import refuse_agent
from mosaic.app.tasks import TaskView
from mosaic.errors import NotReadyError, UsageError
from mosaic.git.git import answer_of, find_work_tree, run_git
from mosaic.model import Status
from mosaic.plan.gates import parse_gates
from mosaic.records import NamedTuple
from mosaic.review.verdict import diff_text, review_task
from mosaic.sessions.attempt import find_checkpoint
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.examine import run_gates
from mosaic.sessions.restoring import find_restoring, settle_restore
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.consent import require_consent
from mosaic.workers.queue import land_all
from mosaic.workspaces.landed import find_unlanded
from mosaic.workspaces.merge import MergeWay, merge_workspace
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import Review
    from mosaic.sessions.examine import GateResult
    from mosaic.sessions.restoring import RestoredTree, Restoring
    from mosaic.store.tasks import Snapshot
    from mosaic.workers.queue import Queue
    from mosaic.workspaces.merge import Merged


class Gates(NamedTuple):
    """How the gates of a task went."""

    task_id: str
    green: bool
    gates: tuple[GateResult, ...]


class ReviewPage(NamedTuple):
    """What a task's handoff claims beside what happened."""

    review: Review
    diff: str | None = None
    """The changes themselves, where they were asked for."""

    def json_values(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        review, judged, evidence = self.review, self.review.judged, self.review.evidence
        values: dict[str, Any] = {
            "task": TaskView(review.task),
            "sections": review.sections,
            "missing": review.missing,
            "claims": {
                "files": [_judged(each, "path") for each in judged.files],
                "commands": [_judged(each, "command") for each in judged.commands],
            },
            "unclaimed": {"files": judged.unclaimed_files, "commands": judged.unclaimed_commands},
            "evidence": {
                "since": evidence.since,
                "files": evidence.changed,
                "commands": evidence.ran,
                "knows_all_commands": evidence.knows_all_commands,
                "caveats": evidence.caveats,
                "unknown": evidence.unknown,
                "beside": evidence.beside,
                "outside": [path for each in review.outside for path in each.paths],
            },
            "gates": [
                {"name": g.name, "green": g.is_green, "words": g.words, "run_id": g.run_id}
                for g in review.gates
            ],
            "decisions": [
                {**each.json_values(), "now": found.words if found else ""}
                for each in review.decisions
                for found in [review.remarks.get(each.number)]
            ],
            "unchanged_since": review.unchanged_since,
            "goal": review.goal,
            "criteria": review.criteria,
            "sessions": evidence.sessions,
            "session_hosts": evidence.session_hosts,
            "usage": evidence.usage,
        }
        others = ("out_of_scope", "rules_changed", "warnings", "stat", "objections")
        values |= {name: getattr(review, name) for name in others}
        return values if self.diff is None else {**values, "diff": self.diff}


def run_task_gates(
    snapshot: Snapshot, task_id: str | None, here: Path, watch: Callable[[GateResult], None]
) -> Gates:
    """Run every gate as a recorded step of a task, and call `watch` with each as it ends.

    Without a task it is that of the agent that calls, else of the last session. The gates run in
    `here` where that is in a work tree, else in the project.

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
        hint = f"its work is where it was done; `mission show {task.id}` names the branch"
        if branch := find_unlanded(snapshot.layout, [task]).get(task.id):
            hint = f"`mission merge` makes one of `{branch}`, and lands it"
        raise NotReadyError(f"`{task.id}` has no worktree", hint=hint)
    return merge_workspace(workspace, way, f"Merge {task.id}: {task.title}")


def land_task(snapshot: Snapshot, task_id: str) -> Merged:
    """Merge the branch of a task, or leave everything as it was.

    Raises:
        NotReadyError: as `merge_task`, or the branch conflicts with what is checked out.
        GitError: git refused.
    """
    home = find_work_tree(snapshot.layout.project) or snapshot.layout.project
    was_merging = _is_merging(home)
    try:
        return merge_task(snapshot, task_id, MergeWay.AUTO)
    except NotReadyError as error:
        if not was_merging and _is_merging(home):
            run_git(["merge", "--abort"], home)
            error.detail = "the merge was taken back"
            error.hint = f"`mission merge {task_id}` begins it again, for you to mend"
        raise


def _is_merging(home: Path) -> bool:
    return answer_of(["rev-parse", "--verify", "--quiet", "MERGE_HEAD"], home) is not None


def land_tasks(
    snapshot: Snapshot,
    *,
    hand_back: bool = False,
    dry_run: bool = False,
    watch: Callable[[str, GateResult], None] = lambda *_: None,
    actor: Actor | None = None,
) -> Queue:
    """Land the branches of all done tasks: see `mosaic.workers.queue.land_all`.

    UsageError: an agent asks to hand tasks back.
    """
    if hand_back:
        refuse_agent(snapshot.layout, actor)
    return land_all(
        snapshot.document.path,
        sends_back=hand_back,
        dry_run=dry_run,
        watch=watch,
    )


def restore(
    snapshot: Snapshot,
    task_id: str,
    seq: int,
    into: Path | None,
    *,
    whole: bool = False,
    force: bool = False,
) -> RestoredTree:
    """Set a work tree to a checkpoint; where the same restore was interrupted, finish that."""
    note = _interrupted(snapshot, into)
    if note is not None and (note.task_id, note.seq) == (snapshot.get(task_id).task.id, seq):
        return settle_restore(snapshot.layout, note, back=False)
    found = find_checkpoint(snapshot, task_id, seq)
    return restore_checkpoint(snapshot, found, into=into, whole=whole, force=force)


def settle_interrupted(snapshot: Snapshot, into: Path | None, *, back: bool) -> RestoredTree:
    """Finish a restore that was interrupted, or take it back."""
    note = _interrupted(snapshot, into)
    if note is None and back:
        raise UsageError("no restore was interrupted here", hint="`mission status` shows any")
    if note is None:
        raise UsageError(
            "`restore` takes a task and a number", hint="`mission checkpoint restore ID SEQ`"
        )
    return settle_restore(snapshot.layout, note, back=back)


def _interrupted(snapshot: Snapshot, into: Path | None) -> Restoring | None:
    return find_restoring(snapshot.layout, into.absolute() if into else None)


def list_reviews(snapshot: Snapshot) -> list[TaskView]:
    """Return the tasks that wait for review, in plan order."""
    return [TaskView(task) for task in snapshot.tasks if task.status is Status.REVIEW]


def show_review(snapshot: Snapshot, task_id: str, *, diff: bool = False) -> ReviewPage:
    """Return what a task's handoff claims beside what git, transcripts and records show.

    Raises:
        TaskNotFoundError: there is no such task.
    """
    review = review_task(snapshot, snapshot.get(task_id).task)
    return ReviewPage(review, diff_text(snapshot, review) if diff else None)


def write_review_page(review: Review, facts: list[str], place: Path) -> None:
    """Write a review as one HTML page to share."""
    from mosaic.review.html import render_page

    write_page(render_page(review, facts), place)


def write_page(page: str, place: Path) -> None:
    """Write a page to share, as a whole."""
    from mosaic.machine.disk import write_atomic

    target = place.absolute()
    write_atomic(target, page.encode("utf-8", "replace"), root=target.parent)


def _judged(each: JudgedClaim[Any], name: str) -> dict[str, str]:
    claim = {name: getattr(each.claim, name), "text": each.claim.text}
    return {**claim, "standing": each.standing.value, "why": each.why}
