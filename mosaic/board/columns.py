"""Cards in columns by status, as many beside each other as there is room for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.containers import HorizontalScroll, Vertical
from textual.widgets import Static

from mosaic.board.cards import CARD_HEIGHT, COLUMNS, card_lines
from mosaic.board.rows import Row, Rows
from mosaic.board.words import STATUS_STYLES, plain
from mosaic.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from mosaic.app.board import Card

NARROWEST = 24
SELDOM = (Status.CANCELLED, Status.UNKNOWN)


class Column(Vertical):
    """The cards of one status."""

    DEFAULT_CSS = """
    Column { height: 100%; padding: 0 1 0 0; }
    Column Static { height: 1; }
    """

    def __init__(self, status: Status) -> None:
        super().__init__(id=f"column-{status.value}")
        self.status = status

    def compose(self) -> ComposeResult:
        """Return its head and its cards."""
        yield Static()
        yield Rows(height=CARD_HEIGHT)

    def show(self, found: Sequence[Card]) -> None:
        """Show its cards; where it is seldom used and has none, it is not there."""
        self.display = bool(found) or self.status not in SELDOM
        style = STATUS_STYLES.get(self.status.value, "")
        self.query_one(Static).update(plain(f"{self.status.value} {len(found)}", f"bold {style}"))
        rows = [Row(card.task.id, partial(card_lines, card), card) for card in found]
        self.query_one(Rows).show(rows)


class Columns(HorizontalScroll, can_focus=False, inherit_bindings=False):
    """All columns; whole ones are seen."""

    DEFAULT_CSS = "Columns { scrollbar-size-horizontal: 1; }"

    def __init__(self) -> None:
        super().__init__(id="board")

    def compose(self) -> ComposeResult:
        """Return a column for each status."""
        for status in COLUMNS:
            yield Column(status)

    def show(self, found: Sequence[Card]) -> None:
        """Show cards, each in its column."""
        for column in self.query(Column):
            column.show([card for card in found if card.task.status is column.status])
        self.on_resize()

    def on_resize(self) -> None:
        """Give each column the width that there is."""
        width, _ = self._fit()
        for column in self.query(Column):
            column.styles.width = width

    def move(self, by: int) -> None:
        """Go to the column on the left or on the right, and let it be seen as a whole."""
        lists = [column.query_one(Rows) for column in self.query(Column) if column.display]
        if self.screen.focused not in lists:
            return
        at = max(0, min(lists.index(self.screen.focused) + by, len(lists) - 1))
        lists[at].focus(scroll_visible=False)
        width, at_once = self._fit()
        first = min(at, max(round(self.scroll_x / width), at - at_once + 1))
        self.scroll_to(x=first * width, animate=False)

    def _fit(self) -> tuple[int, int]:
        """Return how wide a column is, and how many of them are seen at once."""
        shown = sum(column.display for column in self.query(Column))
        at_once = max(1, min(shown, self.size.width // NARROWEST))
        return max(1, self.size.width // at_once), at_once
