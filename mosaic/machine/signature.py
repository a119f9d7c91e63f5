"""What a file is just now, without reading it, and how a refusal of the system is told.

Owns the signature by which a change behind our back is noticed, the look at thousands of
task files at once, and the one translation of an `OSError` into words for the user.
"""

from __future__ import annotations

import errno
import os
from enum import Enum
from itertools import starmap
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, FileChangedError
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LOOK = "what only looks needs no writing: `mission status`, `list`, `show`, `review`"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_HINTS = {
    errno.ENOSPC: "free some space, then run the command again",
    errno.EDQUOT: "free some of your quota, then run the command again",
    errno.EROFS: f"it lies on a file system that is read-only; {_LOOK}",
    errno.EACCES: f"become the user who owns it, or ask them for access; {_LOOK}",
    errno.EPERM: f"become the user who owns it, or ask them for access; {_LOOK}",
    errno.ELOOP: "its symlinks lead in a circle",
}
IGNORED_NAMES = frozenset({b"readme.md", b"index.md"})
"""What people put beside tasks."""
LONGEST_IGNORED = max(map(len, IGNORED_NAMES))
SIGNATURE = Struct("<qqqQQ")
_PARTS_OF_STATUS = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")
BETWEEN_NAMES = b"\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What tells whether a file is still the one that was read."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Take it from a stat."""
        return cls(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            device=status.st_dev,
        )


class Expected(Enum):
    """What a writer may expect of its target beside a signature, or None for no file."""

    ANYTHING = "anything"


def find_owner(path: Path | str) -> int | None:
    """Return the id of the user that a file belongs to, symlinks followed; None without one."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def find_signature(path: Path | str) -> Signature | None:
    """Return the signature of what stands at `path` now, symlinks followed, or None."""
    try:
        return Signature.of(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise access_error("read", path, error) from error


def expect_unchanged(target: Path, expect: Signature | Expected | None) -> None:
    """Raise `FileChangedError` unless `target` is what is expected; see `write_atomic`."""
    if expect is Expected.ANYTHING:
        return
    found = find_signature(target)
    if found != expect:
        raise FileChangedError(target, gone=found is None, appeared=expect is None)


def access_error(
    done: str, path: Path | str, error: OSError | ValueError, *, state: str = ""
) -> FileAccessError:
    """Say in words which file was refused and why.

    Args:
        done: what could not be done with it, as a participle: `read`, `written`.
        error: what the system said; a ValueError is a path that no system takes.
        state: what is on the disk now, in words, where a full or failing disk leaves that open.
    """
    number, words = (error.errno, error.strerror) if isinstance(error, OSError) else (0, "")
    words = "the disk is full" if number in _DISK_FULL else words or str(error)
    if state and number in (*_DISK_FULL, errno.EIO):
        words = f"{words}; {state}"
    return FileAccessError(
        f"`{path}` cannot be {done}",
        path=path,
        detail=words[:1].lower() + words[1:],
        hint=_HINTS.get(number or 0),
    )


def list_task_files(folder: bytes) -> list[bytes]:
    """Return the names of all task files in a folder, in order."""
    return [
        name
        for name in sorted(os.listdir(folder))
        if name.endswith(b".md")
        and name[0] not in b"._"
        and (len(name) > LONGEST_IGNORED or name.lower() not in IGNORED_NAMES)
    ]


def pack_statuses(statuses: Iterable[os.stat_result]) -> bytes:
    """Return the signatures of files by their stats, in a row."""
    return b"".join(starmap(SIGNATURE.pack, map(_PARTS_OF_STATUS, statuses)))
