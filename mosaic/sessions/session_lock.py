"""session.lock: who works in a work tree now, and whether they still do.

JSON: session_id, runtime, pid, pid_started_at, boot_id, host, namespace, supervisor_pid,
started_at, project_path, task_id, run_id, milestone_id. Between claim and spawn `pid` is 0
and `pid_started_at` is the start of the claiming process, whose pid is `supervisor_pid`.
The supervisor touches the file as it works: its modification time is the heartbeat.

How life is judged, the surest sign first:

1. Its supervisor holds the kernel lock on the run's folder. That is seen across pid
   namespaces of one machine, and also where the folder was removed.
2. A process of this namespace is looked up by pid, start and boot.
3. A process of another pid namespace on this machine cannot be looked up by its pid. It is
   found by the run's mark where it is seen from here under another pid. Else it is unknown
   for as long as anybody is seen in that namespace or its heartbeat is fresh; where nobody
   is seen there and the heartbeat is stale, it counts as ended, as on another host. That can
   be wrong for one kind only: an agent whose supervisor was killed, in a namespace that is
   hidden from here.
4. On another host, the heartbeat.

A lock that was copied together with its project (`cp -r`) names the other project as its
`project_path`. It is not this project's: it blocks nothing here, nothing is recorded as its
end, and nobody is signalled because of it.
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
from mosaic.machine.identity import (
    boot_id,
    find_entry,
    host_name,
    is_elsewhere,
    is_same_process,
)
from mosaic.machine.json_data import parse_json
from mosaic.machine.lock import is_folder_held
from mosaic.model import ProcessIdentity, SessionLock
from mosaic.records import dataclass, replace
from mosaic.runs.checked import checked
from mosaic.store.session_entries import format_time

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
    own_namespace: bool = True
    namespace_lives: bool = False
    """Whether anybody is seen in its namespace, where that is not ours."""
    seen_as: int | None = None
    """The pid under which it is seen from here, where its namespace is not ours."""
    is_own: bool = False
    """Whether this very process was started by its agent."""
    stopped_pid: int | None = None
    """Its agent, or its supervisor, where a signal or a debugger holds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Whether a session is alive, and by what sign."""

    life: Life
    because: str
    is_stopped: bool = False
    """Whether it lives but does nothing until it is continued."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLock:
    """A session lock with its file and its judgement."""

    path: Path
    lock: SessionLock
    judgement: Judgement
    is_on_record: bool = True
    """Whether there is such a lock; else it was put together from what else is known."""

    @property
    def is_dead(self) -> bool:
        """Whether its process is surely gone."""
        return self.judgement.life is Life.DEAD

    @property
    def is_starting(self) -> bool:
        """Whether it is claimed, and no supervisor has taken it over yet."""
        return self.judgement.because == STARTING

    @property
    def way_out(self) -> str:
        """What a person can do where it stands in the way."""
        lock = self.lock
        if self.judgement.life is not Life.UNKNOWN:
            return (
                f"`mission stop {lock.session_id}` ends it; `mission status` shows what it is doing"
            )
        reopen = f"`mission reopen {lock.task_id}` frees the task"
        remove = f"remove `{self.path}`, then " if self.is_on_record else ""
        return f"when you know that it has ended: {remove}{reopen}"


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
        return _alive("its supervisor holds the run", signs)
    if not signs.own_namespace:
        return _judge_elsewhere(signs)
    if signs.process_lives is None:
        if signs.is_own:
            return _alive("this command was started by its agent", signs)
        return Judgement(life=Life.UNKNOWN, because="its process cannot be looked at from here")
    if signs.process_lives:
        if lock.process.pid == 0:
            return Judgement(life=Life.ALIVE, because=STARTING)
        return _alive(
            f"its agent still runs as pid {lock.process.pid}, without a supervisor", signs
        )
    return Judgement(life=Life.DEAD, because="its process is gone")


