"""Review: claims beside evidence, and the decision."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Argument, Option

from mosaic.cli.options import STDIN, Json, MaybeTaskId, MissionPath, read_stdin
from mosaic.cli.output import (
    answer,
    clean,
    clean_block,
    diff_line,
    error_lines,
    folded,
    has_color,
    paint,
    paint_status,
    warn,
)
from mosaic.cli.table import ID, TITLE, WHOLE, Column, table
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import ExitCode, UsageError
from mosaic.model import Status
from mosaic.plan.ends import end_phrase, length_words, usage_words
from mosaic.store.reading import locate_mission, read_mission
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.app.decisions import DecidedTask
    from mosaic.app.task_work import ReviewPage
    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import GateOnRecord, Review
    from mosaic.sessions.remarks import Remark
    from mosaic.store.tasks import Snapshot

EXAMPLES = (
    ("mission review", "what waits for you"),
    ("mission review T-001 --diff", "claims beside evidence, and the changes"),
    ("mission review T-001 --approve --commit", "accept it, and commit its work"),
    ('mission review T-001 --reject --why "the empty text is not handled"', "send it back"),
    (
        'mission review T-001 --remark src/count.py:12 "letters only"',
        "say what is to be done at a line",
    ),
)
MARKS = {
    "confirmed": ("ok", "green"),
    "contradicted": ("NO", "red"),
    "unseen": ("??", "yellow"),
}
MARK = Column(colors={**dict(MARKS.values()), "--": "yellow"})
MOST_LISTED = 30
MOST_GOAL_LINES = 12
WIDTH = 100


def review_command(
    task_id: MaybeTaskId = None,
    texts: list[str] | None = Argument(None, metavar="", hidden=True),
    approve: bool = Option(False, "--approve", help="Accept it: set it done."),
    reject: bool = Option(False, "--reject", help="Send it back to todo; say why."),
    why: str | None = Option(
        None, "--why", metavar="TEXT", help="Why; kept among the task's decisions."
    ),
    remark: list[str] | None = Option(
        None,
        "--remark",
        metavar='PLACE "…"',
        help="Say what is to be done at `path:line`; `-` reads `path:line: text` from stdin.",
    ),
    allow: list[str] | None = Option(
        None,
        "--allow",
        metavar="PATH",
        help="Accept a file or folder outside of the write scope, for this task.",
    ),
    force: bool = Option(False, "--force", help="Approve against the evidence."),
    commit: bool = Option(False, "--commit", help="Commit the decision and the work it accepts."),
    merge: bool = Option(False, "--merge", help="Merge the branch of the work it accepts."),
    diff: bool = Option(False, "--diff", help="Show the changes themselves."),
    html: Path | None = Option(None, "--html", metavar="FILE", help="Write one page to share."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set a handoff beside what happened, and decide; without an ID, list what waits."""
    snapshot = read_mission(locate_mission(mission))
    _refuse_mixed(approve=approve, sends_back=bool(reject or remark), allows=bool(allow))
    _refuse_extra(commit=commit and not (approve or reject), merge=merge and not approve)
    if task_id is None:
        if approve or reject or remark or allow or html or diff:
            raise UsageError("no task is named", hint="`mission review T-001`")
        return _list(snapshot, as_json=as_json)
    from mosaic.app import decisions
    from mosaic.app.change import refuse_agent
    from mosaic.app.task_work import show_review

    remarks = _remarks(remark or [], texts or [])
    if approve or reject or remarks:
        refuse_agent(snapshot.layout)  # before the evidence is looked at
    if allow:
        return show_decided(decisions.allow(snapshot, task_id, allow), as_json=as_json)
    page = show_review(snapshot, task_id, diff=diff)
    review = page.review
    if html is not None:
        _write_page(html, review)
    if reject:
        done = decisions.reject(snapshot, review, why, remarks=remarks, commit=commit)
    elif remarks:
        done = decisions.remark(snapshot, review, remarks)
    elif approve:
        done = decisions.approve(snapshot, review, why=why, force=force, commit=commit, merge=merge)
    else:
        return _show(page, html=html, as_json=as_json)
    return show_decided(done, as_json=as_json)


def _refuse_mixed(*, approve: bool, sends_back: bool, allows: bool) -> None:
    if approve + sends_back + allows > 1:
        raise UsageError("a review either approves, or rejects and remarks, or allows a path")


