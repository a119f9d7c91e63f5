"""The names of views in a line; a click or a number opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from mosaic.board.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events


class Tabs(Static):
    """The names of the views, with how much is in each; a click opens one."""

    class Chosen(Message):
        """A person clicks on a name."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(id="tabs")
        self._names = names
        self._ends: list[int] = []

    def mark(self, active: str, counts: Mapping[str, int]) -> None:
        """Show which is open."""
        line = Text(no_wrap=True, end="")
        self._ends = []
        for number, name in enumerate(self._names, 1):
            count = f" {counts[name]}" if counts.get(name) else ""
            line.append_text(
                plain(f" {number} {name}{count} ", "reverse bold" if name == active else "")
            )
            self._ends.append(line.cell_len)
        self.update(line)

    def on_click(self, event: events.Click) -> None:
        """Open the view whose name was clicked."""
        for name, end in zip(self._names, self._ends, strict=True):
            if event.x < end:
                self.post_message(self.Chosen(name))
                return
