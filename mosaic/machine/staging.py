"""Temporary files beside their targets: made, filled, made durable, put in place, swept.

    .<16 hex>.mission-tmp, .<16 hex>-set.mission-tmp    a file that is being written
    index.<pid>.<thread>  rebuilt.<pid>  overlay.<pid>  patched.<pid>, and each with `.lock`
                                                        copies of git's index
    .changes.<pid>.<thread>                             changes on their way to a worktree

By these names leftovers of a crash are told from everything else. Those with `-set` belong to
several files written as one. The second and third kind stand in our own folders only, and are
nobody's when their process is gone. None is touched before it is an hour old, but for those of
a set under the mission lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FileAccessError, PathOutsideError
from mosaic.machine.identity import identify
from mosaic.machine.paths import is_inside
from mosaic.machine.signature import access_error
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEFT_AFTER_SECONDS = 3600.0
_AT_FDCWD = -100
_NO_REPLACE = 1
_EXCHANGE = 2
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def temporary_beside(target: Path, *, in_set: bool = False) -> Path:
    """Return an unused temporary name in the folder of `target`."""
    return target.parent / f".{os.urandom(8).hex()}{'-set' if in_set else ''}.mission-tmp"


def is_temporary(name: str) -> bool:
    """Tell whether a file name is that of a temporary file of ours."""
    return re.fullmatch(r"\.[0-9a-f]{16}(?:-set)?\.mission-tmp", name) is not None


def is_set_temporary(name: str) -> bool:
    """Tell whether a file name is that of a temporary file of a set."""
    return is_temporary(name) and name.endswith("-set.mission-tmp")


def resolve_target(path: Path | str, *, root: Path | str, also: Sequence[Path] = ()) -> Path:
    """Return the real file behind `path`: symlinks followed, regular or absent.

    Raises:
        PathOutsideError: it lies outside of `root` and of all in `also`.
        FileAccessError: it is not a regular file, or one that its owner made read-only.
    """
    try:
        base, target = os.path.realpath(root), os.path.realpath(path)
    except (OSError, ValueError) as error:
        raise access_error("written", path, error) from error
    if not any(is_inside(place, target) for place in (base, *map(os.path.realpath, also))):
        raise PathOutsideError(
            f"`{path}` leads out of the mission",
            path=path,
            detail=f"it leads to `{target}`, outside `{base}`",
            hint="replace the symlink or the path by one inside the mission",
        )
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return Path(target)
    except OSError as error:
        raise access_error("written", path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileAccessError(f"`{path}` is not a regular file", path=path)
    # A rename asks the folder alone; a file that was made read-only is meant to stay.
    if not os.access(target, os.W_OK):
        raise access_error("written", path, PermissionError(errno.EACCES, "the file is read-only"))
    return Path(target)


def stage(target: Path, temporary: Path, data: bytes, *, mode: int | None) -> int:
    """Create `temporary` with `data` on disk, and mode and owner of `target` where there is one.

    Args:
        mode: permission bits; None keeps those of `target`, or leaves them to the umask.

    Returns:
        The open descriptor of the temporary file. When anything fails, nothing is left.
    """
    try:
        old: os.stat_result | None = os.stat(target)
    except FileNotFoundError:
        old = None
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    first_mode = 0o666 if old is None and mode is None else 0o600
    descriptor = os.open(temporary, flags, first_mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if old is not None:
            _keep_owner(descriptor, old)
        wanted = stat.S_IMODE(old.st_mode) if mode is None and old is not None else mode
        if wanted is not None:
            os.fchmod(descriptor, wanted)
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        discard(temporary)
        raise
    return descriptor


def discard(temporary: Path | None) -> None:
    """Remove a temporary file, if there is one; a failure is left to the next sweep."""
    if temporary is not None:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and fuse file systems cannot; there is nothing better to do there.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _keep_owner(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, -1, old.st_gid)


def exchange(one: Path, other: Path) -> bool:
    """Let two files change places at once; return False where the system cannot.

    A rename replaces whatever stands at its target, also what somebody put there a moment after
    it was looked at. After an exchange it is still there to be compared, and put back.
    """
    return rename_with(one, other, _EXCHANGE)


def rename_to_free(source: Path, target: Path) -> None:
    """Rename a file to a name that nothing has; FileExistsError where something has it."""
    if rename_with(source, target, _NO_REPLACE):
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.rename(source, target)


def rename_with(source: Path, target: Path, flags: int) -> bool:
    """Call `renameat2`; return False where there is none, or it cannot do this here."""
    import ctypes  # start-up: only what changes a file needs it

    libc: Any = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    sys.audit("os.rename", source, target, -1, -1)  # as Python's own
    names = (_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target))
    if libc.renameat2(*names, flags) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNABLE:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A temporary file that is no longer needed."""

    path: Path
    size_bytes: int


def find_leftovers(folder: Path, *, is_own: bool, has_intent: bool) -> list[Leftover]:
    """Return the temporary files that killed processes left in a folder; not in those below it.

    Args:
        is_own: whether it is a folder of our own, where copies of git's index may be.
        has_intent: whether a change of several files is not finished: it needs its own.
    """
    found = []
    for path, status, is_old in _files(folder):
        if is_temporary(path.name):
            is_left = not (has_intent and is_set_temporary(path.name))
        else:
            pid = _pid_of(path.name)
            is_left = is_own and pid is not None and identify(pid) is None
        if is_left and is_old and status.st_uid == os.geteuid():
            found.append(Leftover(path=path, size_bytes=status.st_size))
    return found


def sweep_temporaries(folder: Path, *, intent: Path | None = None) -> list[Path]:
    """Remove temporary files that a crash left in `folder`, and return them.

    Args:
        intent: the intent note of this mission, and a promise that the caller holds the
            mission lock: without a note, those of a set are leftovers at any age.
    """
    sets_are_left = intent is not None and not os.path.lexists(intent)
    removed = []
    for path, _, is_old in _files(folder):
        is_set = sets_are_left and is_set_temporary(path.name)
        if is_set or (is_temporary(path.name) and is_old):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def scratch_of(folder: Path, pid: int) -> list[Path]:
    """Return the copies of git's index that a process made in a folder."""
    return [path for path, *_ in _files(folder) if _pid_of(path.name) == pid]


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result, bool]]:
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))
    for name in names:
        if is_temporary(name) or _match_scratch(name):
            with contextlib.suppress(OSError):
                status = os.lstat(folder / name)
                if stat.S_ISREG(status.st_mode):
                    is_old = status.st_mtime < time.time() - LEFT_AFTER_SECONDS
                    yield folder / name, status, is_old


def _match_scratch(name: str) -> re.Match[str] | None:
    return re.fullmatch(
        r"(?:index\.(\d+)\.\d+|(?:rebuilt|overlay|patched)\.(\d+))(?:\.lock)?"
        r"|\.changes\.(\d+)\.\d+",
        name,
    )


def _pid_of(name: str) -> int | None:
    found = _match_scratch(name)
    digits = next((part for part in found.groups() if part), None) if found else None
    return int(digits) if digits and len(digits) < len(str(1 << 31)) else None
