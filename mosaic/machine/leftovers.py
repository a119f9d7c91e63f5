"""Temporary files that killed processes left, told from everything else by their exact names.

    .<16 hex>.mission-tmp, .<16 hex>-set.mission-tmp    a file that was being written
    index.<pid>.<thread>  rebuilt.<pid>  overlay.<pid>  patched.<pid>, and each with `.lock`
                                                        copies of git's index
    .changes.<pid>.<thread>                             changes on their way to a worktree

The second and third kind stand in our own folders only, and are nobody's when their process
is gone. None is touched before it is an hour old.
"""

from __future__ import annotations

import os
import re
import stat
import time
from typing import TYPE_CHECKING

from mosaic.machine.identity import identify
from mosaic.machine.staging import is_set_temporary, is_temporary
from mosaic.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

LEFT_AFTER_SECONDS = 3600.0
_SCRATCH = re.compile(
    r"(?:index\.(?P<index>\d+)\.\d+|(?:rebuilt|overlay|patched)\.(?P<copy>\d+))(?:\.lock)?"
    r"|\.changes\.(?P<changes>\d+)\.\d+"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A temporary file that is no longer needed."""

    path: Path
    size_bytes: int


def find_leftovers(folder: Path, *, is_own: bool, has_intent: bool) -> list[Leftover]:
    """Return the temporary files that killed processes left in a folder; not in those below it.

    Args:
        folder: where to look; may be missing.
        is_own: whether it is a folder of our own, where copies of git's index may be.
        has_intent: whether a change of several files is not finished: it needs its own.
    """
    oldest_used = time.time() - LEFT_AFTER_SECONDS
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = []
    for name in names:
        if is_temporary(name):
            is_left = not (has_intent and is_set_temporary(name))
        else:
            is_left = is_own and _is_abandoned(name)
        if not is_left:
            continue
        try:
            status = os.lstat(folder / name)
        except OSError:
            continue
        is_file = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if is_file and status.st_mtime < oldest_used:
            found.append(Leftover(path=folder / name, size_bytes=status.st_size))
    return found


def scratch_of(folder: Path, pid: int) -> list[Path]:
    """Return the copies of git's index that a process made in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if _pid_of(name) == pid]


def _is_abandoned(name: str) -> bool:
    pid = _pid_of(name)
    return pid is not None and identify(pid) is None


def _pid_of(name: str) -> int | None:
    found = _SCRATCH.fullmatch(name)
    digits = next((part for part in found.groups() if part), None) if found else None
    return int(digits) if digits and len(digits) < len(str(1 << 31)) else None
