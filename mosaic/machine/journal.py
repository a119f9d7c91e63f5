"""A file of lines that several processes append to, each line made from the one before it.

A writer holds a kernel lock on the file for that moment, reads the last whole line,
and cuts off a torn one that a crash left behind it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError
from mosaic.machine.disk import PRIVATE_FILE
from mosaic.machine.signature import access_error
from mosaic.machine.staging import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK_BYTES = 4096
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW


def append_next(path: Path, make: Callable[[bytes], bytes]) -> None:
    """Append what `make` returns for the last whole line, and make it durable.

    Args:
        path: the file, made when missing; its folder must exist.
        make: gets the last line without its newline, empty when there is none; returns
            whole lines.

    Raises:
        FileAccessError: not permitted, disk full, a symlink or no regular file; nothing
            was added.
    """
    try:
        descriptor, is_new = _open(path)
    except (OSError, ValueError) as error:
        raise access_error("appended to", path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileAccessError(f"`{path}` is not a regular file", path=path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _append(descriptor, make)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise access_error("appended to", path, error) from error
    finally:
        os.close(descriptor)


def _append(descriptor: int, make: Callable[[bytes], bytes]) -> None:
    size = os.fstat(descriptor).st_size
    last, end = _last_line(descriptor, size)
    if end < size:
        os.ftruncate(descriptor, end)
    data = make(last)
    written = os.write(descriptor, data)
    if written < len(data):
        os.ftruncate(descriptor, end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _open(path: Path) -> tuple[int, bool]:
    try:
        return os.open(path, _FLAGS), False
    except FileNotFoundError:
        descriptor = os.open(path, _FLAGS | os.O_CREAT, PRIVATE_FILE)
        os.fchmod(descriptor, PRIVATE_FILE)
        return descriptor, True


def _last_line(descriptor: int, size: int) -> tuple[bytes, int]:
    """Return the last whole line and where it ends, its newline included."""
    tail, start = b"", size
    while True:
        end = tail.rfind(b"\n")
        begin = tail.rfind(b"\n", 0, end) if end > 0 else -1
        if begin >= 0 or start == 0:
            break
        length = min(start, max(_BLOCK_BYTES, len(tail)))
        start -= length
        tail = os.pread(descriptor, length, start) + tail
    if end < 0:
        return b"", 0
    return tail[begin + 1 : end], start + end + 1
