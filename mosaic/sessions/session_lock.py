"""session.lock: who works in a work tree now.

JSON: session_id, runtime, pid, pid_started_at, boot_id, host, namespace, supervisor_pid,
started_at, project_path, task_id, run_id, milestone_id. Between claim and spawn `pid` is 0
and `pid_started_at` is the start of the claiming process, whose pid is `supervisor_pid`.
The supervisor touches the file as it works: its modification time is the heartbeat.

The older coordinator's lock has six of these: session_id, runtime, pid, started_at,
project_path, milestone_id. It is read, and never written.

A lock that was copied together with its project (`cp -r`) names the other project as its
`project_path`. It is not this project's: it blocks nothing here, nothing is recorded as its
end, and nobody is signalled because of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_json, dump_record, load_record, parse_json
from mosaic.errors import LockFileError, RecordError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.identity import boot_id, host_name, is_elsewhere
from mosaic.model import SessionLock

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

HEARTBEAT_SECONDS = 15.0
PIDS = range(1 << 31)
PROCESS_KEYS = {
    "pid": "pid",
    "pid_started_at": "started_at",
    "boot_id": "boot_id",
    "host": "host",
    "namespace": "namespace",
}
"""Keys of the file, with the fields of `ProcessIdentity` that they are."""
OLDER_KEYS = {
    "session_id", "runtime", "pid", "started_at", "project_path", "milestone_id"
}  # fmt: skip


def list_locks(layout: Layout, *, copied: bool = False) -> list[tuple[Path, SessionLock]]:
    """Return the session locks of a mission, or those that came with a copy of another's files."""
    paths = [layout.session_lock, *sorted(layout.session_locks_dir.glob("*.lock"))]
    locks = [(path, lock) for path in paths if (lock := read_lock(path)) is not None]
    return [(path, lock) for path, lock in locks if _is_copied(lock, layout) is copied]


def _is_copied(lock: SessionLock, layout: Layout) -> bool:
    """Tell whether a lock is of another project, and came here with a copy of its files.

    One whose project is not there any more is this project's: it was moved.
    """
    process = lock.process
    is_of_here = process.host == host_name() and process.boot_id == boot_id()
    is_of_here = is_of_here or lock.is_older
    if not lock.project_path or not is_of_here or is_elsewhere(process):
        return False  # what a path means there is not known here
    real = os.path.realpath(lock.project_path)
    project, worktrees = map(os.path.realpath, (layout.project, layout.worktrees_dir))
    if real == project or real.startswith(f"{worktrees}{os.sep}"):
        return False
    try:
        return not os.path.samefile(real, project)
    except OSError:
        return False


def read_lock(path: Path) -> SessionLock | None:
    """Read a session lock; None: there is none. A LockFileError where it is torn, or is not one."""
    data = find_bytes(path)
    if data is None:
        return None
    try:
        values = parse_json(data)
        if values.keys() <= OLDER_KEYS:
            values = {**values, "task_id": "", "run_id": "", "pid": values["pid"] or 0}
        process = {name: values.get(key, "") for key, name in PROCESS_KEYS.items()}
        given = {"supervisor_pid": 0, "project_path": "", **values, "process": process}
        lock = load_record(SessionLock, given, path)
        if lock.process.pid in PIDS and lock.supervisor_pid in PIDS:
            return lock
    except (RecordError, ValueError, AttributeError, KeyError):
        pass
    raise LockFileError(
        "the session lock cannot be read",
        path=path,
        detail="it may be of a session that still works here",
        hint="look for a running agent; when there is none, remove the file",
    )


def write_lock(path: Path, lock: SessionLock, *, state_dir: Path) -> None:
    """Write a session lock as a whole."""
    flat: dict[str, Any] = {}
    for key, value in dump_record(lock, JsonForm(times="seconds")).items():
        is_process = key == "process"
        flat |= {k: value[n] for k, n in PROCESS_KEYS.items()} if is_process else {key: value}
    write_private(path, dump_json(flat), root=state_dir)


def remove_lock(path: Path, run_id: str) -> None:
    """Remove a session lock if it is that run's; one of another run stays."""
    lock = read_lock(path)
    if lock is not None and lock.run_id == run_id:
        path.unlink(missing_ok=True)
