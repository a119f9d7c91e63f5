"""Handoffs as a page has them: what their agents say beside what happened, each part bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.plan.ends import end_words, length_words, usage_words
from mosaic.prompts.bounded import one_line
from mosaic.records import NamedTuple
from mosaic.report.words import claim_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.app.report import TaskHandoff
    from mosaic.review.verdict import Review

MOST_CLAIMS = 40
LONGEST_CELL = 300
LONGEST_TITLE = 200
COMPARED = ("files_changed", "commands_run")
"""Sections that are shown as claims where these are compared with the evidence."""


class Table(NamedTuple):
    """A table of the page."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """What colours each, and its cells."""


class Shown(NamedTuple):
    """A handoff as the page has it."""

    place: str
    """Its address in the page."""
    title: str
    status: str
    claims: str
    facts: tuple[str, ...]
    objections: tuple[str, ...]
    result: str
    tables: tuple[Table, ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]
    texts: tuple[tuple[str, str], ...]
    """Sections of the handoff by their names, as markdown."""
    is_open: bool


def show_handoff(handoff: TaskHandoff, place: str) -> Shown:
    """Return a handoff as the page has it; `place` is its address in the page."""
    task, review, sections = handoff.task, handoff.review, handoff.sections
    facts = [] if review is None else list(_facts(review))
    passed = ("result", *COMPARED) if review else ("result",)
    return Shown(
        place=place,
        title=one_line(f"{task.id} {task.title}", LONGEST_TITLE),
        status=task.status.value,
        claims=claim_words(handoff),
        facts=tuple(one_line(each, LONGEST_CELL) for each in (*facts, handoff.why_not) if each),
        objections=_bounded(review.objections if review else ()),
        result=sections.get("result", ""),
        tables=tuple(each for each in _tables(handoff) if each.rows),
        lists=tuple(_lists(review)) if review else (),
        texts=tuple((name, text) for name, text in sections.items() if name not in passed),
        is_open=task.status is Status.REVIEW,
    )


def _facts(review: Review) -> Iterator[str]:
    yield f"changes: {review.stat or 'not known'}, compared with {review.evidence.since}"
    for session in review.evidence.sessions[-1:]:
        where = f"on {host}" if (host := review.evidence.session_hosts.get(session.id)) else ""
        words = (session.id, session.runtime, where, end_words(session), length_words(session))
        yield ", ".join(filter(None, words))
    yield usage_words(review.evidence.usage)


def _tables(handoff: TaskHandoff) -> Iterator[Table]:
    review = handoff.review
    criteria = [
        (each.state, (str(each.number), each.state, each.text, "")) for each in handoff.criteria
    ]
    if review is not None:
        criteria = []
        for judged in review.criteria:
            item = judged.criterion
            state = judged.standing.value if judged.standing else item.state
            criteria.append((state, (str(item.number), state, item.text, judged.why)))
    yield _table("Acceptance criteria", ("no.", "standing", "criterion", "why"), criteria)
    if review is None:
        return
    files = [
        (each, f"`{each.claim.path}`{f' ({each.claim.kind.value})' if each.claim.kind else ''}")
        for each in review.judged.files
    ]
    commands = [(each, f"`{each.claim.command}`") for each in review.judged.commands]
    for title, claims in (("Files claimed", files), ("Commands claimed", commands)):
        rows = [(c.standing.value, (c.standing.value, words, c.why)) for c, words in claims]
        yield _table(title, ("standing", "claim", "why"), rows)
    gates = [
        ("passed" if gate.is_green else "failed", (gate.name, gate.words, gate.run_id))
        for gate in review.gates
    ]
    yield _table("Gates", ("gate", "outcome", "run"), gates)


def _table(
    title: str, headers: tuple[str, ...], rows: Sequence[tuple[str, tuple[str, ...]]]
) -> Table:
    shown = [
        (state, tuple(one_line(cell, LONGEST_CELL) for cell in cells))
        for state, cells in rows[:MOST_CLAIMS]
    ]
    if len(rows) > MOST_CLAIMS:
        more = f"and {len(rows) - MOST_CLAIMS} more"
        shown.append(("", (more, *[""] * (len(headers) - 1))))
    return Table(title, headers, tuple(shown))


def _lists(review: Review) -> Iterator[tuple[str, tuple[str, ...]]]:
    files = [f"{each.kind.value}: {each.path}" for each in review.judged.unclaimed_files]
    commands = [each.command for each in review.judged.unclaimed_commands]
    outside = [*review.out_of_scope, *(each.words for each in review.outside)]
    for title, items in (
        ("Changed without being claimed", files),
        ("Ran without being claimed", commands),
        ("Outside of the write scope", outside),
        ("Rules that changed", review.rules_changed),
        ("Worth a look", review.warnings),
        ("What cannot be known", review.evidence.caveats),
        ("Decisions", review.decision_words()),
    ):
        if items:
            yield title, _bounded(items)


def _bounded(items: Sequence[str]) -> tuple[str, ...]:
    shown = [one_line(each, LONGEST_CELL) for each in items[:MOST_CLAIMS]]
    more = [f"and {len(items) - MOST_CLAIMS} more"] if len(items) > MOST_CLAIMS else []
    return (*shown, *more)
