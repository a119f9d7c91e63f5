"""Copies of git's index: to work on beside the user's own, and to put back."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, GitError
from mosaic.git.git import find_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def copy_index(top: Path, index: Path) -> None:
    """Copy the user's index with its time: git tells by that which entries it must not trust.

    Raises:
        GitError: `top` is not in a work tree.
        FileAccessError: the index cannot be read or copied.
    """
    source = find_index(top)
    index.unlink(missing_ok=True)
    if source is None:
        raise GitError(f"`{top}` is not in a git work tree")
    try:
        # Time and bytes of one and the same file: git replaces its index, it never edits it.
        with open(source, "rb") as old, open(index, "xb") as new:
            found = os.fstat(old.fileno())
            shutil.copyfileobj(old, new)
        os.utime(index, ns=(found.st_atime_ns, found.st_mtime_ns))
        index.chmod(0o600)
    except FileNotFoundError:
        return  # a repository without an index yet
    except OSError as error:
        raise FileAccessError(
            "git's index cannot be copied", path=source, detail=error.strerror
        ) from None


@contextlib.contextmanager
def index_kept(top: Path, scratch: Path) -> Iterator[None]:
    """Put the user's index back as it was, should a `with` block fail.

    Args:
        scratch: a folder of our own that others cannot enter.
    """
    index = find_index(top)
    was_there = index is not None and index.exists()
    kept = scratch.absolute() / f"index.{os.getpid()}.{threading.get_ident()}.kept"
    copy_index(top, kept)
    try:
        yield
    except BaseException:
        if index is not None and kept.exists():
            _put_index(kept, index)
        elif index is not None and not was_there:
            index.unlink(missing_ok=True)
        raise
    finally:
        kept.unlink(missing_ok=True)


def _put_index(kept: Path, index: Path) -> None:
    """Put an index in the place of git's own, as git does: by way of its lock."""
    lock = index.with_name("index.lock")
    try:
        with open(lock, "xb") as new:
            new.write(kept.read_bytes())
    except FileExistsError:
        return  # another git is at work: what it writes is newer than ours
    if index.exists():
        lock.chmod(stat.S_IMODE(index.stat().st_mode))
    lock.replace(index)
