"""Ending a live session from another process."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, SessionNotFoundError
from mosaic.executors import executor_of
from mosaic.executors.background import ask_to_stop
from mosaic.machine.identity import (
    find_entry,
    find_holder,
    find_process_table,
    host_name,
    is_elsewhere,
    is_same_process,
)
from mosaic.machine.lock import hold_folder
from mosaic.machine.process import find_marked, send_signal
from mosaic.model import EndReason, Mode
from mosaic.plan.names import closest_names
from mosaic.plan.session_ids import sessions_called
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import run_of
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import Life, find_locks, is_run_held
from mosaic.sessions.recovery import end_session
from mosaic.sessions.supervisor import STOP_STAGES, TERMINATE_GRACE_SECONDS
from mosaic.sessions.unrecorded import is_of_another_run, live_or_unknown
from mosaic.store.draft import changing
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import ProcessIdentity, Session
    from mosaic.runs.record import Run
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.tasks import Snapshot

POLL_SECONDS = 0.05
STOPPED_SECONDS = 3.0
"""How long a supervisor may stay stopped although it was continued, before it is gone around."""
PATIENCE_SECONDS = sum(grace for _, grace in STOP_STAGES[Mode.HEADLESS]) + 30.0


def stop_session(mission_file: Path, session_id: str | None, *, now: bool) -> Session:
    """End a live session, or the only one, and wait until its end is recorded.

    Raises:
        FailedError: it runs on another machine or cannot be looked at, is not started in time,
            or would not end.
    """
    snapshot = read_mission(mission_file)
    found = _when_started(snapshot, find_live(snapshot, session_id))
    lock = found.lock
    if found.judgement.host:
        return _stop_away(mission_file, found, now=now)
    if found.judgement.life is Life.UNKNOWN or lock.is_older:
        raise FailedError(
            f"session `{lock.session_id}` cannot be stopped from here",
            detail=found.judgement.because,
            hint=found.way_out,
        )
    if lock.process.host != host_name():
        words = f"session `{lock.session_id}` runs on `{lock.process.host}`"
        raise FailedError(words, hint="run `mission stop` there")
    run = run_of(snapshot.layout.runs_dir, lock.task_id, lock.run_id)
    supervisor = _find_supervisor(run, found)
    if supervisor is None:
        if executor_of(run).is_alive() and find_process_table() is None:
            raise FailedError(
                f"run `{run.id}` cannot be stopped from here",
                detail="there is neither /proc nor `ps`: no process can be told from another",
                hint=f"make sure that `ps` answers, or `kill {run.state().supervisor_pid}` by hand",
            )
        end_without_supervisor(run, lock.process, now=now)
    elif not _end_by_supervisor(run, supervisor, lock.process, now=now):
        end_without_supervisor(run, lock.process, now=now)
        # It cannot act, and what it was there for has ended.
        send_signal(supervisor, signal.SIGKILL)
        wait_until(lambda: not is_run_held(run.dir), TERMINATE_GRACE_SECONDS)
        _note_stopped(run)
    return _ended_session(mission_file, found)


def _stop_away(mission_file: Path, found: FoundLock, *, now: bool) -> Session:
    """Have a session on another machine stopped, at the latest when that can be reached again."""
    from mosaic.remote.sent import find_link, is_away  # start-up: few sessions are elsewhere

    lock, host = found.lock, found.judgement.host
    run = run_of(read_mission(mission_file).layout.runs_dir, lock.task_id, lock.run_id)
    executor_of(run).stop(now=now)

    def is_over() -> bool:
        executor_of(run).keep_in_touch()
        return not executor_of(run).is_alive() or find_link(run).unreachable_since is not None

    wait_until(is_over, PATIENCE_SECONDS)
    if is_away(run):
        raise FailedError(
            f"session `{lock.session_id}` is stopped as soon as `{host}` answers",
            detail=find_link(run).problem or f"`{host}` has not said yet that it ended",
            hint=f"`mission sessions --forget {lock.session_id}` gives it up",
        )
    return _ended_session(mission_file, found)


def _ended_session(mission_file: Path, found: FoundLock) -> Session:
    """Return the session that was stopped, with its end recorded if it was not yet."""
    lock = found.lock

    def find_ended() -> Session | None:
        mine = read_mission(mission_file).document.mission.sessions.find(lock.session_id)
        return mine if mine is not None and mine.ended_at is not None else None

    ended = find_ended()
    run = run_of(read_mission(mission_file).layout.runs_dir, lock.task_id, lock.run_id)
    # No record says how these ended; here everything of them was seen, and is gone now.
    is_judged_here = not found.is_on_record or is_elsewhere(lock.process) or not run.dir.is_dir()
    if ended is None and is_judged_here and not _remains(run, lock.process):
        with changing(mission_file, doing=f"recording the end of {lock.session_id}") as draft:
            end_session(draft, found, unseen=EndReason.STOPPED)
        ended = find_ended()
    if ended is None:
        recover_if_needed(read_mission(mission_file))
        ended = find_ended()
    if ended is None:
        raise FailedError(
            f"session `{lock.session_id}` would not end",
            hint="`mission stop --now` kills it; `mission doctor` shows its processes",
        )
    return ended


def _find_supervisor(run: Run, found: FoundLock) -> ProcessIdentity | None:
    """Return the living supervisor of a run; None where there is none that can be asked.

    Its pid is on record; it means nothing where it is of another namespace, and is lost
    where the record is. Then it is found by the lock that it holds.
    """
    place = os.path.realpath(run.dir)
    if is_elsewhere(found.lock.process) or not executor_of(run).is_alive():
        return find_holder(place)
    supervisor: ProcessIdentity | None = None

    def is_known() -> bool:
        nonlocal supervisor
        # One that has only just begun may not have written down yet who it is.
        supervisor = executor_of(run).find_supervisor() or find_holder(place)
        is_gone = not executor_of(run).is_alive()
        return supervisor is not None or is_gone or find_process_table() is None

    wait_until(is_known, PATIENCE_SECONDS)
    return supervisor


def _end_by_supervisor(
    run: Run, supervisor: ProcessIdentity, agent: ProcessIdentity, *, now: bool
) -> bool:
    """Ask a supervisor to end its run; False where it is stopped and cannot act."""
    ask_to_stop(supervisor, now=now)
    seen_stopped = time.monotonic()

    def is_over() -> bool:
        nonlocal seen_stopped
        entry = find_entry(supervisor.pid)
        if entry is None or not entry.is_stopped:
            seen_stopped = time.monotonic()
        if time.monotonic() > seen_stopped + STOPPED_SECONDS:
            return True
        # It holds its record where it knows it: one whose project was moved makes it anew there.
        is_at_work = is_same_process(supervisor) and is_same_process(agent)
        return not is_run_held(run.dir) and not is_at_work

    wait_until(is_over, PATIENCE_SECONDS)
    entry = find_entry(supervisor.pid)
    return entry is None or not entry.is_stopped or not is_run_held(run.dir)


def find_live(snapshot: Snapshot, session_id: str | None) -> FoundLock:
    """Return the live session that is meant, or the only one; else a SessionNotFoundError."""
    live = live_or_unknown(snapshot)
    if session_id is None:
        if len(live) == 1:
            return live[0]
        names = ", ".join(f"`{found.lock.session_id}`" for found in live)
        raise SessionNotFoundError(
            f"several sessions are live: {names}; name one" if live else "no session is live"
        )
    task_id = snapshot.meant(session_id)
    for found in live:
        if session_id == found.lock.run_id or task_id == found.lock.task_id:
            return found
    ids = sessions_called(session_id, [found.lock.session_id for found in live])
    if len(ids) > 1:
        names = ", ".join(f"`{each}`" for each in ids)
        raise SessionNotFoundError(f"several live sessions have that number: {names}; name one")
    for found in live:
        if found.lock.session_id in ids:
            return found
    closest = closest_names(session_id, [found.lock.session_id for found in live])
    raise SessionNotFoundError(f"no live session is called `{session_id}`", closest)


def _when_started(snapshot: Snapshot, found: FoundLock) -> FoundLock:
    """Wait until a session that is just being started is; before, there is nobody to ask."""
    session_id = found.lock.session_id

    def has_started() -> bool:
        nonlocal found
        now = [f for f in find_locks(snapshot.layout) if f.lock.session_id == session_id]
        if not now:
            raise SessionNotFoundError(f"session `{session_id}` ended before it was started")
        found = now[0]
        return not found.is_starting

    if found.is_starting and not wait_until(has_started, PATIENCE_SECONDS):
        raise FailedError(
            f"session `{session_id}` is still being started",
            hint="stop it when it works, or end the `mission` that starts it",
        )
    return found


def end_without_supervisor(run: Run, agent: ProcessIdentity, *, now: bool) -> None:
    """End an agent whose supervisor is gone: itself, and all that carry the run's mark."""
    meta = run.find_meta()
    stages = STOP_STAGES[meta.mode if meta else Mode.HEADLESS]
    for number, grace in stages[2:] if now else stages:
        for process in _remains(run, agent):
            send_signal(process, number)
            send_signal(process, signal.SIGCONT)  # one that is stopped could not act on it
        if wait_until(lambda: not _remains(run, agent), grace):
            _note_stopped(run)
            return


def _remains(run: Run, agent: ProcessIdentity) -> list[ProcessIdentity]:
    remaining = find_marked("MISSION_RUN_DIR", str(run.dir))
    if agent.pid in {each.pid for each in remaining}:
        return remaining
    if is_same_process(agent) and not is_of_another_run(agent, run):
        remaining.append(agent)
    return remaining


def _note_stopped(run: Run) -> None:
    """Leave word in the record, so that the recovery says `stopped` and not `crashed`."""
    data = {"reason": "stopped", "cause": "cut", "words": "it was stopped"}
    with contextlib.suppress(MissionError, OSError), hold_folder(run.dir):
        words = "stopped by hand; its supervisor was gone"
        EventLog(run).append(EventType.WORKER_EXITED, words, data=data)


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until something is so; False when it did not come to be in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
