"""Recording ends afterwards: of dead sessions, and those that had to be kept.

A supervisor that was killed leaves a session lock, an unfinished run and a task in
progress. The next command that looks judges the lock; a dead one is ended: as what the
run's own events say where the agent's end was seen, else as `crashed`, with the last sign
of life as its end. Nothing is decided from what cannot be read.

While an agent works, mission.json may be removed, broken or locked. Its session then ends all
the same, and what is known of the end is kept as one file (see `mosaic.store.state`):

    {"layout_version": 1, "meta": {…}, "rules": {…}, "facts": {…}}     as records hold them
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import HeldError, MissionError, RecordError
from mosaic.executors import executor_of
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.identity import host_name, is_elsewhere, is_same_process
from mosaic.machine.lock import hold_folder
from mosaic.machine.log_pipes import wait_until_written
from mosaic.machine.log_writer import RESERVE_NAME
from mosaic.machine.paths import safe_segment
from mosaic.machine.process import find_in_session, find_marked, send_signal
from mosaic.model import EndReason, Mode, RunStatus, Status
from mosaic.plan.rules import Rules, judged_by
from mosaic.ports import EndCause, Ending, ProcessEnd
from mosaic.prompts.bounded import one_line
from mosaic.records import dataclass, replace
from mosaic.runs.events import EventType, read_events
from mosaic.runs.folders import find_run, run_of
from mosaic.runs.record import Run, RunMeta, RunState, tail_text
from mosaic.runs.report import read_report
from mosaic.runs.result import RunEnd, lost_output_words
from mosaic.sessions.collect import collect_in
from mosaic.sessions.decide import Outcome, decide_step_outcome, lacks_on_record, natural_reason
from mosaic.sessions.following import count_usage, follow_output
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.record_end import Settled, earlier_usage, finish_record, record_end_in
from mosaic.sessions.rules import read_rules
from mosaic.sessions.session_lock import remove_lock
from mosaic.sessions.unrecorded import find_lost, is_of_another_run
from mosaic.store.state import ensure_state_dir, folders_of_ends, list_kept_ends

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mosaic.model import Mission, Session, SessionLock
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptEnd:
    """An end that waits to be recorded."""

    json_form = JsonForm(version=1)
    meta: RunMeta
    rules: Rules | None
    facts: RunEnd


def keep_end(layout: Layout, meta: RunMeta, facts: RunEnd) -> Path | None:
    """Keep an end until it can be recorded; None where it can be kept nowhere."""
    if not layout.project.is_dir():
        return None  # where it was moved, or copied, its record is judged
    folders = folders_of_ends(layout)
    if not layout.state_dir.is_dir():
        folders.reverse()  # git's own folder outlives a state folder that was cleaned away
    data = dump_json(dump_record(KeptEnd(meta=meta, rules=facts.rules, facts=facts)))
    for folder in folders:
        with contextlib.suppress(MissionError, OSError):
            if folder.is_relative_to(layout.state_dir):
                ensure_state_dir(layout)
            create_private_dir(folder)
            path = folder / f"{safe_segment(meta.run_id)}.json"
            write_private(path, data, root=folder)
            return path
    return None


def find_kept_ends(layout: Layout) -> list[tuple[Path, KeptEnd]]:
    """Return the ends that wait to be recorded; one that cannot be read is left to people."""
    own = os.path.realpath(layout.mission_file)
    found = []
    for path in list_kept_ends(layout):
        with contextlib.suppress(MissionError):
            kept = load_record(KeptEnd, find_bytes(path) or b"", path)
            if os.path.realpath(kept.meta.mission_file) == own:
                found.append((path, kept))
    return found


def record_kept_ends(draft: Draft) -> list[Settled]:
    """Record the ends that were kept, in a draft that has the mission lock."""
    recorded = []
    layout = draft.layout
    for path, kept in find_kept_ends(layout):
        meta = kept.meta
        run = run_of(layout.runs_dir, meta.task_id, meta.run_id)
        if executor_of(run).is_alive():
            continue  # its supervisor is about to finish the record
        known = draft.snapshot.document.mission.sessions.find(meta.session_id or "")
        # One that is recorded as crashed was only guessed.
        if not (known and known.ended_at and known.ended_reason is not EndReason.CRASHED):
            end = replace(kept.facts, rules=kept.rules)
            own = layout.session_locks_dir / f"{safe_segment(meta.session_id or '')}.lock"
            done = record_end_in(draft, meta, end, own if own.exists() else layout.session_lock)
            recorded.append(done)
            with contextlib.suppress(MissionError):  # the record may be gone
                words = "; recorded later"
                finish_record(run, meta, end, done.outcome, state=run.state(), words=words)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # only an empty one goes
    return recorded


def recover_in(draft: Draft) -> list[Settled]:
    """Record the end of every dead session, in a draft that has the mission lock."""
    settled = record_kept_ends(draft)
    settled += [end_session(draft, each) for each in find_locks(draft.layout) if each.is_dead]
    settled += [end_session(draft, each) for each in find_lost(draft.snapshot)]
    return settled


def recover_steps(runs: Iterable[Run], mission: Mission) -> list[Run]:
    """Record the end of recorded commands whose process is gone; no session lists them.

    Returns:
        The runs that were ended.
    """
    return [run for run in runs if _recover_step(run, mission)]


def _recover_step(run: Run, mission: Mission) -> bool:
    try:
        meta, state = run.meta(), run.state()
        if meta.session_id is not None or state.status is not RunStatus.RUNNING:
            return False
        with hold_folder(run.dir):
            if _agent_lives(run.state()):
                return False
            _sweep(run, meta)
            wait_until_written((run.stdout_log, run.stderr_log))
            facts = _facts(run, meta, mission)
            outcome = decide_step_outcome(
                ended=facts.ended,
                words=facts.ending.message,
                report=facts.report,
                cause=facts.ending.cause,
            )
            _finish(run, meta, facts, outcome)
    except MissionError:
        return False  # it has a living supervisor, or is broken and left for people to look at
    return True


def is_dead(run: Run, state: RunState) -> bool:
    """Tell whether a run that is not at its end has neither supervisor nor agent any more."""
    return not executor_of(run).is_alive() and not _agent_lives(state)


def is_copied_run(run: Run, state: RunState) -> bool:
    """Tell whether the agent of a run works for another record, which this one is a copy of."""
    agent = state.agent
    if agent is None or executor_of(run).is_alive() or is_same_process(agent) is not True:
        return False
    return is_of_another_run(agent, run)


def _agent_lives(state: RunState) -> bool:
    return state.agent is not None and is_same_process(state.agent) is not False


def end_session(
    draft: Draft,
    found: FoundLock,
    *,
    unseen: EndReason = EndReason.CRASHED,
    holds_run: bool = False,
) -> Settled:
    """Record the end of a session whose processes are gone, in a draft that has the mission lock.

    It ended as `unseen` where its record does not tell. With `holds_run` the caller holds the
    run's folder already.
    """
    lock, runs_dir = found.lock, draft.layout.runs_dir
    if lock.is_older and (listed := draft.snapshot.document.mission.sessions.find(lock.session_id)):
        lock = replace(lock, task_id=listed.last_task_id or "")
    run = run_of(runs_dir, lock.task_id, lock.run_id)
    if not run.dir.is_dir():
        run = find_run(runs_dir, lock.run_id) or run
    meta = _meta_of(run, lock, draft.layout)
    folder: contextlib.AbstractContextManager[object] | None = None
    if holds_run:
        folder = contextlib.nullcontext()
    else:
        with contextlib.suppress(HeldError):
            folder = hold_folder(run.dir) if run.dir.is_dir() else None
    with folder or contextlib.nullcontext():
        if folder is not None:
            if lock.process.host == host_name() and not is_elsewhere(lock.process):
                _sweep(run, meta)  # first: what is left behind may keep the logs open
            wait_until_written((run.stdout_log, run.stderr_log))
            collect_in(draft, run, meta)
        mission = draft.snapshot.document.mission
        facts = _facts(run, meta, mission, unseen=unseen)
        known = mission.sessions.find(lock.session_id)
        if known and known.ended_at and (known.run_id or "") == lock.run_id:
            # Killed after it was saved, while the lock stood still: its task may be elsewhere now.
            remove_lock(found.path, lock.run_id)
            settled = as_recorded(known, draft.snapshot.find(lock.task_id))
        else:
            settled = record_end_in(draft, meta, facts, found.path)
        if folder is not None:
            _finish(run, meta, facts, settled.outcome)
    return settled


def as_recorded(session: Session, entry: Entry | None) -> Settled:
    """Return the end of a session as the mission's files have it."""
    reason = session.ended_reason or EndReason.CRASHED
    status = entry.task.status if entry else None
    run_status = RunStatus.FAILED
    if reason is EndReason.COMPLETED or status in (Status.REVIEW, Status.DONE):
        run_status = RunStatus.COMPLETED
    elif reason is EndReason.BLOCKED:
        run_status = RunStatus.BLOCKED
    cause = EndCause.CUT
    with contextlib.suppress(ValueError):
        cause = EndCause(session.ended_cause or "")
    outcome = Outcome(
        reason=reason,
        run_status=run_status,
        task_status=None,
        summary=session.ended_detail or "",
        cause=cause,
    )
    return Settled(session, outcome, status)


