"""JSON documents that people edit too: read strictly, changed by splicing.

A change touches the bytes of the value it changes and no others. New values are written
in the document's own indent and newline style.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, MissionFileError
from mosaic.text.lines import BOM, line_of, newline_of, splice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import JsonValue

DEEPEST = 100
LARGEST = 32 << 20
LONGEST_SHOWN = 40
BLANKS = re.compile(r"[ \t\r\n]*")
# Always matches from a quote on, to the end if need be: else a string that is never
# closed would be looked through again from each of its quotes.
STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
STRING_OR_BRACKET = re.compile(rf"{STRING}|[\[{{\]}}]", re.DOTALL)
NO_BRACKET = re.compile(rf'{STRING}|[^\[{{\]}}"]+', re.DOTALL)
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
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
    if len(text) > LARGEST:
        raise MissionFileError(f"the file is larger than {LARGEST >> 20} MiB")
    source = text.removeprefix(BOM)
    deep = _too_deep(source)
    if deep is not None:
        raise _fault(source, deep, "the file is nested too deeply")
    try:
        data = json.loads(
            source,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise MissionFileError(
            "the file is not JSON",
            line=error.lineno,
            detail=f"{error.msg}, column {error.colno}",
            hint=_likely_cause(source, error),
        ) from None
    except _DuplicateKeyError as error:
        first, second = _places_of_twin(source, error.key)
        raise _fault(
            source,
            second,
            f"`{error.key}` stands twice in one object",
            detail=f"also at line {line_of(source, first)}",
            hint="remove one of them",
        ) from None
    except _NumberError as error:
        at = re.search(rf"(?<![\w.\"+-]){re.escape(error.number)}(?![\w.\"+-])", source)
        raise _fault(
            source, at.start() if at else 0, f"`{_short(error.number)}` is no JSON number"
        ) from None
    except (ValueError, RecursionError) as error:
        raise MissionFileError("the file is not JSON", detail=str(error)) from None
    if not isinstance(data, dict):
        raise MissionFileError("the file is no JSON object", line=1, hint="begin it with `{`")
    if half := _half_of_a_sign(source, data):
        raise _fault(source, half, "the file holds half of a character", hint="remove the `\\u`")
    return data


def _fault(
    source: str, offset: int, message: str, *, detail: str = "", hint: str | None = None
) -> MissionFileError:
    column = f"column {offset - source.rfind(chr(10), 0, offset)}"
    detail = f"{column}, {detail}" if detail else column
    return MissionFileError(message, line=line_of(source, offset), detail=detail, hint=hint)


def set_json(text: str, path: Sequence[str | int], value: JsonValue) -> str:
    """Return a document with the value at a path set; a missing last key is added at the end.

    Raises:
        EditRefusedError: there is nothing at the path, or it cannot be changed cleanly.
    """
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
        new = _dump(text, value, found.start, inline=inline)
        edited = splice(text, found.value_start, found.value_end, new)
    elif isinstance(key, str) and text[start] == "{":
        prefix = f"{json.dumps(key, ensure_ascii=False)}: "
        edited = _add_member(text, (start, end), members, value, prefix)
    else:
        raise EditRefusedError(f"there is no `{key}`", line=line_of(text, start))
    return _verified(before, edited, path, value)


def append_json(text: str, path: Sequence[str | int], value: JsonValue) -> str:
    """Return a document with an item added to the array at a path, which is made if missing.

    Raises:
        EditRefusedError: there is no array at the path, or it cannot be changed cleanly.
    """
    before = parse_json_document(text)
    try:
        old = _value_at(before, path)
    except LookupError:
        old = None
    if old is None:
        return set_json(text, path, [value])
    if not isinstance(old, list):
        raise EditRefusedError(f"`{path[-1] if path else '{'}` is no list")
    span = _span(text, path)
    edited = _add_member(text, span, _members(text, span[0]), value, "")
    return _verified(before, edited, path, [*old, value])


def _value_at(data: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path; LookupError when there is none."""
    for key in path:
        fits = isinstance(data, list) if isinstance(key, int) else isinstance(data, dict)
        if not fits:
            raise LookupError(key)
        data = data[key]
    return data