def _refuse_extra(*, commit: bool, merge: bool) -> None:
    if commit:
        raise UsageError("`--commit` is used with a decision", hint="add `--approve` or `--reject`")
    if merge:
        raise UsageError("`--merge` is used with `--approve`", hint="or `mission merge ID`")


def _remarks(places: list[str], texts: list[str]) -> list[Remark]:
    """Return the remarks of a call: places and texts in their order, or a batch from stdin."""
    if not places and not texts:
        return []
    from mosaic.sessions.remarks import Remark, parse_batch

    texts = list(texts)
    found: list[Remark] = []
    for place in places:
        if place == STDIN:
            found += parse_batch(read_stdin("remarks"))
        elif texts:
            found.append(Remark(place, texts.pop(0)))
        else:
            found += parse_batch(place)
    if texts:
        raise UsageError(f"`{texts[0]}` is too much", hint='`--remark src/a.py:41 "…"`')
    return found


def _list(snapshot: Snapshot, *, as_json: bool) -> int:
    from mosaic.app.task_work import list_reviews

    found = list_reviews(snapshot)
    tasks = [each.task for each in found]
    return answer(
        "review.list",
        {"tasks": found},
        table([(task.id, task.title) for task in tasks], (ID, TITLE))
        or [paint("nothing waits for review", "dim")],
        then=[f"mission review {t.id}" for t in tasks[:1]] or ["mission next"],
        show_next=bool(tasks),
        as_json=as_json,
    )


def _write_page(place: Path, review: Review) -> None:
    from mosaic.app.task_work import write_review_page

    evidence = review.evidence
    facts = [f"status {review.task.status.value}", f"changes: {review.stat or 'not known'}"]
    for each in evidence.sessions[-1:]:
        where = f" on {host}" if (host := evidence.session_hosts.get(each.id)) else ""
        facts.append(f"{each.id}, {each.runtime}{where}, {length_words(each)}")
    write_review_page(review, [*facts, *filter(None, [usage_words(evidence.usage)])], place)


def show_decided(decided: DecidedTask, *, as_json: bool) -> int:
    """Print what a person decided."""
    report_notices(decided.notices)
    task = decided.task.task
    lines = [f"{paint(task.id, 'bold')} {decided.decision}, and is {task.status.value}"]
    for each in decided.decisions:
        place = f" on {clean(each.place)}" if each.place else ""
        words = f": {clean(each.text)}" if each.text else ""
        lines.append(f"  {each.number}  {each.kind}{place}{words}")
        lines += [f"     {clean(each.filed)}"] if each.filed else []
    lines += [f"  against the evidence: {clean(each)}" for each in decided.overruled]
    if decided.commit:
        lines.append(f"  commit {decided.commit[:10]}")
    if merged := decided.merged:
        branch, into = clean(merged.branch), clean(merged.into)
        lines.append(f"  merged {branch} → {into}, commit {merged.commit[:10]}")
    problem = decided.merge_problem
    if problem is not None and not as_json:
        for line in error_lines(problem):
            warn(line)
    then = ["mission next"]
    if decided.to_merge:
        then.insert(0, f"mission merge {task.id}")
    if decided.decision == "remarked" and task.status is Status.REVIEW:
        then = [f"mission review {task.id} --reject"]
    elif decided.decision == "allowed":
        then = [f"mission review {task.id}"]
    return answer(
        "review.decided",
        decided,
        lines,
        exit_code=problem.exit_code if problem else ExitCode.OK,
        then=then,
        show_next=bool(decided.to_merge),
        as_json=as_json,
    )


def _show(page: ReviewPage, *, html: Path | None, as_json: bool) -> int:
    lines = folded(_lines(page.review))
    if page.diff is not None:
        lines += ["", paint("diff", "bold"), *map(diff_line, page.diff.splitlines())]
    if html is not None:
        lines.append(f"written to {clean(html)}")
    command = f"mission review {page.review.task.id}"
    outside = [*page.review.out_of_scope, *(p for each in page.review.outside for p in each.paths)]
    allowing = [f"{command} --allow {shlex.quote(path)}" for path in outside[:1]]
    return answer(
        "review",
        page,
        lines,
        as_is=True,
        then=[f"{command} --approve", f"{command} --reject", *allowing],
        as_json=as_json,
    )


