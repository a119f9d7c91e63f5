"""Ending a live session from another process."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, SessionNotFoundError
from mosaic.executors.supervised import Supervised
from mosaic.machine.identity import find_process_table, host_name, is_same_process
from mosaic.machine.lock import is_folder_held
from mosaic.machine.orphans import find_marked
from mosaic.machine.paths import safe_segment
from mosaic.machine.process import send_signal
from mosaic.runs.record import Run
from mosaic.sessions.lost import recover_if_needed
from mosaic.sessions.session_lock import find_locks
from mosaic.sessions.supervisor import INTERRUPT_GRACE_SECONDS, TERMINATE_GRACE_SECONDS
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import ProcessIdentity, Session
    from mosaic.sessions.session_lock import FoundLock
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

POLL_SECONDS = 0.05
PATIENCE_SECONDS = INTERRUPT_GRACE_SECONDS + 2 * TERMINATE_GRACE_SECONDS + 30.0


def stop_session(mission_file: Path, session_id: str | None, *, now: bool) -> Session:
    """End a live session and wait until its end is recorded.

    Args:
        mission_file: path of mission.json.
        session_id: the session; None where only one is live.
        now: kill it at once.

    Raises:
        SessionNotFoundError: no such session is live.
        FailedError: it runs on another machine, is not started in time, or would not end.
    """
    snapshot = read_mission(mission_file)
    found = _when_started(snapshot.layout, _find_live(snapshot, session_id))
    if found.lock.process.host != host_name():
        raise FailedError(
            f"session `{found.lock.session_id}` runs on `{found.lock.process.host}`",
            hint="run `mission stop` there",
        )
    run = _run_of(snapshot, found)
    if is_folder_held(run.dir):
        if not Supervised().stop(run.dir, now=now):
            _expect_process_table(run)
            # One that has only just begun may not have written down yet who it is.
            wait_until(lambda: _has_heard(run, now=now), PATIENCE_SECONDS)
        wait_until(lambda: not is_folder_held(run.dir), PATIENCE_SECONDS)
    else:
        end_without_supervisor(run, found.lock.process, now=now)
    recover_if_needed(read_mission(mission_file))
    sessions = read_mission(mission_file).document.mission.sessions
    ended = next((s for s in sessions if s.id == found.lock.session_id), None)
    if ended is None or ended.ended_at is None:
        raise FailedError(
            f"session `{found.lock.session_id}` would not end",
            hint="`mission stop --now` kills it; `mission doctor` shows its processes",
        )
    return ended


def _expect_process_table(run: Run) -> None:
    """Say why a supervisor cannot be asked to stop, where that is the system's doing."""
    if find_process_table() is None and is_folder_held(run.dir):
        raise FailedError(
            f"run `{run.id}` cannot be stopped from here",
            detail="there is neither /proc nor `ps`: no process can be told from another",
            hint=f"make sure that `ps` answers, or `kill {run.state().supervisor_pid}` by hand",
        )


def _find_live(snapshot: Snapshot, session_id: str | None) -> FoundLock:
    live = [found for found in find_locks(snapshot.layout) if not found.is_dead]
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


def _when_started(layout: Layout, found: FoundLock) -> FoundLock:
    """Wait until a session that is just being started is; before, there is nobody to ask."""
    session_id = found.lock.session_id

    def has_started() -> bool:
        nonlocal found
        now = [each for each in find_locks(layout) if each.lock.session_id == session_id]
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


def _has_heard(run: Run, *, now: bool) -> bool:
    return Supervised().stop(run.dir, now=now) or not is_folder_held(run.dir)


def _run_of(snapshot: Snapshot, found: FoundLock) -> Run:
    lock = found.lock
    parent = snapshot.layout.runs_dir / safe_segment(lock.task_id)
    return Run(dir=parent / safe_segment(lock.run_id))


def end_without_supervisor(run: Run, agent: ProcessIdentity, *, now: bool) -> None:
    """End an agent whose supervisor was killed: itself, and all that carry the run's mark."""
    steps = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    for number in steps[2:] if now else steps:
        for process in _remains(run, agent):
            send_signal(process, number)
        grace = INTERRUPT_GRACE_SECONDS if number is signal.SIGINT else TERMINATE_GRACE_SECONDS
        if wait_until(lambda: not _remains(run, agent), grace):
            break
    _note_stopped(run)


def _remains(run: Run, agent: ProcessIdentity) -> list[ProcessIdentity]:
    marked = find_marked("MISSION_RUN_DIR", str(run.dir))
    return [*marked, *([agent] if is_same_process(agent) and agent not in marked else [])]


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
