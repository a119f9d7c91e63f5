"""The intent note of a transaction, and the renames that carry it out.

The note (JSON; targets relative to the root that was given,
temporary files beside them):

    {"version": 1, "files": [{"target": "coordination/TASKS.md",
      "temporary": ".0123456789abcdef-set.mission-tmp",
      "old_sha256": "…", "new_sha256": "…"}]}

`old_sha256` is null where there was no file, `temporary` and `new_sha256` are null
where the file is to be removed.

A rename replaces whatever stands at its target, also what somebody put there a moment after
it was looked at. Linux can let two files change places in one step (`renameat2(2)`): what was
replaced is then still there to be compared, and put back. Python has no name for that call.
Where the system or the file system cannot do it, a plain rename is all there is.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import FileAccessError, FileChangedError
from mosaic.machine.disk import find_bytes
from mosaic.machine.paths import confined, is_inside
from mosaic.machine.staging import is_set_temporary
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedFile:
    """One file of a set: what it held, and where the new content waits."""

    target: Path
    temporary: Path | None
    old_sha256: str | None
    new_sha256: str | None

    def carry_out(self) -> None:
        """Replace or remove the target.

        Raises:
            FileChangedError: somebody edited it in this very moment; it is left as they made it.
        """
        if self.temporary is None:
            os.unlink(self.target)
            return
        try:
            if self.old_sha256 is None:
                rename_to_free(self.temporary, self.target)
            elif not exchange(self.temporary, self.target):
                os.rename(self.temporary, self.target)
        except (FileExistsError, FileNotFoundError) as error:
            if not os.path.lexists(self.temporary):
                raise
            is_gone = isinstance(error, FileNotFoundError)
            raise FileChangedError(self.target, gone=is_gone, appeared=not is_gone) from None
        if self.put_back_edit():
            raise FileChangedError(self.target)

    def put_back_edit(self) -> bool:
        """Undo an exchange that took away what somebody had edited; tell whether it had."""
        if self.temporary is None:
            return False
        if state_of(self.temporary) in (None, self.old_sha256, self.new_sha256):
            return False
        exchange(self.temporary, self.target)
        if state_of(self.temporary) != self.new_sha256:
            exchange(self.temporary, self.target)  # edited once more meanwhile: that stands
        return True


def dump_note(planned: Iterable[PlannedFile], root: Path | str) -> bytes:
    """Return the note for `planned`."""
    base = os.path.realpath(root)
    files = [
        {
            "target": os.path.relpath(plan.target, base),
            "temporary": plan.temporary.name if plan.temporary else None,
            "old_sha256": plan.old_sha256,
            "new_sha256": plan.new_sha256,
        }
        for plan in planned
    ]
    return (json.dumps({"version": _VERSION, "files": files}, indent=2) + "\n").encode()


def parse_note(
    data: bytes,
    root: Path | str,
    is_own_file: Callable[[Path], bool],
    also: Sequence[Path] = (),
) -> list[PlannedFile]:
    """Read a note; it is not trusted: it names only files of ours and our temporaries.

    Args:
        is_own_file: tells of a real path whether changes of several files may name it.

    Raises:
        ValueError: it cannot be a note of this version, or names a file that is not ours.
        PathOutsideError: it names a file outside of all these folders.
    """
    try:
        note = parse_json(data)
        if note["version"] != _VERSION:
            raise ValueError("unknown version")
        planned = [_parse_file(entry, (root, *also)) for entry in note["files"]]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not an intent note") from error
    if not all(is_own_file(plan.target) for plan in planned):
        raise ValueError("it names a file that is not ours")
    return planned


def _parse_file(entry: Mapping[str, object], roots: Sequence[Path | str]) -> PlannedFile:
    target, temporary = entry["target"], entry["temporary"]
    old, new = entry["old_sha256"], entry["new_sha256"]
    if not isinstance(target, str) or not Path(target).name or Path(target).name == "..":
        raise ValueError("no target")
    if not (isinstance(old, str | None) and isinstance(new, str | None)):
        raise TypeError("no digest")
    place = os.path.realpath(os.path.join(os.path.realpath(roots[0]), os.path.dirname(target)))
    folder = confined(next((r for r in roots if _holds(r, place)), roots[0]), place)
    if temporary is None and new is None:
        beside = None
    elif isinstance(temporary, str) and new is not None and is_set_temporary(temporary):
        beside = folder / temporary
    else:
        raise ValueError("not our temporary file")
    return PlannedFile(
        target=folder / Path(target).name, temporary=beside, old_sha256=old, new_sha256=new
    )


def _holds(root: Path | str, place: str) -> bool:
    return is_inside(os.path.realpath(root), place)


def state_of(path: Path) -> str | None:
    """Return the digest of a regular file, None for no file, `?` for anything else."""
    try:
        return "?" if path.is_symlink() else digest(find_bytes(path))
    except (FileAccessError, OSError):
        return "?"


def digest(data: bytes | None) -> str | None:
    """Return the sha256 of a content; None stands for no file."""
    from hashlib import sha256

    return None if data is None else sha256(data).hexdigest()


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
