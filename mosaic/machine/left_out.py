"""What a tree does not take in: which files, and what is noted of them instead."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A file that was listed and not taken in; a tracked one is taken as the index has it."""

    path: str
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
