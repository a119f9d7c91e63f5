"""JSON that people edit by hand, read strictly: what is doubtful is refused with its place."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from mosaic.errors import MissionFileError
from mosaic.text.lines import BOM, line_of, refuse_conflict

DEEPEST = 100
LARGEST = 32 << 20
LONGEST_SHOWN = 40
BLANKS = re.compile(r"[ \t\r\n]*")
# Always matches from a quote on, to the end if need be: else a string that is never
# closed would be looked through again from each of its quotes.
STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
STRING_OR_BRACKET = re.compile(rf"{STRING}|[\[{{\]}}]", re.DOTALL)


def parse_json_document(text: str) -> dict[str, Any]:
    """Read a JSON object (or raise MissionFileError)."""
    if len(text) > LARGEST:
        raise MissionFileError(f"the file is larger than {LARGEST >> 20} MiB")
    source = text.removeprefix(BOM)
    try:
        data = json.loads(
            source,
            object_pairs_hook=_unique_keys,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        refuse_conflict(text)
        raise _not_json(source, error) from None
    except _DuplicateKeyError as error:
        first, second = _places_of_twin(source, str(error))
        message = f"`{error}` is there twice in one object"
        detail = f"also at line {line_of(source, first)}"
        raise _fault(source, second, message, detail, "remove one of them") from None
    except _NumberError as error:
        number = str(error)
        at = re.search(rf"(?<![\w.\"+-]){re.escape(number)}(?![\w.\"+-])", source)
        shown = number if len(number) <= LONGEST_SHOWN else f"{number[: LONGEST_SHOWN - 1]}…"
        message = f"`{shown}` is not a JSON number"
        raise _fault(source, at.start() if at else 0, message) from None
    except RecursionError:
        raise _too_deep(source) from None
    except ValueError as error:
        raise MissionFileError("the file is not JSON", detail=str(error)) from None
    if not isinstance(data, dict):
        raise MissionFileError("the file is not a JSON object", line=1, hint="begin it with `{`")
    if _is_too_deep(data):
        raise _too_deep(source)
    if half := _half_of_a_sign(source, data):
        raise _fault(source, half, "the file holds half of a character", "", "remove the `\\u`")
    return data


def _fault(
    source: str, offset: int, message: str, detail: str = "", hint: str | None = None
) -> MissionFileError:
    column = f"column {offset - source.rfind(chr(10), 0, offset)}"
    detail = f"{column}, {detail}" if detail else column
    return MissionFileError(message, line=line_of(source, offset), detail=detail, hint=hint)


class _DuplicateKeyError(Exception):
    """Its text is the key."""


class _NumberError(Exception):
    """Its text is the number."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return found


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise _NumberError(number)
    return value


def _is_too_deep(data: Any) -> bool:
    """Tell whether a value is nested too deeply; quicker than a look at its text."""
    level = [data]
    for _ in range(DEEPEST):
        items = [node.values() if isinstance(node, dict) else node for node in level]
        level = [node for each in items for node in each if isinstance(node, dict | list)]
        if not level:
            return False
    return True


def _too_deep(source: str) -> MissionFileError:
    depth = 0
    for found in STRING_OR_BRACKET.finditer(source):
        sign = source[found.start()]
        depth += (sign in "[{") - (sign in "]}")
        if depth > DEEPEST:
            return _fault(source, found.start(), "the file is nested too deeply")
    return MissionFileError("the file is nested too deeply")


def skip_blanks(text: str, position: int) -> int:
    """Return where the next character that is not blank is."""
    found = BLANKS.match(text, position)
    return found.end() if found else position


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
        elif source.startswith(":", skip_blanks(source, found.end())):
            name = json.loads(found[0])
            if name == key and key in open_objects[-1]:
                return open_objects[-1][key], found.start()
            open_objects[-1][name] = found.start()
    return 0, 0


def _half_of_a_sign(source: str, data: Any) -> int | None:
    """Return where a lone surrogate may stand, if any value holds one: it cannot be written."""
    found = re.search(r"\\u[dD][89a-fA-F]", source)
    if found is None and not source.isascii():
        found = re.search(r"[\ud800-\udfff]", source)
    if found is None:
        return None
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return found.start()
    return None


def _not_json(source: str, error: json.JSONDecodeError) -> MissionFileError:
    """Return a fault of syntax; a comma too many is named, as Python does from 3.13 on."""
    place, words, hint = error.pos, error.msg, "mend it by hand, or restore it from git"
    comma = place if source.startswith(",", place) else len(source[:place].rstrip()) - 1
    if re.match(r",\s*[}\]]", source[comma:]):
        place, words = comma, "a comma before the closing bracket"
        hint = "remove the comma before the closing bracket"
    elif not source.strip():
        hint = "the file is empty: restore it from git"
    return _fault(source, place, "the file is not JSON", words, hint)
