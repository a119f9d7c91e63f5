"""Whether a session that has a lock is alive, and by what sign.

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
"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.identity import (
    boot_id,
    find_entry,
    find_holder,
    has_process_in,
    host_name,
    is_elsewhere,
    is_same_process,
)
from mosaic.machine.lock import is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.records import dataclass, replace
from mosaic.sessions.session_lock import list_locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.model import SessionLock
    from mosaic.store.layout import Layout

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
            return dead(f"no sign of life from `{lock.process.host}` for {minutes}m")
        return Judgement(life=Life.ALIVE, because=f"it runs on `{lock.process.host}`")
    if not signs.own_boot:
        return dead("the machine was started again since")
    if signs.supervisor_holds_run:
        return _alive("its supervisor holds the run", signs)
    if not signs.own_namespace:
        return _judge_elsewhere(signs)
    if signs.process_lives is None:
        if signs.is_own:
            return _alive("this command was started by its agent", signs)
        return unknown("its process cannot be looked at from here")
    if signs.process_lives:
        if lock.process.pid == 0:
            return Judgement(life=Life.ALIVE, because=STARTING)
        return _alive(
            f"its agent still runs as pid {lock.process.pid}, without a supervisor", signs
        )
    return dead("its process is gone")


def _judge_elsewhere(signs: Signs) -> Judgement:
    """Judge a session of another pid namespace of this machine whose run nobody holds."""
    if signs.seen_as is not None:
        return _alive(f"it runs in another pid namespace, seen here as pid {signs.seen_as}", signs)
    if signs.is_own:
        return _alive("this command was started by its agent", signs)
    if signs.namespace_lives or signs.heartbeat_age_seconds <= STALE_HEARTBEAT_SECONDS:
        return unknown("it ran in another pid namespace, and cannot be looked at from here")
    minutes = int(signs.heartbeat_age_seconds // 60)
    return dead(f"nobody is seen in its pid namespace, and no sign of life came for {minutes}m")


def dead(because: str) -> Judgement:
    """Judge a session dead."""
    return Judgement(life=Life.DEAD, because=because)


def unknown(because: str) -> Judgement:
    """Judge that a session's life cannot be told."""
    return Judgement(life=Life.UNKNOWN, because=because)


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
    """Read every session lock of a mission and judge it; copies of another's are left out."""
    return [
        FoundLock(path=path, lock=lock, judgement=judge_session(lock, _observe(lock, path, layout)))
        for path, lock in list_locks(layout)
    ]


def _observe(lock: SessionLock, path: Path, layout: Layout) -> Signs:
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
    return find_holder(os.path.realpath(run_dir)) is not None


def _find_stopped(lock: SessionLock, *, is_supervised: bool) -> int | None:
    """Return which of both a signal holds: the agent, or else its supervisor."""
    for pid in (lock.process.pid, lock.supervisor_pid if is_supervised else 0):
        entry = find_entry(pid) if pid else None
        if entry is not None and entry.is_stopped:
            return pid
    return None


def is_agent_calling(layout: Layout) -> bool:
    """Tell whether this process was started by an agent, also by one that hides its marks.

    An agent's processes descend from its supervisor, which adopts those that it leaves behind.
    """
    if os.environ.get("MISSION_SESSION"):
        return True
    try:
        locks = [found.lock for found in find_locks(layout) if not found.is_dead]
    except MissionError:
        return False  # told where it matters: a lock that cannot be read
    carriers = {pid for lock in locks for pid in (lock.process.pid, lock.supervisor_pid)}
    return bool(carriers) and any(pid in carriers for pid in _ancestors())


def _ancestors() -> Iterator[int]:
    """Return the processes above this one, nearest first."""
    seen: set[int] = set()
    pid = os.getppid()
    while pid > 1 and pid not in seen:
        yield pid
        seen.add(pid)
        entry = find_entry(pid)
        pid = entry.parent if entry else 0
