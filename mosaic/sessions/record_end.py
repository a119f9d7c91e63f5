"""Recording an end: what became of the task, the session, the run; then the lock goes.

The same for an agent that ended well, failed, was stopped, or was found dead later.
`state.json` is written last of all, so a run whose state is final is wholly recorded.

The session's block at the end of SCRATCHPAD.md, where what stands is never rewritten:

    ## 2026-03-21 11:41 sess-003 T-005 review

    claude, 7m 11s: the agent says finished; the handoff is complete

    > - chose sqlite: one file, no server

What an agent noted is quoted: it informs, it does not instruct.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, TypeVar

from mosaic.errors import LockTimeoutError, MissionError, RecordError
from mosaic.machine.clock import utc_now
from mosaic.machine.lock import patience_seconds
from mosaic.model import Session, Status, Usage, total_usage
from mosaic.plan.durations import format_duration
from mosaic.prompts.bounded import cut_text, one_line, plain_text
from mosaic.records import NamedTuple, replace
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.events import EventLog, EventType, step_data
from mosaic.runs.folders import run_of
from mosaic.runs.record import advance
from mosaic.runs.result import RunEnd, write_result
from mosaic.sessions.collect import settled_words
from mosaic.sessions.decide import Outcome, decide_outcome
from mosaic.sessions.rules import find_changes, note_changes, read_rules
from mosaic.sessions.session_lock import remove_lock
from mosaic.store.draft import changing
from mosaic.store.session_entries import find_later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mosaic.runs.record import Run, RunMeta, RunState
    from mosaic.store.draft import Draft

LONGEST_NOTES = 2_000
LONGEST_WORDS = 500
LONGEST_WORD = 100
LOCK_SECONDS = 60.0
LONGEST_DETAIL = 500
FIRST_PAUSE_SECONDS = 0.05
"""How long to wait where the mission's files are just being saved; doubled for each new try."""
SAVING_SHARE = 0.1
"""How much of a command's patience that may take: three seconds, as a rule."""
Answer = TypeVar("Answer")


class Settled(NamedTuple):
    """A recorded end."""

    session: Session
    outcome: Outcome
    task_status: Status | None
    problem: MissionError | None = None
    """Why the end is not, or not wholly, in the mission's files."""


def patiently(act: Callable[[], Answer]) -> Answer:
    """Do what needs the mission's files; where it fails, try again for a few seconds.

    An editor, a formatter or git may be saving them in this moment.
    """
    until = time.monotonic() + patience_seconds() * SAVING_SHARE
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except LockTimeoutError:
            raise  # it has waited long enough
        except MissionError:
            if time.monotonic() > until:
                raise
        time.sleep(pause)
        pause *= 2


def earlier_usage(sessions: Iterable[Session], session_id: str, conversation: str | None) -> Usage:
    """Return what earlier sessions of the same conversation were recorded with.

    Runtimes report totals over a resumed conversation; the difference is a run's own part.
    """
    if conversation is None:
        return Usage(cost_usd=0.0)
    earlier = (each for each in sessions if each.runtime_session_id == conversation)
    return total_usage(s for s in earlier if s.id != session_id) or Usage(cost_usd=0.0)


def record_end(mission_file: Path, meta: RunMeta, facts: RunEnd, lock_file: Path) -> Settled:
    """Record an end in mission.json and the task's files, and free the session lock."""

    def record() -> Settled:
        doing = f"recording the end of {meta.session_id}"
        lock = changing(mission_file, doing=doing, timeout_seconds=LOCK_SECONDS, fenced=False)
        with lock as draft:
            return record_end_in(draft, meta, facts, lock_file)

    return patiently(record)


def record_end_in(draft: Draft, meta: RunMeta, facts: RunEnd, lock_file: Path) -> Settled:
    """Do what `record_end` does, in a draft that has the mission lock.

    Where the task's own files cannot be changed, the session's end is recorded all the same.
    """
    run = facts.run or run_of(draft.layout.runs_dir, meta.task_id, meta.run_id)
    entry = draft.snapshot.find(meta.task_id)
    mission = draft.snapshot.document.mission
    rules, lacks = facts.rules, [*facts.lacks]
    if rules is None:
        try:
            rules = read_rules(run, meta)
        except RecordError as error:
            lacks += [error.message] if run.dir.is_dir() else []
    if rules and rules.has_file and entry and not entry.file:
        lacks.append("its task file is gone")
    task = entry.task if entry else None
    found = task.status if task else None
    outcome = decide_outcome(
        ended=facts.ended,
        words=facts.ending.message,
        found=found,
        missing_sections=entry.file.missing_sections if entry and entry.file else (),
        mode=meta.mode,
        report=facts.report,
        lacks=lacks,
        cause=facts.ending.cause,
        why_blocked=task.why if task and task.why else "",
    )
    changes = find_changes(run, rules, draft.snapshot.document, task) if rules else ()
    if changes:
        keys = ", ".join(f"`{change.key}`" for change in changes)
        words = f"{outcome.summary}; changed while it worked: {keys}"
        outcome = replace(outcome, summary=words)
    outcome = replace(outcome, summary="; ".join((outcome.summary, *settled_words(run))))
    if later := find_later(mission, meta.session_id or "", meta.task_id):
        words = f"{outcome.summary}; `{later.id}` has taken the task over"
        outcome = replace(outcome, task_status=None, summary=words)
    known = mission.sessions.find(meta.session_id or "")
    session = ended_session(known, meta, facts, outcome)
    draft.put_session(session)
    problem: MissionError | None = None
    if outcome.task_status is not None and entry is not None:
        try:
            draft.edit_task(meta.task_id, {"status": outcome.task_status.value}, utc_now())
            if outcome.task_status is Status.BLOCKED:
                draft.note(meta.task_id, outcome.summary)
        except MissionError as error:
            problem = error  # the session's end is recorded even when its task cannot be
    status = outcome.task_status or found
    note_session(draft, session, outcome, status)
    if rules:  # before the end is saved: what finds a saved end does not look again
        note_changes(run, rules, changes, draft.snapshot.document)
    draft.save()
    remove_lock(lock_file, meta.run_id)
    return Settled(session, outcome, status, problem)


