"""What becomes of a task when its session has ended: the decision as tables of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mosaic.model import EndReason, Mission, Mode, RunStatus, Status
from mosaic.ports import EndCause, Ending
from mosaic.runs.events import Event, EventType
from mosaic.runs.report import AgentReport
from mosaic.sessions.decide import (
    are_gates_due,
    decide_outcome,
    decide_step_outcome,
    lacks_on_record,
    natural_reason,
)
from mosaic.settings import GatePolicy, ReviewSettings

if TYPE_CHECKING:
    from mosaic.sessions.decide import Outcome

COMPLETED, FAILED, BLOCKED = EndReason.COMPLETED, EndReason.FAILED, EndReason.BLOCKED
TIMEOUT, CRASHED = EndReason.TIMEOUT, EndReason.CRASHED
QUESTION = AgentReport(needs_human=True, summary="which port?")
STUCK = AgentReport(blocked=True)


def decided(found: Status | None, ended: EndReason = COMPLETED, **changes: Any) -> Outcome:
    given: dict[str, Any] = {
        "words": "it ended",
        "missing_sections": (),
        "mode": Mode.HEADLESS,
        "report": AgentReport(),
        **changes,
    }
    return decide_outcome(ended=ended, found=found, **given)


@pytest.mark.parametrize(
    ("found", "ended", "changes", "decision"),
    [
        # finished, with everything that belongs to it
        (Status.REVIEW, COMPLETED, {}, (COMPLETED, "completed", None)),
        # an agent's `done` is never more than `review`
        (Status.DONE, COMPLETED, {}, (COMPLETED, "completed", Status.REVIEW)),
        # a person at the keyboard may set `done`, even with an empty handoff
        (
            Status.DONE, COMPLETED, {"mode": Mode.INTERACTIVE, "missing_sections": ("result",)},
            (COMPLETED, "completed", None),
        ),
        # cut off after it said finished: still finished
        (Status.REVIEW, TIMEOUT, {}, (TIMEOUT, "completed", None)),
        # finished, but the handoff, the scope or the gates say otherwise
        (
            Status.REVIEW, COMPLETED, {"missing_sections": ("result", "risks")},
            (FAILED, "failed", Status.IN_PROGRESS),
        ),
        (
            Status.DONE, COMPLETED, {"lacks": ("gate `tests` failed",)},
            (FAILED, "failed", Status.IN_PROGRESS),
        ),
        (
            Status.REVIEW, CRASHED, {"lacks": ("gate `tests` failed",)},
            (CRASHED, "failed", Status.IN_PROGRESS),
        ),
        # blocked, by its task or by its report
        (Status.BLOCKED, COMPLETED, {}, (BLOCKED, "blocked", None)),
        (Status.BLOCKED, TIMEOUT, {}, (TIMEOUT, "blocked", None)),
        (Status.IN_PROGRESS, COMPLETED, {"report": QUESTION}, (BLOCKED, "blocked", Status.BLOCKED)),
        (Status.TODO, COMPLETED, {"report": STUCK}, (BLOCKED, "blocked", Status.BLOCKED)),
        (Status.IN_PROGRESS, CRASHED, {"report": STUCK}, (CRASHED, "blocked", Status.BLOCKED)),
        # a question does not undo what is finished, nor what a person closed
        (Status.REVIEW, COMPLETED, {"report": QUESTION}, (COMPLETED, "completed", None)),
        (Status.CANCELLED, COMPLETED, {"report": QUESTION}, (COMPLETED, "completed", None)),
        # nothing was said
        (Status.IN_PROGRESS, COMPLETED, {}, (COMPLETED, "completed", None)),
        (Status.IN_PROGRESS, FAILED, {}, (FAILED, "failed", None)),
        (None, COMPLETED, {}, (COMPLETED, "completed", None)),
        (None, CRASHED, {"report": STUCK}, (CRASHED, "failed", None)),
    ],
)  # fmt: skip
def test_what_a_session_s_end_means(
    found: Status | None,
    ended: EndReason,
    changes: dict[str, Any],
    decision: tuple[EndReason, str, Status | None],
) -> None:
    outcome = decided(found, ended, **changes)
    assert (outcome.reason, outcome.run_status, outcome.task_status) == decision


def test_an_outcome_says_everything_that_is_lacking() -> None:
    outcome = decided(Status.REVIEW, missing_sections=("result", "risks"), lacks=("a", "b"))
    for part in ("`result`, `risks`", "; a; b"):
        assert part in outcome.summary


def test_an_outcome_carries_the_question_to_the_next_prompt() -> None:
    assert decided(Status.IN_PROGRESS, report=QUESTION).summary == "needs a human: which port?"
    assert decided(Status.BLOCKED, report=STUCK).summary == "blocked"


def test_an_end_that_nobody_explains_is_told_in_its_own_words() -> None:
    assert decided(Status.IN_PROGRESS, CRASHED, words="its process was gone").summary == (
        "its process was gone"
    )


@pytest.mark.parametrize("found", [None, *Status])
@pytest.mark.parametrize("ended", list(EndReason))
def test_no_end_of_an_agent_sets_a_task_done(found: Status | None, ended: EndReason) -> None:
    outcome = decided(found, ended)
    assert outcome.task_status in (None, Status.REVIEW)
    assert outcome.run_status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.BLOCKED)


@pytest.mark.parametrize(
    ("ended", "report", "reason", "run", "summary"),
    [
        (COMPLETED, AgentReport(), COMPLETED, "completed", "it ended"),
        (COMPLETED, AgentReport(summary="3 files"), COMPLETED, "completed", "3 files"),
        (FAILED, AgentReport(), FAILED, "failed", "it ended"),
        (COMPLETED, QUESTION, BLOCKED, "blocked", "needs a human: which port?"),
        (TIMEOUT, STUCK, TIMEOUT, "blocked", "blocked"),
    ],
)
def test_what_a_recorded_command_s_end_means(
    ended: EndReason, report: AgentReport, reason: EndReason, run: str, summary: str
) -> None:
    outcome = decide_step_outcome(ended=ended, words="it ended", report=report)
    assert (outcome.reason, outcome.run_status, outcome.summary) == (reason, run, summary)
    assert outcome.task_status is None


@pytest.mark.parametrize(
    ("ok", "exit_code", "reason"),
    [
        (True, 0, COMPLETED),
        (True, 1, COMPLETED),  # the runtime's judgement counts, not the exit code
        (False, 0, FAILED),
        (False, 128, FAILED),
        (False, 129, CRASHED),
        (False, 137, CRASHED),
        (False, -9, CRASHED),
    ],
)
def test_an_end_that_nobody_asked_for(ok: bool, exit_code: int, reason: EndReason) -> None:
    ending = Ending(ok=ok, cause=EndCause.OK if ok else EndCause.CUT, message="it ended")
    assert natural_reason(ending, exit_code) is reason


@pytest.mark.parametrize(
    ("policy", "found", "due"),
    [
        (GatePolicy.FINISHED, Status.REVIEW, True),
        (GatePolicy.FINISHED, Status.DONE, True),
        (GatePolicy.FINISHED, Status.IN_PROGRESS, False),
        (GatePolicy.ALWAYS, Status.BLOCKED, True),
        (GatePolicy.NEVER, Status.REVIEW, False),
    ],
)
def test_when_gates_run_by_themselves(policy: GatePolicy, found: Status, due: bool) -> None:
    assert are_gates_due(policy, found) is due


def mission(gates: Any = ("ruff check .", "pytest -q"), **review: Any) -> Mission:
    settings = ReviewSettings(**review)
    return Mission(id="m", name="m", quality_gates=list(gates), review=settings)


def events(*types: EventType) -> list[Event]:
    return [
        Event(seq=n, type=t, level="info", created_at="",
              message=f"{t} {n}", data={})
        for n, t in enumerate(types, 1)
    ]  # fmt: skip


PASSED, RED = EventType.GATE_PASSED, EventType.GATE_FAILED
OUTSIDE = EventType.SCOPE_VIOLATED


@pytest.mark.parametrize(
    ("types", "judged", "lacks"),
    [
        ((PASSED, PASSED), mission(), ()),
        ((PASSED, RED), mission(), ("gate_failed 2",)),
        ((PASSED,), mission(), ("its gates were not run to their end",)),
        ((), mission(), ("its gates were not run to their end",)),
        ((), mission(gates=()), ()),
        ((OUTSIDE,), mission(gates=()), ("scope_violated 1",)),
        ((OUTSIDE,), mission(gates=(), allow_out_of_scope=True), ()),
        ((OUTSIDE,), mission(), ("scope_violated 1",)),
    ],
)
def test_what_the_events_of_a_run_say_that_its_work_lacks(
    types: tuple[EventType, ...], judged: Mission, lacks: tuple[str, ...]
) -> None:
    assert lacks_on_record(events(*types), judged) == lacks


def test_a_mission_that_never_runs_gates_expects_none() -> None:
    judged = Mission(
        id="m", name="m", quality_gates="pytest", review=ReviewSettings(gates=GatePolicy.NEVER)
    )
    assert lacks_on_record([], judged) == ()
