"""Taking a work tree as it stands, without touching it or its index.

A tree object is made of what is tracked, changed and untracked, by way of a copy of the
index. What .gitignore names is left out, and so is one folder of the caller's. Submodules
and repositories within the work tree are taken by the commit that they are at. Files that
are marked `skip-worktree` or `assume-unchanged` are taken as the index has them.

Only objects are added to the repository; `keep_tree` gives them a commit and a hidden ref,
so that `git gc` spares them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, GitError
from mosaic.machine.git import GitResult, find_index, head_commit, run_git

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HIDDEN_REFS = "refs/mosaic/checkpoints"
LARGEST_FILE_BYTES = 32 << 20
LARGEST_TOTAL_BYTES = 1 << 30
"""Untracked bytes that one tree takes in; what goes past it is listed only."""
GIT_SECONDS = 120.0
ATTEMPTS = 3
"""An agent goes on writing while its tree is taken; files come and go under git's hands."""
_BLOCK_BYTES = 1 << 20
# A split index would write shared files beside the user's own, and a hook is not for this.
_SETTINGS = (
    "-c", "core.splitIndex=false",
    "-c", "core.untrackedCache=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.safecrlf=false",
)  # fmt: skip
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Mosaic",
    "GIT_AUTHOR_EMAIL": "mosaic@localhost",
    "GIT_COMMITTER_NAME": "Mosaic",
    "GIT_COMMITTER_EMAIL": "mosaic@localhost",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """An untracked file that was listed and not taken in."""

    path: str
    reason: str
    size_bytes: int
    mtime_ns: int
    sha256: str | None
    """None where it could not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenTree:
    """A work tree as it stood."""

    tree: str
    head: str | None
    """The commit that was checked out; None before the first."""
    left_out: tuple[LeftOut, ...] = ()


def take_tree(
    top: Path,
    *,
    scratch: Path,
    without: str | None = None,
    largest_bytes: int = LARGEST_FILE_BYTES,
    known: Mapping[str, LeftOut] | None = None,
) -> TakenTree:
    """Make a tree object of a work tree.

    Args:
        top: the top of the work tree.
        scratch: a folder of our own, for the copy of the index.
        without: a folder relative to `top` whose changes are left out.
        largest_bytes: a larger untracked file is listed instead.
        known: files left out earlier, by path; one that is unchanged is not read again.

    Raises:
        GitError: git could not do it.
        ProgramNotFoundError: there is no git.
        FileAccessError: the index cannot be copied.
    """
    index = scratch / f"index.{os.getpid()}"
    try:
        for attempt in range(1, ATTEMPTS + 1):
            _copy_index(top, index)
            try:
                left_out = _bring_up_to_date(top, index, without, largest_bytes, known or {})
                tree = _git(["write-tree"], top, index).text
                return TakenTree(tree=tree, head=head_commit(top), left_out=left_out)
            except GitError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("not reached")
    finally:
        for path in (index, Path(f"{index}.lock")):
            path.unlink(missing_ok=True)


def keep_tree(top: Path, taken: TakenTree, *, ref: str, message: str) -> str:
    """Give a tree a commit, and the commit a hidden ref below `HIDDEN_REFS`; return the commit."""
    parent = ["-p", taken.head] if taken.head else []
    answer = run_git(
        ["commit-tree", taken.tree, *parent],
        top,
        stdin=message.encode("utf-8", "replace"),
        env=_AUTHOR,
        timeout_seconds=GIT_SECONDS,
    )
    commit = answer.text.strip()
    run_git([*_SETTINGS, "update-ref", f"{HIDDEN_REFS}/{ref}", commit], top)
    return commit


def forget_trees(top: Path, prefix: str) -> int:
    """Remove the hidden refs whose name begins with `prefix/`; return how many there were."""
    found = run_git(["for-each-ref", "--format=%(refname)", f"{HIDDEN_REFS}/{prefix}/"], top)
    names = found.text.splitlines()
    if names:
        commands = "".join(f"delete {name}\n" for name in names)
        run_git([*_SETTINGS, "update-ref", "--stdin"], top, stdin=os.fsencode(commands))
    return len(names)


def _git(args: Sequence[str], top: Path, index: Path, stdin: bytes | None = None) -> GitResult:
    return run_git(
        [*_SETTINGS, *args],
        top,
        stdin=stdin,
        env={"GIT_INDEX_FILE": str(index)},
        timeout_seconds=GIT_SECONDS,
    )


def _copy_index(top: Path, index: Path) -> None:
    """Copy the user's index with its time: git tells by that which entries it must not trust."""
    source = find_index(top)
    index.unlink(missing_ok=True)
    if source is None:
        raise GitError(f"`{top}` is in no git work tree")
    try:
        shutil.copy2(source, index)
        index.chmod(0o600)
    except FileNotFoundError:
        return  # a repository without an index yet
    except OSError as error:
        raise FileAccessError(
            "git's index cannot be copied", path=source, detail=error.strerror
        ) from None


