"""A review as lines for a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.cli.output import align, clean, clean_block, has_color, paint, paint_status
from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.review.claims import CommandClaim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import Review

COLORS = {"confirmed": "green", "contradicted": "red", "unseen": "yellow"}
MARKS = {"confirmed": "ok", "contradicted": "NO", "unseen": "??"}
MOST_LISTED = 30
WIDTH = 100


def review_lines(review: Review) -> list[str]:
    """Return a review as people read it."""
    task, evidence = review.task, review.evidence
    lines = [f"{paint(task.id, 'bold')}  {clean(task.title)}  {paint_status(task.status.value)}"]
    spent = usage_words(evidence.usage)
    for session in evidence.sessions[-1:]:
        ended = session.ended_reason.value if session.ended_reason else "live"
        facts = filter(None, (session.runtime, length_words(session), f"ended {ended}", spent))
        lines.append(paint(f"  {clean(session.id)}: {clean(', '.join(facts))}", "dim"))
    since = f"since {clean(evidence.since)}" if evidence.changed is not None else ""
    lines += _claims("files", review.judged.files, since)
    lines += _listed(
        "changed without being claimed",
        [f"{change.kind.value}  {change.path}" for change in review.judged.unclaimed_files],
    )
    lines += _claims("commands", review.judged.commands, "")
    lines += _listed(
        "ran without being claimed",
        [
            f"{'failed' if ran.failed else 'ran'}  {ran.command}"
            for ran in review.judged.unclaimed_commands
        ],
    )
    lines += _listed("outside of the write scope", review.out_of_scope, color="red")
    lines += _listed("worth a look", review.warnings)
    lines += _gates(review)
    lines += ["", f"{paint('changes', 'bold')}  {clean(review.stat) or 'not known'}"]
    for name in ("result", "risks", "next_handoff"):
        lines += _section(review, name)
    lines += _listed("what cannot be known", evidence.caveats)
    return [*lines, "", *_verdict(review)]


def _claims(title: str, claims: Sequence[JudgedClaim[Any]], since: str) -> list[str]:
    head = f"{paint(title + ' claimed', 'bold')}{paint(f'  {since}', 'dim') if since else ''}"
    shown = [(each.standing.value, _claim(each), each.why) for each in claims[:MOST_LISTED]]
    lines = align((MARKS[standing], text, why) for standing, text, why in shown)
    painted = [
        paint(line[:2], COLORS[standing]) + line[2:]
        for line, (standing, _, _) in zip(lines, shown, strict=True)
    ]
    more = [f"  and {len(claims) - MOST_LISTED} more"] if len(claims) > MOST_LISTED else []
    body = [f"  {line}" for line in painted] or [paint("  none", "dim")]
    return ["", head, *body, *more]


def _claim(each: JudgedClaim[Any]) -> str:
    """Return a claim as it was written: a file by its path and what is said of it."""
    claim = each.claim
    if isinstance(claim, CommandClaim):
        return claim.text
    return f"{claim.path} ({claim.kind.value})" if claim.kind else claim.path


def _listed(title: str, items: list[str] | tuple[str, ...], *, color: str = "yellow") -> list[str]:
    if not items:
        return []
    more = [f"  and {len(items) - MOST_LISTED} more"] if len(items) > MOST_LISTED else []
    shown = [f"  {clean(item)}" for item in items[:MOST_LISTED]]
    return ["", paint(title, color), *shown, *more]


def _gates(review: Review) -> list[str]:
    if not review.gates:
        return []
    lines = ["", paint("gates", "bold")]
    for gate in review.gates:
        words = paint(gate.words, "green" if gate.is_green else "red")
        lines.append(f"  {clean(gate.name)}  {words}  {paint(gate.run_id, 'dim')}")
        lines += [f"    {line}" for line in clean_block(gate.tail)[-10:]]
    return lines


def _section(review: Review, name: str) -> list[str]:
    from mosaic.review.terminal import render_terminal

    text = review.sections.get(name, "").strip()
    if not text:
        return ["", f"{paint(name, 'bold')}  {paint('missing', 'yellow')}"]
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = WIDTH
    rendered = render_terminal(text, width=max(40, min(width, WIDTH) - 2), color=has_color())
    return ["", paint(name, "bold"), *(f"  {line}" for line in rendered)]


def _verdict(review: Review) -> list[str]:
    if not review.objections:
        return [paint("no objections", "green")]
    return [paint("objections", "red"), *(f"  {clean(e)}" for e in review.objections)]
