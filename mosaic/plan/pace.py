"""When a loop goes on, tries again, gives up or stops: decided from what is on record.

Nothing is remembered beside the record, so a loop that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING

from mosaic.errors import MissionFileError, UsageError
from mosaic.model import total_usage
from mosaic.plan.durations import parse_duration
from mosaic.records import dataclass, replace
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.model import JsonValue, Session

LONGEST_WAIT_SECONDS = 900.0
RESET_MARGIN_SECONDS = 5.0
"""How much later than the server says it is asked again: clocks differ."""
AFTER_CLEAN_SECONDS = 1.0
FAILURES_IN_A_ROW = 5
"""So many sessions that fail one after the other, of whatever task, are nobody's bad luck."""
PERSON_CAUSES = {
    "auth": "the agent is not logged in, or its key is refused",
    "quota": "the account's quota is used up",
    "usage": "the agent refuses its command line",
    "model": "the model is not known, or not open to this account",
    "hook": "a hook refuses the prompt",
}
"""Ends that no further try will change, whatever the task."""
PASSING_CAUSES = ("rate_limit", "plan_limit", "overloaded", "connection")
"""Ends that are nobody's fault and pass by themselves: they are waited out and not counted."""
MOST_REFUSALS = 2
"""A model that refused a new conversation as well will refuse the next one."""


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
    words: str = ""
    """What the agent's own end said, where a decision about its task says something else."""
    was_stopped: bool = False
    """By a person."""
    retry_at: datetime | None = None
    """When the server lets the agent work again, as far as it said."""
    warnings: tuple[str, ...] = ()
    """What went wrong on the way, for people to look at."""

    @property
    def is_attempt(self) -> bool:
        """Whether it says anything about the task."""
        is_nobodys = self.cause in PERSON_CAUSES or self.cause in PASSING_CAUSES
        return not (is_nobodys or self.was_stopped or self.cause == "left")


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


def decide_move(ends: Sequence[LastEnd], limits: Limits, now: datetime) -> Decision:
    """Decide what becomes of a task that its sessions so far, oldest first, did not finish."""
    last = ends[-1]
    attempts = sum(end.is_attempt for end in ends)
    if attempts >= limits.max_attempts:
        tries = counted(attempts, "attempt")
        return Decision(move=Move.GIVE_UP, why=f"not finished after {tries}: {_words_of(last)}")
    if last.cause == "refusal" and sum(end.cause == last.cause for end in ends) >= MOST_REFUSALS:
        return Decision(move=Move.GIVE_UP, why=f"the model refuses it: {last.words}")
    if last.cause in ("context_full", "refusal"):
        return Decision(move=Move.RESTART, wait_seconds=AFTER_CLEAN_SECONDS)
    return Decision(move=Move.RESUME, wait_seconds=_wait_after(ends, attempts, limits, now))


def _wait_after(ends: Sequence[LastEnd], attempts: int, limits: Limits, now: datetime) -> float:
    last = ends[-1]
    if last.retry_at is not None:
        left = (last.retry_at - now).total_seconds() + RESET_MARGIN_SECONDS
        return max(AFTER_CLEAN_SECONDS, left)
    if not last.retryable:
        return min(AFTER_CLEAN_SECONDS, limits.retry_seconds)
    in_a_row = takewhile(lambda end: end.cause in PASSING_CAUSES, reversed(ends))
    tries = max(attempts, sum(1 for _ in in_a_row), 1)
    return min(limits.retry_seconds * 2.0 ** min(tries - 1, 20), LONGEST_WAIT_SECONDS)


def _words_of(last: LastEnd) -> str:
    """Return why it ended, with the refusal of a permission that may explain it."""
    if last.cause != "refused" or not last.words:
        return last.summary
    return f"the agent lacks a permission: {last.words}"


def why_person(last: LastEnd, failures_in_a_row: int) -> str | None:
    """Return why a loop cannot go on without a person; None when it can."""
    if last.cause in PERSON_CAUSES:
        return f"{PERSON_CAUSES[last.cause]}: {last.words or last.summary}"
    if failures_in_a_row >= FAILURES_IN_A_ROW:
        return f"{failures_in_a_row} sessions in a row failed; the last: {last.summary}"
    return None


def limit_met(
    limits: Limits, sessions: Sequence[Session], elapsed_seconds: float, more: int = 0
) -> str | None:
    """Return which limit is met; None when none is. `more` sessions count that are not listed."""
    if limits.max_sessions is not None and len(sessions) + more >= limits.max_sessions:
        return counted(len(sessions) + more, "session")
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
