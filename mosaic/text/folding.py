"""Text broken at words, for lines of so many cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLOR_CODE = r"\x1b\[[0-9;]*m"
_WORD_OR_CODE = r"( *)([^ `]*`[^`]*`[^ ]*|[^ ]+)"
"""A span of code is one word: a command that is broken cannot be copied."""
_BREAKS = frozenset("/\\_-,:;=&?|")
"""Signs behind which a word that is too long is broken: it is a path or an address."""


def fold(text: str, width: int, *, hang: int = 0, is_whole: bool = True) -> list[str]:
    """Return a line as lines of at most `width` cells, broken at words.

    Args:
        text: one line; it may hold our colours, and keeps the blanks that it begins with.
        width: cells of a line.
        hang: how far further lines are indented.
        is_whole: whether a word that is too long stays, beyond the width, but for signs as wide
            as two, which each stand alone. Else it is broken behind a sign such as `/`, and
            where it has none, anywhere.
    """
    if _cells(text) <= width:
        return [text]
    lines, used = [""], 0
    for gap, word in _words(text, width - hang):
        parts = _parts(word, max(1, width - hang), is_whole=is_whole)
        for number, part in enumerate(parts):
            before = "" if number else gap
            size = len(before) + _cells(part)
            if lines[-1].strip(" ") and used + size > width:
                lines.append("")
                before, size = " " * hang, hang + _cells(part)
                used = 0
            lines[-1] += before + part
            used += size
    return lines


def shorten(text: str, width: int) -> str:
    """Return a text cut to so many cells, at a word where there is one; `…` shows it."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for sign in text:
        used += display_width(sign)
        if used > width - 1:
            break
        kept += sign
    at_word = kept.rstrip(" ") if text[len(kept)] == " " else kept[: kept.rfind(" ") + 1].rstrip()
    return f"{at_word if len(at_word) > len(kept) // 2 else kept}…"


def _cells(text: str) -> int:
    if "\x1b" in text:
        text = re.sub(_COLOR_CODE, "", text)
    return display_width(text)


def _words(text: str, width: int) -> Iterator[tuple[str, str]]:
    """Yield words with the blanks before each; code that is too long for a line is several."""
    for blanks, word in re.findall(_WORD_OR_CODE, text):
        if " " in word and _cells(word) > width:
            yield from re.findall(r"(?<! )( *+)([^ ]++)", blanks + word)
        else:
            yield blanks, word


def _parts(word: str, width: int, *, is_whole: bool) -> list[str]:
    """Return a word as parts that fit, as far as it can be broken."""
    if _cells(word) <= width:
        return [word]
    smallest = [""]
    for sign in word:
        is_wide = not sign.isascii() and display_width(sign) > 1
        if is_wide and smallest[-1]:
            smallest.append("")
        smallest[-1] += sign
        if is_wide or (sign in _BREAKS and not is_whole):
            smallest.append("")
    if not is_whole:
        # Where there is no such sign, anywhere: of one as wide as two there is a part each.
        smallest = [each[at : at + width] for each in smallest for at in range(0, len(each), width)]
    parts = [""]
    for each in smallest:
        if parts[-1] and _cells(parts[-1] + each) > width:
            parts.append("")
        parts[-1] += each
    return [part for part in parts if part]
