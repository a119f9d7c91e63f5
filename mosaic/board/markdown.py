"""Markdown as lines for the screen: every sign of it is there, and nothing in it can be clicked.

A person approves what they see, so nothing of a text is left out or moved, as links, comments
and cells beyond a table's head would be: marks of structure are drawn, and the words stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.board.words import plain
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

LONGEST_TEXT = 262_144
MARK_LINE = re.compile(r"(?P<indent> *)(?P<mark>#{1,6}|[-*+]|\d{1,9}[.)]|>)(?P<rest> .*)")
BOX = re.compile(r" \[(?P<tick>[ xX])\](?= )")
INLINE_CODE = re.compile(r"`[^`\n]{1,200}`")
STRONG = re.compile(r"\*\*[^*\n]{1,200}\*\*")
HEADING_STYLES = ("bold underline", "bold", "bold", "bold dim")


def markdown_lines(text: str) -> Iterator[Text]:
    """Return a text that nobody has checked, a line each."""
    fence = ""
    for number, line in enumerate(harmless_text(text[:LONGEST_TEXT]).split("\n")):
        bare = line.strip()
        is_edge = bare[:3] in ("```", "~~~") and (not fence or bare.startswith(fence))
        if number == 0 and bare == "---":
            fence = "---"
            yield plain(line, "dim")
        elif fence == "---":
            fence = "" if bare == "---" else fence
            yield plain(line, "dim")
        elif is_edge:
            fence = "" if fence else bare[:3]
            yield plain(line, "dim")
        elif fence:
            yield plain(line, "green")
        else:
            yield _drawn(line)
    if len(text) > LONGEST_TEXT:
        yield plain(f"[… cut here after {LONGEST_TEXT} of {len(text)} characters]", "dim")


def _drawn(line: str) -> Text:
    found = MARK_LINE.fullmatch(line)
    if found is None:
        return _with_inline(plain(line))
    mark, rest = found["mark"], found["rest"]
    if mark[0] == "#":
        return plain(rest.strip(), HEADING_STYLES[min(len(mark), len(HEADING_STYLES)) - 1])
    if mark == ">":
        return plain(f"{found['indent']}▌{rest}", "italic")
    if (box := BOX.match(rest)) is not None:
        mark, rest = "☐" if box["tick"] == " " else "☑", rest[box.end() :]
    shown = "•" if mark in "-*+" else mark
    return _with_inline(plain(f"{found['indent']}{shown}{rest}"))


def _with_inline(text: Text) -> Text:
    for pattern, style in ((INLINE_CODE, "green"), (STRONG, "bold")):
        for each in pattern.finditer(text.plain):
            text.stylize(style, *each.span())
    return text
