"""Temporary files beside their targets: made, filled, made durable.

Owns their names: `.<16 hex>.mission-tmp`, and `.<16 hex>-set.mission-tmp` for those
that belong to several files written as one. By these names leftovers of a crash are
told from everything else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, PathOutsideError
from mosaic.machine.paths import is_inside
from mosaic.machine.signature import access_error

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIX = ".mission-tmp"
_SET_MARK = "-set"
_NAME = re.compile(r"\.[0-9a-f]{16}(?P<set>-set)?\.mission-tmp")


def temporary_beside(target: Path, *, in_set: bool = False) -> Path:
    """Return an unused temporary name in the folder of `target`."""
    mark = _SET_MARK if in_set else ""
    return target.parent / f".{os.urandom(8).hex()}{mark}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Tell whether a file name is that of a temporary file of ours."""
    return _NAME.fullmatch(name) is not None


def is_set_temporary(name: str) -> bool:
    """Tell whether a file name is that of a temporary file of a set."""
    found = _NAME.fullmatch(name)
    return found is not None and found["set"] is not None


def resolve_target(path: Path | str, *, root: Path | str, also: Sequence[Path] = ()) -> Path:
    """Return the real file behind `path`: symlinks followed, inside `root`, regular or absent.

    Args:
        root: folder that it must lie in.

    Raises:
        PathOutsideError: it lies outside of all of them.
        FileAccessError: something that is no regular file stands there, or a file that
            its owner made read-only.
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
        mode: permission bits; None keeps those of `target`, or leaves it to the umask.

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
        _fill(descriptor, data)
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


def discard(temporary: Path) -> None:
    """Remove a temporary file; a failure is left to the next sweep."""
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


def _fill(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _keep_owner(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, -1, old.st_gid)
