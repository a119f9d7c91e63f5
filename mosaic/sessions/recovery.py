"""Finding sessions whose process is gone, and recording their end.

A supervisor that was killed leaves a session lock, an unfinished run and a task in
progress. The next command that looks judges the lock; a dead one is ended: as what the
run's own events say where the agent's end was seen, else as `crashed`, with the last sign
of life as its end. Nothing is decided from what cannot be read.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import HeldError, MissionError, RecordError
from mosaic.executors import executor_of
from mosaic.machine.clock import utc_now
from mosaic.machine.identity import find_environment, host_name, is_elsewhere, is_same_process
from mosaic.machine.lock import hold_folder
from mosaic.machine.log_pipes import find_gaps, wait_until_written
from mosaic.machine.log_writer import RESERVE_NAME
from mosaic.machine.paths import safe_segment
from mosaic.machine.process import find_marked, send_signal
from mosaic.model import EndReason, Mode, ProcessIdentity, RunStatus, Session, SessionLock
from mosaic.plan.rules import judged_by
from mosaic.ports import EndCause, Ending, ProcessEnd
from mosaic.prompts.bounded import one_line
from mosaic.records import replace
from mosaic.runs.events import EventType, read_events
from mosaic.runs.folders import find_run, run_of
from mosaic.runs.record import Run, RunMeta, RunState, tail_text
from mosaic.runs.report import read_report
from mosaic.runs.result import RunEnd, lost_output_words
from mosaic.sessions.collect import collect_in
from mosaic.sessions.decide import decide_step_outcome, lacks_on_record
from mosaic.sessions.kept_ends import record_kept_ends
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.output import OutputFollower, reader_of
from mosaic.sessions.record_end import Settled, earlier_usage, finish_record, record_end_in
from mosaic.sessions.rules import read_rules
from mosaic.sessions.unrecorded import find_lost, lock_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mosaic.model import Mission
    from mosaic.sessions.decide import Outcome
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout

CRASHED = Ending(ok=False, cause=EndCause.CUT, message="its process was gone when somebody looked")
STOPPED = Ending(ok=False, cause=EndCause.CUT, message="it was stopped; its record was gone")
GONE = Ending(
    ok=False, cause=EndCause.WORKSPACE_GONE, message="its process was gone, and its worktree too"
)


def recover_in(draft: Draft) -> list[Settled]:
    """Record the end of every dead session, in a draft whose mission lock is held."""
    settled = record_kept_ends(draft)
    settled += [_end_dead(draft, found) for found in find_locks(draft.layout) if found.is_dead]
    settled += [_end_lost(draft, session) for session in find_lost(draft.snapshot)]
    return settled


def _end_dead(draft: Draft, found: FoundLock) -> Settled:
    lock = found.lock
    runs = draft.layout.runs_dir
    run = Run(dir=runs / safe_segment(lock.task_id) / safe_segment(lock.run_id))
    process = lock.process
    is_ours = process.host == host_name() and not is_elsewhere(process)
    meta = _meta_of(run, lock, draft.layout)
    return _end_run(draft, run, meta, found.path, is_ours=is_ours)


def _end_lost(draft: Draft, session: Session) -> Settled:
    """End a session that is listed without an end, but that no lock speaks of."""
    run = find_run(draft.layout.runs_dir, session.run_id or "")
    process = ProcessIdentity(pid=session.pid, started_at="", boot_id="", host=session.host)
    lock = lock_of(session, process, draft.layout)
    if run is None:
        run = Run(dir=draft.layout.runs_dir / safe_segment(lock.task_id) / "gone")
    return _end_run(draft, run, _meta_of(run, lock, draft.layout), draft.layout.session_lock)


def end_by_hand(draft: Draft, found: FoundLock) -> Settled:
    """Record that a session was stopped whose processes are gone, whatever its lock says."""
    lock = found.lock
    run = run_of(draft.layout.runs_dir, lock.task_id, lock.run_id)
    meta = _meta_of(run, lock, draft.layout)
    return _end_run(draft, run, meta, found.path, unseen=EndReason.STOPPED)


def recover_steps(runs: Iterable[Run], mission: Mission) -> list[Run]:
    """Record the end of recorded commands whose process is gone; no session speaks of them.

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
                ended=facts.ended, words=facts.ending.message, report=facts.report
            )
            _finish(run, meta, facts, outcome)
    except MissionError:
        return False  # held by a living supervisor, or broken and left for people to look at
    return True


def is_dead(run: Run, state: RunState) -> bool:
    """Tell whether a run that is not at its end has nobody any more: no supervisor, no agent."""
    return not executor_of(run).is_alive() and not _agent_lives(state)


