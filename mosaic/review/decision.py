"""A person's decision about a task in review, in its files and, if asked for, in git."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mosaic.errors import AgainstEvidenceError, GitError, NotReadyError, UsageError
from mosaic.git.git import find_repository, head_commit, run_git
from mosaic.git.index_copy import index_kept
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.records import dataclass
from mosaic.review.filing import draft_decision, draft_remarks, note_saved
from mosaic.runs.snapshots import state_prefix
from mosaic.sessions.attempt import forgive_attempts
from mosaic.sessions.rules import agree_to_rules
from mosaic.store.draft import changing
from mosaic.store.in_step import save_and_number
from mosaic.store.project_paths import project_paths
from mosaic.store.reading import read_mission
from mosaic.store.state import ensure_state_dir
from mosaic.text.decisions import Kind
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.review.verdict import Review
    from mosaic.sessions.remarks import Remark
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.text.decisions import Decision

COMMIT_SECONDS = 600.0
"""Hooks run linters and tests."""
REVIEWABLE = (Status.REVIEW, Status.IN_PROGRESS, Status.BLOCKED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A decision that was recorded."""

    task: Task
    approved: bool
    why: str | None
    layout: Layout
    made: tuple[Decision, ...] = ()
    """The entries that were written."""
    overruled: tuple[str, ...] = ()
    """The objections that an approval with `force` overruled."""
    notices: tuple[str, ...] = ()
    draft: Draft | None = None
    """What wrote the decision; None where it was made earlier."""


def decide(
    mission_file: Path,
    review: Review,
    *,
    approve: bool,
    why: str | None,
    force: bool,
    remarks: Sequence[Remark] = (),
) -> Decided:
    """Record a decision: done, or back to todo with the old handoff filed away.

    Raises NotReadyError where the task does not wait for one; AgainstEvidenceError where there are
    objections to approving it and `force` is not set; FileChangedError where its row or file
    changed since the review was made.
    """
    why = (why or "").strip()
    if not approve and not why and not remarks:
        raise UsageError("`--reject` needs a reason", hint='`--reject --why "what is missing"`')
    _refuse_undecidable(review.task)
    objections = review.objections if approve else []
    if objections and not force:
        hint = "`--reject --why` sends it back; `--approve --force` accepts it anyway"
        raise AgainstEvidenceError(review.task.id, objections, hint=hint)
    with changing(mission_file, doing=f"reviewing {review.task.id}") as draft:
        task = draft.snapshot.get(review.task.id).task
        _refuse_undecidable(task)
        if review.version:
            draft.snapshot.refuse_moved(task.id, review.version)
        now = utc_now().astimezone()
        made = draft_remarks(draft, review, remarks, now)
        if not approve and not why:
            why = f"see {', '.join(f'remark {each.number}' for each in made)}"
        kind = Kind.APPROVED if approve else Kind.REJECTED
        made += [draft_decision(draft, task.id, kind, why, now, files_away=not approve)]
        status = Status.DONE if approve else Status.TODO
        draft.edit_task(task.id, {"status": status.value}, now)
        save_and_number(draft)
        note_saved(draft, task.id, made)
        forgive_attempts(draft.snapshot, task.id)
        if review.rules_changed:
            agree_to_rules(draft.layout)  # they were shown, and this is the answer
        return Decided(
            task=draft.snapshot.get(task.id).task,
            approved=approve,
            why=why or None,
            layout=draft.layout,
            made=tuple(made),
            overruled=tuple(objections),
            notices=tuple(draft.notices),
            draft=draft,
        )


def hand_back(mission_file: Path, task_id: str, why: str, *, goes_on: bool) -> None:
    """Send a done task whose work does not land back to its agent, with why as a person's word.

    With `goes_on` it is in progress, and its attempts count on; else it is todo, and they begin
    anew, as where a person rejects it.
    """
    with changing(mission_file, doing=f"handing {task_id} back") as draft:
        if draft.snapshot.get(task_id).task.status is not Status.DONE:
            return
        now = utc_now().astimezone()
        made = draft_decision(draft, task_id, Kind.REJECTED, why, now, files_away=True)
        status = Status.IN_PROGRESS if goes_on else Status.TODO
        draft.edit_task(task_id, {"status": status.value}, now)
        draft.save()
        note_saved(draft, task_id, [made])
        if not goes_on:
            forgive_attempts(draft.snapshot, task_id)


