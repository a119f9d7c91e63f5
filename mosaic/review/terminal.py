"""Markdown that agents wrote as lines for a terminal: its own source, wrapped and harmless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.text.harmless import harmless_text
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_INPUT = 65_536
MOST_LINES = 2_000
NARROWEST = 20
LEAST_ROOM = 10
"""What goes on in a next line is indented no further where less than this would be left."""
BOLD = "1"
DIM = "2"

_HEADING = re.compile(r" {0,3}#{1,6} ")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_BEGIN = re.compile(r"(?: |[-*+>] |\d{1,9}[.)] |\[[ xX]\] )*+")
"""What the next lines of an item or quote are indented by."""
_PART = re.compile(r" +|[^ ]+")


def render_terminal(markdown: str, *, width: int, color: bool) -> list[str]:
    """Return a text that nobody has checked as lines for a terminal.

    No line is wider than `width`, which counts as `NARROWEST` where it is less. The lines contain
    no control character and no escape sequence but those for bold headings and dim code, and
    these only with `color`. There are at most `MOST_LINES`; where something is missing, the
    last says so.
    """
    room = max(width, NARROWEST)
    notice = ""
    if len(markdown) > LONGEST_INPUT:
        notice = f"[… cut here after {LONGEST_INPUT} of {len(markdown)} characters]"
    lines: list[str] = []
    is_code = False
    for line in harmless_text(markdown[:LONGEST_INPUT]).expandtabs(4).split("\n"):
        is_fence = _FENCE.match(line) is not None
        is_code ^= is_fence
        style = DIM if is_code or is_fence else BOLD if _HEADING.match(line) else ""
        if line.strip() or is_code or (lines and lines[-1]):
            lines += [_painted(part, style if color else "") for part in _wrapped(line, room)]
        if len(lines) > MOST_LINES:
            notice = f"[… cut here after about {MOST_LINES} lines]"
            break
    while lines and not lines[-1]:
        lines.pop()
    if notice:
        end = [_painted(part, DIM if color else "") for part in _wrapped(notice, room)]
        lines = lines[: MOST_LINES - len(end)] + end
    return lines


def _painted(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text


def _wrapped(text: str, width: int) -> Iterator[str]:
    begin = _BEGIN.match(text)
    hang = min(display_width(begin[0]) if begin else 0, width - LEAST_ROOM)
    line, used = "", 0
    for part in _parts(text, width - hang):
        size = display_width(part)
        if used + size > width:
            yield line.rstrip()
            line, used = " " * hang, hang
            if not part.strip():
                continue
        line += part
        used += size
    yield line.rstrip()


def _parts(text: str, room: int) -> Iterator[str]:
    """Return a line's words and what is between them; of a word that fits no line, each sign."""
    for part in _PART.findall(text):
        if display_width(part) <= room:
            yield part
        else:
            yield from part
