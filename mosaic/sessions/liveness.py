"""Whether a session that has a lock is alive, and by what sign, the surest first.

1. Its supervisor holds the kernel lock on the run's folder: seen across pid namespaces of one
   machine, and also where the folder was removed.
2. A process of this namespace is looked up by pid, start and boot.
3. A process of another pid namespace is found by the run's mark where it is seen from here.
   Else it is unknown while anybody is seen in that namespace or its heartbeat is fresh, and
   counts as ended after that. That can be wrong for one kind only: an agent whose supervisor
   was killed, in a namespace that is hidden from here.
4. On another host, the heartbeat.

The older coordinator's lock has only a pid: where such a process is seen it lives, or may.
"""

from __future__ import annotations

import contextlib
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
    started_moment,
    unseen_identity,
)
from mosaic.machine.lock import is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.machine.process import find_marked
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.sessions.session_lock import list_locks
from mosaic.store.layout import HOST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mosaic.model import SessionLock
    from mosaic.store.layout import Layout

STALE_HEARTBEAT_SECONDS = 600.0
"""How old the heartbeat of another machine's session must be to call it dead."""
STARTING = "it is just being started"
EARLY_SECONDS = 2.0
LATE_SECONDS = 120.0
"""A session's agent starts so soon after the moment that is listed; what starts later is another
process that was given its pid."""


class Life(StrEnum):
    """What is known about a session's process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """Cannot be determined from here: treated as alive, and never killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What was observed about a locked session."""

    own_host: bool
    own_boot: bool
    supervisor_holds_run: bool
    process_lives: bool | None
    """The agent, or before the spawn the claiming process; None when it cannot be seen."""
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

    @property
    def is_stale(self) -> bool:
        """Whether its heartbeat is too old for a living session."""
        return self.heartbeat_age_seconds > STALE_HEARTBEAT_SECONDS

    @property
    def silent_minutes(self) -> int:
        """The age of its heartbeat in whole minutes."""
        return int(self.heartbeat_age_seconds // 60)


class Judgement(NamedTuple):
    """Whether a session is alive, and by what sign."""

    life: Life
    because: str
    is_stopped: bool = False
    """Whether it lives but does nothing until it is continued."""
    host: str = ""
    """The host that it was handed to; empty where it is, or was, a process of this machine."""
    problem: str = ""
    """Why it lives and does not go on."""


class FoundLock(NamedTuple):
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
        if lock.is_older:
            return (
                f"end pid {lock.process.pid}; when you know that it has ended, remove `{self.path}`"
            )
        if self.judgement.life is not Life.UNKNOWN:
            stop = f"`mission stop {lock.session_id}` ends it"
            return f"{stop}; `mission status` shows what it is doing"
        if host := self.judgement.host:
            stop = f"`mission stop {lock.session_id}` ends it as soon as `{host}` answers"
            return f"{stop}; `mission sessions --forget {lock.session_id}` gives it up"
        reopen = f"`mission reopen {lock.task_id}` frees the task"
        remove = f"remove `{self.path}`, then " if self.is_on_record else ""
        return f"when you know that it has ended: {remove}{reopen}"

    def json_values(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        lock, judgement = self.lock, self.judgement
        names = ("session_id", "runtime", "task_id", "run_id")
        return {
            **{name: getattr(lock, name) for name in names},
            "pid": lock.process.pid,
            "host": lock.process.host,
            "started_at": lock.started_at,
            "life": judgement.life,
            "because": judgement.because,
            "stopped": judgement.is_stopped,
            "on_record": self.is_on_record,
            "way_out": self.way_out,
        }


def judge_session(lock: SessionLock, signs: Signs) -> Judgement:
    """Judge a locked session from what was observed. Pure."""
    stopped, host, pid = signs.stopped_pid, lock.process.host, lock.process.pid
    if not signs.own_host:
        if signs.is_stale:
            return dead(f"no sign of life from `{host}` for {signs.silent_minutes}m")
        return alive(f"it runs on `{host}`")
    if not signs.own_boot:
        return dead("the machine was started again since")
    if signs.supervisor_holds_run:
        return alive("its supervisor holds the run", stopped)
    if signs.seen_as is not None:
        words = f"it runs in another pid namespace, seen here as pid {signs.seen_as}"
        return alive(words, stopped)
    if signs.process_lives and pid == 0:
        return alive(STARTING)
    if signs.process_lives:
        return alive(f"its agent still runs as pid {pid}, without a supervisor", stopped)
    if signs.process_lives is False:
        return dead("its process is gone")
    return _judge_unseen(signs)


def _judge_unseen(signs: Signs) -> Judgement:
    """Judge a session whose process cannot be looked at."""
    if signs.is_own:
        return alive("this command was started by its agent", signs.stopped_pid)
    if signs.own_namespace:
        return unknown("its process cannot be looked at from here")
    if signs.namespace_lives or not signs.is_stale:
        return unknown("it ran in another pid namespace, and cannot be looked at from here")
    minutes = signs.silent_minutes
    return dead(f"nobody is seen in its pid namespace, and no sign of life came for {minutes}m")


def alive(because: str, stopped_pid: int | None = None) -> Judgement:
    """Judge a session alive; its process may be stopped."""
    if stopped_pid is None:
        return Judgement(Life.ALIVE, because)
    because += f"; pid {stopped_pid} is stopped, `kill -CONT {stopped_pid}` lets it go on"
    return Judgement(Life.ALIVE, because, is_stopped=True)


def dead(because: str) -> Judgement:
    """Judge a session dead."""
    return Judgement(Life.DEAD, because)


def unknown(because: str) -> Judgement:
    """Judge that a session's life cannot be determined."""
    return Judgement(Life.UNKNOWN, because)


