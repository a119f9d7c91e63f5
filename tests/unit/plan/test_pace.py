"""When a loop goes on, tries again, gives up or stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mosaic.errors import MissionFileError
from mosaic.model import Session, Usage
from mosaic.plan.gates import parse_gates
from mosaic.plan.pace import LastEnd, Limits, Move, decide_move, limit_met, parse_budget, why_person
from mosaic.records import replace

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIMITS = Limits(max_attempts=3, retry_seconds=10.0)


def end(cause: str = "exit_code", *, retryable: bool = False) -> LastEnd:
    return LastEnd(cause=cause, retryable=retryable, summary="it broke")


def spent(cost: float | None) -> Session:
    usage = Usage(input_tokens=1, cost_usd=cost)
    return Session(id="s", runtime="r", started_at=datetime.now(UTC), usage=usage)


REFUSED = end("refused")
LIMITED = end("rate_limit", retryable=True)
NAMED = replace(LIMITED, retry_at=NOW + timedelta(hours=2))
STOPPED = replace(end("cut", retryable=True), was_stopped=True)


@pytest.mark.parametrize(
    ("ends", "move", "wait"),
    [
        pytest.param([end()], Move.RESUME, 1.0, id="a clean failure is tried again at once"),
        pytest.param([end("cut", retryable=True)], Move.RESUME, 10.0, id="a pause"),
        pytest.param([end("cut", retryable=True)] * 2, Move.RESUME, 20.0, id="it grows"),
        pytest.param([end()] * 3, Move.GIVE_UP, 0.0, id="attempts are used up"),
        pytest.param([REFUSED], Move.RESUME, 1.0, id="the agent may go around a refusal"),
        pytest.param([REFUSED] * 3, Move.GIVE_UP, 0.0, id="or not"),
        pytest.param([end("context_full")], Move.RESTART, 1.0, id="a full conversation"),
        pytest.param([end("refusal")], Move.RESTART, 1.0, id="a refused conversation"),
        pytest.param([end("refusal")] * 2, Move.GIVE_UP, 0.0, id="refused in a new one too"),
        pytest.param([LIMITED] * 3, Move.RESUME, 40.0, id="an overloaded server is no attempt"),
        pytest.param([LIMITED] * 99, Move.RESUME, 900.0, id="however long it lasts"),
        pytest.param([NAMED], Move.RESUME, 7205.0, id="the server names the time"),
        pytest.param([replace(NAMED, retry_at=NOW)] * 9, Move.RESUME, 5.0, id="it has come"),
        pytest.param([end()] * 2 + [LIMITED] * 4, Move.RESUME, 80.0, id="both"),
        pytest.param([STOPPED] * 9, Move.RESUME, 10.0, id="a person's stop is no attempt"),
        pytest.param([end("auth")] * 9, Move.RESUME, 1.0, id="nor is a missing key"),
    ],
)
def test_what_becomes_of_a_task_in_progress(ends: list[LastEnd], move: Move, wait: float) -> None:
    decision = decide_move(ends, LIMITS, NOW)
    assert (decision.move, decision.wait_seconds) == (move, wait)
    assert bool(decision.why) is (move is Move.GIVE_UP)


def test_an_hour_of_overload_costs_a_task_nothing_but_time() -> None:
    now, up_again, ends = NOW, NOW + timedelta(hours=1), [LIMITED]
    while now < up_again:
        decision = decide_move(ends, LIMITS, now)
        assert decision.move is Move.RESUME
        assert why_person(ends[-1], failures_in_a_row=0) is None
        now += timedelta(seconds=decision.wait_seconds)
        ends.append(LIMITED)
    assert now - up_again <= timedelta(minutes=15), "it comes back soon after the server"
    assert len(ends) <= 12, "and does not knock without end"
    assert decide_move([*ends, end()], LIMITS, now).move is Move.RESUME, "no attempt is used up"


def test_a_task_given_up_names_the_permission() -> None:
    refused = replace(REFUSED, words="not allowed: `WebFetch`")
    assert "`WebFetch`" in decide_move([end(), end(), refused], LIMITS, NOW).why


@pytest.mark.parametrize("cause", ["auth", "quota", "usage", "model", "hook"])
def test_what_no_retry_changes_needs_a_person(cause: str) -> None:
    assert why_person(end(cause), 1) is not None


def test_failures_in_a_row_need_a_person() -> None:
    assert why_person(end(), 4) is None
    assert why_person(end(), 5) == "5 sessions in a row failed; the last: it broke"


@pytest.mark.parametrize(
    ("limits", "sessions", "elapsed", "met"),
    [
        (Limits(), [spent(99.0)] * 9, 1e9, None),
        (Limits(max_sessions=2), [spent(None)], 0.0, None),
        (Limits(max_sessions=2), [spent(None)] * 2, 0.0, "2 sessions"),
        (Limits(max_cost_usd=1.0), [spent(0.5), spent(None)], 0.0, None),
        (Limits(max_cost_usd=1.0), [spent(0.5)] * 2, 0.0, "$1.00 spent"),
        (Limits(max_seconds=10.0), [], 10.0, "the time is up"),
    ],
)
def test_limits(limits: Limits, sessions: list[Session], elapsed: float, met: str | None) -> None:
    assert limit_met(limits, sessions, elapsed) == met


def test_sessions_that_are_not_listed_count_too() -> None:
    limits = Limits(max_sessions=3)
    assert limit_met(limits, [spent(None)], 0.0, 1) is None
    assert limit_met(limits, [spent(None)], 0.0, 2) == "3 sessions"


def test_a_budget_is_read_and_nonsense_refused() -> None:
    budget = parse_budget({"maxSessions": 5, "maxCostUsd": 2.5, "maxTime": "1h", "maxAttempts": 2})
    assert budget == Limits(max_sessions=5, max_cost_usd=2.5, max_seconds=3600.0, max_attempts=2)
    for wrong in ({"maxCostUsd": "2"}, {"maxSessions": True}, {"maxTime": "soon"}):
        with pytest.raises(MissionFileError):
            parse_budget(wrong)


def test_gates_are_read_in_every_form_and_each_has_its_name() -> None:
    gates = parse_gates(
        ["ruff check .", {"command": "ruff format", "timeout": "90s", "scope": "src/**"},
         {"name": "all tests!", "command": ["pytest", "-q"]}]
    )  # fmt: skip
    assert [gate.name for gate in gates] == ["ruff", "ruff-2", "all-tests"]
    assert gates[0].argv == ("sh", "-c", "ruff check .")
    assert (gates[1].timeout_seconds, gates[1].scope) == (90.0, ("src/**",))
    assert gates[2].argv == ("pytest", "-q")
    assert parse_gates(None) == parse_gates("  ") == ()
    for wrong in ([3], [{"name": "x"}], [{"command": "x", "timeout": "soon"}]):
        with pytest.raises(MissionFileError):
            parse_gates(wrong)
