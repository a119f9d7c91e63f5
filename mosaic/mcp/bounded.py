"""An answer that fits into a conversation, whatever the mission holds."""

from __future__ import annotations

import json
from typing import Any

from mosaic.codec import JsonForm, dump_value
from mosaic.text.harmless import harmless_text

MOST_BYTES = 40_000
"""Of an answer as JSON: 10,000 tokens of ordinary text, and under 25,000 of any other.

It is sent twice, as text too, for clients that read only that; what is shown of it is one of them.
"""
_CUT = "\n… the rest is left out"


def dump_answer(values: Any) -> str:
    """Return an answer as JSON in one line."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def bounded(values: dict[str, Any], most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Return an answer as plain JSON values without what is not shown, and no longer than that.

    The longest lists lose their ends first, and texts theirs, which say so. `truncated` is how
    many entries of lists were left out, those included that it counted before.
    """
    plain = _harmless(dump_value(values, JsonForm(times="iso")))
    left_out = plain.pop("truncated", 0)
    while True:
        whole = {**plain, "truncated": left_out} if left_out else plain
        if len(dump_answer(whole).encode()) <= most_bytes:
            return whole
        left_out += _cut_longest(plain)


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return harmless_text(value)
    if isinstance(value, dict):
        return {harmless_text(key): _harmless(each) for key, each in value.items()}
    return [*map(_harmless, value)] if isinstance(value, list) else value


def _weight(value: Any) -> int:
    return len(dump_answer(value).encode())


def _cut_longest(holder: Any) -> int:
    """Halve the longest list or text in a value; return how many entries of a list went."""
    while True:
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        weight, key = max((_weight(each), key) for key, each in items)
        value = holder[key]
        if isinstance(value, str):
            text = value.removesuffix(_CUT)
            holder[key] = text[: len(text) // 2] + _CUT if len(text) > 2 * len(_CUT) else ""
            return 0
        is_list = isinstance(value, list)
        if is_list and 2 * max(map(_weight, value), default=0) <= weight:
            count = len(value) // 2
            holder[key] = value[:count]
            return len(value) - count
        holder = value