def _lines(review: Review) -> list[str]:
    """Return a review in the order in which a person decides: first what it comes to."""
    task, judged, evidence = review.task, review.judged, review.evidence
    lines = [f"{paint(task.id, 'bold')}  {clean(task.title)}  {paint_status(task.status.value)}"]
    for session in evidence.sessions[-1:]:
        ended = end_phrase(session) if session.ended_reason else "live"
        spent = usage_words(evidence.usage)
        host = evidence.session_hosts.get(session.id)
        facts = filter(
            None, (session.runtime, host and f"on {host}", length_words(session), ended, spent)
        )
        lines.append(paint(f"  {clean(session.id)}: {clean(', '.join(facts))}", "dim"))
    lines += ["", _verdict(review)]
    if review.goal:
        lines += ["", paint("goal", "bold"), *_markdown(review.goal)[:MOST_GOAL_LINES]]
    lines += _criteria(review)
    lines += _listed("decisions", review.decision_words(), "bold")
    if review.gates:
        lines += ["", paint("gates", "bold")]
        lines += [line for gate in review.gates for line in _gate_lines(gate)]
    lines += ["", *_section(review, "result")]
    since = f"  since {clean(evidence.since)}" if evidence.changed is not None else ""
    head = paint("files claimed", "bold") + (paint(since, "dim") if since else "")
    lines += ["", head, *_claims(judged.files)]
    lines += ["", paint("commands claimed", "bold"), *_claims(judged.commands)]
    unclaimed = [f"{change.kind.value}  {change.path}" for change in judged.unclaimed_files]
    lines += _listed("changed without being claimed", unclaimed)
    commands = judged.unclaimed_commands
    ran = [f"{'failed' if each.failed else 'ran'}  {each.command}" for each in commands]
    lines += _listed("ran without being claimed", ran)
    lines += _listed("outside of the write scope", review.out_of_scope, "red")
    beside = "changed while it worked, not seen to be the agent's"
    lines += _listed(beside, evidence.beside)
    lines += _listed("worth a look", review.warnings)
    lines += _listed("what cannot be known", evidence.caveats)
    for name in ("risks", "next_handoff"):
        lines += ["", *_section(review, name)]
    lines += ["", f"{paint('changes', 'bold')}  {clean(review.stat) or 'not known'}"]
    work = [f"{each.kind.value}  {each.path}" for each in review.work]
    lines += [*(f"  {clean(each)}" for each in work[:MOST_LISTED]), *_rest(work)]
    if count := len(evidence.changed or ()) - len(work):
        lines.append(paint(f"  and {counted(count, 'file')} of the mission's own", "dim"))
    return lines


def _verdict(review: Review) -> str:
    objections = review.objections
    if not objections:
        return paint("no objections", "green")
    count = counted(len(objections), "objection")
    return f"{paint(count, 'red')}: {clean('; '.join(objections))}"


def _criteria(review: Review) -> list[str]:
    rows = []
    for each in review.criteria:
        if each.standing is None:
            is_open = each.criterion.is_open
            mark, why = ("--", "not ticked") if is_open else ("", "dropped")
        else:
            (mark, _), why = MARKS[each.standing.value], each.why
        rows.append((mark, str(each.criterion.number), each.criterion.text, why))
    columns = (MARK, Column(is_number=True), WHOLE, WHOLE)
    shown = table(rows, columns, indent=2)
    return ["", paint("acceptance criteria", "bold"), *shown] if shown else []


def _claims(claims: Sequence[JudgedClaim[Any]]) -> list[str]:
    """Return claims as they were written, a file by its path and what is said of it."""
    rows = []
    for each in claims[:MOST_LISTED]:
        mark, _ = MARKS[each.standing.value]
        path, kind = getattr(each.claim, "path", each.claim.text), getattr(each.claim, "kind", None)
        rows.append((mark, f"{path} ({kind.value})" if kind else path, each.why))
    return [*table(rows, (MARK, WHOLE, WHOLE), indent=2), *_rest(claims)] or [
        paint("  none", "dim")
    ]


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
    text = review.sections.get(name, "").strip()
    if not text:
        return [f"{paint(name, 'bold')}  {paint('missing', 'yellow')}"]
    return [paint(name, "bold"), *_markdown(text)]


def _markdown(text: str) -> list[str]:
    from mosaic.review.terminal import render_terminal

    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = WIDTH
    rendered = render_terminal(text, width=max(40, min(width, WIDTH) - 2), color=has_color())
    return [f"  {line}" for line in rendered]
