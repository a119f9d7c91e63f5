"""session.lock: who works in a work tree now.

JSON: session_id, runtime, pid, pid_started_at, boot_id, host, namespace, supervisor_pid,
started_at, project_path, task_id, run_id, milestone_id. Between claim and spawn `pid` is 0
and `pid_started_at` is the start of the claiming process, whose pid is `supervisor_pid`.
The supervisor touches the file as it works: its modification time is the heartbeat.

A lock that was copied together with its project (`cp -r`) names the other project as its
`project_path`. It is not this project's: it blocks nothing here, nothing is recorded as its
end, and nobody is signalled because of it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import LockFileError
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.identity import boot_id, host_name, is_elsewhere
from mosaic.model import ProcessIdentity, SessionLock
from mosaic.runs.checked import checked
from mosaic.store.session_entries import format_time

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

HEARTBEAT_SECONDS = 15.0
PIDS = range(1 << 31)


def list_locks(layout: Layout, *, copied: bool = False) -> list[tuple[Path, SessionLock]]:
    """Return the session locks of a mission, or those that came with a copy of another's files."""
    paths = [layout.session_lock, *sorted(layout.session_locks_dir.glob("*.lock"))]
    locks = [(path, lock) for path in paths if (lock := read_lock(path)) is not None]
    return [(path, lock) for path, lock in locks if _is_copied(lock, layout) is copied]


def _is_copied(lock: SessionLock, layout: Layout) -> bool:
    """Tell whether a lock is of another project, and came here with a copy of its files.

    One whose project is not there any more is this project's: it was moved.
    """
    place, process = lock.project_path, lock.process
    if not place or process.host != host_name() or process.boot_id != boot_id():
        return False
    if is_elsewhere(process):
        return False  # what a path means there is not known here
    real = os.path.realpath(place)
    project, worktrees = map(os.path.realpath, (layout.project, layout.worktrees_dir))
    if real == project or real.startswith(f"{worktrees}{os.sep}"):
        return False
    try:
        return not os.path.samefile(real, project)
    except OSError:
        return False


def read_lock(path: Path) -> SessionLock | None:
    """Read a session lock; None when there is none.

    Raises:
        LockFileError: it is not a session lock, or torn.
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
        raise ValueError(f"{value!r} is not a pid")
    return pid
