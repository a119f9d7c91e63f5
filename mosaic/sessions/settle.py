"""Recording an end: what became of the task, the session, the run; then the lock goes.

The same for an agent that ended well, failed, was stopped, or was found dead later.
`state.json` is written last of all, so a run whose state is final is wholly recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.model import EndReason, Session, Status, Usage
from mosaic.runs.record import Run, RunMeta, format_moment
from mosaic.sessions.outcome import Outcome, decide_outcome
from mosaic.sessions.session_lock import remove_lock
from mosaic.store.draft import changing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.ports import Ending
    from mosaic.store.draft import Draft

SETTLE_LOCK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EndFacts:
    """Everything known about an end."""

    ended: EndReason
    ending: Ending
    ended_at: datetime
    duration_seconds: float
    exit_code: int | None
    conversation: str | None
    usage: Usage | None
    answer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A recorded end."""

    session: Session
    outcome: Outcome
    task_status: Status | None


def earlier_usage(sessions: Sequence[Session], session_id: str, conversation: str | None) -> Usage:
    """Return what earlier sessions of the same conversation were recorded with.

    Runtimes report totals over a resumed conversation; the difference is a run's own part.
    """
    total = Usage(cost_usd=0.0)
    for session in sessions:
        usage = session.usage
        if session.id == session_id or usage is None or conversation is None:
            continue
        if session.runtime_session_id == conversation:
            total = Usage(
                input_tokens=total.input_tokens + usage.input_tokens,
                output_tokens=total.output_tokens + usage.output_tokens,
                cached_input_tokens=total.cached_input_tokens + usage.cached_input_tokens,
                cost_usd=(total.cost_usd or 0.0) + (usage.cost_usd or 0.0),
            )
    return total


def settle_session(mission_file: Path, meta: RunMeta, facts: EndFacts, lock_file: Path) -> Settled:
    """Record an end in mission.json and the task's files, and free the session lock.

    Raises:
        LockTimeoutError: the mission lock was not free; the next command records the end.
        BrokenFileError: a file that must be changed is broken; the session's end is recorded
            wherever that is possible.
    """
    with changing(
        mission_file,
        doing=f"recording the end of {meta.session_id}",
        timeout_seconds=SETTLE_LOCK_SECONDS,
    ) as draft:
        return settle_in(draft, meta, facts, lock_file)


def settle_in(draft: Draft, meta: RunMeta, facts: EndFacts, lock_file: Path) -> Settled:
    """Do what `settle_session` does, in a draft whose lock is held already."""
    entry = draft.snapshot.find(meta.task_id)
    found = entry.task.status if entry else None
    missing = entry.file.missing_sections if entry and entry.file else ()
    outcome = decide_outcome(
        ended=facts.ended,
        words=facts.ending.message,
        found=found,
        missing_sections=missing,
        mode=meta.mode,
    )
    session = _ended_session(draft, meta, facts, outcome)
    draft.put_session(session)
    problem: MissionError | None = None
    if outcome.task_status is not None and entry is not None:
        try:
            draft.edit_task(meta.task_id, {"status": outcome.task_status.value}, utc_now())
        except MissionError as error:
            problem = error  # the session's end is recorded even when its task cannot be
    draft.save()
    remove_lock(lock_file, meta.run_id)
    if problem is not None:
        raise problem
    return Settled(session=session, outcome=outcome, task_status=outcome.task_status or found)


def _ended_session(draft: Draft, meta: RunMeta, facts: EndFacts, outcome: Outcome) -> Session:
    known = next(
        (s for s in draft.snapshot.document.mission.sessions if s.id == meta.session_id), None
    ) or Session(
        id=meta.session_id or "",
        runtime=meta.runtime,
        started_at=meta.created_at,
        last_task_id=meta.task_id,
        run_id=meta.run_id,
    )
    return replace(
        known,
        ended_at=facts.ended_at,
        ended_reason=outcome.reason,
        duration_seconds=int(facts.duration_seconds),
        runtime_session_id=facts.conversation or known.runtime_session_id,
        usage=facts.usage or known.usage,
    )


def write_result(
    run: Run, meta: RunMeta, facts: EndFacts, outcome: Outcome, *, events: int
) -> None:
    """Write result.json, the step result."""
    duration_ms = int(facts.duration_seconds * 1000)
    usage = facts.usage
    result: dict[str, JsonValue] = {
        "layout_version": 1,
        "ok": outcome.run_status.value == "completed" and facts.ended is EndReason.COMPLETED,
        "outcome": outcome.run_status.value,
        "reason": outcome.reason.value,
        "cause": facts.ending.cause.value,
        "summary": outcome.summary,
        "words": facts.ending.message,
        "warnings": list(facts.ending.warnings),
        "answer": facts.answer,
        "needs_human": outcome.run_status.value == "blocked",
        "blocked": outcome.run_status.value == "blocked",
        "task_id": meta.task_id,
        "step_id": meta.step_id,
        "run_id": meta.run_id,
        "session_id": meta.session_id,
        "attempt": meta.attempt,
        "worker_kind": meta.runtime,
        "started_at": format_moment(meta.created_at),
        "finished_at": format_moment(facts.ended_at),
        "duration_ms": duration_ms,
        "exit_code": facts.exit_code,
        "runtime_session_id": facts.conversation,
        "artifacts": _artifacts(run),
        "suggested_followup": [],
        "metrics": {
            "duration_ms": duration_ms,
            "lifecycle_event_count": events,
            "stdout_bytes": _size(run.stdout_log),
            "stderr_bytes": _size(run.stderr_log),
            "checkpoint_count": 0,
        },
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "cost_usd": usage.cost_usd,
        }
        if usage
        else None,
    }
    run.write_json("result.json", result)


def _artifacts(run: Run) -> list[JsonValue]:
    """List what the agent left in the record's `artifacts/`."""
    if not run.artifacts.is_dir():
        return []
    return [
        {"name": path.name, "kind": "file", "path": f"artifacts/{path.name}", "description": ""}
        for path in sorted(run.artifacts.iterdir())
        if path.is_file() and not path.is_symlink()
    ]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
