"""The clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class Clock:
    """The time, and how it is waited for. Another one lets hours pass in no time."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        return utc_now()

    def seconds(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


CLOCK = Clock()
