"""The pages that follow a mission, drawn in pieces: of a change only what differs is sent.

A piece is an element with an id of its own. It is drawn again only where what it shows differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import FileSystemLoader
from markupsafe import Markup

from mosaic.app.board import Wait
from mosaic.app.versions import versions_of
from mosaic.model import Status
from mosaic.plan.ends import end_phrase, end_words, length_words, usage_words
from mosaic.records import NamedTuple
from mosaic.review.html import page_environment
from mosaic.text.fields import shown_status
from mosaic.web.pictures import picture_graph, picture_timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from mosaic.app.board import BoardPage, Card
    from mosaic.errors import MissionError
    from mosaic.web.guard import Access

PAGES = Path(__file__).parent / "pages"
COLUMNS = (
    (Status.TODO, "To do"), (Status.IN_PROGRESS, "In progress"), (Status.REVIEW, "Review"),
    (Status.BLOCKED, "Blocked"), (Status.DONE, "Done"), (Status.CANCELLED, "Cancelled"),
    (Status.UNKNOWN, "Not understood"),
)  # fmt: skip
ALWAYS = (Status.TODO, Status.IN_PROGRESS, Status.REVIEW, Status.BLOCKED, Status.DONE)
TABS = (("board", "Board"), ("inbox", "Inbox"), ("live", "Live"), ("plan", "Plan"),
        ("graph", "Graph"), ("timeline", "Timeline"))  # fmt: skip
FRAME = "frame"
"""What stands around pages that are not drawn in pieces."""
MOST_CLOSED = 50
"""Cards of closed tasks in a column: those that were changed last; the plan shows them all."""
SILENT_SECONDS = 60


class View(NamedTuple):
    """A page in pieces."""

    parts: Mapping[str, Markup]
    """HTML of elements, by their id."""
    lists: Mapping[str, tuple[str, ...]]
    """Which of them an element holds, in which order, by the element's id."""

    def of(self, name: str) -> Markup:
        """Return all that an element holds."""
        return Markup().join(self.parts[each] for each in self.lists[name])


