"""Amounts of bytes, as people write and read them."""

from __future__ import annotations

import re

from mosaic.errors import UsageError

UNITS = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000
LONGEST_SHOWN = 80


def format_size(count: float) -> str:
    """Return an amount as `512 B`, `3.4 kB` or `1.2 GB`."""
    amount, unit = float(count), 0
    while amount >= THOUSAND and unit < len(UNITS) - 1:
        amount, unit = amount / THOUSAND, unit + 1
    return f"{int(amount)} B" if unit == 0 else f"{amount:.1f} {UNITS[unit]}"


def parse_size(text: str) -> int:
    """Return the bytes that `500kB`, `32MB` or a plain number stands for (or raise UsageError)."""
    found = re.fullmatch(
        r"(\d{1,18}(?:\.\d{1,18})?)\s*(?:([kmgt]?)i?b?)?", text.strip(), re.IGNORECASE
    )
    if found is None:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        raise UsageError(f"`{shown}` is not a size", hint="write `500kB`, `32MB` or `1GB`")
    power = " kmgt".index((found[2] or " ").lower())
    return int(float(found[1]) * THOUSAND**power)
