"""What people decide on a task: approve it, send it back, answer a question, remark on lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent, save_change
from mosaic.app.tasks import TaskView
from mosaic.errors import MissionError, NotReadyError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.questions import question_of
from mosaic.records import NamedTuple
from mosaic.review.decision import approved_before, commit_decision, decide
from mosaic.review.filing import draft_decision, draft_remarks, note_saved, person_name
from mosaic.sessions.attempt import forgive_attempts
from mosaic.sessions.rules import allowed_paths
from mosaic.settings import Landing
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import load_mission
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission
from mosaic.text.decisions import Kind, answer_remark, coded, read_decisions
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.review.decision import Decided
    from mosaic.review.verdict import Review
    from mosaic.sessions.remarks import Remark
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.text.decisions import Decision
    from mosaic.workspaces.merge import Merged


class DecidedTask(NamedTuple):
    """A task after a person decided something on it."""

    task: TaskView
    decision: str
    """`approved`, `rejected`, `answered`, `remarked` or `allowed`."""
    decisions: tuple[Decision, ...]
    """The entries that were written in its file."""
    overruled: tuple[str, ...] = ()
    """The evidence against approving, where it was approved anyway."""
    commit: str | None = None
    notices: tuple[str, ...] = ()
    to_merge: str | None = None
    """The branch in which the work that was approved waits."""
    merged: Merged | None = None
    """What became of that branch, where it was merged with the approval."""
    merge_problem: MissionError | None = None
    """Why it was not merged, though that was wanted."""


def approve(
    snapshot: Snapshot,
    review: Review,
    *,
    why: str | None = None,
    force: bool = False,
    commit: bool = False,
    merge: bool = False,
    actor: Actor | None = None,
) -> DecidedTask:
    """Set a reviewed task done.

    With `commit`, the decision and the work that it accepts are committed. With `merge`, or where
    the mission lands what is approved, its branch is merged. For an approval that is on record
    already only that is done.

    Raises:
        UsageError: an agent asks.
        NotReadyError: the task does not wait for a decision.
        AgainstEvidenceError: there are objections, and `force` is not set.
        GitError: git made no commit; the decision is taken back.
    """
    refuse_agent(snapshot.layout, actor)
    path = snapshot.document.path
    earlier = approved_before(path, review) if commit or merge else None
    decided = earlier or decide(path, review, approve=True, why=why, force=force)
    return _landed(path, _decided(review, decided, commit=commit), is_wanted=merge)


def _landed(mission_file: Path, decided: DecidedTask, *, is_wanted: bool) -> DecidedTask:
    """Merge the branch of an approved task where that is wanted, or say that it waits."""
    snapshot, task_id = read_mission(mission_file), decided.task.task.id
    branch = find_unlanded(snapshot.layout, snapshot.tasks).get(task_id)
    if branch is None or not (is_wanted or snapshot.document.mission.landing.lands_approved):
        return decided._replace(to_merge=branch)
    from mosaic.app.task_work import land_task  # start-up: most decisions merge nothing

    try:
        return decided._replace(merged=land_task(snapshot, task_id))
    except MissionError as error:
        return decided._replace(to_merge=branch, merge_problem=error)


def reject(
    snapshot: Snapshot,
    review: Review,
    why: str | None,
    *,
    remarks: Sequence[Remark] = (),
    commit: bool = False,
    actor: Actor | None = None,
) -> DecidedTask:
    """Send a reviewed task back to todo, with the reason for the next attempt.

    Its handoff is filed away, and the sections are empty.

    Raises:
        UsageError: an agent asks, the reason is missing, or a remark names no line.
        NotReadyError: the task does not wait for a decision.
        GitError: git made no commit; the decision is taken back.
    """
    refuse_agent(snapshot.layout, actor)
    path = snapshot.document.path
    decided = decide(path, review, approve=False, why=why, force=False, remarks=remarks)
    return _decided(review, decided, commit=commit)


def remark(
    snapshot: Snapshot, review: Review, remarks: Sequence[Remark], actor: Actor | None = None
) -> DecidedTask:
    """Write remarks on lines of the change that a review is of; the task stays where it is.

    Raises:
        UsageError: an agent asks, or a remark names no line.
    """
    refuse_agent(snapshot.layout, actor)
    with editing(snapshot.document.path, f"remarking on {review.task.id}") as draft:
        made = draft_remarks(draft, review, remarks, utc_now().astimezone())
        save_change(draft)
        note_saved(draft, review.task.id, made)
        task = TaskView(draft.snapshot.get(review.task.id).task)
        return DecidedTask(task, Kind.REMARKED.value, tuple(made), notices=tuple(draft.notices))


def allow(
    snapshot: Snapshot, task_id: str, paths: Sequence[str], actor: Actor | None = None
) -> DecidedTask:
    """Accept files or folders outside of a task's write scope, or of its worktree, for that task.

    Args:
        paths: as a review names them: relative to the project; or absolute.

    Raises:
        UsageError: an agent asks, or a path is not in the repository.
    """
    refuse_agent(snapshot.layout, actor)
    names = [_in_repository(path, snapshot.layout) for path in dict.fromkeys(paths)]
    with editing(snapshot.document.path, f"allowing {', '.join(names)}") as draft:
        task = draft.snapshot.get(task_id).task
        known = allowed_paths(draft.snapshot, task)
        now = utc_now().astimezone()
        made = [
            draft_decision(draft, task.id, Kind.ALLOWED, coded(name), now)
            for name in names
            if name not in known
        ]
        save_change(draft)
        note_saved(draft, task.id, made)
        view = TaskView(draft.snapshot.get(task.id).task)
        return DecidedTask(view, Kind.ALLOWED.value, tuple(made), notices=tuple(draft.notices))


def _in_repository(path: str, layout: Layout) -> str:
    project = os.path.realpath(layout.project)
    place = os.path.normpath(os.path.join(project, path))
    name = os.path.relpath(place, project)
    paths = project_paths(layout)
    if not path.strip() or paths.leads_out(name) or paths.in_tree(name) in (".", ""):
        raise UsageError(
            f"`{path}` names no file of the repository", hint="write it as the review does"
        )
    if name == ".":
        raise UsageError(f"`{path}` is the whole project", hint="name a file or a folder in it")
    return name


def answer(mission_file: Path, task_id: str, words: str, actor: Actor | None = None) -> DecidedTask:
    """Answer the question of a blocked task, and set it back to where it was.

    That is `in-progress` where a session began it, else `todo`: `next` goes on with it.

    Raises:
        UsageError: an agent asks, or the answer is empty.
        NotReadyError: the task is not blocked.
    """
    with editing(mission_file, f"answering {task_id}") as draft:
        refuse_agent(draft.layout, actor)
        task = draft.snapshot.get(task_id).task
        if not words.strip():
            raise UsageError("the answer is empty", hint=f'`mission answer {task.id} "…"`')
        if task.status is not Status.BLOCKED:
            raise NotReadyError(
                f"`{task.id}` is {task.status.value}: no question waits",
                hint=f"`mission review {task.id}` shows what can be decided",
            )
        sessions = draft.snapshot.document.mission.sessions.of_task(task.id)
        question = question_of(task, sessions)
        notes = [("question", question.line)] if question else []
        now = utc_now().astimezone()
        made = draft_decision(draft, task.id, Kind.ANSWERED, words, now, notes=notes)
        status = Status.IN_PROGRESS if sessions else Status.TODO
        draft.edit_task(task.id, {"status": status.value}, now)
        save_change(draft)
        note_saved(draft, task.id, [made])
        forgive_attempts(draft.snapshot, task.id)
        view = TaskView(draft.snapshot.get(task.id).task)
        return DecidedTask(view, Kind.ANSWERED.value, (made,), notices=tuple(draft.notices))


def answer_remarks(
    mission_file: Path, task_id: str, answers: Sequence[tuple[int, str]]
) -> tuple[str, ...]:
    """Say how remarks were followed, by their numbers; return what the person is to be warned of.

    Agents and people do.

    Raises:
        UsageError: there is no such remark, or an answer is empty.
    """
    with editing(mission_file, f"answering remarks on {task_id}") as draft:
        task = draft.snapshot.get(task_id).task
        who = os.environ.get("MISSION_SESSION") or person_name(draft.layout)
        for number, words in answers:
            said = " ".join(words.split())
            if not said:
                raise UsageError("an answer is empty", hint="say what you did")
            line = f"{utc_now().astimezone():%Y-%m-%d} {who}: {said}"

            def edit(text: str, number: int = number, line: str = line) -> str:
                answered = answer_remark(text, number, line)
                if answered is None:
                    remarks = [e for e in read_decisions(text) if e.kind is Kind.REMARKED]
                    known = ", ".join(f"{each.number} on `{each.place}`" for each in remarks)
                    raise UsageError(
                        f"`{task.id}` has no remark {number}", detail=f"it has {known or 'none'}"
                    )
                return answered

            draft.edit_text(task.id, edit)
        save_change(draft)
        return tuple(draft.notices)


def _decided(review: Review, decided: Decided, *, commit: bool) -> DecidedTask:
    return DecidedTask(
        task=TaskView(decided.task),
        decision=(Kind.APPROVED if decided.approved else Kind.REJECTED).value,
        decisions=decided.made,
        overruled=decided.overruled,
        commit=commit_decision(review, decided) if commit else None,
        notices=(*decided.notices, *(_requested(decided) if decided.approved else ())),
    )


def _requested(decided: Decided) -> tuple[str, ...]:
    """Open the pull request of an approved task, where work lands so; say what came of it."""
    document = load_mission(decided.layout.mission_file)
    if document.mission.landing is not Landing.PULL_REQUEST:
        return ()
    from mosaic.app.pull_request import look_at_request  # start-up: few missions land so

    try:
        require_consent(document)
        page = look_at_request(read_mission(document.path), decided.task.id)
    except MissionError as error:
        return (f"its pull request: {error.summary}; `mission pr {decided.task.id}` tries again",)
    return (*page.did, f"its pull request is {page.request.url}", *page.notices)
