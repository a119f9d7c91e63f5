"""Ending a live session from another process."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, SessionNotFoundError
from mosaic.executors import executor_of
from mosaic.executors.supervised import ask_to_stop
from mosaic.machine.identity import (
    find_entry,
    find_environment,
    find_holder,
    find_process_table,
    host_name,
    is_elsewhere,
    is_same_process,
)
from mosaic.machine.process import find_marked, send_signal
from mosaic.runs.folders import run_of
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import Life, find_locks
from mosaic.sessions.supervisor import INTERRUPT_GRACE_SECONDS, TERMINATE_GRACE_SECONDS
from mosaic.sessions.unrecorded import live_or_unknown
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
PATIENCE_SECONDS = INTERRUPT_GRACE_SECONDS + 2 * TERMINATE_GRACE_SECONDS + 30.0


def stop_session(mission_file: Path, session_id: str | None, *, now: bool) -> Session:
    """End a live session and wait until its end is recorded.

    Args:
        session_id: the session; None where only one is live.
        now: kill it at once.

    Raises:
        FailedError: it runs on another machine or cannot be looked at, is not started in time,
            or would not end.
    """
    snapshot = read_mission(mission_file)
    found = _when_started(snapshot, _find_live(snapshot, session_id))
    name = found.lock.session_id
    if found.judgement.life is Life.UNKNOWN:
        raise FailedError(
            f"session `{name}` cannot be stopped from here",
            detail=found.judgement.because,
            hint=found.way_out,
        )
    if found.lock.process.host != host_name():
        raise FailedError(
            f"session `{name}` runs on `{found.lock.process.host}`",
            hint="run `mission stop` there",
        )
    run = _run_of(snapshot, found)
    supervisor = _find_supervisor(run, found)
    if supervisor is None:
        if executor_of(run).is_alive():
            _expect_process_table(run)
        end_without_supervisor(run, found.lock.process, now=now)
    elif not _end_by_supervisor(run, supervisor, now=now):
        end_without_supervisor(run, found.lock.process, now=now)
        # It cannot act, and what it was there for has ended.
        send_signal(supervisor, signal.SIGKILL)
        wait_until(lambda: not _is_held(run), TERMINATE_GRACE_SECONDS)
        _note_stopped(run)
    return _ended_session(mission_file, found)


def _ended_session(mission_file: Path, found: FoundLock) -> Session:
    """Return the session that was stopped, and record its end where nobody else did."""
    ended = _find_ended(mission_file, found)
    layout = read_mission(mission_file).layout
    run = run_of(layout.runs_dir, found.lock.task_id, found.lock.run_id)
    # No record says how these ended; here everything of them was seen, and is gone now.
    is_judged_here = (
        not found.is_on_record or is_elsewhere(found.lock.process) or not run.dir.is_dir()
    )
    if ended is None and is_judged_here and not _remains(run, found.lock.process):
        from mosaic.sessions.recovery import end_by_hand  # start-up: hardly ever needed
        from mosaic.store.draft import changing

        with changing(mission_file, doing=f"recording the end of {found.lock.session_id}") as draft:
            end_by_hand(draft, found)
        ended = _find_ended(mission_file, found)
    if ended is None:
        recover_if_needed(read_mission(mission_file))
        ended = _find_ended(mission_file, found)
    if ended is None:
        raise FailedError(
            f"session `{found.lock.session_id}` would not end",
            hint="`mission stop --now` kills it; `mission doctor` shows its processes",
        )
    return ended


def _find_ended(mission_file: Path, found: FoundLock) -> Session | None:
    sessions = read_mission(mission_file).document.mission.sessions
    mine = next((s for s in sessions if s.id == found.lock.session_id), None)
    return mine if mine is not None and mine.ended_at is not None else None


def _find_supervisor(run: Run, found: FoundLock) -> ProcessIdentity | None:
    """Return the living supervisor of a run; None where there is none that can be asked.

    Its pid is on record; it means nothing where it is of another namespace, and is lost
    where the record is. Then it is found by the lock that it holds.
    """
    if is_elsewhere(found.lock.process) or not executor_of(run).is_alive():
        return find_holder(os.path.realpath(run.dir))

    def supervisor() -> ProcessIdentity | None:
        # One that has only just begun may not have written down yet who it is.
        return executor_of(run).find_supervisor() or find_holder(os.path.realpath(run.dir))

    asked: list[ProcessIdentity] = []

    def is_known() -> bool:
        one = supervisor()
        asked.extend([one] if one is not None else [])
        return bool(asked) or not executor_of(run).is_alive() or find_process_table() is None

    wait_until(is_known, PATIENCE_SECONDS)
    return asked[0] if asked else None


def _end_by_supervisor(run: Run, supervisor: ProcessIdentity, *, now: bool) -> bool:
    """Ask a supervisor to end its run; False where it is stopped and cannot act."""
    ask_to_stop(supervisor, now=now)
    seen_stopped = time.monotonic()

    def is_over() -> bool:
        nonlocal seen_stopped
        entry = find_entry(supervisor.pid)
        if entry is None or not entry.is_stopped:
            seen_stopped = time.monotonic()
        return not _is_held(run) or time.monotonic() > seen_stopped + STOPPED_SECONDS

    wait_until(is_over, PATIENCE_SECONDS)
    entry = find_entry(supervisor.pid)
    return entry is None or not entry.is_stopped or not _is_held(run)


def _is_held(run: Run) -> bool:
    """Tell whether a supervisor carries a run, also one whose record was removed meanwhile."""
    if executor_of(run).is_alive():
        return True
    return not run.dir.is_dir() and find_holder(os.path.realpath(run.dir)) is not None


def _expect_process_table(run: Run) -> None:
    """Say why a supervisor cannot be asked to stop, where that is the system's doing."""
    if find_process_table() is None and executor_of(run).is_alive():
        raise FailedError(
            f"run `{run.id}` cannot be stopped from here",
            detail="there is neither /proc nor `ps`: no process can be told from another",
            hint=f"make sure that `ps` answers, or `kill {run.state().supervisor_pid}` by hand",
        )