def _finish(run: Run, meta: RunMeta, facts: RunEnd, outcome: Outcome) -> None:
    (run.dir / RESERVE_NAME).unlink(missing_ok=True)
    state = run.find_state()  # a broken one is left for people to look at
    if state is not None and state.status not in (RunStatus.PREPARED, RunStatus.RUNNING):
        state = None
    words = "; recorded after its supervisor was gone"
    finish_record(run, meta, facts, outcome, state=state, words=words)


def _sweep(run: Run, meta: RunMeta) -> None:
    """Kill what a dead headless run left behind: found by the mark that its processes carry."""
    if meta.mode is Mode.HEADLESS:
        import signal  # only a crash needs it

        state = run.find_state()
        left = find_in_session(state.agent, meta.cwd) if state and state.agent else []
        for process in (*find_marked("MISSION_RUN_DIR", str(run.dir)), *left):
            send_signal(process, signal.SIGKILL)


def _facts(
    run: Run, meta: RunMeta, mission: Mission, *, unseen: EndReason = EndReason.CRASHED
) -> RunEnd:
    """Gather what is on record about an end that was not recorded."""
    message, cause = "its process was gone when somebody looked", EndCause.CUT
    if unseen is EndReason.STOPPED:
        message = "it was stopped; its record was gone"
    elif not os.path.isdir(meta.cwd):
        message, cause = "its process was gone, and its worktree too", EndCause.WORKSPACE_GONE
    ended_at = max(run.last_sign_of_life(), meta.created_at) if run.dir.is_dir() else utc_now()
    facts = RunEnd(
        ended=unseen,
        ending=Ending(ok=False, cause=cause, message=message),
        ended_at=ended_at,
        duration_seconds=max(0.0, (ended_at - meta.created_at).total_seconds()),
        exit_code=None,
        conversation=None,
        lost_output=lost_output_words(run),
        report=read_report(run),
    )
    # That its rules are lost is noted when the end is recorded.
    with contextlib.suppress(RecordError):
        if meta.session_id:
            judged = judged_by(mission, read_rules(run, meta))
            lacks = lacks_on_record(read_events(run).events, judged)
            facts = replace(facts, lacks=lacks)
    if state := run.find_state():
        facts = replace(facts, conversation=state.runtime_session_id, started_at=state.started_at)
    facts = _with_exit(facts, run)
    is_unseen = facts.ended is EndReason.CRASHED and facts.exit_code is None
    is_unseen = is_unseen and cause is EndCause.CUT
    try:
        follower = follow_output(run, meta, mission, facts.conversation)
    except MissionError:
        return facts
    reader = follower.reader
    follower.read(limit_bytes=None)
    follower.finish()
    follower.close()
    end = ProcessEnd(exit_code=facts.exit_code or 0, stderr_tail=tail_text(run.stderr_log))
    ending = reader.judge(end)
    if is_unseen and reader.has_result:
        facts = replace(facts, ending=ending, ended=natural_reason(ending, end.exit_code))
    before = earlier_usage(mission.sessions, meta.session_id or "", follower.conversation)
    return replace(
        facts,
        conversation=follower.conversation,
        usage=count_usage(
            reader, run, meta, mission, conversation=follower.conversation, before=before
        ),
        answer=reader.answer,
        unread=follower.unread,
    )


