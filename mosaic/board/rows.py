"""Lists that draw only what is seen: cards, rows, the lines of a text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mosaic.board.words import wrapped
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events


class Row(NamedTuple):
    """One entry of a list."""

    key: str
    """By which it is found again when the list has changed."""
    draw: Callable[[int], Sequence[Text]]
    """Returns its lines for a width in cells, as many as each entry of the list has."""
    about: Any = None
    """What it shows."""


class Rows(ScrollView, can_focus=True, inherit_bindings=False):
    """A list with a cursor that stays on its entry, and at its place, when the list changes.

    Args:
        height: how many lines each entry has.
        empty: what is shown where it is known that there is none.
        name: its id in the screen.
    """

    ALLOW_SELECT = False  # a drag would mark what is drawn, not what is meant
    BINDINGS: ClassVar[list[Any]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000000)", "First", show=False),
        Binding("end,G", "move(1000000000)", "Last", show=False),
        Binding("enter", "open", "Open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--faded"}
    DEFAULT_CSS = """
    Rows {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        & > .rows--faded { color: $text-muted; }
        &:focus > .rows--cursor { background: $primary 40%; }
    }
    """

    class Opened(Message):
        """A person opens an entry."""

        def __init__(self, rows: Rows, row: Row) -> None:
            super().__init__()
            self.rows = rows
            self.row = row

    class Moved(Message):
        """The cursor stands on another entry, or the list has changed."""

    def __init__(self, *, height: int = 1, empty: str = "", name: str | None = None) -> None:
        super().__init__(id=name)
        self.entries: Sequence[Row] = ()
        self.cursor = 0
        self._marked_from: int | None = None
        self._height = height
        self._empty = empty
        self._is_known = False
        self._was_focused = False
        self._drawn: tuple[Row, int, Sequence[Text]] | None = None

    @property
    def current(self) -> Row | None:
        """The entry that the cursor stands on."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    @property
    def marked(self) -> Sequence[Row]:
        """The entries that are marked, or the one that the cursor stands on."""
        return [self.entries[at] for at in self._marks() if at < len(self.entries)]

    def _marks(self) -> range:
        ends = (self.cursor, self.cursor if self._marked_from is None else self._marked_from)
        return range(min(ends), max(ends) + 1)

    def mark(self) -> None:
        """Mark entries from the cursor on as it moves; where some are marked, none."""
        if not self.unmark() and self.entries:
            self._marked_from = self.cursor

    def unmark(self) -> bool:
        """Mark none, and tell whether any was."""
        was_marked, self._marked_from = self._marked_from is not None, None
        self.refresh()
        return was_marked

    def show(self, entries: Sequence[Row]) -> None:
        """Show other entries; the cursor and what is seen stay where they are."""
        before = self.current
        begin = self.entries[self._marked_from].key if self._marked_from is not None else ""
        self._is_known = True
        seen_at = self.cursor * self._height - self.scroll_offset.y
        self.entries = entries
        self.cursor = min(self.cursor, max(0, len(entries) - 1))
        if before is not None and (now := self.find(before.key)) is not None:
            self.cursor = now
        self._marked_from = self.find(begin) if begin else None
        self.virtual_size = Size(self.size.width, len(entries) * self._height)
        self.scroll_to(y=self.cursor * self._height - seen_at, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def find(self, key: str) -> int | None:
        """Return where an entry stands."""
        if self.cursor < len(self.entries) and self.entries[self.cursor].key == key:
            return self.cursor
        return next((at for at, each in enumerate(self.entries) if each.key == key), None)

    def go_to(self, at: int) -> None:
        """Set the cursor to an entry, and make it seen."""
        self.cursor = max(0, min(at, len(self.entries) - 1))
        top, room = self.cursor * self._height, self.scrollable_content_region.height
        first = self.scroll_offset.y
        if top < first:
            first = top
        elif room:
            first = max(first, top + self._height - room)
        self.scroll_to(y=first, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.go_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by what is seen at once."""
        self.go_to(self.cursor + by * max(1, self.scrollable_content_region.height // self._height))

    def action_open(self) -> None:
        """Open what the cursor stands on."""
        if (row := self.current) is not None:
            self.post_message(self.Opened(self, row))

    def on_click(self, event: events.Click) -> None:
        """Set the cursor; on the entry where it stands already, open that."""
        offset = event.get_content_offset(self)
        at = (offset.y + self.scroll_offset.y) // self._height if offset else -1
        if not 0 <= at < len(self.entries):
            return
        if at == self.cursor and (event.chain > 1 or self._was_focused):
            self.action_open()
        else:
            self.go_to(at)

    def on_mouse_down(self) -> None:
        """Note whether a click only brings the focus here."""
        self._was_focused = self.has_focus

    def render_line(self, y: int) -> Strip:
        """Return one line of what is seen."""
        width = self.scrollable_content_region.width
        style = self.rich_style
        at, part = divmod(self.scroll_offset.y + y, self._height)
        if at >= len(self.entries):
            words = self._empty if y == 0 and self._is_known and not self.entries else ""
            faded = self.get_component_rich_style("rows--faded")
            return self._strip(Text(words), width, faded if words else style)
        if at in self._marks():
            style = self.get_component_rich_style("rows--cursor")
        lines = self._draw(self.entries[at], width)
        return self._strip(lines[part] if part < len(lines) else Text(), width, style)

    def _draw(self, row: Row, width: int) -> Sequence[Text]:
        """Draw an entry once for all of its lines."""
        if self._drawn is None or self._drawn[0] is not row or self._drawn[1] != width:
            self._drawn = (row, width, row.draw(width))
        return self._drawn[2]

    def _strip(self, text: Text, width: int, style: Any) -> Strip:
        line = text.copy()
        line.truncate(width, overflow="ellipsis")
        line.end = ""
        segments = Segment.apply_style(line.render(self.app.console), style)
        return Strip(segments).crop_extend(0, width, style)


def _as_it_is(text: Text, _: int) -> Sequence[Text]:
    return (text,)


class TextRows(Rows):
    """The lines of a text; long ones go on in the next line."""

    def __init__(self, *, empty: str = "", name: str | None = None) -> None:
        super().__init__(empty=empty, name=name)
        self._lines: list[tuple[Text, Any]] = []
        self._wrapped_at = 0

    def set_lines(self, lines: Sequence[tuple[Text, Any]]) -> None:
        """Show other lines, each with what it is about."""
        self._lines = list(lines)
        self._wrap()

    def add_lines(self, lines: Sequence[Text], *, most: int) -> None:
        """Add lines at the end, and stay there where the cursor stands there."""
        is_at_end = self.cursor >= len(self.entries) - 1
        new = [(line, None) for line in lines]
        self._lines += new
        self.show([*self.entries, *self._wrapped(new, len(self._lines) - len(new))])
        if len(self._lines) > 2 * most:
            self.set_lines(self._lines[-most:])
        if is_at_end:
            self.go_to(len(self.entries) - 1)

    def on_resize(self) -> None:
        """Wrap the lines anew where the width is another one."""
        if self._wrapped_at != self.scrollable_content_region.width:
            self._wrap()

    def _wrap(self) -> None:
        self._wrapped_at = self.scrollable_content_region.width
        self.show(self._wrapped(self._lines, 0))

    def _wrapped(self, lines: Sequence[tuple[Text, Any]], first: int) -> list[Row]:
        width = self._wrapped_at
        return [
            Row(f"{number}.{part}", partial(_as_it_is, text), about)
            for number, (line, about) in enumerate(lines, first)
            for part, text in enumerate(wrapped(line, width) if width > 0 else [line])
        ]