class Views:
    """Draws pages, and remembers the pieces of those that it drew last.

    Args:
        mission_file: path of mission.json.
        access: whether there are forms, and what they carry.
    """

    def __init__(self, mission_file: Path, access: Access) -> None:
        self._mission_file = mission_file
        self.access = access
        self.environment = page_environment(FileSystemLoader(PAGES))
        self.environment.globals |= {
            "access": access, "columns": COLUMNS, "always": ALWAYS, "tabs": TABS,
        }  # fmt: skip
        self.environment.filters |= {
            "clock": clock, "usage": usage_words, "took": length_words,
            "searched": searched_text, "ended": end_words, "end_phrase": end_phrase,
            "status": shown_status,
        }  # fmt: skip
        self._macros: Any = self.environment.get_template("parts.html.j2").module
        self._drawn: dict[tuple[str, str], tuple[object, Markup]] = {}
        self._by_name: Mapping[str, Callable[[BoardPage, _Pieces], None]] = {
            "board": self._board,
            "plan": self._plan,
            "inbox": self._inbox,
            "live": self._live,
            "graph": lambda page, pieces: pieces.put("", "picture", picture_graph(page)),
            "timeline": lambda page, pieces: pieces.put(
                "", "picture", picture_timeline(self._mission_file, page)
            ),
            FRAME: lambda page, pieces: None,  # noqa: ARG005
        }

    @property
    def names(self) -> Sequence[str]:
        """The pages that are drawn in pieces."""
        return tuple(self._by_name)

    @property
    def pages(self) -> Sequence[str]:
        """Those of them that have an address."""
        return tuple(name for name in self._by_name if name != FRAME)

    def render(self, template: str, **values: Any) -> str:
        """Return a page, or a piece of one, by its template."""
        return self.environment.get_template(f"{template}.html.j2").render(**values)

    def draw(self, name: str, page: BoardPage, trouble: MissionError | None) -> View:
        """Return a page in pieces."""
        pieces = _Pieces(self._draw_once)
        asking = sum(each.kind is Wait.QUESTION for each in page.inbox)
        pieces.put("", "head", (page.status.mission, page.status.progress))
        pieces.put("", "nav", (name, len(page.inbox), len(page.live), asking))
        pieces.put("", "trouble", trouble and (_place_of(trouble), trouble.summary, trouble.hint))
        self._by_name[name](page, pieces)
        return View(pieces.parts, {key: tuple(ids) for key, ids in pieces.lists.items()})

    def filtered(self, view: View, page: BoardPage, words: str, milestone: str) -> View:
        """Return a page with only the tasks that fit, for who asks without JavaScript."""
        wanted = words.casefold().split()
        left_out = {
            f"{kind}-{card.task.id}"
            for card in page.cards
            for kind in ("card", "row")
            if (milestone and card.task.milestone != milestone)
            or not all(word in searched_text(card).casefold() for word in wanted)
        }
        lists = {
            key: tuple(name for name in names if name not in left_out)
            for key, names in view.lists.items()
        }
        return view._replace(lists=lists)

    def _draw_once(self, macro: str, key: str, value: object) -> Markup:
        """Return what a macro makes of a value, which is drawn only where that differs."""
        kept = self._drawn.get((macro, key))
        if kept is None or kept[0] != value:
            kept = (value, getattr(self._macros, macro)(key, value))
            self._drawn[macro, key] = kept
        return kept[1]

    def _board(self, page: BoardPage, pieces: _Pieces) -> None:
        status = page.status
        summary = (
            status.next_task, status.ready_total, status.why_nothing, status.usage,
            status.sessions_total, status.left_out,
        )  # fmt: skip
        pieces.put("", "summary", summary)
        for column, _ in COLUMNS:
            cards = page.column(column)
            pieces.lists[f"column-{column}"] = []
            pieces.put("", f"count-{column}", len(cards), macro="count")
            for card in newest(cards) if column.is_closed else cards:
                pieces.put(f"column-{column}", f"card-{card.task.id}", card, macro="card")

    def _plan(self, page: BoardPage, pieces: _Pieces) -> None:
        pieces.lists |= {"milestones": [], "rows": []}
        for each in page.status.milestones:
            name = f"milestone-{each.milestone.id}"
            pieces.put("milestones", name, each, macro="milestone")
        for card in page.cards:
            pieces.put("rows", f"row-{card.task.id}", card, macro="row")

    def _inbox(self, page: BoardPage, pieces: _Pieces) -> None:
        pieces.lists["items"] = []
        ids = [each.task_id for each in page.inbox if each.task_id]
        versions = versions_of(self._mission_file, ids) if ids else {}
        for number, each in enumerate(page.inbox):
            name = f"item-{each.kind}-{each.task_id or number}"
            version = versions.get(each.task_id or "", "")
            pieces.put("items", name, (each, version), macro="item")
        pieces.put("", "nothing", not page.inbox)

    def _live(self, page: BoardPage, pieces: _Pieces) -> None:
        pieces.lists["sessions"] = []
        titles = {card.task.id: card.task.title for card in page.cards}
        for view in page.live:
            seen = view.progress
            silent = int(seen.silent_seconds) // SILENT_SECONDS if seen else 0
            steady = (
                view.session, view.found, titles.get(view.session.last_task_id or ""),
                seen and (seen.last, seen.usage), silent, view.host,
            )  # fmt: skip
            pieces.put("sessions", f"live-{view.session.id}", steady, macro="session")
        pieces.put("", "nobody", not page.live)
        pieces.put("", "hosts", page.status.hosts)


class _Pieces:
    """A page while it is drawn."""

    def __init__(self, draw: Callable[[str, str, object], Markup]) -> None:
        self.parts: dict[str, Markup] = {}
        self.lists: dict[str, list[str]] = {}
        self._draw = draw

    def put(self, into: str, key: str, value: object, macro: str = "") -> None:
        """Draw a piece, and put it at the end of a list where one is named."""
        self.parts[key] = self._draw(macro or key, key, value)
        if into:
            self.lists[into].append(key)


def searched_text(card: Card) -> str:
    """Return what a search looks in."""
    task = card.task
    parts = (task.id, task.title, task.milestone, task.priority, *task.labels, task.assignee)
    return " ".join(filter(None, parts))


def _place_of(error: MissionError) -> str:
    return f"{error.path}:{error.line}" if error.line is not None else error.path or ""


def newest(cards: Sequence[Card]) -> Sequence[Card]:
    """Return cards of closed tasks, those that were changed last first, as many as are shown."""
    ordered = sorted(cards, key=lambda card: card.task.updated_at or "", reverse=True)
    return ordered[:MOST_CLOSED]


def clock(moment: datetime | None) -> Markup:
    """Return a moment as people here read it."""
    if moment is None:
        return Markup("")
    local = moment.astimezone()
    shown = Markup('<time datetime="{}">{}</time>')
    return shown.format(moment.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M}")
