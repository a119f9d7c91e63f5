"""Sessions as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.output import clean, paint
from mosaic.cli.table import Column
from mosaic.machine.clock import utc_now
from mosaic.plan.durations import format_duration, format_moment
from mosaic.plan.ends import end_words, length_words, token_count, usage_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.app.hand_off import EndedSession
    from mosaic.app.status import SessionView
    from mosaic.model import Session, Usage
    from mosaic.runs.result import StepResult
    from mosaic.sessions.output import Progress

SILENT_SECONDS = 60.0
"""A shorter silence is not worth a word."""
_RUNTIME, _TASK = Column("runtime", leaves=3), Column("task")
_COST, _TOKENS = (
    Column("cost", is_number=True, leaves=1),
    Column("tokens", is_number=True, leaves=4),
)
SESSION_COLUMNS = (
    Column("session"), _RUNTIME, _TASK, Column("started", leaves=2),
    Column("length", is_number=True, leaves=5), Column("ended", lines=4), _COST, _TOKENS,
)  # fmt: skip
LIVE_COLUMNS = (
    Column("session"), _RUNTIME, _TASK, Column("for", is_number=True), _COST, _TOKENS,
    Column("now", lines=2),
)  # fmt: skip
HOST = Column("host", leaves=2)
"""The machine that a session was handed to: behind the task, where any was."""
HOST_AT = 3


def with_hosts(
    columns: Sequence[Column], rows: Iterable[tuple[str, ...]], hosts: Sequence[str]
) -> tuple[Sequence[Column], list[tuple[str, ...]]]:
    """Return columns and rows of sessions with one more, of hosts, where any session has one."""
    if not any(hosts):
        return columns, [*rows]
    named = zip(rows, hosts, strict=True)
    more = [(*row[:HOST_AT], host, *row[HOST_AT:]) for row, host in named]
    return (*columns[:HOST_AT], HOST, *columns[HOST_AT:]), more


def session_rows(sessions: Iterable[Session]) -> list[tuple[str, ...]]:
    """Return one row a session, of `SESSION_COLUMNS`."""
    now = utc_now()
    return [
        (
            session.id,
            session.runtime,
            session.last_task_id or "",
            format_moment(session.started_at, now),
            length_words(session),
            end_words(session),
            *_used(session.usage),
        )
        for session in sessions
    ]


def session_row(view: SessionView) -> tuple[str, ...]:
    """Return one row of the list of all sessions: like the others, and whether it is live."""
    *row, ended, cost, tokens = session_rows([view.session])[0]
    if found := view.found:
        way_out = f"; {found.way_out}" if found.judgement.life == "unknown" else ""
        ended = f"{'unknown' if way_out else 'live'}: {found.judgement.because}{way_out}"
    return (*row, ended or "open", cost, tokens)


def live_row(view: SessionView) -> tuple[str, ...]:
    """Return one row of a live session, of `LIVE_COLUMNS`."""
    session, found, progress, _ = view
    elapsed, _, last = progress_words(progress) if progress else ("", "", "")
    if found and found.judgement.life == "unknown":
        last = f"unknown: {found.judgement.because}"
    elif found and (
        found.judgement.is_stopped
        or found.judgement.problem
        or not found.is_on_record
        or (found.judgement.host and not (progress and progress.last))
    ):
        last = found.judgement.because
    used = _used(progress.usage if progress else None)
    return (session.id, session.runtime, session.last_task_id or "", elapsed, *used, last)


def progress_words(progress: Progress) -> tuple[str, str, str]:
    """Return how a run gets on: for how long, for how much, and what it does."""
    last = progress.last or "working"
    if progress.silent_seconds >= SILENT_SECONDS:
        last = f"silent for {format_duration(progress.silent_seconds)}; before: {last}"
    return format_duration(progress.elapsed_seconds), usage_words(progress.usage), last


def _used(usage: Usage | None) -> tuple[str, str]:
    """Return what was consumed as two numbers: money where it is known, and tokens."""
    if usage is None:
        return "", ""
    cost = f"${usage.cost_usd:.2f}" if usage.cost_usd is not None else ""
    return cost, token_count(usage)


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
