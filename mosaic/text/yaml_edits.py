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
from mosaic.text.lines import Edit, line_end, line_start, newline_at, newline_of

PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<~]|-(?=\S)")
NEEDS_ESCAPES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
FLOW_SIGNS = re.compile(r"[,\[\]{}?]|:(?=[,\[\]{}]|$)")
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
CORE_NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0[xX][0-9a-fA-F_]+"
)
"""What YAML 1.2 reads as a number, whatever 1.1 does."""
ALIKE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false", re.IGNORECASE)
"""Numbers and truths that both read, and as the same."""
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


def comments_in(placed: Placed, node: Any, start: int) -> list[str]:
    """Return the comments from an offset to the end of the line on which a value ends."""
    text, end = placed.text, placed.end(node)
    if is_nothing(node):
        end = start
    gaps = []
    for leaf in _leaves(node):
        if not is_nothing(leaf) and placed.start(leaf) >= start:
            gaps.append(text[start : placed.start(leaf)])
            start = placed.end(leaf)
            if leaf.style in ("|", ">"):
                head = text[placed.start(leaf) : line_end(text, placed.start(leaf))]
                gaps.append(head)
    rest = text[start : line_end(text, max(start, end))]
    if start < end or rest.strip().startswith(("#", ",", "]", "}")) or " #" in rest:
        gaps.append(rest)
    return [found.strip() for gap in gaps for found in re.findall(r"#[^\r\n]*", gap)]


def _leaves(node: Any) -> Iterator[Any]:
    if node.id == "scalar":
        yield node
    elif node.id == "sequence":
        for item in node.value:
            yield from _leaves(item)
    else:
        for pair in node.value:
            for item in pair:
                yield from _leaves(item)


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
    if tag in (TEXT_TAG, TIMESTAMP_TAG):
        return not CORE_NUMBER.fullmatch(value)
    return tag == kind and tag != NULL_TAG and ALIKE.fullmatch(value) is not None


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
        edits += _replaced(placed, [words[item] for item in old], new)
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


def _replaced(
    placed: Placed, words: Sequence[Any], values: Sequence[str], *, flow: bool = False
) -> list[Edit]:
    """Return what puts each value in the place of a word; what has no partner is left."""
    return [
        Edit(placed.start(word), placed.end(word), quote_scalar(value, word, flow=flow))
        for word, value in zip(words, values, strict=False)
    ]


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
    if "\n" in text[placed.start(node) : placed.end(node)]:
        return _lined_list_edits(placed, words, items)
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


def _lined_list_edits(placed: Placed, words: Sequence[Any], items: Sequence[str]) -> list[Edit]:
    """Return the same for a list over several lines, where each comment stays with its item."""
    text = placed.text
    newline = newline_of(text)
    edits: list[Edit] = []
    for old, new, is_same in _runs([word.value for word in words], items):
        if is_same:
            continue
        edits += _replaced(placed, [words[item] for item in old], new, flow=True)
        gone = old[len(new) :]
        edits += _gone_from_lines(placed, words, gone, keep_notes=not items)
        if added := [quote_scalar(value, flow=True) for value in new[len(old) :]]:
            model = words[max(old.stop - 1, 0)]
            edits += _put_on_lines(placed, model, added, newline, is_first=not old.stop)
    return edits


def _gone_from_lines(
    placed: Placed, words: Sequence[Any], gone: range, *, keep_notes: bool
) -> Iterator[Edit]:
    text = placed.text
    lines: dict[int, list[int]] = {}
    for item in gone:
        lines.setdefault(line_start(text, placed.start(words[item])), []).append(item)
    for begin, (first, *others) in lines.items():
        last = others[-1] if others else first
        start, end = placed.start(words[first]), placed.end(words[last])
        line = line_end(text, end)
        rest = text[end:line]
        if last + 1 < len(words) and placed.start(words[last + 1]) < line:
            yield Edit(start, placed.start(words[last + 1]), "")
        elif first > 0 and placed.end(words[first - 1]) > begin:
            yield Edit(placed.end(words[first - 1]), end, "")
        elif not text[begin:start].strip() and re.match(
            r"[ \t]*+,?[ \t]*+$" if keep_notes else r"[ \t]*+,?[ \t]*+(?:#|$)", rest.rstrip("\r\n")
        ):
            yield Edit(begin, line, "")
        else:
            comma = re.match(r"[ \t]*,", rest)
            yield Edit(start, end + (comma.end() if comma else 0), "")


def _put_on_lines(
    placed: Placed, model: Any, added: Sequence[str], newline: str, *, is_first: bool
) -> Iterator[Edit]:
    """Yield edits that put items behind an item, or in front of the first."""
    text = placed.text
    start, end = placed.start(model), placed.end(model)
    begin, line = line_start(text, start), line_end(text, end)
    indent = text[begin:start]
    rest = re.match(r"[ \t]*+(,?)[ \t]*+(?:#|$)", text[end:line].rstrip("\r\n"))
    if indent.strip() or (rest is None and not is_first):  # it shares its line with others
        joined = ", ".join(added)
        yield Edit(start, start, f"{joined}, ") if is_first else Edit(end, end, f", {joined}")
    elif is_first:
        yield Edit(begin, begin, "".join(f"{indent}{new},{newline}" for new in added))
    else:
        parted = f",{newline}".join(indent + new for new in added)
        if rest is not None and not rest[1]:
            yield Edit(end, end, ",")
        yield Edit(line, line, parted + ("," if rest is not None and rest[1] else "") + newline)


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
