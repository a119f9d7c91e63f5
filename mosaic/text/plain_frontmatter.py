"""Front matter as nearly everybody writes it, read line by line without a YAML parser.

libyaml, its import and what must be looked for before it may see a text take most of a first
look at a mission. Yet nearly all front matter is made of lines that can mean one thing only:

    key: words                  that begin with a letter, and are no word for a truth or nothing
    key: 2026-03-21             a date, a moment, a whole number
    key: "words" or 'words'     with neither quotes nor backslashes inside
    key: [words, "words"]
    key:                        nothing, or a list: `- words`, a line each
    # words                     and blank lines

What holds anything else is YAML's to read. A property test holds both to the same answer for
all that is read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mosaic.model import JsonValue

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,60}")
NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
WORDS_IN_BRACKETS = re.compile(r"[^\W\d_][\w ./*+@-]*")
ITEM = re.compile(r"( *)- +([^ ].*)")
ODD_SIGN = re.compile(r"[\0-\t\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Tabs, returns, other line breaks, byte order marks, and what YAML forbids."""
OTHER_MEANING = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class PlainMatter(NamedTuple):
    """What plain front matter says, as the fields of `FrontMatter` of the same names."""

    data: dict[str, JsonValue]
    raw: dict[str, str]
    lists: dict[str, tuple[str, ...]]
    lines: dict[str, int]


class _DoubtError(Exception):
    """A line may mean something else than it seems."""


def read_plainly(source: str, first_line: int) -> PlainMatter | None:
    """Read what stands between the fences; None where only YAML can tell what it means.

    Args:
        source: the text between them.
        first_line: the 1-based line that it begins on.
    """
    source = source.replace("\r\n", "\n")
    if ODD_SIGN.search(source):
        return None
    try:
        return _read(source, first_line)
    except _DoubtError:
        return None


def _read(source: str, first_line: int) -> PlainMatter:
    matter = PlainMatter({}, {}, {}, {})
    open_key, indent = "", ""
    texts: list[str] = []
    values: list[JsonValue] = []
    for number, line in enumerate(source.split("\n"), first_line):
        if not line or line[0] == "#":
            continue
        key, colon, rest = line.partition(":")
        if colon and (not rest or rest[0] == " ") and KEY.fullmatch(key):
            if key in matter.lines or key.casefold() in OTHER_MEANING:
                raise _DoubtError
            matter.lines[key] = number
            said = rest.strip(" ")
            open_key = "" if said else key
            if said and said[0] == "[":
                matter.lists[key] = _words_in_brackets(said)
                matter.data[key] = list(matter.lists[key])
            elif said:
                matter.raw[key], matter.data[key] = _scalar(said)
            else:
                matter.raw[key], matter.data[key] = "", None
            continue
        item = ITEM.fullmatch(line)
        if item is None or not open_key:
            raise _DoubtError
        text, value = _scalar(item[2].rstrip(" "))
        if matter.raw.pop(open_key, None) is not None:
            indent, texts, values = item[1], [], []
            matter.data[open_key] = values
        elif item[1] != indent:
            raise _DoubtError
        texts.append(text)
        values.append(value)
        matter.lists[open_key] = tuple(texts)
    return matter


def _scalar(said: str) -> tuple[str, JsonValue]:
    """Return the text of a value, and what it stands for."""
    first = said[0]
    if first.isalpha():
        if ": " in said or " #" in said or said[-1] == ":" or said.casefold() in OTHER_MEANING:
            raise _DoubtError
        return said, said
    if first in "\"'":
        inner = said[1:-1]
        if len(said) < len("''") or said[-1] != first or first in inner or "\\" in inner:
            raise _DoubtError
        return inner, inner
    if NUMBER.fullmatch(said):
        return said, int(said)
    if MOMENT.fullmatch(said):
        return said, said
    raise _DoubtError


def _words_in_brackets(said: str) -> tuple[str, ...]:
    inner = said[1:-1].strip(" ")
    if said[-1] != "]":
        raise _DoubtError
    items = [item.strip(" ") for item in inner.split(",")] if inner else []
    for number, item in enumerate(items):
        if item[:1] in ('"', "'") and item:
            items[number] = str(_scalar(item)[0])
        elif not WORDS_IN_BRACKETS.fullmatch(item) or item.casefold() in OTHER_MEANING:
            raise _DoubtError
    return tuple(items)
