"""JSON documents that people edit too: a change touches the bytes of its value and no others."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, MissionFileError
from mosaic.records import NamedTuple
from mosaic.text.lines import BOM, Edit, line_of, newline_of, splice, splice_all
from mosaic.text.strict_json import parse_json_document, skip_blanks

if TYPE_CHECKING:
    from mosaic.model import JsonValue

__all__ = [
    "append_json",
    "insert_json",
    "move_json",
    "parse_json_document",
    "remove_json",
    "set_json",
]

DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """One member of an object or item of an array; begins with its key, if it has one."""

    key: str | int
    start: int
    value_start: int
    value_end: int


def set_json(text: str, path: Sequence[str | int], value: JsonValue) -> str:
    """Return a document with a value set; a missing last key is added (or EditRefusedError)."""
    before = parse_json_document(text)
    if not path:
        raise EditRefusedError("no key is named")
    key = path[-1]
    start, end = _span(text, path[:-1])
    members = _members(text, start)
    found = next((member for member in members if member.key == key), None)
    if found is not None:
        old = text[found.value_start : found.value_end]
        inline = old[0] in "[{" and "\n" not in old and len(old) > len("[]")
        new = _dump(text, value, None if inline else _indent_at(text, found.start))
        edited = splice(text, found.value_start, found.value_end, new)
    elif isinstance(key, str) and text[start] == "{":
        prefix = f"{json.dumps(key, ensure_ascii=False)}: "
        edited = _add_member(text, (start, end), members, value, prefix)
    else:
        raise EditRefusedError(f"there is no `{key}`", line=line_of(text, start))
    return _verified(before, edited, path, value)


def append_json(
    text: str, path: Sequence[str | int], value: JsonValue, *, one_line: bool = False
) -> str:
    """Return a document with an item added to an array, which may be new (or EditRefusedError).

    `one_line` keeps it on one line, also where others take several.
    """
    before: Any = parse_json_document(text)
    try:
        old: Any = reduce(lambda owner, key: owner[key], path, before)
    except (LookupError, TypeError):
        old = None
    if old is None:
        text, old = set_json(text, path, []), []
        before = parse_json_document(text)
    if not isinstance(old, list):
        raise EditRefusedError(f"`{path[-1] if path else '{'}` is not a list")
    span = _span(text, path)
    edited = _add_member(text, span, _members(text, span[0]), value, "", one_line=one_line)
    return _verified(before, edited, path, [*old, value])


def insert_json(
    text: str, path: Sequence[str | int], at: int, value: JsonValue, *, one_line: bool = False
) -> str:
    """Return a document with an item put into an array, written as its neighbour is.

    `one_line` keeps it on one line, also where its neighbour takes several.
    """
    before: Any = parse_json_document(text)
    items = reduce(lambda owner, key: owner[key], path, before)
    members = _members(text, _span(text, path)[0])
    if not members:
        return append_json(text, path, value, one_line=one_line)
    at = min(at, len(members))
    beside = members[max(0, at - 1)]
    indent = _indent_at(text, beside.start)
    is_inline = "\n" not in text[beside.value_start : beside.value_end]
    new = _dump(text, value, None if is_inline or one_line else indent)
    has_own_line = not text[text.rfind("\n", 0, beside.start) + 1 : beside.start].strip(" \t")
    gap = newline_of(text) + indent if has_own_line else " "
    if at < len(members):
        edited = splice(text, members[at].start, members[at].start, f"{new},{gap}")
    else:
        edited = splice(text, beside.value_end, beside.value_end, f",{gap}{new}")
    return _verified(before, edited, path, [*items[:at], value, *items[at:]])


def move_json(text: str, path: Sequence[str | int], number: int, to: int) -> str:
    """Return a document with an item of an array at another place of it, written as it is."""
    wanted: Any = parse_json_document(text)
    items = reduce(lambda owner, key: owner[key], path, wanted)
    items.insert(to, items.pop(number))
    members = _members(text, _span(text, path)[0])
    texts = [text[each.start : each.value_end] for each in members]
    texts.insert(to, texts.pop(number))
    edits = [Edit(m.start, m.value_end, new) for m, new in zip(members, texts, strict=True)]
    edited = splice_all(text, edits)
    if parse_json_document(edited) != wanted:
        raise EditRefusedError(f"an item of `{path[-1]}` cannot be moved cleanly")
    return edited


def remove_json(text: str, path: Sequence[str | int]) -> str:
    """Return a document without a member of an object or an item of an array that it has."""
    wanted: Any = parse_json_document(text)
    owner = reduce(lambda each, key: each[key], path[:-1], wanted)
    start, end = _span(text, path[:-1])
    members = _members(text, start)
    at = next(number for number, member in enumerate(members) if member.key == path[-1])
    if len(members) == 1:
        edited = splice(text, start + 1, end - 1, "")
    elif at + 1 < len(members):
        edited = splice(text, members[at].start, members[at + 1].start, "")
    else:
        edited = splice(text, members[at - 1].value_end, members[at].value_end, "")
    del owner[path[-1]]
    if parse_json_document(edited) != wanted:
        raise EditRefusedError(f"`{path[-1]}` cannot be removed without changing anything else")
    return edited


def _beginning(text: str) -> int:
    return skip_blanks(text, len(BOM) if text.startswith(BOM) else 0)


def _span(text: str, path: Sequence[str | int]) -> tuple[int, int]:
    start = _beginning(text)
    end = DECODER.raw_decode(text, start)[1]
    for key in path:
        found = next((m for m in _members(text, start) if m.key == key), None)
        if found is None:
            raise EditRefusedError(f"there is no `{key}`", line=line_of(text, start))
        start, end = found.value_start, found.value_end
    return start, end


def _members(text: str, start: int) -> list[_Member]:
    is_object = text[start] == "{"
    if not is_object and text[start] != "[":
        raise EditRefusedError("there is neither an object nor a list")
    members: list[_Member] = []
    position = skip_blanks(text, start + 1)
    while text[position] not in "}]":
        key: str | int = len(members)
        first = position
        if is_object:
            key, position = DECODER.raw_decode(text, position)
            position = skip_blanks(text, skip_blanks(text, position) + 1)
        end = DECODER.raw_decode(text, position)[1]
        members.append(_Member(key, first, position, end))
        position = skip_blanks(text, end)
        if text[position] == ",":
            position = skip_blanks(text, position + 1)
    return members


def _add_member(
    text: str, span: tuple[int, int], members: list[_Member], value: JsonValue, prefix: str,
    *, one_line: bool = False,
) -> str:  # fmt: skip
    start, end = span
    if members:
        between = text[start + 1 : members[0].start]
        indent = between.rpartition("\n")[2] if "\n" in between else None
    else:
        is_inline = "\n" not in text.strip()
        indent = None if is_inline else _indent_at(text, start) + _indent_unit(text)
    lead = "" if indent is None else newline_of(text) + indent
    new = f"{lead}{prefix}{_dump(text, value, None if one_line else indent)}"
    if members:
        at = members[-1].value_end
        return splice(text, at, at, f",{new}" if lead else f", {new}")
    trail = newline_of(text) + _indent_at(text, start) if lead else ""
    return splice(text, start + 1, end - 1, new + trail)


def _dump(text: str, value: JsonValue, indent: str | None) -> str:
    """Return a value as it is written at an indent; None: on one line."""
    unit = _indent_unit(text) if indent is not None and "\n" in text.strip() else None
    dumped = json.dumps(value, ensure_ascii=False, indent=unit)
    return dumped.replace("\n", f"{newline_of(text)}{indent}")


def _indent_at(text: str, offset: int) -> str:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indent_unit(text: str) -> str:
    found = re.search(r"\{[ \t]*\r?\n([ \t]+)", text)
    return found[1] if found else "  "


def _verified(
    before: dict[str, Any], edited: str, path: Sequence[str | int], value: JsonValue
) -> str:
    """Return the edited text if it holds the old data plus the change."""
    target: Any = before
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = json.loads(json.dumps(value))
    try:
        same = parse_json_document(edited) == before
    except MissionFileError:
        same = False
    if not same:
        raise EditRefusedError(f"`{path[-1]}` cannot be set without changing anything else")
    return edited


class Lines:
    """The line of every member of a document, found in one pass."""

    def __init__(self, text: str, data: Any) -> None:
        self._text = text
        self._starts: dict[tuple[int, str | int | None], int] = {}
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._note(data, _beginning(text))

    def _note(self, owner: Any, start: int) -> None:
        self._starts[id(owner), None] = start
        for member in _members(self._text, start):
            self._starts[id(owner), member.key] = member.start
            value = owner[member.key]
            if isinstance(value, dict | list):
                self._note(value, member.value_start)

    def find(self, owner: Any, key: str | int) -> int:
        """Return the line of a member of an object or list; that of the owner where it has none."""
        start = self._starts.get((id(owner), key), self._starts.get((id(owner), None), 0))
        return bisect_left(self._breaks, start) + 1
