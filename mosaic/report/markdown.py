"""A report as markdown that fits a comment on a pull request, or a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.app.board import Wait
from mosaic.model import Status
from mosaic.plan.ends import usage_words
from mosaic.prompts.bounded import cut_text, one_line
from mosaic.report.words import (
    claim_words,
    counted,
    moment_words,
    next_words,
    share_cells,
    since_words,
    standing_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.app.report import Report, TaskHandoff

LONGEST = 12_000
LONGEST_TITLE = 120
LONGEST_WORDS = 240
MOST_MILESTONES = 20
MOST_LISTED = 10
MOST_HANDOFFS = 8
MOST_DECISIONS = 5
BAR_CELLS = 10
AS_CODE = re.compile(
    r"`[^`]+`|(?<!\w)\w*+://[^\s`<>]*+|(?<!\w)www\.[^\s`<>]+"
    r"|(?<![\w./-])[\w./-]*+[@#!][\w./-]+|\bGH-\d+"
)
"""Code, and what hosts of code make links and calls of: addresses, `@name`, `#12`."""
SIGNS = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
"""What would be markup; a `_` within a word is none."""
SAY_IT = (Wait.REVIEW, Wait.MERGE, Wait.FAILED)
"""What waits whose words say by themselves of what kind it is."""


def render_markdown(report: Report) -> str:
    """Return a report as markdown.

    What files and agents say is only text there: no link, no heading, nobody is called by it, and
    no issue is named.
    """
    parts = ["\n".join(lines) for lines in _parts(report) if lines]
    return cut_text("\n\n".join(parts), LONGEST) + "\n"


def inline(text: str, limit: int = LONGEST_WORDS) -> str:
    """Return a text that nobody has checked as markdown that shows it, on one line."""
    parts, at, line = [], 0, one_line(text, limit)
    for found in AS_CODE.finditer(line):
        parts += [SIGNS.sub(r"\\\g<0>", line[at : found.start()]), code(found[0].strip("`"))]
        at = found.end()
    return "".join([*parts, SIGNS.sub(r"\\\g<0>", line[at:])])


def code(text: str) -> str:
    """Return a name as code."""
    return f"`{one_line(text, LONGEST_TITLE).replace('`', chr(39)) or ' '}`"


def _parts(report: Report) -> Iterator[list[str]]:
    status = report.board.status
    head, when = inline(status.mission.name, LONGEST_TITLE), moment_words(report.made_at)
    yield [f"## {head}"]
    yield [f"{', '.join(standing_words(report))}. As of {when}."]
    if report.since is not None:
        yield [f"Sessions, handoffs and decisions are those {inline(since_words(report))}."]
    yield _milestones(report)
    yield _listed(
        "Waits for a person",
        [
            f"{_task(each.task_id, each.title)}"
            f"{'' if each.kind in SAY_IT else f'{each.kind}: '}{inline(each.words)}"
            for each in report.board.inbox
        ],
    )
    yield _listed("Works now", list(_live(report)))
    yield [f"**Next:** {inline(next_words(report))}"]
    if report.since is not None:
        yield _listed("Moved", list(_moves(report)))
    handed_off = [
        each for each in report.handoffs if report.since or each.task.status is Status.REVIEW
    ]
    yield _listed("Handed off", list(map(_handoff, handed_off)), MOST_HANDOFFS)
    yield _listed("Decided", list(_decided(report)), MOST_DECISIONS)
    if report.spend.total.sessions:
        _, sessions, took, used = share_cells(report.spend.total)
        words = filter(None, (used, f"{counted(int(sessions), 'session')}", took))
        yield [f"**Spent:** {', '.join(words)}{_by_runtime(report)}"]


def _milestones(report: Report) -> list[str]:
    found = report.board.status.milestones
    if not found:
        return []
    rows = []
    for each in found[:MOST_MILESTONES]:
        name, done = each.milestone, each.progress
        full = BAR_CELLS * done.pct // 100
        bar = "▓" * full + "░" * (BAR_CELLS - full)
        title = name.name if name.name != name.id else ""
        shown = inline(f"{name.id} {title}".strip().replace("|", "/"), LONGEST_TITLE)
        share = ", ".join(filter(None, (f"{bar} {done.pct} %", each.words)))
        rows.append(f"| {shown} | {done.done}/{done.total} | {share} |")
    more = len(found) - MOST_MILESTONES
    rows += [f"| and {more} more | | |"] if more > 0 else []
    return ["| milestone | done | |", "| --- | ---: | --- |", *rows]


def _task(task_id: str | None, title: str) -> str:
    parts = [code(task_id) if task_id else "", inline(title, LONGEST_TITLE)]
    return " ".join(filter(None, parts)) + ": " if any(parts) else ""


def _listed(title: str, lines: Sequence[str], most: int = MOST_LISTED) -> list[str]:
    if not lines:
        return []
    more = [f"- and {len(lines) - most} more"] if len(lines) > most else []
    return [f"**{title}**", "", *(f"- {line}" for line in lines[:most]), *more]


def _live(report: Report) -> Iterator[str]:
    titles = {card.task.id: card.task.title for card in report.board.cards}
    for view in report.board.live:
        task_id = view.session.last_task_id or ""
        progress = view.progress
        where = f" on {inline(view.host)}" if view.host else ""
        parts = [f"{code(view.session.id)} {inline(view.session.runtime)}{where}"]
        if progress is not None:
            parts += [usage_words(progress.usage), inline(progress.last or "")]
        yield f"{_task(task_id, titles.get(task_id, ''))}{', '.join(filter(None, parts))}"


def _moves(report: Report) -> Iterator[str]:
    for move in report.moves or ():
        before = f"{move.before} → " if move.before else "new, "
        yield f"{_task(move.task_id, move.title)}{before}{move.after}"


def _handoff(handoff: TaskHandoff) -> str:
    task, review = handoff.task, handoff.review
    found = [inline(handoff.sections.get("result", "")), claim_words(handoff)]
    if review is not None and review.objections:
        found.append(counted(len(review.objections), "objection"))
    return f"{_task(task.id, task.title)}{'; '.join(filter(None, found)) or task.status.value}"


def _decided(report: Report) -> Iterator[str]:
    for task_id, each in reversed(report.decisions):
        words = f": {inline(each.text)}" if each.text.strip() else ""
        yield f"{code(task_id)} {each.kind} by {inline(each.by)}, {each.date}{words}"


def _by_runtime(report: Report) -> str:
    shares = report.spend.runtimes
    if len(shares) < 2:  # noqa: PLR2004 - one says nothing more
        return ""
    parts = [f"{inline(each.name)} {usage_words(each.usage) or counted(each.sessions, 'session')}"
             for each in shares[:MOST_DECISIONS]]  # fmt: skip
    return f" ({'; '.join(parts)})"
