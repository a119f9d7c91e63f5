r"""Edits of a TOML text that change one value and no other byte, and the lines that keys are in.

The text is cut into statements: each is the fewest lines that tomllib reads by themselves. A
value is spliced into its statement, then all is read again and compared; where anything else
would differ, the edit is refused.

`tomlkit` 0.15 was measured for it. It keeps what it does not touch, but ends a new line with
`\n` where the others end with `\r\n`, puts a new key below the comment that belongs to the next
table, and tells no lines: statements would be cut here all the same, for those.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Keys = tuple[str, ...]
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
VALUE = "value"


class Statement(NamedTuple):
    """Some whole lines of a TOML text that stand for themselves."""

    start: int
    """Offset of its first character."""
    end: int
    line: int
    """1-based."""
    keys: Keys
    """The table that it opens, or the key that it sets, by its whole name; nothing where blank."""
    table: Keys
    """The table that is open there; the one that it opens itself."""
    opens_table: bool
    values: Mapping[str, Any]
    """What tomllib reads in it alone."""


def key_lines(text: str) -> dict[Keys, int]:
    """Return the 1-based line of every key and table of a text that tomllib reads."""
    lines: dict[Keys, int] = {}
    for each in _statements(text):
        above = () if each.opens_table else each.table
        for keys in _all_keys(each.values):
            lines.setdefault((*above, *keys), each.line)
    return lines


def set_toml(text: str, keys: Keys, value: Any) -> str:
    """Return a TOML text with one value changed, or added to its table.

    Raises:
        EditRefusedError: it cannot be done without touching anything else.
    """
    wanted = _with(tomllib.loads(text), keys, value)
    for candidate in _changed(text, keys, _dump(value)):
        if _parse(candidate) == wanted:
            return candidate
    raise _refusal(keys)


def unset_toml(text: str, keys: Keys) -> str:
    """Return a TOML text without one value; or EditRefusedError, as for `set_toml`."""
    wanted = _pruned(_without(tomllib.loads(text), keys))
    for statement in _statements(text):
        if statement.keys == keys and not statement.opens_table:
            candidate = text[: statement.start] + text[statement.end :]
            found = _parse(candidate)
            if found is not None and _pruned(found) == wanted:
                return candidate
    raise _refusal(keys)


def _statements(text: str) -> Iterator[Statement]:
    table: Keys = ()
    begun, start, first, position = "", 0, 1, 0
    for number, line in enumerate(text.split("\n"), 1):
        if not begun:
            start, first = position, number
        begun += f"{line}\n"
        position += len(line) + 1
        found = _parse(begun)
        if found is None:
            continue  # its value goes on
        opens_table = bool(found) and begun.lstrip().startswith("[")
        keys = _single_keys(found)
        if opens_table:
            table = keys
        elif keys:
            keys = (*table, *keys)
        yield Statement(start, min(position, len(text)), first, keys, table, opens_table, found)
        begun = ""


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _single_keys(found: Mapping[str, Any]) -> Keys:
    """Return the keys on the way down to the value of a single statement, dotted or not."""
    keys: list[str] = []
    value: Any = found
    while isinstance(value, dict) and len(value) == 1:
        (key, value), *_ = value.items()
        keys.append(key)
    return tuple(keys)


def _all_keys(values: Mapping[str, Any]) -> Iterator[Keys]:
    for key, value in values.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *inner) for inner in _all_keys(value))


def _changed(text: str, keys: Keys, value: str) -> Iterator[str]:
    """Return texts that may be the one that is wanted, the nicest first."""
    statements = list(_statements(text))
    for each in statements:
        if each.keys == keys and not each.opens_table:
            for start, end in _value_spans(text[each.start : each.end]):
                yield text[: each.start + start] + value + text[each.start + end :]
    newline = "\r\n" if "\r\n" in text else "\n"
    for depth in range(len(keys) - 1, -1, -1):
        table, line = keys[:depth], f"{_dotted(keys[depth:])} = {value}{newline}"
        inside = [each.end for each in statements if each.keys and each.table == table]
        heads = [each.start for each in statements if each.opens_table]
        if inside:
            yield _inserted(text, inside[-1], line, newline)
        elif depth:
            gap = newline if text.strip() else ""
            header = f"[{_dotted(table)}]{newline}"
            yield _inserted(text, len(text), gap + header + line, newline)
        elif heads:
            yield _inserted(text, heads[0], line + newline, newline)
        else:
            yield _inserted(text, len(text), line, newline)


def _inserted(text: str, at: int, lines: str, newline: str) -> str:
    before = text[:at]
    if before and not before.endswith("\n"):
        before += newline
    return before + lines + text[at:]


def _value_spans(statement: str) -> Iterator[tuple[int, int]]:
    """Return where the value of a `key = value  # comment` may stand."""
    ends = [at for at, sign in enumerate(statement) if sign in "#\n"] + [len(statement)]
    for equals in (at for at, sign in enumerate(statement) if sign == "="):
        rest = statement[equals + 1 :]
        start = equals + 1 + len(rest) - len(rest.lstrip(" \t"))
        for end in ends:
            value = statement[start:end].rstrip()
            if value and _parse(f"{VALUE} = {value}") is not None:
                yield start, start + len(value)
                break


def _with(values: Mapping[str, Any], keys: Keys, value: Any) -> dict[str, Any]:
    inner = values.get(keys[0])
    if len(keys) > 1:
        value = _with(inner if isinstance(inner, dict) else {}, keys[1:], value)
    return {**values, keys[0]: value}


def _without(values: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    inner = values.get(keys[0])
    if len(keys) > 1 and isinstance(inner, dict):
        return {**values, keys[0]: _without(inner, keys[1:])}
    return {key: value for key, value in values.items() if key != keys[0] or len(keys) > 1}


def _pruned(values: Mapping[str, Any]) -> dict[str, Any]:
    inner = {k: _pruned(v) if isinstance(v, dict) else v for k, v in values.items()}
    return {key: value for key, value in inner.items() if value != {}}


def _dotted(keys: Keys) -> str:
    return ".".join(key if BARE_KEY.fullmatch(key) else _dump(key) for key in keys)


def _dump(value: str | bool | int | Sequence[str]) -> str:
    if isinstance(value, str):
        # All that JSON escapes TOML reads alike; it wants one more escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"[{', '.join(map(_dump, value))}]"


def _refusal(keys: Keys) -> EditRefusedError:
    return EditRefusedError(
        f"`{'.'.join(keys)}` cannot be changed without changing what stands beside it",
        hint="change it by hand",
    )
