"""How long an agent has written nothing."""

from __future__ import annotations

import time


class Silence:
    """Watches how much an agent has written; each silence is reported once."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0
        self._is_reported = False

    def grown_long(self, output_bytes: int, limit_seconds: float) -> int | None:
        """Return the seconds of a silence that has just grown longer than the limit.

        Args:
            output_bytes: how much the agent has written until now.
            limit_seconds: how long it may write nothing.

        Returns:
            None while it writes, and for a silence that was reported already.
        """
        now = time.monotonic()
        if output_bytes != self._bytes:
            self._since, self._bytes, self._is_reported = now, output_bytes, False
        elif now - self._since > limit_seconds and not self._is_reported:
            self._is_reported = True
            return int(now - self._since)
        return None
