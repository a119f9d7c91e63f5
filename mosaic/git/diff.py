"""What differs between two trees: the files, in words, and as a patch that git can apply."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mosaic.git.git import run_git
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Text

ABSENT = "000000"
"""The mode of a file on the side of a change where it is not."""
SUBMODULE = "160000"
"""The mode of a submodule or a repository within, which is held by its commit."""
GIT_SECONDS = 120.0
LARGEST_COUNTED = "core.bigFileThreshold=8m"
"""The lines of a larger file are not counted: git would read all of it for two numbers."""
BYTES_OF_LINE = 200
"""What a changed line of a text takes in a patch at the most, as a rule."""
# Whatever the user has set for reading, the patch must be one that git can apply; so
# `diff-tree`, which heeds few of those settings, and these for the rest.
_PLAIN = (
    "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none",
    "--submodule=short",
)  # fmt: skip
_PATCH = (
    *_PLAIN, "--binary", "--full-index", "--unified=3", "--inter-hunk-context=0",
    "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
_KINDS = {"A": "added", "D": "deleted", "M": "changed", "R": "renamed", "C": "copied", "T": "type"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """One file that differs."""

    path: Text
    kind: str
    """`added`, `deleted`, `changed`, `renamed`, `copied` or `type`."""
    old_path: Text | None = None
    added_lines: int | None = None
    """None for a binary file."""
    deleted_lines: int | None = None
    old_mode: str = ABSENT
    new_mode: str = ABSENT


def empty_tree(top: Path) -> str:
    """Return the tree without files, in the repository's own hash."""
    return run_git(["hash-object", "-w", "-t", "tree", "--stdin"], top, stdin=b"").text


def tree_names(top: Path, tree: str) -> set[str]:
    """Return the paths of all files of a tree or commit."""
    answer = run_git(["ls-tree", "-r", "-z", "--full-tree", "--name-only", tree], top)
    return set(os.fsdecode(answer.stdout).split("\0")[:-1])


def compare_trees(
    top: Path, base: str, tree: str, *, find_renames: bool = True
) -> list[FileChange]:
    """Return the files that differ between two trees or commits, by path."""
    renames = "--find-renames" if find_renames else "--no-renames"
    command = ["-c", LARGEST_COUNTED, "diff-tree", "-r", *_PLAIN, renames, "--raw", "--numstat"]
    answer = run_git([*command, "-z", base, tree, "--"], top, timeout_seconds=GIT_SECONDS)
    return _parse_changes(answer.stdout)


def patch_bytes(top: Path, base: str, tree: str, changes: Sequence[FileChange]) -> int:
    """Return about how large the patch between two trees is, without making it."""
    ids = _content_ids(top, base, tree)
    names = sorted({name for pair in ids.values() for name in pair if name.strip("0")})
    asked = "".join(f"{name}\n" for name in names)
    answer = run_git(["cat-file", "--batch-check=%(objectsize)"], top, stdin=asked.encode())
    told = zip(names, answer.stdout.split(b"\n"), strict=False)
    sizes = {name: int(size) for name, size in told if size.isdigit()}
    total = 0
    for change in changes:
        old = ids.get(change.old_path or change.path, ("", ""))[0]
        whole = sizes.get(old, 0) + sizes.get(ids.get(change.path, ("", ""))[1], 0)
        if change.added_lines is not None and change.deleted_lines is not None:
            whole = min(whole, BYTES_OF_LINE * (change.added_lines + change.deleted_lines))
        total += whole
    return total


def _content_ids(top: Path, base: str, tree: str) -> dict[str, tuple[str, str]]:
    """Return the old and the new content of every path that differs; reads no content."""
    command = ["diff-tree", "-r", *_PLAIN, "--no-renames", "--raw", "--full-index", "--no-abbrev"]
    answer = run_git([*command, "-z", base, tree, "--"], top, timeout_seconds=GIT_SECONDS)
    words = iter(os.fsdecode(answer.stdout).split("\0")[:-1])
    found = {}
    for word in words:
        _, _, old, new, _ = word[1:].split(" ")
        found[next(words)] = (old, new)
    return found


def write_patch(
    top: Path, base: str, tree: str, path: Path, *, without: Sequence[str] = ()
) -> None:
    """Write the difference between two trees as a patch, however large it is."""
    path.touch(mode=0o600)
    # git cannot apply a file that was renamed into the folder that took its own place.
    paths = _content_ids(top, base, tree)
    moved = any(str(folder) in paths for one in paths for folder in PurePosixPath(one).parents)
    renames = "--no-renames" if moved else "--find-renames"
    command = ["diff-tree", "-r", *_PATCH, renames, f"--output={path.absolute()}", base, tree]
    others = [":(top)", *(f":(top,literal,exclude){each}" for each in without)] if without else []
    run_git([*command, "--", *others], top, timeout_seconds=GIT_SECONDS)


def read_diff(top: Path, base: str, tree: str, paths: Sequence[str] = ()) -> str:
    """Return the difference between two trees as text for people; binary files are named only.

    `paths` are git's pathspecs; without any, everything.
    """
    options = (*_PLAIN, "--find-renames", "--src-prefix=a/", "--dst-prefix=b/")
    # By setting: `--no-relative` is as young as the setting that it answers (git 2.28).
    command = ["-c", "diff.relative=false", "diff", *options, base, tree, "--", *paths]
    answer = run_git(command, top, timeout_seconds=GIT_SECONDS)
    return answer.stdout.decode("utf-8", "replace")


def shown_paths(paths: Sequence[str], *, most: int = 5) -> str:
    """Return paths in a line, the first few by name."""
    shown = ", ".join(f"`{path}`" for path in paths[:most])
    more = len(paths) - most
    return f"{shown} and {more} more" if more > 0 else shown


def describe_changes(changes: list[FileChange]) -> str:
    """Return changes in one line: `3 files changed, +12 -4`."""
    if not changes:
        return "no change"
    added = sum(change.added_lines or 0 for change in changes)
    deleted = sum(change.deleted_lines or 0 for change in changes)
    files = "1 file" if len(changes) == 1 else f"{len(changes)} files"
    return f"{files} changed, +{added} -{deleted}"


def _parse_changes(output: bytes) -> list[FileChange]:
    # Of `--raw --numstat -z`: every file in raw form first, then every file's counts.
    words = iter(os.fsdecode(output).split("\0")[:-1])
    found: dict[str, FileChange] = {}
    for word in words:
        if word.startswith(":"):
            old_mode, new_mode, _, _, letter = word[1:].split(" ")
            kind = _KINDS.get(letter[0], "changed")
            old_path = next(words) if letter[0] in "RC" else None
            path = next(words)
            found[path] = FileChange(
                path=path, kind=kind, old_path=old_path, old_mode=old_mode, new_mode=new_mode
            )
        else:
            added, deleted, path = word.split("\t", 2)
            if not path:  # a rename: old and new follow
                next(words)
                path = next(words)
            if added != "-" and path in found:
                found[path] = replace(
                    found[path], added_lines=int(added), deleted_lines=int(deleted)
                )
    return sorted(found.values(), key=lambda change: change.path)