def _with_exit(facts: RunEnd, run: Run) -> RunEnd:
    """Return an end with what the supervisor noted when the agent ended, if it did, and well."""
    events = reversed(read_events(run).events)
    exited = next((event for event in events if event.type == EventType.WORKER_EXITED), None)
    data: dict[str, Any] = dict(exited.data) if exited else {}
    try:
        return replace(
            facts,
            ended=EndReason(data["reason"]),
            ending=Ending(
                ok=False,
                cause=EndCause(data["cause"]),
                message=one_line(str(data["words"])),
                retryable=data.get("retryable") is True,
            ),
            exit_code=None if data.get("exit_code") is None else int(data["exit_code"]),
            duration_seconds=float(data.get("duration_seconds") or facts.duration_seconds),
        )
    except (KeyError, TypeError, ValueError):
        return facts


def _meta_of(run: Run, lock: SessionLock, layout: Layout) -> RunMeta:
    try:
        return run.meta()
    except MissionError:
        return RunMeta(
            task_id=lock.task_id,
            step_id=lock.runtime,
            step_kind=lock.runtime,
            run_id=lock.run_id,
            session_id=lock.session_id,
            attempt=1,
            runtime=lock.runtime,
            mode=Mode.INTERACTIVE,
            argv=(),
            cwd=lock.project_path,
            mission_file=str(layout.mission_file),
            branch=None,
            base_commit=None,
            timeout_seconds=None,
            created_at=lock.started_at,
        )