def _find_live(snapshot: Snapshot, session_id: str | None) -> FoundLock:
    live = live_or_unknown(snapshot)
    if session_id is None:
        if len(live) == 1:
            return live[0]
        names = ", ".join(f"`{found.lock.session_id}`" for found in live)
        raise SessionNotFoundError(
            f"several sessions are live: {names}; name one" if live else "no session is live"
        )
    for found in live:
        if session_id in (found.lock.session_id, found.lock.run_id, found.lock.task_id):
            return found
    raise SessionNotFoundError(f"no live session is called `{session_id}`")


def _when_started(snapshot: Snapshot, found: FoundLock) -> FoundLock:
    """Wait until a session that is just being started is; before, there is nobody to ask."""
    session_id = found.lock.session_id

    def has_started() -> bool:
        nonlocal found
        locks = find_locks(snapshot.layout)
        now = [each for each in locks if each.lock.session_id == session_id]
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


def _run_of(snapshot: Snapshot, found: FoundLock) -> Run:
    return run_of(snapshot.layout.runs_dir, found.lock.task_id, found.lock.run_id)


def end_without_supervisor(run: Run, agent: ProcessIdentity, *, now: bool) -> None:
    """End an agent whose supervisor is gone: itself, and all that carry the run's mark."""
    steps = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    for number in steps[2:] if now else steps:
        for process in _remains(run, agent):
            send_signal(process, number)
            send_signal(process, signal.SIGCONT)  # one that is stopped could not act on it
        grace = INTERRUPT_GRACE_SECONDS if number is signal.SIGINT else TERMINATE_GRACE_SECONDS
        if wait_until(lambda: not _remains(run, agent), grace):
            _note_stopped(run)
            return


def _remains(run: Run, agent: ProcessIdentity) -> list[ProcessIdentity]:
    marked = find_marked("MISSION_RUN_DIR", str(run.dir))
    known = {each.pid for each in marked}
    is_left = agent.pid not in known and is_same_process(agent) and not _is_of_another(run, agent)
    return [*marked, *([agent] if is_left else [])]


def _is_of_another(run: Run, agent: ProcessIdentity) -> bool:
    """Tell whether a process is seen to work for another run, such as the one copied from."""
    place = find_environment(agent.pid, "MISSION_RUN_DIR").get("MISSION_RUN_DIR", "")
    try:
        return os.path.exists(place) and not os.path.samefile(place, run.dir)
    except OSError:
        return True  # the run's folder is gone, and the one that it works for is not


def _note_stopped(run: Run) -> None:
    """Leave word in the record, so that the recovery says `stopped` and not `crashed`."""
    from mosaic.machine.lock import hold_folder
    from mosaic.runs.events import EventLog, EventType

    try:
        folder = hold_folder(run.dir)
        events = EventLog(run)
        events.append(
            EventType.WORKER_EXITED,
            "stopped by hand; its supervisor was gone",
            data={"reason": "stopped", "cause": "cut", "words": "it was stopped"},
        )
        folder.release()
    except (MissionError, OSError):
        return


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until something is so; False when it did not come to be in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
