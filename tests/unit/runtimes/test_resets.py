"""When a limit ends, as agents write it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.ports import EndCause
from mosaic.runtimes.readers import EventReader, find_reset

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "reset"),
    [
        ("Claude AI usage limit reached|1795699800", datetime(2026, 11, 26, 13, 30, tzinfo=UTC)),
        ("You've hit your session limit · resets 3:45pm (UTC)", NOW.replace(hour=15, minute=45)),
        ("limit · resets 3pm (Europe/Berlin)", NOW.replace(hour=14)),
        ("limit · resets 9am (UTC)", NOW.replace(day=27, hour=9)),
        ("resets 12am (UTC)", NOW.replace(day=27, hour=0)),
        ("Please try again in 2 hours 5 minutes.", NOW.replace(hour=14, minute=5)),
        ("Try again in 1 day and 2 hours", NOW.replace(day=27, hour=14)),
        ("try again in 1.5s", NOW.replace(second=1, microsecond=500_000)),
        ("try again in 500ms", NOW.replace(microsecond=500_000)),
        ("try again at 2026-11-26T15:00:00Z", NOW.replace(hour=15)),
        ("resets 3pm (No/Where)", None),
        ("You've hit your usage limit. Try again later.", None),
        ("", None),
    ],
)
def test_the_moment_is_read(words: str, reset: datetime | None) -> None:
    assert find_reset(words, NOW) == reset


def test_a_failure_of_a_limit_carries_the_moment() -> None:
    words = "usage limit reached|1795699800"
    reader = EventReader("codex")
    assert reader.failure(EndCause.PLAN_LIMIT, words).retry_at is not None
    assert reader.failure(EndCause.QUOTA, words).retry_at is None


@given(st.text())
def test_no_words_are_too_odd(words: str) -> None:
    find_reset(words, NOW)


NUMBERS = st.integers(min_value=0, max_value=10**40).map(str)
FORMS = st.sampled_from(
    [
        "try again in {0} hours",
        "try again in {0}.{0} d",
        "limit reached|{0}",
        "at {0}-{0}-{0}T{0}:{0}Z",
        "at 0000-00-00T0Z",
        "resets {0}:{0}pm (UTC)",
        "resets 99pm",
    ]
)


@given(form=FORMS, number=NUMBERS)
def test_no_number_is_too_large(form: str, number: str) -> None:
    find_reset(form.format(number), NOW)
