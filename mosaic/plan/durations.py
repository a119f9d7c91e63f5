"""Lengths of time, as people write and read them."""

from __future__ import annotations

import re
from operator import mul
from typing import TYPE_CHECKING

from mosaic.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST_SECONDS = 100 * 365 * UNIT_SECONDS["d"]
"""More than anybody waits; what the clocks and timers of every system can count."""
MOST_DIGITS = 12
LONGEST_SHOWN = 80


def format_duration(seconds: float) -> str:
    """Return a length as `42s`, `7m 11s` or `2h 3m`."""
    whole = max(0, int(seconds))
    if whole < UNIT_SECONDS["m"]:
        return f"{whole}s"
    if whole < UNIT_SECONDS["h"]:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def format_moment(moment: datetime, now: datetime) -> str:
    """Return a local time as `Nov 26 19:36`; with its year where that is not now's."""
    local = moment.astimezone()
    if local.year == now.astimezone().year:
        return f"{local:%b %d %H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def parse_duration(text: str) -> float:
    """Return the seconds that `45m`, `1h30m` or a plain number stands for (or UsageError)."""
    compact = "".join(text.split()).lower()
    if compact.isascii() and compact.isdigit() and len(compact) <= MOST_DIGITS:
        compact += "s"
    found = re.fullmatch(
        r"(?:(\d{1,12})d)?(?:(\d{1,12})h)?(?:(\d{1,12})m)?(?:(\d{1,12})s)?", compact
    )
    amounts = found.groups("0") if found else ()
    seconds = sum(map(mul, map(int, amounts), UNIT_SECONDS.values()))
    if not seconds:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        raise UsageError(f"`{shown}` is not a length of time", hint="write `45m`, `1h30m` or `90s`")
    if seconds > LONGEST_SECONDS:
        raise UsageError(f"`{text}` is more than a hundred years", hint="write a shorter time")
    return float(seconds)
