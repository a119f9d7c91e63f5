"""Asking the person: a text, or only yes or no, below what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from mosaic.board.rows import TextRows
from mosaic.board.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

MOST_LINES = 12
"""So many are seen at once; the others are scrolled to."""


class Field(TextArea):
    """Where a person writes: Enter sends, Ctrl-J begins a line, and a paste keeps its lines."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.screen.action_send()  # type: ignore[attr-defined]
        elif event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)


class Question(ModalScreen[str | None]):
    """A question to the person; its answer is a text, or None where they go back.

    Args:
        title: what is asked.
        lines: what it is about.
        text: what stands in the field at first; None: there is no field, and a yes is empty.
        needs_text: whether an empty text is not taken.
    """

    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape", "leave", "Back"),
        Binding("enter,y", "send", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
    ]
    DEFAULT_CSS = """
    Question { align: center middle; }
    Question > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    Question Static { height: auto; }
    Question TextRows { height: auto; margin: 1 0 0 0; }
    Question Field { height: 5; margin: 1 0 0 0; border: none; background: $boost; }
    Question .keys { color: $text-muted; margin: 1 0 0 0; }
    """

    def __init__(
        self,
        title: str,
        lines: Sequence[Text] = (),
        *,
        text: str | None = None,
        needs_text: bool = False,
    ) -> None:
        super().__init__()
        self._question = title
        self._lines = lines
        self._text = text
        self._needs_text = needs_text

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        has_field = self._text is not None
        with Vertical():
            yield Static(plain(self._question, "bold"))
            if self._lines:
                yield TextRows()
            if has_field:
                yield Field(self._text or "", show_line_numbers=False, compact=True)
            keys = "enter send · ctrl+j new line · esc back" if has_field else "y yes · n no"
            yield Static(Text(keys), classes="keys")

    def on_mount(self) -> None:
        """Show what it is about, and let the person write."""
        for rows in self.query(TextRows):
            rows.set_lines([(line, None) for line in self._lines])
            rows.styles.height = min(MOST_LINES, len(rows.entries) or 1)
            rows.can_focus = len(rows.entries) > MOST_LINES
        for field in self.query(Field):
            field.focus()

    def action_send(self) -> None:
        """Take the answer."""
        fields = list(self.query(Field))
        text = fields[0].text if fields else ""
        if self._needs_text and not text.strip():
            self.notify("it is empty: say it in a few words", severity="warning", markup=False)
            return
        self.dismiss(text)

    def action_leave(self) -> None:
        """Go back without an answer."""
        self.dismiss(None)
