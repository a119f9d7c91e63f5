"""The pictures of all faces, as they stand on pages of the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from mosaic.app import pictures
from mosaic.app.status import list_sessions
from mosaic.machine.clock import utc_now
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.app.board import BoardPage

MOST_SESSIONS = 200
"""Sessions of a timeline: the newest."""


class Picture(NamedTuple):
    """A picture, and what is to be said of it."""

    svg: Markup
    note: str = ""


def picture_graph(page: BoardPage) -> Picture:
    """Return which task waits for which; each leads to its page."""
    return _shown(pictures.picture_graph(page.cards, lambda name: f"/task/{name}"))


def picture_timeline(mission_file: Path, page: BoardPage) -> Picture:
    """Return the sessions by time, a row for each task."""
    views = list_sessions(mission_file).sessions
    shown = views[-MOST_SESSIONS:]
    if not shown:
        return Picture(Markup(), "No session has run yet.")
    live = {view.session.id for view in page.live}
    found = _shown(pictures.picture_timeline([v.session for v in shown], live, utc_now()))
    if len(shown) == len(views):
        return found
    more = f" The newest {len(shown)} of {len(views)} sessions are shown."
    return found._replace(note=found.note + more)


def _shown(found: pictures.Picture) -> Picture:
    return Picture(Markup(found.svg), " ".join(found.notes))  # noqa: S704 - escaped
