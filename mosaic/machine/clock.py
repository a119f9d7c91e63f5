"""The clock."""

from __future__ import annotations

from datetime import UTC, datetime

YEARS = range(1900, 9000)
"""Of which times are taken: those at the ends of the calendar are in no other zone's."""


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def read_moment(text: object) -> datetime:
    """Return the moment that an ISO 8601 text tells; one without a zone is in UTC.

    Raises:
        ValueError: it tells none, or one of another age.
    """
    if not isinstance(text, str):
        raise ValueError(f"{str(text)[:40]!r} is no time")  # noqa: TRY004 - what JSON may hold
    moment = datetime.fromisoformat(text)
    if moment.year not in YEARS:
        raise ValueError(f"`{text}` is no time of this age")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
