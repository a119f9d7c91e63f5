"""What every editor of text shares: newline style, line numbers, splicing."""

from __future__ import annotations

import unicodedata

BOM = "\ufeff"


def newline_of(text: str) -> str:
    """Return the newline that a text uses: that of its first line."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def line_of(text: str, offset: int) -> int:
    """Return the 1-based line that an offset stands on."""
    return text.count("\n", 0, offset) + 1


def splice(text: str, start: int, end: int, new: str) -> str:
    """Return a text with a span replaced."""
    return text[:start] + new + text[end:]


def line_start(text: str, offset: int) -> int:
    """Return where the line of an offset begins."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Return where the line after that of an offset begins, or the end of the text."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def display_width(text: str) -> int:
    """Return how many terminal cells a text takes: two for wide letters, none for marks."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(sign) or unicodedata.category(sign) in ("Cf", "Mn", "Me")
        else 2
        if unicodedata.east_asian_width(sign) in ("W", "F")
        else 1
        for sign in text
    )
