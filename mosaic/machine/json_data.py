"""JSON that programs write for each other, read as if it may hold anything."""

from __future__ import annotations

import json
from typing import Any

LARGEST_NUMBER = 1 << 64


def parse_json(data: bytes | str) -> Any:
    """Return what JSON says; bytes that are no UTF-8 become what file names have for them.

    Raises:
        ValueError: it is no JSON, nested beyond all measure, or holds what other programs
            cannot hold: `NaN`, a number of more than 64 bits, half a character that does
            not stand for a byte of a file's name.
    """
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def dump_json(values: Any) -> bytes:
    """Return JSON as people read it, that `parse_json` reads again.

    Where a name in it is no UTF-8 it has escapes; other halves of characters are question marks.
    """
    text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
    return json.dumps(values, indent=2).encode() + b"\n"


def _refuse(word: str) -> None:
    raise ValueError(f"`{word}` is no number")


def _whole(digits: str) -> int:
    number = int(digits)
    if abs(number) >= LARGEST_NUMBER:
        raise ValueError("a number in it is too large")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise ValueError("a number in it is too large")
    return number
