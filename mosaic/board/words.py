"""Texts for the screen: harmless, without markup, and a little colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mosaic.text.harmless import harmless_line, harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.errors import MissionError

STATUS_STYLES = {
    "in-progress": "yellow",
    "review": "cyan",
    "blocked": "red",
    "done": "green",
    "cancelled": "dim",
}
TAB_WIDTH = 4


def plain(text: object, style: str = "") -> Text:
    """Return a text on one line, without anything that a terminal would obey or hide."""
    shown = str(text).expandtabs(TAB_WIDTH)
    return Text(harmless_line(shown), style, no_wrap=True, end="")


def joined(parts: Iterable[Text], between: str = "  ") -> Text:
    """Return those that are not empty, on one line."""
    line = Text(between, no_wrap=True, end="").join([part for part in parts if part.plain])
    return line


def lines_of(text: str, style: str = "") -> list[Text]:
    """Return the lines of a text."""
    return [plain(line, style) for line in harmless_text(text).split("\n")] if text else []


def error_words(error: MissionError) -> str:
    """Return an error as a notice shows it: what is wrong, where, and what to do next."""
    place = f"{error.path}:{error.line}" if error.line is not None else error.path
    hint = f"hint: {error.hint}" if error.hint else None
    parts = filter(None, (error.message, place, error.detail, hint))
    return "\n".join(harmless_text(part) for part in parts)


def wrapped(line: Text, width: int) -> Sequence[Text]:
    """Return a line in as many as it takes; what goes on is indented as the line is."""
    if line.cell_len <= width:
        return [line]
    from rich.cells import chop_cells

    plain_text = line.plain
    indent = " " * min(len(plain_text) - len(plain_text.lstrip()), width // 3)
    parts: list[Text] = []
    rest, room = line, width
    while rest.cell_len > room:
        head = chop_cells(rest.plain, room)[0]
        cut = head.rstrip().rfind(" ") + 1
        at = cut if cut > len(indent) + 1 else len(head)
        first, rest = rest.divide([at])
        first.rstrip()
        parts.append(first if not parts else Text(indent) + first)
        room = width - len(indent)
    parts.append(Text(indent) + rest if parts else rest)
    return parts
