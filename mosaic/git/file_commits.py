"""Commits of files from anywhere: what is to go from one machine to another as git objects."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from mosaic.git.branches import contents_of
from mosaic.git.checkpoint_store import PLAIN_IDENTITY
from mosaic.git.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def commit_files(
    top: Path, files: Iterable[tuple[str, Path]], message: str, parent: str | None = None
) -> str:
    """Write files, by the names they get, as a commit into a repository; no ref names it yet."""
    named = [*files]
    paths = "".join(f"{path}\n" for _, path in named)
    command = ["hash-object", "-w", "--no-filters", "--stdin-paths"]
    ids = run_git(command, top, stdin=os.fsencode(paths)).text.split()
    lines = "".join(f"100644 {oid}\t{name}\0" for (name, _), oid in zip(named, ids, strict=True))
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        command = ["update-index", "-z", "--index-info"]
        run_git(command, top, stdin=os.fsencode(lines), env=index)
        tree = run_git(["write-tree"], top, env=index).text
    parents = ["-p", parent] if parent else []
    command = ["commit-tree", tree, *parents]
    return run_git(command, top, stdin=message.encode(), env=PLAIN_IDENTITY).text


def changes_of(top: Path, commit: str) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Return the files that a commit changes, by name: as its parent has them, and as it has."""
    command = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{commit}^", commit]
    names = [os.fsdecode(each) for each in run_git(command, top).stdout.split(b"\0") if each]
    before = contents_of(top, [f"{commit}^:{name}" for name in names])
    after = contents_of(top, [f"{commit}:{name}" for name in names])
    return dict(zip(names, zip(before, after, strict=True), strict=True))
