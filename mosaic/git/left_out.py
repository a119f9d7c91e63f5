"""What a tree does not take in: which files, and what is noted of them instead."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import Text

PRIVATE = "private file"
"""Why a file is left out that its owner alone may read."""
_OTHERS = 0o077
_READ = 0o044
_ENTER = 0o011
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A file that was listed and not taken in; a tracked one is taken as the index has it."""

    path: Text
    reason: str
    size_bytes: int
    mtime_ns: int
    sha256: str | None
    """None where it could not be read."""


def list_file(
    top: Path, path: str, found: os.stat_result, reason: str, known: Mapping[str, LeftOut]
) -> LeftOut:
    """List a file with its hash; one that is as it was known before is not read again."""
    before = known.get(path)
    same = before and (before.size_bytes, before.mtime_ns) == (found.st_size, found.st_mtime_ns)
    return LeftOut(
        path=path,
        reason=reason,
        size_bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sha256=(before.sha256 if before and same else None) or _digest(top / path),
    )


def list_unread(path: str, reason: str) -> LeftOut:
    """List what has no bytes that could be told."""
    return LeftOut(path=path, reason=reason, size_bytes=0, mtime_ns=0, sha256=None)


def list_private(path: str, found: os.stat_result) -> LeftOut:
    """List a private file: without a hash, by which a short secret could be guessed."""
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    return LeftOut(
        path=path, reason=PRIVATE, size_bytes=found.st_size, mtime_ns=changed, sha256=None
    )


def is_private(found: os.stat_result) -> bool:
    """Tell whether a file gives no right to anybody but its owner."""
    return stat.S_ISREG(found.st_mode) and not found.st_mode & _OTHERS


def opens_files(top: Path, objects: Path) -> bool:
    """Tell whether git would store a private file so that others can read it.

    git gives its objects the rights to read that the umask leaves. So a mode without rights
    for others says something of a file only where files are made with them, and where others
    get at all to the work tree and to the objects: under a umask of 077 every file is
    private, and so are git's objects.

    Args:
        top: the top of the work tree.
        objects: the folder that git keeps its objects in.
    """
    if _umask() & _READ == _READ:
        return False
    try:
        return all(os.stat(folder).st_mode & _ENTER for folder in (top, objects))
    except OSError:
        return False


def _umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
            for line in stream:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError, IndexError):
        pass
    mask = os.umask(_OTHERS)  # the only other way to learn it
    os.umask(mask)
    return mask


def find_unfitness(place: Path) -> str | None:
    """Return why git could not take a file; None where it can, or where there is none."""
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return None
    if not stat.S_ISREG(mode):
        return "not a file"
    return None if os.access(place, os.R_OK) else "cannot be read"


def _digest(path: Path) -> str | None:
    from hashlib import sha256  # start-up: hardly ever needed

    digest = sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
