"""Taking a work tree as it stands, without touching it or its index.

A tree object is made of what is tracked, changed and untracked, by way of a copy of the
index. What .gitignore names is left out, and so is one folder of the caller's. Submodules
are taken by the commit that they are at. Listed, and not taken, are repositories within the
work tree that nobody asked git to hold, and files that git cannot take. Files that are marked
`skip-worktree` or `assume-unchanged` are taken as the index has them, and so are those that
hold on disk, byte for byte, what the index has, whatever line ends git would give them.

Only objects are added to the repository; `checkpoint_store` keeps them.
"""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.diff import SUBMODULE
from mosaic.git.git import (
    at_once,
    failed_filter,
    filters_off,
    head_commit,
)
from mosaic.git.index_copy import as_input, copy_index, git_on, index_in, words_of
from mosaic.git.left_out import (
    CHANGED_MODULE,
    CLOSED_FOLDER,
    FILTERED,
    OTHERS,
    PRIVATE,
    LeftOut,
    changed_modules,
    find_unfitness,
    has_commit,
    is_as_stored,
    is_repository,
    list_file,
    opens_files,
    submodule_paths,
    unasked_links,
    why_apart,
)
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.git.git import GitResult

LARGEST_FILE_BYTES = 32 << 20
LARGEST_TOTAL_BYTES = 1 << 30
"""Untracked bytes that one tree takes in; what goes past it is listed only."""
ATTEMPTS = 3
"""An agent goes on writing while its tree is taken; files come and go under git's hands."""
UNTRACKED = "? "
"""What `git ls-files -t` puts before a path that is not tracked."""


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
    largest_bytes: int | None = LARGEST_FILE_BYTES,
    known: Mapping[str, LeftOut] | None = None,
    keep_private: bool = True,
) -> TakenTree:
    """Make a tree object of a work tree.

    Args:
        scratch: a folder of our own that others cannot enter, for a copy of the index.
        without: a folder relative to `top` that is taken as the last commit has it.
        largest_bytes: a larger untracked file is listed instead; None: nothing is too large.
        known: files left out earlier, by path; one that is unchanged is not read again.
        keep_private: take untracked files that others may not read, though they could read
            git's objects; else they are listed.
    """
    limits = _Limits(
        largest_bytes=largest_bytes,
        known=known or {},
        without_private=not keep_private and opens_files(top),
    )
    with index_in(scratch, f"index.{os.getpid()}.{threading.get_ident()}") as index:
        for attempt in range(1, ATTEMPTS + 1):
            copy_index(top, index)
            try:
                left_out = _bring_up_to_date(top, index, without, limits)
                tree = git_on(["write-tree"], top, index).text
                return TakenTree(tree=tree, head=head_commit(top), left_out=left_out)
            except GitError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("not reached")


