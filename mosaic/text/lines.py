"""What every reader and editor of text shares: newlines, line numbers, splicing, git's marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mosaic.errors import MergeConflictError
from mosaic.records import NamedTuple

BOM = "\ufeff"
_OPENING = "<<<<<<< "
_BASE = "||||||| "
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


def split_lines(text: str) -> list[str]:
    """Return a text's lines with their ends; nothing but a newline ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def display_width(text: str) -> int:
    """Return how many terminal cells a text takes: two for wide letters, none for marks."""
    if text.isascii():
        return len(text)
    from unicodedata import category, combining, east_asian_width  # start-up: few texts need it

    shown = (s for s in text if not combining(s) and category(s) not in ("Cf", "Mn", "Me"))
    return sum(2 if east_asian_width(sign) in ("W", "F") else 1 for sign in shown)


def counted(count: int, noun: str) -> str:
    """Return how many there are of something, as `1 task` or `2 tasks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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


class Marks(NamedTuple):
    """Where the marks of one conflict stand, by 1-based line; `base` is 0 where there is none."""

    first: int
    base: int
    middle: int
    last: int
    other: str
    """What git calls the other side."""


def find_conflicts(text: str) -> list[Marks]:
    """Return the merges in a text that are not resolved.

    Only all three marks in their order are one: a line of `=` alone underlines a heading, and
    what stands in a fenced block shows how such marks look.
    """
    found: list[Marks] = []
    if _OPENING not in text or _CLOSING not in text:
        return found
    opened = base = separated = 0
    fence = ""
    for number, end_and_all in enumerate(text.split("\n"), 1):
        line = end_and_all.rstrip("\r")
        if opened:
            if line.startswith(_BASE) and not separated:
                base = number
            elif line == _SEPARATOR:
                separated = number
            elif line.startswith(_CLOSING) and separated:
                other = line.removeprefix(_CLOSING)
                found.append(Marks(opened, base, separated, number, other))
                opened = 0
                continue
        else:
            fence = _fence_behind(line, fence)
        if line.startswith(_OPENING) and not fence:
            opened, base, separated = number, 0, 0
    return found


def _fence_behind(line: str, fence: str) -> str:
    """Return the fence that is open behind a line."""
    found = re.match(_FENCE, line)
    if found is None:
        return fence
    if not fence:
        return found[1]
    return "" if line.strip().startswith(fence) and not line.strip(" " + fence[0]) else fence


class Side(NamedTuple):
    """One side of a text that holds a merge which is not resolved."""

    text: str
    lines: tuple[int, ...]
    """For each of its lines, the 1-based line of the whole text."""


def conflict_sides(text: str) -> tuple[Side, Side]:
    """Return what our side and theirs are, as far as git has left both in a text."""
    every = split_lines(text)
    ours, theirs = set[int](), set[int]()
    for marks in find_conflicts(text):
        ours |= {marks.first, *range(marks.base or marks.middle, marks.last + 1)}
        theirs |= {*range(marks.first, marks.middle + 1), marks.last}
    kept = [[n for n in range(1, len(every) + 1) if n not in gone] for gone in (ours, theirs)]
    first, second = (
        Side("".join(every[n - 1] for n in numbers), tuple(numbers)) for numbers in kept
    )
    return first, second


def refuse_conflict(text: str, path: str | None = None) -> None:
    """Make sure that a file holds no merge that is not resolved: see `find_conflicts`."""
    for marks in find_conflicts(text):
        error = MergeConflictError(marks.first, marks.last, marks.other)
        raise error if path is None else error.at(path)
