"""result.json: the step result, for agents' runs and recorded commands alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mosaic.codec import JsonForm, dump_record
from mosaic.machine.log_pipes import find_gaps
from mosaic.model import EndReason, RunStatus, Usage
from mosaic.plan.questions import parse_question
from mosaic.plan.sizes import format_size
from mosaic.ports import Ending  # noqa: TC001 - the codec looks it up
from mosaic.records import dataclass, field
from mosaic.runs.report import AgentReport, Artifact, Followup, list_artifacts
from mosaic.runs.transcript import Unread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mosaic.model import Text
    from mosaic.plan.rules import Rules
    from mosaic.runs.record import Run, RunMeta

OF_THE_RUN = ("task_id", "step_id", "run_id", "session_id", "attempt")
"""What a result takes over from the run's `meta.json`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """What a run came to in numbers."""

    duration_ms: int = 0
    lifecycle_event_count: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    checkpoint_count: int = 0
    stdout_bytes_lost: int = 0
    stderr_bytes_lost: int = 0
    stdout_bytes_passed_over: int = 0
    transcript_bytes_missing: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """result.json."""

    json_form = JsonForm(version=1)
    ok: bool = False
    outcome: str = ""
    reason: str | None = None
    cause: str = ""
    retryable: bool = False
    retry_at: datetime | None = None
    summary: Text = ""
    words: Text = ""
    warnings: tuple[Text, ...] = ()
    answer: Text = ""
    needs_human: bool = False
    """It waits for an answer or a decision."""
    blocked: bool = False
    """It cannot go on, for another reason."""
    report: Text = ""
    task_id: str = ""
    step_id: str = ""
    run_id: str = ""
    session_id: str | None = None
    attempt: int = 1
    worker_kind: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int = 0
    exit_code: int | None = None
    runtime_session_id: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    suggested_followup: tuple[Followup, ...] = ()
    metrics: Metrics = Metrics()
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnd:
    """How a run ended, with all that is known of it."""

    json_form = JsonForm(leaves_out=("unread", "rules", "run"))
    ended: EndReason
    ending: Ending
    ended_at: datetime
    duration_seconds: float
    exit_code: int | None
    conversation: str | None
    usage: Usage | None = None
    answer: Text = ""
    started_at: datetime | None = None
    """None when it is not known that the agent ever ran."""
    lost_output: tuple[Text, ...] = ()
    """What of its output could not be kept, in words."""
    unread: Unread = field(default_factory=Unread)
    """What of its output was not read along."""
    report: AgentReport = field(default_factory=AgentReport)
    lacks: tuple[Text, ...] = ()
    """What finished work lacks beside its handoff: scope, gates."""
    rules: Rules | None = None
    """What it is judged by, as its supervisor has it; None: as its record has it."""
    run: Run | None = None
    """Its record; None: where the mission keeps records now."""


def write_result(
    run: Run,
    meta: RunMeta,
    end: RunEnd,
    *,
    status: RunStatus,
    reason: EndReason | None,
    summary: str,
    events: int,
) -> None:
    """Write result.json.

    Args:
        status: what its end means for the run; `prepared` for one that was not started.
        reason: the same for its session; None where there is no end yet.
        summary: in one sentence.
        events: how many it has.
    """
    report, lost = end.report, Counter[str]()
    for gap in find_gaps(run.dir):
        lost[gap.stream] += gap.bytes
    warnings = [*end.ending.warnings, *end.lost_output, *end.unread.words()]
    warnings += [report.problem] if report.problem else []
    is_good = status in (RunStatus.COMPLETED, RunStatus.PREPARED)
    blocked = status is RunStatus.BLOCKED
    asks = report.needs_human or (blocked and parse_question(summary).needs_human)
    duration_ms = int(end.duration_seconds * 1000)
    result = StepResult(
        ok=is_good and end.ended is EndReason.COMPLETED,
        outcome=status.value,
        reason=reason.value if reason else None,
        cause=end.ending.cause.value,
        retryable=end.ending.retryable,
        retry_at=end.ending.retry_at,
        summary=summary,
        words=end.ending.message,
        warnings=tuple(warnings),
        answer=end.answer,
        needs_human=asks,
        blocked=report.blocked or (blocked and not asks),
        report=report.summary,
        **{name: getattr(meta, name) for name in OF_THE_RUN},
        worker_kind=meta.step_kind,
        started_at=end.started_at or meta.created_at,
        finished_at=end.ended_at,
        duration_ms=duration_ms,
        exit_code=end.exit_code,
        runtime_session_id=end.conversation,
        artifacts=tuple(list_artifacts(run, report)),
        suggested_followup=report.suggested_followup,
        metrics=Metrics(
            duration_ms=duration_ms,
            lifecycle_event_count=events,
            stdout_bytes=run.bytes_of("stdout.log"),
            stderr_bytes=run.bytes_of("stderr.log"),
            checkpoint_count=sum(1 for _ in run.checkpoints.glob("*.json")),
            stdout_bytes_lost=lost["stdout"],
            stderr_bytes_lost=lost["stderr"],
            stdout_bytes_passed_over=end.unread.passed_over_bytes,
            transcript_bytes_missing=end.unread.skipped_bytes,
        ),
        usage=end.usage,
    )
    run.write_json("result.json", dump_record(result))


def lost_output_words(run: Run, streams: Sequence[str] = ("stdout", "stderr")) -> tuple[str, ...]:
    """Return what of a run's output was lost, in words; nothing when it is complete."""
    gaps = find_gaps(run.dir)
    return tuple(
        f"{format_size(sum(gap.bytes for gap in of_stream))} of {stream} could not be kept: "
        f"{of_stream[-1].reason}"
        for stream in streams
        if (of_stream := [gap for gap in gaps if gap.stream == stream])
    )
