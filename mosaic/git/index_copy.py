"""Copies of git's index: to work on beside the user's own, and to put back."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, GitError
from mosaic.git.git import find_index, run_git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mosaic.git.git import GitResult

GIT_SECONDS = 300.0
# Neither a hook nor submodules that git would walk into by itself are meant here.
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "submodule.recurse=false")
# A split index would write shared files beside the user's own.
_ALONE = (
    "-c", "core.splitIndex=false", "-c", "core.untrackedCache=false", "-c", "core.safecrlf=false",
)  # fmt: skip


def git_on(
    args: Sequence[str],
    top: Path,
    index: Path | None = None,
    stdin: bytes | None = None,
    *,
    check: bool = True,
) -> GitResult:
    """Run git with an index of ours, or with the user's own for None; `check` is as `run_git`."""
    return run_git(
        [*_SETTINGS, *(_ALONE if index else ()), *args],
        top,
        stdin=stdin,
        env={"GIT_INDEX_FILE": str(index)} if index else None,
        timeout_seconds=GIT_SECONDS,
        check=check,
    )


@contextlib.contextmanager
def index_in(scratch: Path, name: str) -> Iterator[Path]:
    """Name a file for a copy, and remove it after a `with` block.

    Args:
        scratch: a folder of our own that others cannot enter: git writes the copy with a mode
            of its own choice.
        name: as `mosaic.machine.staging` knows it for a leftover.
    """
    index = scratch.absolute() / name
    try:
        yield index
    finally:
        for path in (index, Path(f"{index}.lock")):
            path.unlink(missing_ok=True)


def as_input(paths: Iterable[str]) -> bytes:
    """Return paths as git reads them with `-z`."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def words_of(output: bytes) -> list[str]:
    """Return what git printed with `-z`, word by word."""
    return os.fsdecode(output).split("\0")[:-1]


def copy_index(top: Path, index: Path) -> None:
    """Copy the user's index with its time: git tells by that which entries it must not trust."""
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
    """Put the user's index back as it was, should a `with` block fail."""
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
    # As git does: by way of its lock.
    lock = index.with_name("index.lock")
    try:
        with open(lock, "xb") as new:
            new.write(kept.read_bytes())
    except FileExistsError:
        return  # another git is at work: what it writes is newer than ours
    if index.exists():
        lock.chmod(stat.S_IMODE(index.stat().st_mode))
    lock.replace(index)


def hidden_files(top: Path) -> dict[str, tuple[int, int]]:
    """Return the files that the index has git pass by, with their time and size on disk.

    They are marked `assume-unchanged` or `skip-worktree`: git shows no change of them.
    """
    listed = words_of(git_on(["ls-files", "-v", "-z"], top).stdout)
    found = {}
    for line in listed:
        if line[0].islower() or line[0] == "S":
            with contextlib.suppress(OSError):
                status = os.lstat(top / line[2:])
                found[line[2:]] = (status.st_mtime_ns, status.st_size)
    return found


def reveal_files(top: Path, paths: Iterable[str], index: Path | None = None) -> None:
    """Have an index of ours, or the user's own for None, pass these files by no more."""
    for mark in ("--no-assume-unchanged", "--no-skip-worktree"):
        git_on(["update-index", mark, "-z", "--stdin"], top, index, as_input(paths))


def changed_in_secret(top: Path, scratch: Path, paths: Sequence[str]) -> list[str]:
    """Return which of the files that git passes by differ from what the index has of them."""
    if not paths:
        return []
    with index_in(scratch, f"index.{os.getpid()}.{threading.get_ident()}") as index:
        copy_index(top, index)
        reveal_files(top, paths, index)
        answer = git_on(["diff-files", "--name-only", "-z"], top, index)
    return sorted({*words_of(answer.stdout)}.intersection(paths))
