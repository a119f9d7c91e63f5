"""How a YAML list becomes another: only the items that change are touched.

Items that stay keep their quotes and their comments. Items that are nothing (`- ` alone)
are no words of the list, and stay where they are.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from mosaic.text.lines import Edit, line_end, line_start, newline_at
from mosaic.text.scalars import NULL_TAG, quote_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.text.nodes import Placed

MOST_COMPARED = 1000
"""Lists that differ in more items than this are compared item by item from the front."""


def block_list_edits(placed: Placed, node: Any, items: Sequence[str]) -> list[Edit] | None:
    """Return what to splice where, so that a list of `- item` lines holds these items.

    Returns:
        None when the list is written in a way that has no line for each item.
    """
    words = _words(node)
    if not words:
        return None
    text = placed.text
    edits: list[Edit] = []
    for old, new in _changes([word.value for word in words], items):
        for item, value in zip(old, new, strict=False):
            word = words[item]
            edits.append(Edit(placed.start(word), placed.end(word), quote_scalar(value, word)))
        for item in old[len(new) :]:
            start, end = _line_of_item(placed, words[item])
            edits.append(Edit(start, end, ""))
        if added := new[len(old) :]:
            before = old.stop - 1
            model = words[max(before, 0)]
            start, end = _line_of_item(placed, model)
            dash = text.rfind("-", start, placed.start(model))
            if dash < 0 or text[start:dash].strip():
                return None
            lead = text[start : placed.start(model)]
            newline = newline_at(text, len(text[:end].rstrip("\r\n")))
            at = start if before < 0 else end
            lines = "".join(f"{lead}{quote_scalar(value, model)}{newline}" for value in added)
            edits.append(Edit(at, at, lines))
    return edits


def flow_list_edits(placed: Placed, node: Any, items: Sequence[str]) -> list[Edit]:
    """Return what to splice where, so that a list `[a, b]` holds these items."""
    words = _words(node)
    text = placed.text
    if not words:
        start = placed.start(node) + 1
        # A blank that stands there is used, so that emptying the list again is exact.
        at = start + 1 if text[start:].startswith(" ") else start
        if node.value:
            return [Edit(placed.start(node), placed.end(node), f"[{_joined(items)}]")]
        return [Edit(at, at, _joined(items))]
    pieces: list[str] = []
    standard = _separator(text[placed.end(words[0]) : placed.start(words[1])] if words[1:] else "")
    at = 0
    for old, new in _changes([word.value for word in words], items):
        pieces.extend(_kept(placed, words, range(at, old.start), standard, first=not pieces))
        for number, value in enumerate(new):
            model = words[old[number]] if number < len(old) else words[max(old.stop - 1, 0)]
            written = quote_scalar(value, model, flow=True)
            pieces.append(written if not pieces else f"{standard}{written}")
        at = old.stop
    pieces.extend(_kept(placed, words, range(at, len(words)), standard, first=not pieces))
    return [Edit(placed.start(words[0]), placed.end(words[-1]), "".join(pieces))]


def _kept(
    placed: Placed, words: Sequence[Any], numbers: range, standard: str, *, first: bool
) -> Iterator[str]:
    for number in numbers:
        source = placed.source(words[number])
        if first:
            yield source
        elif number:
            yield placed.text[placed.end(words[number - 1]) : placed.start(words[number])] + source
        else:
            yield standard + source
        first = False


def _separator(between: str) -> str:
    return between if between and "#" not in between else ", "


def _joined(items: Sequence[str]) -> str:
    return ", ".join(quote_scalar(item, flow=True) for item in items)


def _words(node: Any) -> list[Any]:
    return [item for item in node.value if item.tag != NULL_TAG]


def _line_of_item(placed: Placed, word: Any) -> tuple[int, int]:
    start = placed.start(word)
    dash = placed.text.rfind("-", 0, start)
    if placed.text[dash + 1 : start].strip():
        dash = start
    return line_start(placed.text, dash), line_end(placed.text, placed.end(word))


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[range, Sequence[str]]]:
    """Yield runs of old items with the new ones that take their place, front to back."""
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    old_end, new_end = len(old) - last, len(new) - last
    if max(old_end, new_end) - first > MOST_COMPARED:
        yield range(first, old_end), new[first:new_end]
        return
    matcher = SequenceMatcher(None, old[first:old_end], new[first:new_end], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            yield range(first + a, first + b), new[first + c : first + d]
