"""When a loop goes on, tries again, gives up or stops: decided from what is on record.

Nothing is remembered beside the record, so a loop that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionFileError, UsageError
from mosaic.model import total_usage
from mosaic.plan.durations import parse_duration
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Session

LONGEST_WAIT_SECONDS = 300.0
AFTER_CLEAN_SECONDS = 1.0
FAILURES_IN_A_ROW = 5
"""So many sessions that fail one after the other, of whatever task, are nobody's bad luck."""
PERSON_CAUSES = {
    "auth": "the agent is not logged in, or its key is refused",
    "quota": "the account's quota is used up",
    "usage": "the agent refuses its command line",
}
"""Ends that no further try will change, whatever the task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a loop may use; None: as much as it takes."""

    max_sessions: int | None = None
    max_cost_usd: float | None = None
    max_seconds: float | None = None
    max_attempts: int = 3
    """Sessions that one task gets, until a person looks at it."""
    retry_seconds: float = 10.0
    """The first wait after a failure that may pass by itself; doubled each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LastEnd:
    """How the last session on a task ended, as its record says."""

    cause: str
    """An `EndCause`; empty when there is no record."""
    retryable: bool
    summary: str


class Move(StrEnum):
    """What becomes of a task in progress."""

    RESUME = "resume"
    """Go on with it, in the agent's own conversation where that can be."""
    RESTART = "restart"
    """Go on with it in a new conversation: the old one is full."""
    GIVE_UP = "give up"
    """Set it blocked and go on with others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a loop does with a task, and after which wait, before jitter."""

    move: Move
    why: str = ""
    wait_seconds: float = 0.0


def decide_move(last: LastEnd, attempts: int, limits: Limits) -> Decision:
    """Decide what becomes of a task whose last session did not finish it."""
    if last.cause == "refused":
        return Decision(move=Move.GIVE_UP, why=f"the agent lacks a permission: {last.summary}")
    if attempts >= limits.max_attempts:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return Decision(move=Move.GIVE_UP, why=f"not finished after {tries}: {last.summary}")
    if last.cause == "context_full":
        return Decision(move=Move.RESTART, wait_seconds=AFTER_CLEAN_SECONDS)
    wait = min(AFTER_CLEAN_SECONDS, limits.retry_seconds)
    if last.retryable:
        wait = min(limits.retry_seconds * 2 ** max(0, attempts - 1), LONGEST_WAIT_SECONDS)
    return Decision(move=Move.RESUME, wait_seconds=wait)


def why_person(last: LastEnd, failures_in_a_row: int) -> str | None:
    """Return why a loop cannot go on without a person; None when it can."""
    if last.cause in PERSON_CAUSES:
        return f"{PERSON_CAUSES[last.cause]}: {last.summary}"
    if failures_in_a_row >= FAILURES_IN_A_ROW:
        return f"{failures_in_a_row} sessions in a row failed; the last: {last.summary}"
    return None


def limit_met(limits: Limits, sessions: Sequence[Session], elapsed_seconds: float) -> str | None:
    """Return which limit is met; None when none is."""
    if limits.max_sessions is not None and len(sessions) >= limits.max_sessions:
        return f"{len(sessions)} sessions"
    usage = total_usage(sessions)
    cost = (usage.cost_usd if usage else None) or 0.0
    if limits.max_cost_usd is not None and cost >= limits.max_cost_usd:
        return f"${cost:.2f} spent"
    if limits.max_seconds is not None and elapsed_seconds >= limits.max_seconds:
        return "the time is up"
    return None


def parse_budget(budget: Mapping[str, JsonValue]) -> Limits:
    """Return the limits that `budget` in mission.json sets (or raise MissionFileError)."""
    attempts = _number(budget, "maxAttempts")
    sessions = _number(budget, "maxSessions")
    delay = _seconds(budget, "retryDelay")
    given = Limits(
        max_sessions=int(sessions) if sessions is not None else None,
        max_cost_usd=_number(budget, "maxCostUsd"),
        max_seconds=_seconds(budget, "maxTime"),
    )
    if attempts is not None:
        given = replace(given, max_attempts=max(1, int(attempts)))
    return given if delay is None else replace(given, retry_seconds=delay)


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
