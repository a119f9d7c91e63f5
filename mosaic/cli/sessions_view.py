"""Sessions as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.output import clean, paint
from mosaic.plan.durations import format_duration
from mosaic.plan.ends import end_words, length_words, usage_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.app.hand_off import EndedSession
    from mosaic.app.status import SessionView
    from mosaic.model import Session
    from mosaic.runs.result import StepResult
    from mosaic.sessions.output import Progress

SILENT_SECONDS = 60.0
"""A shorter silence is not worth a word."""


def session_rows(sessions: Iterable[Session]) -> list[tuple[str, ...]]:
    """Return one row a session: id, runtime, task, start, length, end, cost."""
    return [
        (
            session.id,
            session.runtime,
            session.last_task_id or "",
            f"{session.started_at.astimezone():%Y-%m-%d %H:%M}",
            length_words(session),
            end_words(session),
            usage_words(session.usage),
        )
        for session in sessions
    ]


def session_row(view: SessionView) -> tuple[str, ...]:
    """Return one row of the list of all sessions: like the others, and whether it is live."""
    *row, ended, used = session_rows([view.session])[0]
    if found := view.found:
        way_out = f"; {found.way_out}" if found.judgement.life == "unknown" else ""
        ended = f"{'unknown' if way_out else 'live'}: {found.judgement.because}{way_out}"
    return (*row, ended or "open", used)


def live_row(view: SessionView) -> tuple[str, ...]:
    """Return one row of a live session: what it does, for how long, for how much."""
    session, found, progress = view
    elapsed, used, last = progress_words(progress) if progress else ("", "", "")
    if found and found.judgement.life == "unknown":
        last = f"unknown: {found.judgement.because}"
    elif found and (found.judgement.is_stopped or not found.is_on_record):
        last = found.judgement.because
    return (session.id, session.runtime, session.last_task_id or "", elapsed, used, last)


def progress_words(progress: Progress) -> tuple[str, str, str]:
    """Return how a run gets on: for how long, for how much, and what it does."""
    last = progress.last or "working"
    if progress.silent_seconds >= SILENT_SECONDS:
        last = f"silent for {format_duration(progress.silent_seconds)}; before: {last}"
    return format_duration(progress.elapsed_seconds), usage_words(progress.usage), last


def asked_lines(result: EndedSession | StepResult) -> list[str]:
    """Return what a result asks of people: a decision, further steps, a look at warnings."""
    lines = [f"  {paint('warning:', 'yellow')} {clean(text)}" for text in result.warnings]
    if result.needs_human and result.report not in result.summary:
        lines.append(f"  needs a human: {clean(result.report)}")
    for each in result.suggested_followup:
        kind = f" ({clean(each.step_kind)})" if each.step_kind else ""
        why = f": {clean(each.reason)}" if each.reason else ""
        lines.append(f"  suggested: {clean(each.step_name)}{kind}{why}")
    return lines