def find_locks(layout: Layout) -> list[FoundLock]:
    """Read every session lock of a mission and judge it; copies of another's are left out."""
    return [FoundLock(p, lock, _judge(lock, p, layout)) for p, lock in list_locks(layout)]


def _judge(lock: SessionLock, path: Path, layout: Layout) -> Judgement:
    if lock.is_older:
        return _judge_older(lock)
    run_dir = layout.runs_dir / safe_segment(lock.task_id) / safe_segment(lock.run_id)
    if os.path.lexists(run_dir / HOST_FILE) and (judgement := _judge_sent(run_dir)) is not None:
        return judgement
    return judge_session(lock, _observe(lock, path, layout))


def _judge_sent(run_dir: Path) -> Judgement | None:
    """Judge a session that was sent to another machine: only what it says itself counts."""
    from mosaic.remote.sent import find_link, find_sent, is_away  # start-up: few are
    from mosaic.runs.record import Run

    run = Run(dir=run_dir)
    try:
        sent = find_sent(run)
    except MissionError as error:
        return unknown(error.summary)
    if sent is None or not sent.went:
        return None
    if not is_away(run):
        return dead(f"it ended on `{sent.host}`" if sent.is_home else "it was given up")
    link = find_link(run)
    if link.unreachable_since is None:
        machine = f"`{sent.carrier}` of `{sent.host}`" if sent.carrier else f"`{sent.host}`"
        words = "it waits for a machine of" if sent.is_waiting else "it runs on"
        words = f"{words} {machine}"
        if sent.end:
            words = f"it ended on {machine}, and that is recorded next"
        words += f"; it cannot go on: {link.problem}" if link.problem else ""
        return alive(words)._replace(host=sent.host, problem=link.problem)
    since = f"{link.unreachable_since.astimezone():%Y-%m-%d %H:%M}"
    words = f"`{sent.host}` is unreachable since {since}: {link.problem}"
    return unknown(words)._replace(host=sent.host)


def _judge_older(lock: SessionLock) -> Judgement:
    """Judge a session of the older coordinator by its pid."""
    pid = lock.process.pid
    entry = find_entry(pid)
    if entry is None and (pid <= 0 or is_same_process(unseen_identity(pid)) is None):
        return unknown("its process cannot be looked at from here")
    if entry is None or entry.is_zombie:
        return dead("its process is gone")
    began = started_moment(entry)
    if began is not None and began > lock.started_at.timestamp() + LATE_SECONDS:
        return unknown(f"pid {pid} began after it, and may be another process's by now")
    stopped = pid if entry.is_stopped else None
    return alive(f"the older coordinator started it, and it runs as pid {pid}", stopped)


def _observe(lock: SessionLock, path: Path, layout: Layout) -> Signs:
    """Look at the machine for signs of a locked session."""
    process = lock.process
    if process.pid == 0:
        process = replace(process, pid=lock.supervisor_pid)
    own_host = process.host == host_name()
    own_boot = process.boot_id == boot_id()
    is_away = own_host and own_boot and is_elsewhere(process)
    lives = is_same_process(process) if own_host and own_boot and not is_away else None
    run_dir = layout.runs_dir / safe_segment(lock.task_id) / safe_segment(lock.run_id)
    holds = own_host and is_run_held(run_dir)
    pids = (lock.process.pid if lives or holds else 0, lock.supervisor_pid if holds else 0)
    age, seen_as = 0.0, None
    with contextlib.suppress(FileNotFoundError):
        age = max(0.0, time.time() - os.stat(path).st_mtime)
    if is_away:
        marked = find_marked("MISSION_RUN_DIR", str(run_dir))
        seen_as = min((each.pid for each in marked), default=None)
        pids = (seen_as or 0, 0)
    return Signs(
        own_host=own_host,
        own_boot=own_boot,
        supervisor_holds_run=holds,
        process_lives=lives,
        heartbeat_age_seconds=age,
        own_namespace=not is_away,
        namespace_lives=is_away and has_process_in(lock.process.namespace),
        seen_as=seen_as,
        is_own=os.environ.get("MISSION_RUN_DIR") == str(run_dir),
        stopped_pid=_find_stopped(pids),
    )


def is_run_held(run_dir: Path) -> bool:
    """Tell whether a supervisor is seen that holds a run, also one whose folder was removed."""
    if is_folder_held(run_dir):
        return True
    return not run_dir.is_dir() and find_holder(os.path.realpath(run_dir)) is not None


def _find_stopped(pids: Iterable[int]) -> int | None:
    """Return the first of these processes that a signal or a debugger holds."""
    for pid in pids:
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
        live = [found for found in find_locks(layout) if not found.is_dead]
    except MissionError:
        return False  # a lock that cannot be read is reported where it matters
    locks = [found.lock for found in live if not found.judgement.host]
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