def _judge_elsewhere(signs: Signs) -> Judgement:
    """Judge a session of another pid namespace of this machine whose run nobody holds."""
    if signs.seen_as is not None:
        return _alive(f"it runs in another pid namespace, seen here as pid {signs.seen_as}", signs)
    if signs.is_own:
        return _alive("this command was started by its agent", signs)
    if signs.namespace_lives or signs.heartbeat_age_seconds <= STALE_HEARTBEAT_SECONDS:
        return Judgement(
            life=Life.UNKNOWN,
            because="it ran in another pid namespace, and cannot be looked at from here",
        )
    minutes = int(signs.heartbeat_age_seconds // 60)
    return Judgement(
        life=Life.DEAD,
        because=f"nobody is seen in its pid namespace, and no sign of life came for {minutes}m",
    )


def _alive(because: str, signs: Signs) -> Judgement:
    if signs.stopped_pid is None:
        return Judgement(life=Life.ALIVE, because=because)
    return Judgement(
        life=Life.ALIVE,
        because=f"{because}; pid {signs.stopped_pid} is stopped, "
        f"`kill -CONT {signs.stopped_pid}` lets it go on",
        is_stopped=True,
    )


def find_locks(layout: Layout) -> list[FoundLock]:
    """Read every session lock of a mission and judge it; copies of another's are left out.

    Raises:
        LockFileError: one of them cannot be read. It is left as it is.
    """
    return [
        FoundLock(path=path, lock=lock, judgement=judge_session(lock, observe(lock, path, layout)))
        for path, lock in _read_locks(layout)
        if not is_copied(lock, layout)
    ]


def find_copied_locks(layout: Layout) -> list[tuple[Path, SessionLock]]:
    """Return the session locks that belong to the project which this one was copied from."""
    return [(path, lock) for path, lock in _read_locks(layout) if is_copied(lock, layout)]


def is_copied(lock: SessionLock, layout: Layout) -> bool:
    """Tell whether a lock is of another project, and came here with a copy of its files.

    One whose project is not there any more is this project's: it was moved.
    """
    place, process = lock.project_path, lock.process
    if not place or process.host != host_name() or process.boot_id != boot_id():
        return False
    if is_elsewhere(process):
        return False  # what a path means there is not known here
    return is_another_place(place, layout)


def is_another_place(place: str, layout: Layout) -> bool:
    """Tell whether a folder is there, and is neither this project nor a worktree of it."""
    real = os.path.realpath(place)
    project, worktrees = map(os.path.realpath, (layout.project, layout.worktrees_dir))
    if real == project or real.startswith(f"{worktrees}{os.sep}"):
        return False
    try:
        return not os.path.samefile(real, project)
    except OSError:
        return False


def _read_locks(layout: Layout) -> list[tuple[Path, SessionLock]]:
    paths = [layout.session_lock, *sorted(layout.session_locks_dir.glob("*.lock"))]
    return [(path, lock) for path in paths if (lock := read_lock(path)) is not None]


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
    if own_host and own_boot and is_elsewhere(process):
        return _observe_elsewhere(lock, run_dir, age)
    lives = is_same_process(process) if own_host and own_boot else None
    holds = own_host and (is_folder_held(run_dir) or _holds_removed(run_dir))
    return Signs(
        own_host=own_host,
        own_boot=own_boot,
        supervisor_holds_run=holds,
        process_lives=lives,
        heartbeat_age_seconds=age,
        is_own=os.environ.get("MISSION_RUN_DIR") == str(run_dir),
        stopped_pid=_find_stopped(lock, is_supervised=holds) if lives or holds else None,
    )


def _observe_elsewhere(lock: SessionLock, run_dir: Path, age_seconds: float) -> Signs:
    """Look for signs of a session of another pid namespace of this machine."""
    from mosaic.machine.process import find_marked  # start-up: hardly ever needed
    from mosaic.machine.traces import has_process_in

    marked = find_marked("MISSION_RUN_DIR", str(run_dir))
    seen_as = min((each.pid for each in marked), default=None)
    entry = find_entry(seen_as) if seen_as is not None else None
    return Signs(
        own_host=True,
        own_boot=True,
        supervisor_holds_run=is_folder_held(run_dir),
        process_lives=None,
        heartbeat_age_seconds=age_seconds,
        own_namespace=False,
        namespace_lives=has_process_in(lock.process.namespace),
        seen_as=seen_as,
        is_own=os.environ.get("MISSION_RUN_DIR") == str(run_dir),
        stopped_pid=seen_as if entry is not None and entry.is_stopped else None,
    )


def _holds_removed(run_dir: Path) -> bool:
    """Tell whether a supervisor is seen that holds a run whose folder was removed."""
    if run_dir.is_dir():
        return False
    from mosaic.machine.traces import find_holder  # start-up: hardly ever needed

    return find_holder(os.path.realpath(run_dir)) is not None


def _find_stopped(lock: SessionLock, *, is_supervised: bool) -> int | None:
    """Return which of both a signal holds: the agent, or else its supervisor."""
    for pid in (lock.process.pid, lock.supervisor_pid if is_supervised else 0):
        entry = find_entry(pid) if pid else None
        if entry is not None and entry.is_stopped:
            return pid
    return None


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
        "namespace": process.namespace,
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
        namespace=str(values.get("namespace") or ""),
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
