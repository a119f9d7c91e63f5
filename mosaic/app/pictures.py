"""What waits for what, and who worked when, as pictures that every page shows alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.drawing import draw_graph, lay_out, nodes_of
from mosaic.plan.ends import end_words, length_words, usage_words
from mosaic.plan.timeline import Span, draw_timeline, lay_out_timeline
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from mosaic.app.board import Card
    from mosaic.model import Session

MOST_DRAWN = 400
"""Tasks of a graph; where there are more, those that are open, and what they wait for."""


class Picture(NamedTuple):
    """A picture, and what is to be known of it."""

    svg: str
    """Escaped, and safe as it is; it needs `mosaic.plan.drawing.STYLE`."""
    notes: tuple[str, ...] = ()


def picture_graph(cards: Sequence[Card], href: Callable[[str], str]) -> Picture:
    """Return which task waits for which; `href` says where a task leads."""
    drawn, notes = cards, []
    if len(cards) > MOST_DRAWN:
        is_open = [card for card in cards if not card.task.status.is_closed or card.branch]
        needed = {name for card in is_open for name in card.task.depends_on}
        wanted = needed | {card.task.id for card in is_open}
        drawn = [card for card in cards if card.task.id in wanted][:MOST_DRAWN]
        notes.append(f"{len(drawn)} of {len(cards)} tasks: open ones, and what they wait for.")
    known = {card.task.id for card in cards}
    found = nodes_of(((card.task, card.reason, card.words) for card in drawn), href)
    nodes = [node for node in found if node.state != "missing" or node.id not in known]
    graph = lay_out(nodes)
    if graph.left_out:
        notes.append(f"{graph.left_out} links are not drawn: there are too many.")
    label = f"{len(nodes)} tasks, each to the right of what it waits for"
    return Picture(draw_graph(graph, label), tuple(notes))


def picture_timeline(sessions: Sequence[Session], live: Collection[str], now: datetime) -> Picture:
    """Return sessions by time, a row for each task; `live` are the ids of those at work."""
    spans = [_span(each, now, is_live=each.id in live) for each in sessions]
    label = f"{len(spans)} sessions by time, a row for each task"
    svg = draw_timeline(lay_out_timeline(spans), label)
    return Picture(svg, ("Times are in UTC; long rests are squeezed.",))


def _span(session: Session, now: datetime, *, is_live: bool) -> Span:
    ended = "live" if is_live else end_words(session) or "open"
    end = session.ended_at or (now if is_live else session.started_at)
    row = session.last_task_id or session.id
    facts = (session.id, session.runtime, ended, length_words(session), usage_words(session.usage))
    return Span(row, session.started_at, end, ended, f"{row}: {', '.join(filter(None, facts))}")