def note_session(draft: Draft, session: Session, outcome: Outcome, status: Status | None) -> None:
    """Draft the session's block in the scratchpad; one that cannot be read is left alone."""
    from mosaic.text.sections import section_text  # start-up: only an end needs it

    layout = draft.layout
    entry = draft.snapshot.find(session.last_task_id or "")
    with contextlib.suppress(MissionError):
        task_text = draft.text(layout.tasks_dir / entry.file.name) if entry and entry.file else ""
        notes = section_text(task_text or "", "notes") or ""
        before = draft.text(layout.scratchpad_file) or ""
        stands = status.value if status else "gone"
        after = with_session_block(
            before, session, task_status=stands, words=outcome.summary, notes=notes
        )
        if after != before and layout.scratchpad_file.parent.is_dir():
            draft.put(layout.scratchpad_file, after)


def with_session_block(
    text: str, session: Session, *, task_status: str, words: str, notes: str
) -> str:
    """Return a scratchpad with an ended session's block added; one that has it already stays.

    Lines of the handoff's `notes` that the scratchpad has already are left out.
    """
    session_id = _word(session.id)
    if re.search(rf"^## \S+ \S+ {re.escape(session_id)} ", text, re.MULTILINE):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    ended = session.ended_at or session.started_at
    length = format_duration(session.duration_seconds or 0)
    status = one_line(task_status, LONGEST_WORD)
    about = f"{_word(session.last_task_id)} {status}" if session.last_task_id else "no task"
    lines = [
        f"## {ended.astimezone():%Y-%m-%d %H:%M} {session_id} {about}",
        "",
        f"{_word(session.runtime)}, {length}: {one_line(words, LONGEST_WORDS)}",
    ]
    new = [line for line in plain_text(notes).splitlines() if line.strip() and line not in text]
    if new:
        quoted = cut_text("\n".join(new), LONGEST_NOTES).splitlines()
        lines += ["", *(f"> {line}" for line in quoted)]
    head = text if not text or text.endswith(("\n", "\r")) else text + newline
    return head + (newline if head else "") + newline.join(lines) + newline


def _word(text: str) -> str:
    """Return a name or id as one word that begins no markdown."""
    return one_line(text, LONGEST_WORD).replace(" ", "-").lstrip("#>-*+=~`|<") or "unknown"


def ended_session(known: Session | None, meta: RunMeta, end: RunEnd, outcome: Outcome) -> Session:
    """Return a session with its end, also one that was never listed."""
    known = known or Session(
        id=meta.session_id or "",
        runtime=meta.runtime,
        started_at=meta.created_at,
        last_task_id=meta.task_id or None,
        run_id=meta.run_id or None,
    )
    return replace(
        known,
        ended_at=end.ended_at,
        ended_reason=outcome.reason,
        ended_cause=outcome.cause.value,
        ended_detail=one_line(outcome.summary, LONGEST_DETAIL),
        duration_seconds=int(end.duration_seconds),
        runtime_session_id=end.conversation or known.runtime_session_id,
        usage=end.usage or known.usage,
    )


def finish_record(
    run: Run,
    meta: RunMeta,
    facts: RunEnd,
    outcome: Outcome,
    *,
    state: RunState | None,
    log: EventLog | None = None,
    words: str = "",
) -> None:
    """Write an end into a run's record: an event, result.json, and state.json last of all.

    `state` is where it stood; None leaves state.json as it is. `log` are its events, where they
    are open already; `words` are added to the event.
    """
    log = log or EventLog(run)
    status, reason = outcome.run_status, outcome.reason
    data = step_data(run, exit_code=facts.exit_code, outcome=status.value, reason=reason.value)
    kind = EventType(f"step_{status.value}")
    log.append(kind, outcome.summary + words, data=data)
    write_result(
        run, meta, facts, status=status, reason=reason, summary=outcome.summary, events=log.last_seq
    )
    if state is not None:
        ended = advance(
            state,
            utc_now(),
            status=status,
            reason=reason,
            finished_at=facts.ended_at,
            exit_code=facts.exit_code,
            summary=outcome.summary,
            last_event_seq=log.last_seq,
            checkpoint_seq=last_seq(run),
        )
        run.write_state(ended)
