"""`budget` in mission.json: what a mission may use in all, and how often a task is tried.

"budget": {"maxSessions": 50, "maxCostUsd": 20, "maxTime": "8h", "maxAttempts": 3,
"retryDelay": "10s"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionFileError, UsageError
from mosaic.plan.durations import parse_duration
from mosaic.plan.pace import Limits
from mosaic.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue


def parse_budget(budget: Mapping[str, JsonValue]) -> Limits:
    """Return the limits that a mission sets (or raise MissionFileError)."""
    usual = Limits()
    attempts = _number(budget, "maxAttempts")
    sessions = _number(budget, "maxSessions")
    delay = _seconds(budget, "retryDelay")
    return replace(
        usual,
        max_sessions=int(sessions) if sessions is not None else None,
        max_cost_usd=_number(budget, "maxCostUsd"),
        max_seconds=_seconds(budget, "maxTime"),
        max_attempts=max(1, int(attempts)) if attempts is not None else usual.max_attempts,
        retry_seconds=usual.retry_seconds if delay is None else delay,
    )


def _number(budget: Mapping[str, JsonValue], key: str) -> float | None:
    value = budget.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise MissionFileError(f"`{key}` of the budget is {value!r}", hint="write a number")
    return float(value)


def _seconds(budget: Mapping[str, JsonValue], key: str) -> float | None:
    value = budget.get(key)
    if value is None:
        return None
    try:
        return parse_duration(str(value))
    except UsageError as error:
        raise MissionFileError(f"`{key}` of the budget: {error.message}", hint=error.hint) from None
