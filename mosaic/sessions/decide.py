"""What becomes of a task when its session has ended: one pure decision.

An agent says *finished* by leaving its task in `review` (or `done`), *blocked* or *needs a
human* by leaving it `blocked`, or by its report. Finished counts only with a complete handoff,
the write scope kept and the gates green. `done` is never an agent's to set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.model import EndReason, Mode, RunStatus, Status
from mosaic.plan.gates import parse_gates
from mosaic.plan.questions import Question, parse_question
from mosaic.ports import EndCause
from mosaic.records import dataclass
from mosaic.runs.events import EventType
from mosaic.settings import GatePolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.model import Mission
    from mosaic.ports import Ending
    from mosaic.runs.events import Event
    from mosaic.runs.report import AgentReport

SIGNAL_EXIT = 128
"""Above it an exit code tells the signal that ended the program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a session's end means for its session, run and task."""

    reason: EndReason
    run_status: RunStatus
    task_status: Status | None
    """The task's new status; None leaves it as it is."""
    summary: str
    """One sentence, for the user and for the next prompt."""
    cause: EndCause
    """Why the session ended as it did: what became of its task, else what became of the agent."""


def decide_outcome(
    *,
    ended: EndReason,
    words: str,
    found: Status | None,
    missing_sections: Sequence[str],
    mode: Mode,
    report: AgentReport,
    lacks: Sequence[str] = (),
    cause: EndCause = EndCause.OK,
    why_blocked: str = "",
) -> Outcome:
    """Decide what a session's end means.

    An agent that is cut off after it said finished has still finished.

    Args:
        ended: how the process ended; `words` say the same in one sentence, `cause` says why.
        found: the task's status as the agent left it; None when the task is gone.
        missing_sections: handoff sections that say nothing; empty for a task without file.
        mode: interactive sessions have a person at the keyboard, whose `done` stands.
        lacks: what its work lacks beside the handoff, in words: scope kept, gates green.
        why_blocked: what the task's notes say of it.
    """
    is_left = cause is EndCause.LEFT
    done = EndCause.OK if is_left else cause
    if found is Status.DONE and mode is Mode.INTERACTIVE:
        return _outcome(ended, RunStatus.COMPLETED, "finished, and set done", done)
    if found in (Status.REVIEW, Status.DONE):
        missing = ", ".join(f"`{name}`" for name in missing_sections)
        if lacking := [*([f"the handoff lacks {missing}"] if missing else []), *lacks]:
            summary = f"the agent says finished, but {'; '.join(lacking)}"
            return _outcome(ended, RunStatus.FAILED, summary, done, Status.IN_PROGRESS)
        summary = "the agent says finished; the handoff is complete"
        status = Status.REVIEW if found is Status.DONE else None
        return _outcome(ended, RunStatus.COMPLETED, summary, done, status)
    asked = report_words(report)
    if found is Status.BLOCKED:
        return _blocked(ended, asked or why_blocked, done)
    if found in (Status.TODO, Status.IN_PROGRESS) and asked:
        return _blocked(ended, asked, done, Status.BLOCKED)
    if ended is not EndReason.COMPLETED:
        return _outcome(ended, RunStatus.FAILED, words, cause)
    if is_left:
        return _outcome(ended, RunStatus.COMPLETED, words, cause)
    summary = "the agent ended without saying finished or blocked"
    return _outcome(ended, RunStatus.COMPLETED, summary, EndCause.INCOMPLETE)


def decide_step_outcome(
    *, ended: EndReason, words: str, report: AgentReport, cause: EndCause = EndCause.OK
) -> Outcome:
    """Decide what the end of a recorded command means; no task follows from it."""
    if asked := report_words(report):
        return _blocked(ended, asked, cause)
    is_good = ended is EndReason.COMPLETED
    status = RunStatus.COMPLETED if is_good else RunStatus.FAILED
    return _outcome(ended, status, report.summary or words, cause)


def _outcome(
    ended: EndReason,
    run_status: RunStatus,
    summary: str,
    cause: EndCause,
    task_status: Status | None = None,
) -> Outcome:
    """An agent that ended by itself has the reason that its run's status gives it."""
    reason = EndReason(run_status.value) if ended is EndReason.COMPLETED else ended
    return Outcome(
        reason=reason,
        run_status=run_status,
        task_status=task_status,
        summary=summary,
        cause=cause,
    )


def report_words(report: AgentReport) -> str:
    """Return what a report asks of people; nothing when it asks nothing."""
    if not (report.needs_human or report.blocked):
        return ""
    return Question(report.summary, report.needs_human).words


def _blocked(
    ended: EndReason, why: str, cause: EndCause, task_status: Status | None = None
) -> Outcome:
    question = parse_question(why)
    words = question.words if why else "the agent says blocked"
    cause = EndCause.NEEDS_HUMAN if question.needs_human else cause
    return _outcome(ended, RunStatus.BLOCKED, words, cause, task_status)


def natural_reason(ending: Ending, exit_code: int) -> EndReason:
    """Name an end that we did not ask for; an agent that a signal ended has crashed."""
    if ending.ok:
        return EndReason.COMPLETED
    killed = exit_code < 0 or exit_code > SIGNAL_EXIT
    return EndReason.CRASHED if killed else EndReason.FAILED


def are_gates_due(policy: GatePolicy, found: Status) -> bool:
    """Tell whether the gates run by themselves after a run that left its task in this status."""
    is_finished = found in (Status.REVIEW, Status.DONE)
    return policy is GatePolicy.ALWAYS or (policy is GatePolicy.FINISHED and is_finished)


def lacks_on_record(events: Iterable[Event], mission: Mission) -> tuple[str, ...]:
    """Return what finished work lacks as its run's events say, where nobody stayed to the end.

    Gates that were due and were not run to their end are lacking too. `mission` has the rules
    that the run is judged by.
    """
    lacks, passed = [], 0
    for event in events:
        is_outside = event.type == EventType.SCOPE_VIOLATED
        if event.type == EventType.GATE_FAILED or (
            is_outside and not mission.review.allow_out_of_scope
        ):
            lacks.append(event.message)
        passed += event.type == EventType.GATE_PASSED
    due = mission.review.gates is not GatePolicy.NEVER
    try:
        expected = len(parse_gates(mission.quality_gates)) if due else 0
    except MissionError:
        expected = 0
    if passed < expected and not lacks:
        lacks.append("its gates were not run to their end")
    return tuple(lacks)
