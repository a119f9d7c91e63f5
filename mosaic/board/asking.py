"""Asking the person: a text, a form, or only yes or no, below what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static, TextArea

from mosaic.board.rows import TextRows
from mosaic.board.words import plain
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

SENDING = "enter send · ctrl+j new line · esc back"
LEAST_LINES = 3
"""Of what it is about, seen at once."""
BESIDE, BESIDE_FIELD = 7, 13
"""Lines of a box that are for all else."""


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


Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None]):
    """What is asked in a box above the board; the answer is None where the person goes back."""

    BINDINGS: ClassVar[list[Any]] = [Binding("escape", "leave", "Back")]
    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    Dialog .keys { color: $text-muted; margin: 1 0 0 0; height: auto; }
    """

    def action_leave(self) -> None:
        """Go back without an answer."""
        self.dismiss(None)


class Question(Dialog[str]):
    """A question to the person; its answer is a text, or None where they go back.

    Args:
        title: what is asked.
        lines: what it is about.
        text: what stands in the field at first; None: there is no field, and a yes is empty.
        needs_text: whether an empty text is not taken.
        keys: what is said of the keys, where nothing is asked.
    """

    BINDINGS: ClassVar[list[Any]] = [
        Binding("enter,y", "send", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
    ]
    DEFAULT_CSS = """
    Question Static { height: auto; }
    Question TextRows { height: auto; margin: 1 0 0 0; }
    Question Field { height: 5; margin: 1 0 0 0; border: none; background: $boost; }
    """

    def __init__(
        self,
        title: str,
        lines: Sequence[Text] = (),
        *,
        text: str | None = None,
        needs_text: bool = False,
        keys: str = "",
    ) -> None:
        super().__init__()
        self._question = title
        self._lines = lines
        self._text = text
        self._needs_text = needs_text
        self._keys = keys or ("y yes · n no" if text is None else SENDING)

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        has_field = self._text is not None
        with Vertical():
            yield Static(plain(self._question, "bold"))
            if self._lines:
                yield TextRows()
            if has_field:
                yield Field(self._text or "", show_line_numbers=False, compact=True)
            yield Static(Text(self._keys), classes="keys")

    def on_mount(self) -> None:
        """Show what it is about, and let the person write."""
        beside = BESIDE if self._text is None else BESIDE_FIELD
        most = max(LEAST_LINES, self.app.size.height * 9 // 10 - beside)
        for rows in self.query(TextRows):
            rows.set_lines([(line, None) for line in self._lines])
            rows.styles.height = min(most, len(rows.entries) or 1)
            rows.can_focus = len(rows.entries) > most
            rows.focus()
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


class FormField(NamedTuple):
    """A field of a form."""

    name: str
    label: str
    value: str = ""
    known: tuple[str, ...] = ()
    """Words that are offered while one of them is written."""
    is_long: bool = False
    """Whether it may have several lines."""


class Form(Dialog[dict[str, str]]):
    """A form for the person; its answer is what stands in the fields, or None: they go back.

    Args:
        title: what it is for.
        fields: what is asked; the values must be harmless.
        wrong: why it was not taken as it stood.
    """

    BINDINGS: ClassVar[list[Any]] = [
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]
    DEFAULT_CSS = """
    Form VerticalScroll { height: auto; margin: 1 0 0 0; }
    Form Horizontal, Form .wrong { height: auto; }
    Form Horizontal Static { width: 14; color: $text-muted; }
    Form Input { width: 1fr; background: $boost; }
    Form Field { width: 1fr; height: 3; border: none; background: $boost; }
    """

    def __init__(self, title: str, fields: Sequence[FormField], wrong: Sequence[Text] = ()) -> None:
        super().__init__()
        self._title = title
        self._fields = fields
        self._wrong = wrong

    def compose(self) -> ComposeResult:
        """Return what it is made of."""
        with Vertical():
            yield Static(plain(self._title, "bold"))
            with VerticalScroll(can_focus=False):
                for field in self._fields:
                    with Horizontal():
                        yield Static(plain(field.label))
                        yield _widget_of(field)
            yield Static(Text("\n").join(self._wrong), classes="wrong")
            keys = "enter send · tab next field · → take what is offered · esc back"
            yield Static(Text(keys), classes="keys")

    def on_mount(self) -> None:
        """Let the person write."""
        self.query_one(f"#{self._fields[0].name}").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep from the board what is written: it is not a search."""
        event.stop()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the answer."""
        event.stop()
        self.action_send()

    def action_send(self) -> None:
        """Take the answer."""
        found = {each.id or "": each.value for each in self.query(Input)}
        self.dismiss(found | {each.id or "": each.text for each in self.query(Field)})


def _widget_of(field: FormField) -> Input | Field:
    if field.is_long:
        return Field(field.value, id=field.name, show_line_numbers=False, compact=True)
    suggester = SuggestFromList(field.known, case_sensitive=False) if field.known else None
    return Input(field.value, id=field.name, compact=True, suggester=suggester)