def _span(text: str, path: Sequence[str | int]) -> tuple[int, int]:
    """Return where the value at a path stands."""
    start = _skip(text, len(BOM) if text.startswith(BOM) else 0)
    end = DECODER.raw_decode(text, start)[1]
    for key in path:
        found = next((m for m in _members(text, start) if m.key == key), None)
        if found is None:
            raise EditRefusedError(f"there is no `{key}`", line=line_of(text, start))
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
        if "\n" not in text.strip():
            new = f"{prefix}{_dump(text, value, start, inline=True)}"
            return splice(text, start + 1, end - 1, new)
        outer = _indent_at(text, start)
        inner = outer + _indent_unit(text)
        new = f"{newline}{inner}{prefix}{_dump_at(text, value, inner)}{newline}{outer}"
        return splice(text, start + 1, end - 1, new)
    between = text[start + 1 : members[0].start]
    if "\n" in between:
        inner = between.rpartition("\n")[2]
        new = f",{newline}{inner}{prefix}{_dump_at(text, value, inner)}"
    else:
        new = f", {prefix}{_dump(text, value, start, inline=True)}"
    at = members[-1].value_end
    return splice(text, at, at, new)


def _dump(text: str, value: JsonValue, at: int, *, inline: bool) -> str:
    if inline:
        return json.dumps(value, ensure_ascii=False)
    return _dump_at(text, value, _indent_at(text, at))


def _dump_at(text: str, value: JsonValue, indent: str) -> str:
    """Return a value as the document would write it at an indent."""
    unit = _indent_unit(text) if "\n" in text.strip() else None
    dumped = json.dumps(value, ensure_ascii=False, indent=unit)
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
    try:
        same = parse_json_document(edited) == before
    except MissionFileError:
        same = False
    if not same:
        raise EditRefusedError(f"`{path[-1]}` cannot be set without changing anything else")
    return edited


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class _NumberError(Exception):
    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


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
    raise _NumberError(name)


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise _NumberError(number)
    return value


def _too_deep(source: str) -> int | None:
    """Return where brackets are nested too deeply; strings are passed over."""
    brackets = NO_BRACKET.sub("", source)
    if max(accumulate(1 if sign in "[{" else -1 for sign in brackets), default=0) <= DEEPEST:
        return None
    depth = 0
    for found in STRING_OR_BRACKET.finditer(source):
        sign = source[found.start()]
        depth += (sign in "[{") - (sign in "]}")
        if depth > DEEPEST:
            return found.start()
    return None


def _places_of_twin(source: str, key: str) -> tuple[int, int]:
    """Return where a key stands for the first and second time in one object.

    The text is known to be well formed up to there.
    """
    open_objects: list[dict[str, int]] = []
    for found in STRING_OR_BRACKET.finditer(source):
        sign = source[found.start()]
        if sign in "[{":
            open_objects.append({})
        elif sign in "]}":
            open_objects.pop()
        elif source.startswith(":", _skip(source, found.end())):
            name = json.loads(found[0])
            if name == key and key in open_objects[-1]:
                return open_objects[-1][key], found.start()
            open_objects[-1][name] = found.start()
    return 0, 0


def _half_of_a_sign(source: str, data: Any) -> int | None:
    """Return where a lone surrogate may stand, if any value holds one: it cannot be written."""
    found = SURROGATE.search(source)
    if found is None:
        return None
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return found.start()
    return None


def _likely_cause(source: str, error: json.JSONDecodeError) -> str:
    before = source[: error.pos].rstrip()
    if before.endswith(",") and source[error.pos : error.pos + 1] in ("}", "]"):
        return "remove the comma before the closing bracket"
    if not source.strip():
        return "the file is empty: restore it from git"
    return "mend it by hand, or restore it from git"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
