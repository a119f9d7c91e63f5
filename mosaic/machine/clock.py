"""The clock."""

from __future__ import annotations

from datetime import UTC, datetime

from mosaic.codec import read_moment

__all__ = ["read_moment", "utc_now"]


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)