def is_copied_run(run: Run, state: RunState) -> bool:
    """Tell whether the agent of a run works for another record, which this one is a copy of."""
    if (
        state.agent is None
        or executor_of(run).is_alive()
        or is_same_process(state.agent) is not True
    ):
        return False
    place = find_environment(state.agent.pid, "MISSION_RUN_DIR").get("MISSION_RUN_DIR", "")
    return os.path.isdir(place) and not os.path.samefile(place, run.dir)


def _agent_lives(state: RunState) -> bool:
    return state.agent is not None and is_same_process(state.agent) is not False


def _end_run(
    draft: Draft,
    run: Run,
    meta: RunMeta,
    lock_file: Path,
    *,
    unseen: EndReason = EndReason.CRASHED,
    is_ours: bool = True,
) -> Settled:
    """Record the end of a session's run.

    Args:
        lock_file: the session's lock.
        unseen: what it ended as, where its record does not tell.
        is_ours: whether it ran here, so that what it left behind may be ended.
    """
    try:
        folder = hold_folder(run.dir) if run.dir.is_dir() else None
    except HeldError:
        folder = None
    try:
        if folder is not None:
            if is_ours:
                _sweep(run, meta)  # first: what is left behind may keep the logs open
            wait_until_written((run.stdout_log, run.stderr_log))
            collect_in(draft, run, meta)
        facts = _facts(run, meta, draft.snapshot.document.mission, unseen=unseen)
        settled = record_end_in(draft, meta, facts, lock_file)
        if folder is not None:
            _finish(run, meta, facts, settled.outcome)
    finally:
        if folder is not None:
            folder.release()
    return settled


def _finish(run: Run, meta: RunMeta, facts: RunEnd, outcome: Outcome) -> None:
    (run.dir / RESERVE_NAME).unlink(missing_ok=True)
    try:
        state: RunState | None = run.state()
    except MissionError:
        state = None  # a broken state is left for people to look at
    if state is not None and state.status not in (RunStatus.PREPARED, RunStatus.RUNNING):
        state = None
    words = "; recorded after its supervisor was gone"
    finish_record(run, meta, facts, outcome, state=state, words=words)


def _sweep(run: Run, meta: RunMeta) -> None:
    """Kill what a dead headless run left behind: found by the mark that its processes carry."""
    if meta.mode is Mode.HEADLESS:
        import signal  # only a crash needs it

        for process in find_marked("MISSION_RUN_DIR", str(run.dir)):
            send_signal(process, signal.SIGKILL)


def _facts(
    run: Run, meta: RunMeta, mission: Mission, *, unseen: EndReason = EndReason.CRASHED
) -> RunEnd:
    """Gather what the record tells about an end that nobody recorded."""
    ended_at = max(run.last_sign_of_life(), meta.created_at) if run.dir.is_dir() else utc_now()
    facts = RunEnd(
        ended=unseen,
        ending=_unseen_ending(meta, unseen),
        ended_at=ended_at,
        duration_seconds=max(0.0, (ended_at - meta.created_at).total_seconds()),
        exit_code=None,
        conversation=None,
        lost_output=tuple(lost_output_words(find_gaps(run.dir))),
        report=read_report(run),
        lacks=_lacks(run, meta, mission) if meta.session_id else (),
    )
    with contextlib.suppress(MissionError):
        state = run.state()
        facts = replace(facts, conversation=state.runtime_session_id, started_at=state.started_at)
    facts = _with_exit(facts, run)
    try:
        reader = reader_of(meta, mission, meta.mode)
    except MissionError:
        return facts
    follower = OutputFollower(run, reader, conversation=facts.conversation)
    for _ in follower.read(limit_bytes=None):
        continue
    follower.finish()
    follower.close()
    reader.judge(ProcessEnd(exit_code=facts.exit_code or 0, stderr_tail=tail_text(run.stderr_log)))
    before = earlier_usage(mission.sessions, meta.session_id or "", follower.conversation)
    return replace(
        facts,
        conversation=follower.conversation,
        usage=reader.usage(before),
        answer=reader.answer,
        unread=follower.unread,
    )


def _lacks(run: Run, meta: RunMeta, mission: Mission) -> tuple[str, ...]:
    try:
        judged = judged_by(mission, read_rules(run, meta))
    except RecordError:
        return ()  # added when the end is recorded: nothing can be said against its work
    return lacks_on_record(read_events(run).events, judged, meta.mode)


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


def _unseen_ending(meta: RunMeta, reason: EndReason) -> Ending:
    if reason is EndReason.STOPPED:
        return STOPPED
    return CRASHED if os.path.isdir(meta.cwd) else GONE


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
