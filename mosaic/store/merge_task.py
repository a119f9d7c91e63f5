"""Three versions of a task file merged: front matter by field, the body by line.

Lists are sets. `updated_at` and `attempts` take the larger value. Decisions and notes are united;
any other stretch of the body that both sides changed is a disagreement about its section.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, FrontMatterError
from mosaic.plan.statuses import parse_status
from mosaic.text.decisions import unique_numbers
from mosaic.text.fields import FIELD_BY_NAME, ID_KEYS, Kind
from mosaic.text.frontmatter import find_block, parse_front_matter
from mosaic.text.lines import line_end, line_start, newline_of, splice, split_lines
from mosaic.text.merge3 import MISSING, Merger, common_lines, joined, merge_lines, merge_sets
from mosaic.text.sections import DECISIONS, find_sections
from mosaic.text.set_frontmatter import set_front_matter

if TYPE_CHECKING:
    from mosaic.text.frontmatter import FrontMatter

UNITED = (DECISIONS, "notes")
GROWING = ("updated_at", "attempts")


def merge_task(merger: Merger, name: str, base: str | None, ours: str, theirs: str) -> str:
    """Return our text with what they changed; `name` is what disagreements are named by.

    Raises FrontMatterError, or EditRefusedError where a value cannot be written.
    """
    matters = [_matter(text) for text in (base, ours, theirs)]
    name = next((found for each in matters[1:] if each and (found := _id_of(each))), name)
    parts = [
        _parts(text, matter) for text, matter in zip((base, ours, theirs), matters, strict=True)
    ]
    heads = [head for head, _ in parts]
    bodies = [split_lines(body) for _, body in parts]
    if base is None:
        bodies[0] = common_lines(*bodies[1:])
    body = _merge_bodies(merger, name, *bodies)
    if matters[1] is None or matters[2] is None:
        return str(merger.pick(name, *heads)) + body
    return _merge_heads(merger, name, heads, matters) + body


def _matter(text: str | None) -> FrontMatter | None:
    return parse_front_matter(text) if text is not None else None


def _id_of(matter: FrontMatter) -> str | None:
    return next((found for key in ID_KEYS if (found := matter.text(key))), None)


def _parts(text: str | None, matter: FrontMatter | None) -> tuple[str, str]:
    """Return front matter and body."""
    start = matter.body_start if matter else 0
    return (text[:start], text[start:]) if text is not None else ("", "")


def _merge_bodies(
    merger: Merger, name: str, base: list[str], ours: list[str], theirs: list[str]
) -> str:
    starts = [0]
    for line in ours:
        starts.append(starts[-1] + len(line))
    text = "".join(ours)
    sections = find_sections(text)

    def about(line: int) -> str | None:
        at = starts[min(line, len(starts) - 1)]
        # What is inserted in front of a heading belongs to the section above it.
        above = [each.name for each in sections if each.heading_start < at]
        section = above[-1] if above else "text"
        return None if section in UNITED else f"{name}.{section}"

    lines = merge_lines(merger, base, ours, theirs, name=about)
    return unique_numbers(joined(lines, newline_of(text)))


def _merge_heads(
    merger: Merger, name: str, heads: list[str], matters: list[FrontMatter | None]
) -> str:
    text = _by_line(heads) or heads[1]
    base, ours, theirs = matters
    assert ours is not None
    assert theirs is not None
    for key in dict.fromkeys((*ours.data, *theirs.data, *(base.data if base else ()))):
        values = [_value(matter, key) for matter in matters]
        wanted = _merge_field(merger, f"{name}.{key}", key, values)
        now = parse_front_matter(text)
        if now is None or _value(now, key) == wanted:
            continue
        if wanted is MISSING:
            text = set_front_matter(text, key, None)
        elif key in FIELD_BY_NAME or wanted not in values[1:]:
            text = set_front_matter(text, key, wanted)
        else:
            source = heads[2] if wanted == values[2] else heads[1]
            text = _with_lines(text, key, source)
    return text


def _by_line(heads: list[str]) -> str | None:
    """Merge front matter by line, which keeps comments of both sides; None where it cannot be."""
    merger = Merger()
    lines = [split_lines(head) for head in heads]
    text = "".join(merge_lines(merger, *lines, name=lambda _: "front matter"))
    try:
        return text if not merger.open and parse_front_matter(text) is not None else None
    except FrontMatterError:
        return None


def _value(matter: FrontMatter | None, key: str) -> Any:
    """Return a field as it is compared: a text, a tuple of texts, or what YAML made of it."""
    if matter is None or key not in matter.data:
        return MISSING
    if key in FIELD_BY_NAME or key in ID_KEYS:
        return matter.raw[key] if key in matter.raw else matter.lists.get(key, matter.data[key])
    value = matter.data[key]
    is_words = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return tuple(map(str, value)) if isinstance(value, list) and is_words else value


def _merge_field(merger: Merger, name: str, key: str, values: list[Any]) -> Any:
    base, ours, theirs = values
    if key in GROWING and isinstance(ours, str) and isinstance(theirs, str):
        return max(ours, theirs, key=_size)
    field = FIELD_BY_NAME.get(key)
    is_list = field is not None and field.kind is Kind.LIST
    if is_list or any(isinstance(value, tuple) for value in values):
        lists = [_items(value) for value in values]
        # Both are there, and are lists or one word: each word counts by itself.
        if MISSING not in (ours, theirs) and None not in lists:
            merged = merge_sets(*(each or () for each in lists))
            return next((v for v in (ours, theirs) if _items(v) == merged), merged)
    is_status = field is not None and field.kind is Kind.STATUS

    def same(left: Any, right: Any) -> bool:
        if left == right or not is_status or MISSING in (left, right):
            return bool(left == right)
        status = parse_status(str(left))
        return status is not None and status is parse_status(str(right))

    def read(answer: str) -> Any:
        if is_list:
            return tuple(word.strip() for word in answer.split(",") if word.strip())
        return next((v for v in (ours, theirs) if same(v, answer)), answer)

    return merger.pick(name, base, ours, theirs, same=same, read=read)


def _items(value: Any) -> tuple[str, ...] | None:
    if value is MISSING or value == "":
        return ()
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else None


def _size(value: str) -> tuple[int, int, str]:
    """Return what orders counts by number, and other words after them by their text."""
    is_count = re.fullmatch(r"\d{1,9}", value) is not None
    return (0, int(value), "") if is_count else (1, 0, value)


def _with_lines(text: str, key: str, source: str) -> str:
    """Return front matter with a field's lines as they stand in another one's."""
    start, end = _span(source, key)
    edited = splice(text, *_span(text, key), source[start:end])
    before, after, wanted = map(parse_front_matter, (text, edited, source))
    others = [
        {name: value for name, value in each.data.items() if name != key} if each else None
        for each in (before, after)
    ]
    if after is None or wanted is None or after.data.get(key) != wanted.data.get(key):
        others[1] = None
    if others[0] != others[1]:
        raise EditRefusedError(f"`{key}` of the other side cannot be taken over")
    return edited


def _span(text: str, key: str) -> tuple[int, int]:
    """Return where a field's lines stand, or would be put."""
    matter, block = parse_front_matter(text), find_block(text)
    assert matter is not None
    assert block is not None
    end = line_start(text, block.end)
    first = matter.lines.get(key)
    if first is None:
        return end, end
    last = min((line for line in matter.lines.values() if line > first), default=0)
    starts = [0]
    while starts[-1] < len(text):
        starts.append(line_end(text, starts[-1]))
    return starts[first - 1], starts[last - 1] if last else end
