"""A report as one page that needs nothing else: no script, no font, no picture from elsewhere.

Everything that files and agents say is escaped; markdown goes through the renderer of reviews.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.pictures import picture_graph, picture_timeline
from mosaic.plan.drawing import STYLE
from mosaic.plan.durations import format_duration
from mosaic.plan.ends import end_words, length_words, usage_words
from mosaic.plan.graph import ARROW, find_cycles
from mosaic.plan.ready import Reason
from mosaic.prompts.bounded import one_line
from mosaic.report.handoffs import LONGEST_CELL, LONGEST_TITLE, Table, show_handoff
from mosaic.report.words import (
    cut_words,
    moment_words,
    next_words,
    share_cells,
    since_words,
    standing_words,
)
from mosaic.review.html import render_document
from mosaic.text.fields import shown_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.app.board import Card
    from mosaic.app.pictures import Picture
    from mosaic.app.report import Report
    from mosaic.model import Session

MOST_ROWS = 1_000
MOST_LISTED = 200
MOST_SHARES = 40


def render_report_page(report: Report) -> str:
    """Return a report as one HTML document, of a few megabytes at most."""
    status = report.board.status
    places = {card.task.id: f"t{n}" for n, card in enumerate(report.board.cards[:MOST_ROWS])}
    places |= {each.task.id: f"h{each.task.position}" for each in report.handoffs}
    page = {
        "title": one_line(status.mission.name, LONGEST_TITLE),
        "description": report.description,
        "made": moment_words(report.made_at),
        "since": since_words(report),
        "facts": standing_words(report),
        "statuses": [(word.value, count) for word, count in status.progress.by_status.items()],
        "progress": status.progress,
        "inbox": report.board.inbox[:MOST_LISTED],
        "moves": _moves(report),
        "live": list(_live(report)),
        "next": next_words(report),
        "milestones": status.milestones[:MOST_LISTED],
        "graph": _graph(report, places),
        "timeline": _timeline(report),
        "sessions": [
            (end_words(each) or "live", _session(each, report.session_hosts.get(each.id)))
            for each in report.sessions[::-1]
        ],
        "spend": _spend(report),
        "tasks": [
            (places[card.task.id], _state(card), _task(card))
            for card in report.board.cards[:MOST_ROWS]
        ],
        "handoffs": [show_handoff(each, f"h{each.task.position}") for each in report.handoffs],
        "decisions": list(_decisions(report)),
        "problems": _problems(report),
        "cut": [*cut_words(report), *_cut(report)],
        "style": STYLE,
    }
    return render_document("report.html.j2", **page)


def _state(card: Card) -> str:
    if card.reason is Reason.LIVE_SESSION:
        return "live"
    if card.reason is Reason.TO_MERGE:
        return "to-merge"
    return "ready" if card.is_ready else card.task.status.value


def _task(card: Card) -> tuple[str, ...]:
    task = card.task
    criteria = f"{task.criteria_done}/{task.criteria_total}" if task.criteria_total else ""
    words = card.words if not task.status.is_closed or card.branch else ""
    status = shown_status(task) + (", to merge" if card.branch else "")
    cells = (task.id, status, criteria, task.milestone or "", task.title, words)
    return tuple(one_line(cell, LONGEST_CELL) for cell in (*cells, usage_words(card.usage)))


def _graph(report: Report, places: dict[str, str]) -> Picture | None:
    cards = report.board.cards
    if not any(card.task.depends_on for card in cards):
        return None

    def href(task_id: str) -> str:
        return f"#{places[task_id]}" if task_id in places else ""

    found = picture_graph(cards, href)
    cycles = find_cycles([card.task for card in cards])[:MOST_SHARES]
    words = [one_line(f"cycle: {ARROW.join(cycle)}", LONGEST_CELL) for cycle in cycles]
    return found._replace(notes=(*found.notes, *words))


def _timeline(report: Report) -> Picture | None:
    live = {view.session.id for view in report.board.live}
    return picture_timeline(report.sessions, live, report.made_at) if report.sessions else None


def _session(session: Session, host: str | None) -> tuple[str, ...]:
    cells = (
        session.id,
        session.last_task_id or "",
        f"{session.runtime} on {host}" if host else session.runtime,
        moment_words(session.started_at).removesuffix(" UTC"),
        length_words(session),
        end_words(session) or "has not ended",
        usage_words(session.usage),
        session.ended_detail or "",
    )
    return tuple(one_line(cell, LONGEST_CELL) for cell in cells)


def _spend(report: Report) -> list[Table]:
    spend = report.spend
    if not spend.total.sessions:
        return []
    found = []
    for by, shares in (
        ("runtime", spend.runtimes),
        ("model", spend.models),
        ("milestone", spend.milestones),
    ):
        rows = [("", share_cells(each)) for each in shares[:MOST_SHARES]]
        rows += [("sum", share_cells(spend.total))] if len(rows) > 1 else []
        found.append(Table(f"By {by}", (by, "sessions", "time", "spent"), tuple(rows)))
    return found


def _moves(report: Report) -> list[tuple[str, str, str, str]]:
    moves = (report.moves or ())[:MOST_LISTED]
    return [
        (m.task_id, one_line(m.title, LONGEST_TITLE), m.before or "new", m.after) for m in moves
    ]


def _live(report: Report) -> Iterator[str]:
    for view in report.board.live:
        session, progress, found = view.session, view.progress, view.found
        parts = [session.last_task_id or "", session.id, session.runtime]
        parts += [f"on {view.host}"] if view.host else []
        if progress is not None:
            parts += [format_duration(progress.elapsed_seconds), usage_words(progress.usage)]
            parts.append(progress.last)
        if found is not None and found.judgement.life == "unknown":
            parts.append(f"unknown: {found.judgement.because}")
        yield one_line(", ".join(filter(None, parts)), LONGEST_CELL)


def _decisions(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    for task_id, each in reversed(report.decisions):
        place = f" on {each.place}" if each.place else ""
        words = f"{each.text}{' (open)' if each.is_open else ''}"
        cells = (each.date, task_id, f"{each.kind}{place}", each.by, words)
        yield each.kind.value, tuple(one_line(cell, 2 * LONGEST_CELL) for cell in cells)


def _problems(report: Report) -> list[str]:
    status = report.board.status
    errors = [each.error for each in status.problems[:MOST_LISTED]]
    found = [
        f"{each.path}:{each.line}: {each.message}" if each.line else each.message for each in errors
    ]
    return [one_line(words, LONGEST_CELL) for words in (*found, status.left_out or "") if words]


def _cut(report: Report) -> Iterator[str]:
    status = report.board.status
    for count, most, words in (
        (len(report.board.cards), MOST_ROWS, "tasks"),
        (len(report.board.inbox), MOST_LISTED, "things that wait"),
        (len(report.moves or ()), MOST_LISTED, "tasks that moved"),
        (len(status.milestones), MOST_LISTED, "milestones"),
        (len(status.problems), MOST_LISTED, "problems"),
    ):
        if count > most:
            yield f"{count} {words}, of which {most} are here"