def _refuse_undecidable(task: Task) -> None:
    if task.status not in REVIEWABLE:
        raise NotReadyError(
            f"`{task.id}` is {task.status.value} and does not wait for a decision",
            hint=f"`mission show {task.id}`",
        )


def approved_before(mission_file: Path, review: Review) -> Decided | None:
    """Return the approval of a task that is done already; None where it is not done.

    For a commit that was never made: the decision stands, and only git lacks it.
    """
    snapshot = read_mission(mission_file)
    task = snapshot.get(review.task.id).task
    if task.status is not Status.DONE:
        return None
    return Decided(task=task, approved=True, why=None, layout=snapshot.layout)


def commit_decision(review: Review, decided: Decided) -> str:
    """Commit the mission's files, and with an approval the work that it accepts.

    Work that was done in a worktree is committed there, on its branch. Only these paths are
    committed; what else is staged stays staged. Where git makes no commit, the decision is
    taken back and the index is as it was.
    """
    try:
        return _commit(review, decided)
    except BaseException as error:
        if decided.draft is not None:
            with changing(decided.layout.mission_file, doing=f"taking back {decided.task.id}"):
                decided.draft.undo()
        if isinstance(error, GitError):
            error.message = f"`{decided.task.id}` is not committed: {error.message}"
            if decided.draft is not None:
                error.message += ", and the decision is taken back"
            error.hint = f"fix that, then `{_same_again(decided)}`"
        raise


def _same_again(decided: Decided) -> str:
    answer = "--approve" if decided.approved else "--reject"
    why = ("--why", decided.why) if decided.why else ()
    force = ("--force",) if decided.overruled else ()
    return shlex.join(["mission", "review", decided.task.id, answer, *why, *force, "--commit"])


def _commit(review: Review, decided: Decided) -> str:
    layout = decided.layout
    top = find_repository(layout.project)
    if top is None:
        raise NotReadyError("there is no git repository to commit to")
    own = (layout.tasks_file, layout.tasks_dir, layout.mission_file, layout.scratchpad_file)
    paths = {name for path in own if (name := state_prefix(path, top)) is not None}
    work: set[str] = set()
    in_tree = project_paths(layout).in_tree
    for change in review.whole.changed or () if decided.approved else ():
        work |= {in_tree(change.path), in_tree(change.old_path or change.path)}
    workspace = find_workspace(layout, decided.task.id)
    message = _message(review, decided)
    ensure_state_dir(layout)
    if workspace is not None and workspace.is_there:
        _commit_paths(workspace.path, sorted(work - paths), message, layout.state_dir)
    else:
        paths |= work
    if _commit_paths(top, sorted(paths), message, layout.state_dir) is None:
        raise NotReadyError("there is nothing to commit")
    return head_commit(top) or ""


def _commit_paths(top: Path, paths: list[str], message: str, scratch: Path) -> str | None:
    if not paths:
        return None
    status = run_git(
        ["--literal-pathspecs", "status", "--porcelain=v1", "-z", "--no-renames",
         "--untracked-files=all", "--", *paths],
        top,
    )  # fmt: skip
    changed = [line[3:] for line in status.text.split("\0") if len(line) > len("XY ")]
    if not changed:
        return None
    listed = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in changed)
    options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    literal = ["--literal-pathspecs"]
    with index_kept(top, scratch):
        run_git([*literal, "add", "--all", *options], top, stdin=listed)
        command = [*literal, "commit", "--only", "--quiet", "-m", message, *options]
        run_git(command, top, stdin=listed, timeout_seconds=COMMIT_SECONDS)
    return head_commit(top) or ""


def _message(review: Review, decided: Decided) -> str:
    task = decided.task
    verb = "Approve" if decided.approved else "Reject"
    why = [decided.why, ""] if decided.why else []
    lines = [f"{verb} {task.id}: {task.title}", "", *why, f"Mission-Task: {task.id}"]
    for session in review.evidence.sessions[-1:]:
        lines.append(f"Mission-Session: {session.id}")
        lines += [f"Mission-Run: {session.run_id}"] if session.run_id else []
    return "\n".join(lines) + "\n"
