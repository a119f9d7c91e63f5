"""session.lock: who works in a work tree now, and whether they still do.

JSON: session_id, runtime, pid, pid_started_at, boot_id, host, supervisor_pid, started_at,
project_path, task_id, run_id, milestone_id. Between claim and spawn `pid` is 0 and
`pid_started_at` is the start of the claiming process, whose pid is `supervisor_pid`.
The supervisor touches the file as it works: its modification time is the heartbeat.
"""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mosaic.errors import LockFileError
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.identity import boot_id, host_name, is_same_process
from mosaic.machine.json_data import parse_json
from mosaic.machine.lock import is_folder_held
from mosaic.model import ProcessIdentity, SessionLock
from mosaic.records import dataclass, replace
from mosaic.runs.checked import checked
from mosaic.store.mission_file import format_time

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

HEARTBEAT_SECONDS = 15.0
PIDS = range(1 << 31)
STALE_HEARTBEAT_SECONDS = 600.0
"""How old the heartbeat of another machine's session must be to call it dead."""
STARTING = "it is just being started"


class Life(StrEnum):
    """What is known about a session's process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """Cannot be told from here: treated as alive, and never killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What was observed about a locked session."""

    own_host: bool
    own_boot: bool
    supervisor_holds_run: bool
    process_lives: bool | None
    """The agent, or before the spawn the claiming process; None when it cannot be told."""
    heartbeat_age_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Whether a session is alive, and by what sign."""

    life: Life
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLock:
    """A session lock with its file and its judgement."""

    path: Path
    lock: SessionLock
    judgement: Judgement

    @property
    def is_dead(self) -> bool:
        """Whether its process is surely gone."""
        return self.judgement.life is Life.DEAD

    @property
    def is_starting(self) -> bool:
        """Whether it is claimed, and no supervisor has taken it over yet."""
        return self.judgement.because == STARTING


def judge_session(lock: SessionLock, signs: Signs) -> Judgement:
    """Judge a locked session from what was observed. Pure."""
    if not signs.own_host:
        minutes = int(signs.heartbeat_age_seconds // 60)
        if signs.heartbeat_age_seconds > STALE_HEARTBEAT_SECONDS:
            return Judgement(
                life=Life.DEAD, because=f"no sign of life from `{lock.process.host}` for {minutes}m"
            )
        return Judgement(life=Life.ALIVE, because=f"it runs on `{lock.process.host}`")
    if not signs.own_boot:
        return Judgement(life=Life.DEAD, because="the machine was started again since")
    if signs.supervisor_holds_run:
        return Judgement(life=Life.ALIVE, because="its supervisor holds the run")
    if signs.process_lives is None:
        return Judgement(life=Life.UNKNOWN, because="its process cannot be looked at from here")
    if signs.process_lives:
        starting = lock.process.pid == 0
        return Judgement(
            life=Life.ALIVE,
            because=STARTING
            if starting
            else f"its agent still runs as pid {lock.process.pid}, without a supervisor",
        )
    return Judgement(life=Life.DEAD, because="its process is gone")


def find_locks(layout: Layout) -> list[FoundLock]:
    """Read every session lock of a mission and judge it.

    Raises:
        LockFileError: one of them cannot be read. It is left as it is.
    """
    paths = [layout.session_lock, *sorted(layout.session_locks_dir.glob("*.lock"))]
    found = []
    for path in paths:
        lock = read_lock(path)
        if lock is not None:
            judgement = judge_session(lock, observe(lock, path, layout))
            found.append(FoundLock(path=path, lock=lock, judgement=judgement))
    return found


def observe(lock: SessionLock, path: Path, layout: Layout) -> Signs:
    """Look at the machine for signs of a locked session."""
    process = lock.process
    if process.pid == 0:
        process = replace(process, pid=lock.supervisor_pid)
    own_host = process.host == host_name()
    own_boot = process.boot_id == boot_id()
    try:
        age = max(0.0, time.time() - os.stat(path).st_mtime)
    except FileNotFoundError:
        age = 0.0
    from mosaic.machine.paths import safe_segment

    run_dir = layout.runs_dir / safe_segment(lock.task_id) / safe_segment(lock.run_id)
    return Signs(
        own_host=own_host,
        own_boot=own_boot,
        supervisor_holds_run=own_host and is_folder_held(run_dir),
        process_lives=is_same_process(process) if own_host and own_boot else None,
        heartbeat_age_seconds=age,
    )


def read_lock(path: Path) -> SessionLock | None:
    """Read a session lock; None when there is none.

    Raises:
        LockFileError: it is no session lock, or torn.
    """
    data = find_bytes(path)
    if data is None:
        return None
    try:
        return _lock_from(parse_json(data))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LockFileError(
            "the session lock cannot be read",
            path=path,
            detail="it may be of a session that still works here",
            hint="look for a running agent; when there is none, remove the file",
        ) from None


def write_lock(path: Path, lock: SessionLock, *, state_dir: Path) -> None:
    """Write a session lock, whole."""
    process = lock.process
    values: dict[str, Any] = {
        "session_id": lock.session_id,
        "runtime": lock.runtime,
        "pid": process.pid,
        "pid_started_at": process.started_at,
        "boot_id": process.boot_id,
        "host": process.host,
        "supervisor_pid": lock.supervisor_pid,
        "started_at": format_time(lock.started_at),
        "project_path": lock.project_path,
        "task_id": lock.task_id,
        "run_id": lock.run_id,
        "milestone_id": lock.milestone_id,
    }
    data = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    write_private(path, data.encode("utf-8", "surrogateescape"), root=state_dir)


def remove_lock(path: Path, run_id: str) -> None:
    """Remove a session lock if it is that run's; one of another run stays."""
    lock = read_lock(path)
    if lock is not None and lock.run_id == run_id:
        path.unlink(missing_ok=True)


def _lock_from(values: dict[str, Any]) -> SessionLock:
    process = ProcessIdentity(
        pid=_pid(values["pid"]),
        started_at=str(values.get("pid_started_at") or ""),
        boot_id=str(values.get("boot_id") or ""),
        host=str(values.get("host") or ""),
    )
    lock = SessionLock(
        session_id=str(values["session_id"]),
        runtime=str(values["runtime"]),
        process=checked(process),
        supervisor_pid=_pid(values.get("supervisor_pid") or 0),
        started_at=read_moment(values["started_at"]),
        project_path=str(values.get("project_path") or ""),
        task_id=str(values["task_id"]),
        run_id=str(values["run_id"]),
        milestone_id=values.get("milestone_id"),
    )
    return checked(lock, texts=("project_path",))


def _pid(value: Any) -> int:
    pid = int(value)
    if pid not in PIDS:
        raise ValueError(f"{value!r} is no pid")
    return pid
