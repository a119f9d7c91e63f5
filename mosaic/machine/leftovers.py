"""Temporary files that killed processes left, told from everything else by their exact names.

    .<16 hex>.mission-tmp, .<16 hex>-set.mission-tmp    a file that was being written
    index.<pid>.<thread>  rebuilt.<pid>  overlay.<pid>  patched.<pid>, and each with `.lock`
                                                        copies of git's index
    .changes.<pid>.<thread>                             changes on their way to a worktree

The second and third kind stand in our own folders only, and are nobody's when their process
is gone. None is touched before it is an hour old, but for those of a set under the mission lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from typing import TYPE_CHECKING

from mosaic.machine.identity import identify
from mosaic.machine.staging import is_set_temporary, is_temporary
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    found = []
    for path, status in _files(folder):
        if is_temporary(path.name):
            is_left = not (has_intent and is_set_temporary(path.name))
        else:
            is_left = is_own and _is_abandoned(path.name)
        if is_left and _is_old(status) and status.st_uid == os.geteuid():
            found.append(Leftover(path=path, size_bytes=status.st_size))
    return found


def sweep_temporaries(folder: Path, *, intent: Path | None = None) -> list[Path]:
    """Remove temporary files that a crash left in `folder`, and return them.

    Args:
        intent: the intent note of this mission, and a promise that the caller holds the
            mission lock: when there is no note, those of a set are leftovers at any age.
    """
    sets_are_left = intent is not None and not os.path.lexists(intent)
    removed = []
    for path, status in _files(folder):
        is_set = sets_are_left and is_set_temporary(path.name)
        if is_set or (is_temporary(path.name) and _is_old(status)):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def scratch_of(folder: Path, pid: int) -> list[Path]:
    """Return the copies of git's index that a process made in a folder."""
    return [path for path, _ in _files(folder) if _pid_of(path.name) == pid]


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if is_temporary(name) or _SCRATCH.fullmatch(name):
            try:
                status = os.lstat(folder / name)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield folder / name, status


def _is_old(status: os.stat_result) -> bool:
    return status.st_mtime < time.time() - LEFT_AFTER_SECONDS


def _is_abandoned(name: str) -> bool:
    pid = _pid_of(name)
    return pid is not None and identify(pid) is None


def _pid_of(name: str) -> int | None:
    found = _SCRATCH.fullmatch(name)
    digits = next((part for part in found.groups() if part), None) if found else None
    return int(digits) if digits and len(digits) < len(str(1 << 31)) else None
