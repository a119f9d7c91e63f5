"""What waits for what, and who worked when, as pictures on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from mosaic.app.status import list_sessions
from mosaic.machine.clock import utc_now
from mosaic.plan.drawing import draw_graph, lay_out, nodes_of
from mosaic.plan.ends import end_words, length_words, usage_words
from mosaic.plan.timeline import Span, draw_timeline, lay_out_timeline
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.board import BoardPage, Card
    from mosaic.app.status import SessionView

MOST_DRAWN = 400
"""Tasks of a graph; where there are more, those that are open, and what they wait for."""
MOST_SESSIONS = 200
"""Sessions of a timeline: the newest."""


class Picture(NamedTuple):
    """A picture, and what is to be said of it."""

    svg: Markup
    note: str = ""


def picture_graph(page: BoardPage) -> Picture:
    """Return which task waits for which; each leads to its page."""
    drawn: Sequence[Card] = page.cards
    if len(drawn) > MOST_DRAWN:
        is_open = [card for card in drawn if not card.task.status.is_closed or card.branch]
        needed = {name for card in is_open for name in card.task.depends_on}
        wanted = needed | {card.task.id for card in is_open}
        drawn = [card for card in drawn if card.task.id in wanted][:MOST_DRAWN]
    known = {card.task.id for card in page.cards}
    found = nodes_of(
        ((card.task, card.reason, card.words) for card in drawn), lambda name: f"/task/{name}"
    )
    nodes = [node for node in found if node.state != "missing" or node.id not in known]
    graph = lay_out(nodes)
    notes = []
    if len(drawn) < len(page.cards):
        notes.append(f"{len(drawn)} of {len(page.cards)} tasks: open ones, and what they wait for.")
    if graph.left_out:
        notes.append(f"{graph.left_out} links are not drawn: there are too many.")
    label = f"{len(nodes)} tasks, each to the right of what it waits for"
    return Picture(Markup(draw_graph(graph, label)), " ".join(notes))  # noqa: S704 - escaped


def picture_timeline(mission_file: Path, page: BoardPage) -> Picture:
    """Return the sessions by time, a row for each task."""
    views = list_sessions(mission_file).sessions
    live = {view.session.id for view in page.live}
    shown = views[-MOST_SESSIONS:]
    if not shown:
        return Picture(Markup(), "No session has run yet.")
    spans = [_span(view, is_live=view.session.id in live) for view in shown]
    note = "Times are in UTC; long rests are squeezed."
    if len(shown) < len(views):
        note += f" The newest {len(shown)} of {len(views)} sessions are shown."
    label = f"{len(spans)} sessions by time, a row for each task"
    svg = draw_timeline(lay_out_timeline(spans), label)
    return Picture(Markup(svg), note)  # noqa: S704 - escaped


def _span(view: SessionView, *, is_live: bool) -> Span:
    session = view.session
    ended = "live" if is_live else end_words(session) or "open"
    end = session.ended_at or (utc_now() if is_live else session.started_at)
    row = session.last_task_id or session.id
    facts = (session.id, session.runtime, ended, length_words(session), usage_words(session.usage))
    return Span(row, session.started_at, end, ended, f"{row}: {', '.join(filter(None, facts))}")
