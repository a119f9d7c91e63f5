"""The board itself: its views, its keys, and how it follows what changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding
from textual.containers import Container, HorizontalScroll, Vertical
from textual.widgets import Footer, Input, Static

from mosaic.app.board import Board
from mosaic.board import cards
from mosaic.board.actions import Actions
from mosaic.board.rows import Row, Rows
from mosaic.board.words import error_words, plain
from mosaic.errors import MissionError
from mosaic.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from mosaic.app.board import BoardPage, Card

LOOK_SECONDS = 1.0
VIEWS = ("inbox", "board", "plan", "live")
DECIDABLE = (Status.REVIEW, Status.IN_PROGRESS, Status.BLOCKED)


class Tabs(Static):
    """The names of the views, with how much is in each; a click opens one."""

    def __init__(self, names: Sequence[str], id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = names
        self._ends: list[int] = []

    def mark(self, active: str, counts: dict[str, int]) -> None:
        """Show which is open."""
        line = plain("")
        self._ends = []
        for number, name in enumerate(self._names, 1):
            count = f" {counts[name]}" if counts.get(name) else ""
            line += plain(f" {number} {name}{count} ", "reverse bold" if name == active else "")
            self._ends.append(line.cell_len)
        self.update(line)

    def on_click(self, event: events.Click) -> None:
        """Open the view whose name was clicked."""
        for name, end in zip(self._names, self._ends, strict=True):
            if event.x < end:
                self.screen.action_view(name) if hasattr(self.screen, "action_view") else (
                    self.app.action_view(name)  # type: ignore[attr-defined]
                )
                return


class Column(Vertical):
    """The cards of one status."""

    def __init__(self, status: Status) -> None:
        super().__init__(id=f"column-{status.value}", classes="column")
        self.status = status

    def compose(self) -> ComposeResult:
        """Return its head and its cards."""
        yield Static(classes="head")
        yield Rows(height=cards.CARD_HEIGHT)

    def show(self, found: Sequence[Card]) -> None:
        """Show its cards; where it is seldom used and has none, it is not there."""
        self.display = bool(found) or self.status not in (Status.CANCELLED, Status.UNKNOWN)
        style = cards.STATUS_STYLES.get(self.status.value, "")
        self.query_one(Static).update(plain(f"{self.status.value} {len(found)}", f"bold {style}"))
        self.query_one(Rows).show(
            [
                Row(card.task.id, lambda width, card=card: cards.card_lines(card, width), card)
                for card in found
            ]
        )


class BoardApp(App[None]):
    """The board of one mission."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #mission { height: 1; padding: 0 1; background: $panel; }
    #trouble { height: auto; max-height: 6; padding: 0 1; background: $error 30%; display: none; }
    #tabs, TaskScreen Tabs { height: 1; background: $panel; }
    #views { height: 1fr; }
    #views > * { display: none; }
    #views > .open { display: block; }
    #board { layout: horizontal; }
    .column { width: 1fr; min-width: 26; height: 100%; padding: 0 1; border-right: solid $panel; }
    .column .head { height: 1; }
    #search { height: 1; border: none; padding: 0 1; display: none; background: $boost; }
    #search.open { display: block; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("1", "view('inbox')", "Inbox", show=False),
        Binding("2", "view('board')", "Board", show=False),
        Binding("3", "view('plan')", "Plan", show=False),
        Binding("4", "view('live')", "Live", show=False),
        Binding("left", "column(-1)", "Column left", show=False),
        Binding("right", "column(1)", "Column right", show=False),
        Binding("w", "answer", "Answer"),
        Binding("a", "approve", "Approve"),
        Binding("r", "reject", "Reject"),
        Binding("m", "merge", "Merge"),
        Binding("h", "hand_off", "Hand off"),
        Binding("s", "stop", "Stop"),
        Binding("l", "log", "Log"),
        Binding("slash", "search", "Search"),
        Binding("question_mark", "keys", "Keys"),
        Binding("escape", "clear", "Clear the search", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, mission_file: Path) -> None:
        super().__init__()
        self._mission_file = mission_file
        self._board = Board(mission_file)
        self._page: BoardPage | None = None
        self._trouble = ""
        self._query = ""
        self._view = ""
        self._is_looking = False
        self.actions = Actions(self, mission_file, self.look)

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        yield Static(id="mission")
        yield Static(id="trouble")
        yield Tabs(VIEWS, id="tabs")
        with Container(id="views"):
            yield Rows(height=cards.WAITING_HEIGHT, empty="nothing waits for you", id="inbox")
            with HorizontalScroll(id="board", can_focus=False):
                for status in cards.COLUMNS:
                    yield Column(status)
            yield Rows(empty="no task", id="plan")
            yield Rows(height=cards.LIVE_HEIGHT, empty="nobody works now", id="live")
        yield Input(placeholder="words, status=review, milestone=M1, ready", id="search")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Look for the first time, and then again and again."""
        self.look()
        self.set_interval(LOOK_SECONDS, self.look)

    def look(self) -> None:
        """Look in the background whether anything has changed, and show that."""
        if not self._is_looking:
            self._is_looking = True
            self.run_worker(self._look(), group="look")

    async def _look(self) -> None:
        try:
            page = await asyncio.to_thread(self._board.look)
        except MissionError as error:
            self._set_trouble(error_words(error))
        else:
            self._set_trouble("")
            if page is not self._page:
                self._page = page
                self._show()
        finally:
            self._is_looking = False

    def _set_trouble(self, words: str) -> None:
        if words != self._trouble:
            self._trouble = words
            shown = self.query_one("#trouble", Static)
            shown.display = bool(words)
            shown.update(plain("\n").join(map(plain, words.split("\n"))))

    def _show(self) -> None:
        page = self._page
        if page is None:
            return
        self.query_one("#mission", Static).update(cards.mission_line(page, self.size.width))
        found = list(cards.matching(page.cards, self._query))
        shown = {card.task.id for card in found}
        titles = {card.task.id: card.task.title for card in page.cards}
        inbox = [each for each in page.inbox if each.task_id in shown or not self._query]
        self.query_one("#inbox", Rows).show(
            [
                Row(
                    f"{each.kind}:{each.task_id}:{each.words if each.task_id is None else ''}",
                    lambda width, each=each: cards.waiting_lines(each, width),
                    each,
                )
                for each in inbox
            ]
        )
        for column in self.query(Column):
            column.show([card for card in found if card.task.status is column.status])
        id_width = max((len(card.task.id) for card in found), default=0)
        self.query_one("#plan", Rows).show(
            [
                Row(
                    card.task.id,
                    lambda width, card=card: (cards.plan_line(card, width, id_width),),
                    card,
                )
                for card in found
            ]
        )
        live = [view for view in page.live if not self._query or view.session.last_task_id in shown]
        self.query_one("#live", Rows).show(
            [
                Row(
                    view.session.id,
                    lambda width, view=view: cards.live_lines(
                        view, titles.get(view.session.last_task_id or "", ""), width
                    ),
                    view,
                )
                for view in live
            ]
        )
        if not self._view:
            self.action_view("inbox" if inbox else "board")
        self._mark()
