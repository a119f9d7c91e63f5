"""Review: claims beside evidence, and the decision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Option

from mosaic.cli.options import Json, MaybeTaskId, MissionPath
from mosaic.cli.output import align, answer, clean, clean_block, has_color, paint, paint_status
from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.task_work import Decision, ReviewPage
    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import GateOnRecord, Review
    from mosaic.store.tasks import Snapshot

MARKS = {
    "confirmed": ("ok", "green"),
    "contradicted": ("NO", "red"),
    "unseen": ("??", "yellow"),
}
MOST_LISTED = 30
WIDTH = 100


def review_command(
    task_id: MaybeTaskId = None,
    approve: bool = Option(False, "--approve", help="Accept it: set it done."),
    reject: bool = Option(False, "--reject", help="Send it back to todo; say why."),
    why: str | None = Option(None, "--why", help="Why; appended to the task's notes."),
    force: bool = Option(False, "--force", help="Approve against the evidence."),
    commit: bool = Option(False, "--commit", help="Commit the decision and the work it accepts."),
    diff: bool = Option(False, "--diff", help="Show the changes themselves."),
    html: Path | None = Option(None, "--html", metavar="FILE", help="Write one page to share."),
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
    from mosaic.app.task_work import decide_review, refuse_agent, show_review

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
    from mosaic.app.task_work import list_reviews

    found = list_reviews(snapshot)
    tasks = [each.task for each in found]
    return answer(
        "review.list",
        {"tasks": found},
        align([(task.id, task.title) for task in tasks])
        or [paint("nothing waits for review", "dim")],
        then=[f"mission review {t.id}" for t in tasks[:1]] or ["mission next"],
        show_next=bool(tasks),
        as_json=as_json,
    )


def _write_page(place: Path, review: Review) -> None:
    from mosaic.app.task_work import write_review_page

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
    again = ["mission next"]
    return answer("review.decided", decided, lines, then=again, as_json=as_json)


def _show(page: ReviewPage, *, html: Path | None, as_json: bool) -> int:
    lines = _lines(page.review)
    if page.diff is not None:
        lines += ["", paint("diff", "bold"), *map(_diff_line, page.diff.splitlines())]
    if html is not None:
        lines.append(f"written to {clean(html)}")
    command = f"mission review {page.review.task.id}"
    return answer(
        "review",
        page,
        lines,
        then=[f"{command} --approve", f"{command} --reject"],
        as_json=as_json,
    )


def _diff_line(line: str) -> str:
    color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    return paint(clean(line) if line.strip() else "", color)


def _lines(review: Review) -> list[str]:
    task, judged, evidence = review.task, review.judged, review.evidence
    lines = [f"{paint(task.id, 'bold')}  {clean(task.title)}  {paint_status(task.status.value)}"]
    for session in evidence.sessions[-1:]:
        ended = session.ended_reason.value if session.ended_reason else "live"
        spent = usage_words(evidence.usage)
        facts = filter(None, (session.runtime, length_words(session), f"ended {ended}", spent))
        lines.append(paint(f"  {clean(session.id)}: {clean(', '.join(facts))}", "dim"))
    since = f"  since {clean(evidence.since)}" if evidence.changed is not None else ""
    head = paint("files claimed", "bold") + (paint(since, "dim") if since else "")
    lines += ["", head, *_claims(judged.files)]
    unclaimed = [f"{change.kind.value}  {change.path}" for change in judged.unclaimed_files]
    lines += _listed("changed without being claimed", unclaimed)
    lines += ["", paint("commands claimed", "bold"), *_claims(judged.commands)]
    commands = judged.unclaimed_commands
    ran = [f"{'failed' if each.failed else 'ran'}  {each.command}" for each in commands]
    lines += _listed("ran without being claimed", ran)
    lines += _listed("outside of the write scope", review.out_of_scope, "red")
    beside = "changed while it worked, not seen to be the agent's"
    lines += _listed(beside, evidence.beside)
    lines += _listed("worth a look", review.warnings)
    if review.gates:
        lines += ["", paint("gates", "bold")]
        lines += [line for gate in review.gates for line in _gate_lines(gate)]
    lines += ["", f"{paint('changes', 'bold')}  {clean(review.stat) or 'not known'}"]
    for name in ("result", "risks", "next_handoff"):
        lines += ["", *_section(review, name)]
    lines += _listed("what cannot be known", evidence.caveats)
    if not review.objections:
        return [*lines, "", paint("no objections", "green")]
    return [*lines, "", paint("objections", "red"), *(f"  {clean(e)}" for e in review.objections)]


def _claims(claims: Sequence[JudgedClaim[Any]]) -> list[str]:
    """Return claims as they were written, a file by its path and what is said of it."""
    rows, colors = [], []
    for each in claims[:MOST_LISTED]:
        mark, color = MARKS[each.standing.value]
        path, kind = getattr(each.claim, "path", each.claim.text), getattr(each.claim, "kind", None)
        rows.append((mark, f"{path} ({kind.value})" if kind else path, each.why))
        colors.append(color)
    lines = zip(colors, align(rows), strict=True)
    shown = [f"  {paint(line[:2], color)}{line[2:]}" for color, line in lines]
    return [*shown, *_rest(claims)] or [paint("  none", "dim")]


def _listed(title: str, items: Sequence[str], color: str = "yellow") -> list[str]:
    shown = [f"  {clean(item)}" for item in items[:MOST_LISTED]]
    return ["", paint(title, color), *shown, *_rest(items)] if items else []


def _rest(items: Sequence[object]) -> list[str]:
    return [f"  and {len(items) - MOST_LISTED} more"] if len(items) > MOST_LISTED else []


def _gate_lines(gate: GateOnRecord) -> list[str]:
    words = paint(gate.words, "green" if gate.is_green else "red")
    head = f"  {clean(gate.name)}  {words}  {paint(gate.run_id, 'dim')}"
    return [head, *(f"    {line}" for line in clean_block(gate.tail)[-10:])]


def _section(review: Review, name: str) -> list[str]:
    from mosaic.review.terminal import render_terminal

    text = review.sections.get(name, "").strip()
    if not text:
        return [f"{paint(name, 'bold')}  {paint('missing', 'yellow')}"]
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = WIDTH
    rendered = render_terminal(text, width=max(40, min(width, WIDTH) - 2), color=has_color())
    return [paint(name, "bold"), *(f"  {line}" for line in rendered)]
