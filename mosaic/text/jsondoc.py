"""JSON documents that people edit too: read strictly, changed by splicing.

A change touches the bytes of the value it changes and no others. New values are written
in the document's own indent and newline style.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, MissionFileError
from mosaic.text.lines import BOM, line_of, newline_of, splice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import JsonValue

DEEPEST = 100
BLANKS = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """One member of an object or item of an array, with its spans."""

    key: str | int
    start: int
    """Where its key begins, or its value where there is none."""
    value_start: int
    value_end: int


def parse_json_document(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        MissionFileError: it is no JSON, holds a key twice or a number that is none, is
            nested too deeply, or is no object.
    """
    source = text.removeprefix(BOM)
    deep = _too_deep(source)
    if deep is not None:
        raise MissionFileError("the file is nested too deeply", line=line_of(source, deep))
    try:
        data = json.loads(source, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise MissionFileError(
            "the file is not JSON",
            line=error.lineno,
            detail=f"{error.msg}, column {error.colno}",
            hint=_likely_cause(source, error),
        ) from None
    except _DuplicateKeyError as error:
        spots = [m.start() for m in re.finditer(rf'"{re.escape(error.key)}"\s*:', source)]
        raise MissionFileError(
            f"`{error.key}` stands twice in one object",
            line=line_of(source, spots[-1]) if spots else None,
            hint="remove one of them",
        ) from None
    except (ValueError, RecursionError) as error:
        raise MissionFileError("the file is not JSON", detail=str(error)) from None
    if not isinstance(data, dict):
        raise MissionFileError("the file is no JSON object", line=1, hint="begin it with `{`")
    return data


def set_json(text: str, path: Sequence[str | int], value: JsonValue) -> str:
    """Return a document with the value at a path set; a missing last key is added at the end.

    Raises:
        EditRefusedError: there is nothing at the path, or it cannot be changed cleanly.
    """
    before = parse_json_document(text)
    start, end = _span(text, path[:-1])
    members = _members(text, start)
    found = next((member for member in members if member.key == path[-1]), None)
    if found is not None:
        new = _dump(text, value, found.start)
        edited = splice(text, found.value_start, found.value_end, new)
    else:
        new = f"{json.dumps(path[-1], ensure_ascii=False)}: "
        edited = _add_member(text, (start, end), members, value, new)
    return _verified(before, edited, path, value)


def append_json(text: str, path: Sequence[str | int], value: JsonValue) -> str:
    """Return a document with an item added to the array at a path, which is made if missing.

    Raises:
        EditRefusedError: there is no array at the path, or it cannot be changed cleanly.
    """
    before = parse_json_document(text)
    parent: Any = before
    for key in path[:-1]:
        parent = parent[key]
    old = parent.get(path[-1]) if isinstance(parent, dict) else parent[path[-1]]
    if old is None:
        return set_json(text, path, [value])
    if not isinstance(old, list):
        raise EditRefusedError(f"`{path[-1]}` is no list")
    span = _span(text, path)
    edited = _add_member(text, span, _members(text, span[0]), value, "")
    return _verified(before, edited, path, [*old, value])


def _span(text: str, path: Sequence[str | int]) -> tuple[int, int]:
    """Return where the value at a path stands."""
    start = _skip(text, len(BOM) if text.startswith(BOM) else 0)
    end = DECODER.raw_decode(text, start)[1]
    for key in path:
        found = next((m for m in _members(text, start) if m.key == key), None)
        if found is None:
            raise EditRefusedError(f"there is no `{key}`")
        start, end = found.value_start, found.value_end
    return start, end


def _members(text: str, start: int) -> list[_Member]:
    """Return the members of the object or array that begins at an offset."""
    is_object = text[start] == "{"
    if not is_object and text[start] != "[":
        raise EditRefusedError("there is neither an object nor a list")
    members: list[_Member] = []
    position = _skip(text, start + 1)
    while text[position] not in "}]":
        key: str | int = len(members)
        first = position
        if is_object:
            key, position = DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        end = DECODER.raw_decode(text, position)[1]
        members.append(_Member(key=key, start=first, value_start=position, value_end=end))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members


def _add_member(
    text: str, span: tuple[int, int], members: list[_Member], value: JsonValue, prefix: str
) -> str:
    start, end = span
    newline = newline_of(text)
    if not members:
        outer = _indent_at(text, start)
        inner = outer + _indent_unit(text)
        new = _dump_at(text, value, inner)
        return splice(text, start + 1, end - 1, f"{newline}{inner}{prefix}{new}{newline}{outer}")
    last = members[-1]
    between = text[start + 1 : members[0].start]
    inner = between.rpartition("\n")[2] if "\n" in between else ""
    if "\n" in between:
        new = f",{newline}{inner}{prefix}{_dump_at(text, value, inner)}"
    else:
        new = f", {prefix}{json.dumps(value, ensure_ascii=False)}"
    return splice(text, last.value_end, last.value_end, new)


def _dump(text: str, value: JsonValue, at: int) -> str:
    return _dump_at(text, value, _indent_at(text, at))


def _dump_at(text: str, value: JsonValue, indent: str) -> str:
    """Return a value as the document would write it at an indent."""
    dumped = json.dumps(value, ensure_ascii=False, indent=_indent_unit(text))
    return dumped.replace("\n", newline_of(text) + indent)


def _indent_at(text: str, offset: int) -> str:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indent_unit(text: str) -> str:
    found = re.search(r"\{[ \t]*\r?\n([ \t]+)", text)
    return found[1] if found else "  "


def _skip(text: str, position: int) -> int:
    found = BLANKS.match(text, position)
    return found.end() if found else position


def _verified(
    before: dict[str, Any], edited: str, path: Sequence[str | int], value: JsonValue
) -> str:
    """Return the edited text if it says what it said, plus the change."""
    target: Any = before
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = json.loads(json.dumps(value))
    if parse_json_document(edited) != before:
        raise EditRefusedError(f"`{path[-1]}` cannot be set without changing anything else")
    return edited


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"`{name}` is no JSON number")


def _too_deep(source: str) -> int | None:
    """Return where brackets are nested too deeply; strings are passed over."""
    depth = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', source, re.DOTALL):
        sign = found[0]
        if sign in "[{":
            depth += 1
            if depth > DEEPEST:
                return found.start()
        elif sign in "]}":
            depth -= 1
    return None


def _likely_cause(source: str, error: json.JSONDecodeError) -> str:
    before = source[: error.pos].rstrip()
    if before.endswith(",") and source[error.pos : error.pos + 1] in ("}", "]"):
        return "remove the comma before the closing bracket"
    if not source.strip():
        return "the file is empty: restore it from git"
    return "mend it by hand, or restore it from git"
