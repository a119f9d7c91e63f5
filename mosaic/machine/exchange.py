"""Replacing a file with a look at what was replaced.

A rename replaces whatever stands at its target, also what somebody put there a moment after
it was looked at. Linux can let two files change places in one step (`renameat2(2)`): what was
replaced is then still there to be compared, and put back. Python has no name for that call.
Where the system or the file system cannot do it, a plain rename is all there is.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD = -100
_NO_REPLACE = 1
_EXCHANGE = 2
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: Path, other: Path) -> bool:
    """Let two files change places at once; return False where the system cannot.

    Raises:
        OSError: as the system says; FileNotFoundError when one of them is not there.
    """
    return rename_with(one, other, _EXCHANGE)


def rename_to_free(source: Path, target: Path) -> None:
    """Rename a file to a name that nothing has.

    Raises:
        FileExistsError: something stands there.
        OSError: as the system says.
    """
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
