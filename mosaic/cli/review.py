"""Review: claims beside evidence, and the decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import Result, align, clean, emit, paint
from mosaic.cli.review_view import review_lines
from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.app.review import ReviewPage
    from mosaic.app.task_work import Decision
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Snapshot


def review_command(
    task_id: MaybeTaskId = None,
    approve: Annotated[bool, typer.Option("--approve", help="Accept it: set it done.")] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="Send it back to todo; say why.")
    ] = False,
    why: Annotated[
        str | None, typer.Option("--why", help="Why; appended to the task's notes.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Approve against the evidence.")] = False,
    commit: Annotated[
        bool, typer.Option("--commit", help="Commit the decision and the work it accepts.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changes themselves.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one page to share.")
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set a handoff beside what happened, and decide; without an ID, list what waits."""
    snapshot = read_mission(locate_mission(mission))
    if approve and reject:
        raise UsageError("a review either approves or rejects")
    if commit and not (approve or reject):
        raise UsageError("`--commit` is used with a decision", hint="add `--approve` or `--reject`")
    if task_id is None:
        if approve or reject or html or diff:
            raise UsageError("no task is named", hint="`mission review T-001`")
        return _list(snapshot, as_json=as_json)
    from mosaic.app.review import show_review
    from mosaic.app.task_work import decide_review, refuse_agent

    if approve or reject:
        refuse_agent(snapshot)  # before the evidence is looked at
    page = show_review(snapshot, task_id, diff=diff)
    if html is not None:
        _write_page(html, page.review)
    if approve or reject:
        decided = decide_review(
            snapshot, page.review, approve=approve, why=why, force=force, commit=commit
        )
        return _show_decision(decided, as_json=as_json)
    return _show(page, html=html, as_json=as_json)


def _list(snapshot: Snapshot, *, as_json: bool) -> int:
    from mosaic.app.review import list_reviews

    found = list_reviews(snapshot)
    tasks = [each.task for each in found.tasks]
    result = Result(
        kind="review.list",
        data=found,
        lines=align([(task.id, task.title) for task in tasks])
        or [paint("nothing waits for review", "dim")],
        next_commands=[f"mission review {t.id}" for t in tasks[:1]] or ["mission next"],
        show_next=bool(tasks),
    )
    return emit(result, as_json=as_json)


def _show(page: ReviewPage, *, html: Path | None, as_json: bool) -> int:
    lines = review_lines(page.review)
    if page.diff is not None:
        lines += ["", paint("diff", "bold"), *map(_diff_line, page.diff.splitlines())]
    if html is not None:
        lines.append(f"written to {clean(html)}")
    command = f"mission review {page.review.task.id}"
    result = Result(
        kind="review",
        data=page,
        lines=lines,
        next_commands=[f"{command} --approve", f"{command} --reject"],
    )
    return emit(result, as_json=as_json)


def _diff_line(line: str) -> str:
    color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    return paint(clean(line) if line.strip() else "", color)


def _write_page(place: Path, review: Review) -> None:
    from mosaic.app.review import write_review_page

    evidence = review.evidence
    facts = [f"status {review.task.status.value}", f"changes: {review.stat or 'not known'}"]
    facts += [f"{s.id}, {s.runtime}, {length_words(s)}" for s in evidence.sessions[-1:]]
    write_review_page(review, [*facts, *filter(None, [usage_words(evidence.usage)])], place)


def _show_decision(decided: Decision, *, as_json: bool) -> int:
    report_notices(decided.notices)
    task = decided.task.task
    lines = [f"{paint(task.id, 'bold')} {decided.decision}, and is {task.status.value}"]
    lines += [f"  against the evidence: {clean(each)}" for each in decided.overruled]
    if decided.commit:
        lines.append(f"  commit {decided.commit[:10]}")
    result = Result(
        kind="review.decided", data=decided, lines=lines, next_commands=["mission next"]
    )
    return emit(result, as_json=as_json)
