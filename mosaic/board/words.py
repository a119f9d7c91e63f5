"""Texts for the screen: harmless, without markup, and a little colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import get_console
from rich.text import Text

from mosaic.text.harmless import harmless_line, harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.app.faults import Fault
    from mosaic.errors import MissionError

STATUS_STYLES = {
    "in-progress": "yellow",
    "review": "cyan",
    "blocked": "red",
    "done": "green",
    "cancelled": "dim",
}
FAULT_STYLES = {
    "mark": "bold red",
    "ours": "cyan",
    "base": "dim",
    "theirs": "yellow",
    "fault": "bold red",
}
TAB_WIDTH = 4
LONGEST_LINE = 10_000


def plain(text: object, style: str = "") -> Text:
    """Return a text on one line, without anything that a terminal would obey or hide.

    Of a very long one the end is cut off, and it says so.
    """
    words = str(text)
    if len(words) > LONGEST_LINE:
        more = len(words) - LONGEST_LINE
        words = f"{words[:LONGEST_LINE]} [… {more} more characters]"
    text = Text(harmless_line(words.expandtabs(TAB_WIDTH)), no_wrap=True, end="")
    text.stylize(style)  # as a span: a text's own style is left out where it is drawn by itself
    return text


def joined(parts: Iterable[Text], between: str = "  ") -> Text:
    """Return those that are not empty, on one line."""
    return Text(between, no_wrap=True, end="").join([part for part in parts if part.plain])


def lines_of(text: str, style: str = "") -> list[Text]:
    """Return the lines of a text."""
    return [plain(line, style) for line in harmless_text(text).split("\n")] if text else []


def error_words(error: MissionError) -> str:
    """Return an error as a notice shows it: what is wrong, where, and what to do next."""
    place = f"{error.path}:{error.line}" if error.line is not None else error.path
    hint = f"hint: {error.hint}" if error.hint else None
    parts = filter(None, (error.message, place, error.detail, hint))
    return "\n".join(harmless_text(part) for part in parts)


def fault_lines(faults: Iterable[Fault]) -> list[Text]:
    """Return what is wrong, each with the lines of the file where it is, and a blank line."""
    found: list[Text] = []
    for error, lines in faults:
        found += lines_of(error_words(error), "bold red")
        before = lines[0].number if lines else 0
        for number, text, kind in lines:
            found += [plain("    …", "dim")] if number > before + 1 else []
            found.append(plain(f"{number:>5}  {text}", FAULT_STYLES.get(kind, "")))
            before = number
        found.append(Text())
    return found


def wrapped(line: Text, width: int) -> Sequence[Text]:
    """Return a line in as many as it takes; what goes on is indented as the line is."""
    if line.cell_len <= width:
        return [line]
    indent = min(len(line.plain) - len(line.plain.lstrip()), width // 3)
    parts = line.wrap(get_console(), width - indent, overflow="fold", no_wrap=False)
    return [
        Text(" " * (indent if number else 0), no_wrap=True, end="").append_text(part)
        for number, part in enumerate(parts)
    ]
