"""A review as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.review.html import Row, escape, page, render_html, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.review.matching import JudgedCommand, JudgedFile
    from mosaic.review.verdict import Review


def review_page(review: Review) -> str:
    """Return a review as an HTML document; what agents wrote is escaped."""
    from mosaic.machine.clock import utc_now

    task, evidence = review.task, review.evidence
    sections = [("Verdict", _list(review.objections, "Nothing speaks against it."))]
    sections += [
        ("Files claimed", _claims(review.judged.files, f"Compared with {evidence.since}.")),
        (
            "Changed without being claimed",
            _list([f"{e.kind.value}: {e.path}" for e in review.judged.unclaimed_files], "None."),
        ),
        ("Commands claimed", _claims(review.judged.commands, "")),
        (
            "Ran without being claimed",
            _list([e.command for e in review.judged.unclaimed_commands], "None."),
        ),
    ]
    if review.out_of_scope:
        sections.append(("Outside of the write scope", _list(review.out_of_scope, "")))
    if review.warnings:
        sections.append(("Worth a look", _list(review.warnings, "")))
    if review.gates:
        rows = [
            Row(cells=(g.name, g.words, g.run_id), state="passed" if g.is_green else "failed")
            for g in review.gates
        ]
        sections.append(("Gates", table(("gate", "outcome", "run"), rows)))
    for name in ("result", "risks", "next_handoff", "notes"):
        text = review.sections.get(name, "").strip()
        sections.append((name, render_html(text) if text else "<p>missing</p>"))
    sections.append(("What cannot be known", _list(evidence.caveats, "Nothing is left open.")))
    return page(
        title=f"{task.id} {task.title}",
        sections=[("State", _state(review)), *sections],
        generated=f"{utc_now():%Y-%m-%d %H:%M} UTC",
    )


def _state(review: Review) -> str:
    task, evidence = review.task, review.evidence
    facts = [f"status {task.status.value}", f"changes: {review.stat or 'not known'}"]
    facts += [f"{s.id}, {s.runtime}, {length_words(s)}" for s in evidence.sessions[-1:]]
    facts.append(usage_words(evidence.usage))
    return _list([fact for fact in facts if fact], "")


def _claims(claims: Sequence[JudgedFile | JudgedCommand], note: str) -> str:
    rows = [
        Row(cells=(each.standing.value, each.claim.text, each.why), state=each.standing.value)
        for each in claims
    ]
    head = f"<p>{escape(note)}</p>" if note else ""
    return head + (table(("standing", "claim", "why"), rows) if rows else "<p>None.</p>")


def _list(items: Sequence[str], none: str) -> str:
    if not items:
        return f"<p>{escape(none)}</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
