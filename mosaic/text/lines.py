"""What every reader and editor of text shares: newlines, line numbers, splicing, git's marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mosaic.errors import MergeConflictError
from mosaic.records import NamedTuple

BOM = "\ufeff"
_OPENING = "<<<<<<< "
_SEPARATOR = "======="
_CLOSING = ">>>>>>> "
_FENCE = r" {0,3}(`{3,}|~{3,})"


def newline_of(text: str) -> str:
    """Return the newline that a text uses: that of its first line."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def newline_at(text: str, end: int) -> str:
    """Return the newline behind a line's end; the text's own where the text ends there."""
    if text.startswith("\r\n", end):
        return "\r\n"
    return "\n" if text.startswith("\n", end) else newline_of(text)


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
    from unicodedata import category, combining, east_asian_width  # start-up: few texts need it

    shown = (s for s in text if not combining(s) and category(s) not in ("Cf", "Mn", "Me"))
    return sum(2 if east_asian_width(sign) in ("W", "F") else 1 for sign in shown)


class Edit(NamedTuple):
    """One span of a text and what takes its place."""

    start: int
    end: int
    new: str


def splice_all(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with several spans replaced, which do not overlap."""
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        pieces += (text[at : edit.start], edit.new)
        at = edit.end
    return "".join((*pieces, text[at:]))


def without_comments(text: str) -> str:
    """Return a text with blanks for its comments; every line stays where it is."""
    pieces: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        end += len("-->")
        pieces += (text[at:start], re.sub(r"[^\n]", " ", text[start:end]))
        at = end
    return "".join((*pieces, text[at:]))


def refuse_conflict(text: str, path: str | None = None) -> None:
    """Make sure that a file holds no merge that is not resolved.

    Only all three marks in their order are one: a line of `=` alone underlines a heading, and
    what stands in a fenced block shows how such marks look.
    """
    if _OPENING not in text or _CLOSING not in text:
        return
    opened = separated = 0
    fence = ""
    for number, end_and_all in enumerate(text.split("\n"), 1):
        line = end_and_all.rstrip("\r")
        if opened:
            if line == _SEPARATOR:
                separated = number
            elif line.startswith(_CLOSING) and separated:
                error = MergeConflictError(opened, number, line.removeprefix(_CLOSING))
                raise error if path is None else error.at(path)
        elif found := re.match(_FENCE, line):
            if not fence:
                fence = found[1]
            elif line.strip().startswith(fence) and not line.strip(" " + fence[0]):
                fence = ""
        if line.startswith(_OPENING) and not fence:
            opened, separated = number, 0
