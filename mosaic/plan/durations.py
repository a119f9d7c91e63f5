"""Lengths of time, as people write and read them."""

from __future__ import annotations

import re

from mosaic.errors import UsageError

UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def format_duration(seconds: float) -> str:
    """Return a length as `42s`, `7m 11s` or `2h 3m`."""
    whole = max(0, int(seconds))
    if whole < UNIT_SECONDS["m"]:
        return f"{whole}s"
    if whole < UNIT_SECONDS["h"]:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def parse_duration(text: str) -> float:
    """Return the seconds that `45m`, `1h30m`, `90s` or a plain number of seconds stands for.

    Raises:
        UsageError: it is no length of time, or nothing.
    """
    compact = "".join(text.split()).lower()
    if compact.isascii() and compact.isdigit() and int(compact) > 0:
        return float(compact)
    found = DURATION.fullmatch(compact)
    amounts = found.groups() if found else ()
    seconds = sum(
        int(amount) * unit
        for amount, unit in zip(amounts, UNIT_SECONDS.values(), strict=False)
        if amount
    )
    if not seconds:
        raise UsageError(f"`{text}` is no length of time", hint="write `45m`, `1h30m` or `90s`")
    return float(seconds)
