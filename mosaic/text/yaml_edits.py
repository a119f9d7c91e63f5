"""Where the nodes of a YAML block are written, how a text becomes a scalar, a list another.

libyaml's marks are right for what they begin, not always for what they end: the end of a
block list or map is that of the *next* token, a `|` or `>` scalar's takes in the newlines
behind it, and a value that is not written at all may be marked on the next line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from mosaic.records import dataclass
from mosaic.text.handler import NULL_TAG
from mosaic.text.lines import Edit, line_end, line_start, newline_at

PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<~]|-(?=\S)")
NEEDS_ESCAPES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
FLOW_SIGNS = re.compile(r"[,\[\]{}?]|:(?=[,\[\]{}]|$)")
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
TEXT_TAG = "tag:yaml.org,2002:str"
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
MOST_COMPARED = 1000
"""Lists that differ in more items than this are compared item by item from the front."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A text and the offset of the YAML in it."""

    text: str
    offset: int

    def start(self, node: Any) -> int:
        """Return where a node begins."""
        return self.offset + int(node.start_mark.index)

    def end(self, node: Any) -> int:
        """Return where the last thing that belongs to a node is written out."""
        if node.id == "mapping" and not node.flow_style:
            key, value = node.value[-1]
            end = self.end(key)
            return max(end, self.text.find(":", end) + 1) if is_nothing(value) else self.end(value)
        if node.id == "sequence" and not node.flow_style:
            item = node.value[-1]
            if not is_nothing(item):
                return self.end(item)
            return len(self.text[: self.start(item)].rstrip())  # behind its dash
        end = self.offset + int(node.end_mark.index)
        if node.id == "scalar" and node.style in ("|", ">"):
            return len(self.text[:end].rstrip())
        return end


def is_nothing(node: Any) -> bool:
    """Tell whether a node is a value that is not written at all."""
    return bool(node.id == "scalar" and node.start_mark.index == node.end_mark.index)


def quote_scalar(value: str, node: Any = None, *, flow: bool = False) -> str:
    """Return a text as a YAML scalar that reads back as the same.

    Double quotes that stand there are kept. Single quotes are kept where they were not
    needed; where they were, they say nothing about anybody's taste: a plain value that
    needs quotes gets single ones, and loses them when it needs them no more. A word that
    other programs read as a number or a truth is quoted, unless it replaces another such.
    """
    style = node.style if node is not None else ""  # a plain one has "" or None, by the loader
    if style == '"' or NEEDS_ESCAPES.search(value):
        # JSON's escapes are YAML's too; what neither may hold raw is escaped as well.
        quoted = json.dumps(value, ensure_ascii=False)
        return NEEDS_ESCAPES.sub(lambda sign: f"\\u{ord(sign[0]):04x}", quoted)
    old_kind = node.tag if node is not None and not style else None
    plain = is_plain(value, flow=flow, kind=old_kind)
    needless = style == "'" and is_plain(node.value, flow=flow)
    if plain and not needless:
        return value
    return "'" + value.replace("'", "''") + "'"


def is_plain(value: str, *, flow: bool = False, kind: str | None = None) -> bool:
    """Tell whether a text may stand without quotes and still be read as that very text."""
    if not value or value != value.strip() or not PLAIN_START.match(value):
        return False
    if ": " in value or " #" in value or value.endswith(":") or value.startswith(("---", "...")):
        return False
    if flow and FLOW_SIGNS.search(value):
        return False
    if WHOLE_NUMBER.fullmatch(value):
        return True  # read as text here, and as the same digits everywhere
    tag = _tag_of(value)
    return tag in (TEXT_TAG, TIMESTAMP_TAG) or (tag == kind and tag != NULL_TAG)


def _tag_of(value: str) -> str:
    import yaml  # start-up: only writers need it

    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in (*resolvers.get(value[:1], []), *resolvers.get(None, [])):
        if pattern.match(value):
            return str(tag)
    return TEXT_TAG


def block_list_edits(placed: Placed, node: Any, items: Sequence[str]) -> list[Edit] | None:
    """Return what to splice where, so that a list of `- item` lines holds these items.

    None when the list is written in a way that has no line for each item.
    """
    words = _words(node)
    if not words:
        return None
    text = placed.text
    edits: list[Edit] = []
    for old, new, is_same in _runs([word.value for word in words], items):
        if is_same:
            continue
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
        joined = ", ".join(quote_scalar(item, flow=True) for item in items)
        if node.value:
            return [Edit(placed.start(node), placed.end(node), f"[{joined}]")]
        return [Edit(at, at, joined)]
    gaps = [text[placed.end(one) : placed.start(other)] for one, other in pairwise(words)]
    standard = gaps[0] if gaps and gaps[0] and "#" not in gaps[0] else ", "
    pieces: list[str] = []
    for old, new, is_same in _runs([word.value for word in words], items):
        for number, value in enumerate(new):
            model = words[old[number]] if number < len(old) else words[max(old.stop - 1, 0)]
            if is_same:
                source = text[placed.start(model) : placed.end(model)]
                pieces += [gaps[old[number] - 1] if old[number] else standard, source]
            else:
                pieces += [standard, quote_scalar(value, model, flow=True)]
    return [Edit(placed.start(words[0]), placed.end(words[-1]), "".join(pieces[1:]))]


def _words(node: Any) -> list[Any]:
    return [item for item in node.value if item.tag != NULL_TAG]


def _line_of_item(placed: Placed, word: Any) -> tuple[int, int]:
    start = placed.start(word)
    dash = placed.text.rfind("-", 0, start)
    if placed.text[dash + 1 : start].strip():
        dash = start
    return line_start(placed.text, dash), line_end(placed.text, placed.end(word))


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[range, Sequence[str], bool]]:
    """Yield runs of old items with what takes their place, front to back, and if it is the same."""
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    old_end, new_end = len(old) - last, len(new) - last
    yield range(first), new[:first], True
    if max(old_end, new_end) - first > MOST_COMPARED:
        yield range(first, old_end), new[first:new_end], False
    else:
        matcher = SequenceMatcher(None, old[first:old_end], new[first:new_end], autojunk=False)
        for kind, a, b, c, d in matcher.get_opcodes():
            yield range(first + a, first + b), new[first + c : first + d], kind == "equal"
    yield range(old_end, len(old)), new[new_end:], True
