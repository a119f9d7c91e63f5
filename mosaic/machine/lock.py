"""Locks that free themselves when their holder dies.

The mission lock is filelock's `FileLock` (flock): free at once when its process is killed,
whatever the file holds. A name beside it tells whoever waits who holds it. A folder lock is
flock on a folder's own descriptor: a supervisor holds its run's for as long as it lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, LockTimeoutError
from mosaic.machine.disk import access_error, find_bytes
from mosaic.machine.process import host_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_SECONDS = 0.02
LOOK_SECONDS = 0.5


@contextmanager
def mission_lock(path: Path, *, timeout_seconds: float, holder: str) -> Iterator[None]:
    """Hold the mission lock. Not re-entrant: a function that needs it held says so.

    Args:
        path: the lock file; its folder must exist.
        timeout_seconds: how long to wait for it.
        holder: what the lock is held for, in words.

    Raises:
        LockTimeoutError: another process holds it; names that process.
        FileAccessError: the lock file cannot be opened.
    """
    from filelock import FileLock, Timeout  # start-up: only what changes something locks

    lock = FileLock(path, timeout=timeout_seconds, poll_interval=POLL_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise LockTimeoutError(path, timeout_seconds, read_holder(path)) from None
    except OSError as error:
        raise access_error("the mission cannot be locked", path, error) from None
    try:
        _write_holder(path, holder)
        yield
    finally:
        lock.release()


def read_holder(path: Path) -> str | None:
    """Return who took a mission lock last, in words."""
    try:
        values = json.loads(find_bytes(_holder_file(path)) or b"")
        age = max(0, int(time.time() - values["since"]))
        return f"pid {values['pid']} on `{values['host']}` ({values['doing']}), taken {age} s ago"
    except (ValueError, KeyError, TypeError):
        return None


def _write_holder(path: Path, doing: str) -> None:
    """Leave a name for whoever waits. Only a courtesy: no sync, no error."""
    values = {"pid": os.getpid(), "host": host_name(), "doing": doing, "since": time.time()}
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(_holder_file(path), flags, 0o600)
        os.write(descriptor, json.dumps(values).encode())
        os.close(descriptor)
    except OSError:
        return


def _holder_file(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


class FolderLock:
    """A held folder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold_folder(path: Path) -> FolderLock:
    """Hold a folder until released, or until this process ends.

    Raises:
        HeldError: another process holds it.
        FileAccessError: there is no such folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise access_error("the folder cannot be locked", path, error) from None
    # Whoever only looks holds it for a moment: a refusal counts when it lasts.
    deadline = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            os.close(descriptor)
            raise HeldError(
                f"`{path.name}` is held by a living process", path=path, hint="wait for it to end"
            ) from None
        return FolderLock(descriptor)


def is_folder_held(path: Path) -> bool:
    """Tell whether some process holds a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
