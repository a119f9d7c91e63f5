"""Seeded mutation of known inputs: of their bytes, and of the values of those that are JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

MOST_BYTES = 4096
PIECES = (
    b"\n", b"\r\n", b"---\n", b"## ", b"```\n", b": ", b"&a ", b"*a", b"[", b"{", b'"', b"|",
    b"\\", b"**", b"{{ ", b" }}", b"{% ", b" %}", b"\x1b", b"\x00", b"\xc2\x85", b"\xed\xa0\x80",
    b"\xe2\x80\xa8", b"1e999", b"9" * 400,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -1e308, float("inf"),
    float("nan"), "", "x", "\x00", "\ud800", "..", "/", "T-001", "2026-03-21", "9999-12-31T23:59",
    "0001-01-01T00:00:00+14:00", [], [None], [[]], ["a", "b"], {}, {"": None}, {"a": {"b": []}},
)  # fmt: skip


def mutated(dice: Random, seeds: tuple[bytes, ...]) -> bytes:
    """Return one input made from the seeds by a few random edits."""
    data = dice.choice(seeds)
    if dice.randrange(2):
        data = with_other_values(dice, data)
        if dice.randrange(4):
            return data[: 4 * MOST_BYTES]
    return with_other_bytes(dice, data, seeds)


def with_other_bytes(dice: Random, data: bytes, seeds: tuple[bytes, ...]) -> bytes:
    """Return an input with a few bytes taken out, repeated, changed or put in."""
    edited = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        place = dice.randint(0, len(edited))
        piece = dice.choice(seeds) or b"\n"
        start = dice.randrange(len(piece))
        taken = piece[start : start + dice.randint(1, 24)]
        match dice.randrange(4):
            case 0:
                edited[place : place + dice.randint(1, 8)] = b""
            case 1:
                edited[place:place] = taken * dice.choice((1, 1, 2, 20))
            case 2:
                edited[place : place + 1] = bytes([dice.randrange(256)])
            case _:
                edited[place:place] = dice.choice(PIECES)
    return bytes(edited[:MOST_BYTES])


def with_other_values(dice: Random, data: bytes) -> bytes:
    """Return JSON, or lines of it, with a few values replaced; anything else as it is."""
    whole = parsed(data)
    if whole is not None:
        return dumped(odd(dice, whole))
    lines = data.split(b"\n")
    number = dice.randrange(len(lines))
    value = parsed(lines[number])
    if value is not None:
        lines[number] = dumped(odd(dice, value))
    return b"\n".join(lines)


def parsed(data: bytes) -> Any:
    """Return an object or a list; None where it is neither."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def dumped(value: Any) -> bytes:
    """Return a value as JSON that may hold what JSON has no word for."""
    return json.dumps(value).encode()


def odd(dice: Random, value: Any) -> Any:
    """Return a value in which one or a few places hold something else."""
    for _ in range(dice.randint(1, 3)):
        places = list(places_in(value))
        if not places:
            return dice.choice(VALUES)
        holder, key = dice.choice(places)
        if dice.randrange(5) == 0:
            del holder[key]
        else:
            holder[key] = json.loads(json.dumps(dice.choice(VALUES)))
    return value


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Return every place of a value, as what holds it and under which key."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        holder = todo.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, item in list(items):
            found.append((holder, key))
            if isinstance(item, dict | list):
                todo.append(item)
    return found