def is_within(path: str, folder: str | None) -> bool:
    """Tell whether a path is a folder or lies in it; nothing lies in None."""
    return folder is not None and (path == folder or path.startswith(f"{folder}/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    largest_bytes: int | None
    known: Mapping[str, LeftOut]
    without_private: bool


def _bring_up_to_date(
    top: Path, index: Path, without: str | None, limits: _Limits
) -> tuple[LeftOut, ...]:
    looked, listed = _look(top, index, without)
    unasked = unasked_links(top, index)
    gone, changed, left_out = _tracked_changes(top, without, looked, listed)
    untracked, listed_only = _untracked(top, without, limits, listed)
    left_out += [_apart(top, path) for path in unasked]
    gone = [*dict.fromkeys((*gone, *unasked))]
    if gone:
        # By force: what stands behind a new symlink is refused otherwise.
        git_on(["update-index", "--force-remove", "-z", "--stdin"], top, index, as_input(gone))
    left_out += _put(top, index, [*(p for p in changed if p not in unasked), *untracked])
    left_out += [LeftOut(path=p, reason=CHANGED_MODULE) for p in changed_modules(top, index)]
    return (*left_out, *listed_only)


def _put(top: Path, index: Path, paths: list[str]) -> list[LeftOut]:
    """Put files into an index, and return those that a filter of git's own keeps out."""
    command = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]
    kept_out: list[LeftOut] = []
    off: list[str] = []
    while paths:
        answer = git_on([*filters_off(off), *command], top, index, as_input(paths), check=False)
        if answer.exit_code == 0:
            break
        name = failed_filter(answer)
        if name is None or name in off:
            said = answer.stderr.decode("utf-8", "replace").strip()
            raise GitError("git cannot store the work tree", detail=said[-2000:])
        # git also asks it for files that are in the index already, to be sure of their time.
        off.append(name)
        asked = git_on(["check-attr", "-z", "--stdin", "filter"], top, index, as_input(paths))
        words = words_of(asked.stdout)
        its = {path for path, _, value in zip(*[iter(words)] * 3, strict=True) if value == name}
        reason = FILTERED.format(name)
        kept_out += [LeftOut(path=path, reason=reason) for path in paths if path in its]
        paths = [path for path in paths if path not in its]
    return kept_out


def _look(top: Path, index: Path, without: str | None) -> list[GitResult]:
    """Ask git what of the index is changed, and what is unmerged or not tracked."""
    compare = ["diff-files", "--raw", "--no-abbrev", "--no-renames", "-z"]
    compare += ["--ignore-submodules=dirty"]
    # One look for both: each process costs as much as what it finds out.
    list_others = ["ls-files", "--unmerged", "--others", "--exclude-standard", "-t", "-z"]
    find_committed = ["ls-tree", "--name-only", "--full-tree", "HEAD", f"{without}/"]
    asked = [lambda: git_on(compare, top, index), lambda: git_on(list_others, top, index)]
    if without is not None:
        if not _may_hold(index, without):
            *answers, committed = at_once(*asked, lambda: git_on(find_committed, top, check=False))
            if not committed.stdout:
                return answers
        # What is staged or unmerged in there is as little of the tree as what is changed.
        git_on(["reset", "--quiet", "--", f":(top,literal){without}"], top, index)
    return at_once(*asked)


def _may_hold(index: Path, folder: str) -> bool:
    """Tell whether an index may hold files of a folder; False only where that is certain."""
    data = index.read_bytes() if index.exists() else b""
    plain = data[4:8] in (b"\0\0\0\2", b"\0\0\0\3")  # a later version shortens paths
    elsewhere = b"link" in data or b"sdir" in data  # in a shared index, or in a folder's name
    return bool(data) and (not plain or elsewhere or os.fsencode(f"{folder}/") in data)


def _tracked_changes(
    top: Path, without: str | None, looked: GitResult, listed: GitResult
) -> tuple[list[str], list[str], list[LeftOut]]:
    """Return which paths to take out of the index, which to put in, and which to leave."""
    words = iter(words_of(looked.stdout))
    status: dict[str, list[str]] = {}
    unmerged = set()
    for word in words:
        path, facts = next(words, ""), word[1:].split(" ")
        if facts[-1] == "U":  # it is listed twice, and its file comes last
            unmerged.add(path)
        if not is_within(path, without):
            status[path] = facts
    # Of a path behind a symlink that leads in a circle git says nothing; no tree may hold it.
    for line in words_of(listed.stdout):
        if not line.startswith(UNTRACKED):
            status.setdefault(line.partition("\t")[2], ["D"])
    gone, changed, unfit = [], [], []
    for path, facts in status.items():
        place = top / path
        is_folder = place.is_dir() and not place.is_symlink()
        if facts[-1] == "D" or is_folder:
            # git puts no repository in the place of a file, and no folder anywhere.
            gone.append(path)
            is_inner, is_module = is_folder and is_repository(place), facts[0] == SUBMODULE
            changed += [path] if is_inner and is_module else []
            unfit += [_apart(top, path)] if is_inner and not is_module else []
        elif reason := find_unfitness(place):
            unfit.append(LeftOut(path=path, reason=reason))
        elif path in unmerged or facts[-1] != "M" or not is_as_stored(place, *facts[:3]):
            changed.append(path)
    return gone, changed, unfit


def _untracked(
    top: Path, without: str | None, limits: _Limits, listed: GitResult
) -> tuple[list[str], list[LeftOut]]:
    sizes: list[tuple[int, str, os.stat_result]] = []
    closed = (os.fsdecode(name) for name in CLOSED_FOLDER.findall(listed.stderr))
    left_out = [
        LeftOut(path=path, reason="a folder that cannot be read")
        for path in closed
        if not is_within(path, without)
    ]
    for line in words_of(listed.stdout):
        path = line.removeprefix(UNTRACKED).rstrip("/")
        if path == line.rstrip("/") or is_within(path, without):
            continue
        try:
            found = os.lstat(top / path)
        except OSError:
            continue  # gone since it was listed
        listed_only = _listed_only(top, path, found, limits)
        if listed_only is not None:
            left_out.append(listed_only)
        else:
            sizes.append((found.st_size, path, found))
    taken, total = [], 0
    for size, path, found in sorted(sizes, key=lambda entry: entry[:2]):
        total += size
        if limits.largest_bytes is not None and total > LARGEST_TOTAL_BYTES:
            left_out.append(list_file(top, path, found, "too much in all", limits.known))
        else:
            taken.append(path)
    return taken, left_out


def _apart(top: Path, path: str) -> LeftOut:
    return LeftOut(path=path, reason=why_apart(top / path))


def _listed_only(top: Path, path: str, found: os.stat_result, limits: _Limits) -> LeftOut | None:
    """Return what is noted of an untracked file that is not taken; None where it is."""
    if stat.S_ISDIR(found.st_mode):
        is_asked_for = path in submodule_paths(top) and has_commit(top / path)
        return None if is_asked_for else _apart(top, path)
    is_file = stat.S_ISREG(found.st_mode)
    if limits.without_private and is_file and not found.st_mode & OTHERS:
        # Without a hash, by which a short secret could be guessed.
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        return LeftOut(path=path, reason=PRIVATE, size_bytes=found.st_size, mtime_ns=changed)
    largest = limits.largest_bytes
    if is_file and largest is not None and found.st_size > largest:
        return list_file(top, path, found, "too large", limits.known)
    reason = find_unfitness(top / path)
    return LeftOut(path=path, reason=reason) if reason else None