def _bring_up_to_date(
    top: Path, index: Path, without: str | None, largest_bytes: int, known: Mapping[str, LeftOut]
) -> tuple[LeftOut, ...]:
    gone, changed = _tracked_changes(top, index, without)
    untracked, left_out = _untracked(top, index, without, largest_bytes, known)
    readable = [path for path in changed if _is_readable(top, path)]
    left_out += [_unreadable(path) for path in changed if not _is_readable(top, path)]
    if gone:
        # By force: what stands behind a new symlink is refused otherwise.
        _git(["update-index", "--force-remove", "-z", "--stdin"], top, index, _lines(gone))
    if readable or untracked:
        lines = _lines([*readable, *untracked])
        _git(["update-index", "--add", "--remove", "-z", "--stdin"], top, index, lines)
    return tuple(left_out)


def _tracked_changes(top: Path, index: Path, without: str | None) -> tuple[list[str], list[str]]:
    answer = _git(
        ["diff-files", "--name-status", "--no-renames", "--ignore-submodules=dirty", "-z"],
        top,
        index,
    )
    words = iter(_words(answer.stdout))
    status = {}
    for letter in words:
        path = next(words, "")
        if not _is_within(path, without):
            status[path] = letter
    gone = [path for path, letter in status.items() if letter == "D"]
    return gone, [path for path, letter in status.items() if letter != "D"]


def _untracked(
    top: Path, index: Path, without: str | None, largest_bytes: int, known: Mapping[str, LeftOut]
) -> tuple[list[str], list[LeftOut]]:
    answer = _git(["ls-files", "--others", "--exclude-standard", "-z"], top, index)
    sizes: list[tuple[int, str]] = []
    left_out = []
    for path in _words(answer.stdout):
        if _is_within(path, without):
            continue
        try:
            found = os.lstat(top / path)
        except OSError:
            continue  # gone since it was listed
        if stat.S_ISDIR(found.st_mode):  # a repository of its own
            if head_commit(top / path) is None:
                left_out.append(_listed(top, path, found, "a repository without a commit", {}))
            else:
                sizes.append((0, path.rstrip("/")))
        elif found.st_size > largest_bytes and stat.S_ISREG(found.st_mode):
            left_out.append(_listed(top, path, found, "too large", known))
        elif not _is_readable(top, path):
            left_out.append(_unreadable(path))
        else:
            sizes.append((found.st_size, path))
    taken, total = [], 0
    for size, path in sorted(sizes):
        total += size
        if total > LARGEST_TOTAL_BYTES:
            left_out.append(_listed(top, path, os.lstat(top / path), "too much in all", known))
        else:
            taken.append(path)
    return taken, left_out


def _listed(
    top: Path, path: str, found: os.stat_result, reason: str, known: Mapping[str, LeftOut]
) -> LeftOut:
    before = known.get(path)
    same = before and (before.size_bytes, before.mtime_ns) == (found.st_size, found.st_mtime_ns)
    digest = before.sha256 if before and same else _digest(top / path)
    return LeftOut(
        path=path,
        reason=reason,
        size_bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sha256=digest,
    )


def _unreadable(path: str) -> LeftOut:
    return LeftOut(path=path, reason="cannot be read", size_bytes=0, mtime_ns=0, sha256=None)


def _digest(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _is_readable(top: Path, path: str) -> bool:
    place = top / path
    return place.is_symlink() or not os.path.lexists(place) or os.access(place, os.R_OK)


def _is_within(path: str, folder: str | None) -> bool:
    return folder is not None and (path == folder or path.startswith(f"{folder}/"))


def _words(output: bytes) -> list[str]:
    return [os.fsdecode(word) for word in output.split(b"\0")[:-1]]


def _lines(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
