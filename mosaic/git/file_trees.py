"""Files as a commit of nothing else, and a commit's files: how git carries what is no work tree.

No filter and no attribute counts: what goes in comes out, byte by byte.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from mosaic.git.branches import contents_of
from mosaic.git.checkpoint_store import PLAIN_IDENTITY
from mosaic.git.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def store_files(top: Path, places: Sequence[Path]) -> list[str]:
    """Put files into a repository as they are, and return their ids in order."""
    command = ["hash-object", "-w", "--no-filters", "--stdin-paths"]
    paths = "".join(f"{path}\n" for path in places)
    return run_git(command, top, stdin=os.fsencode(paths)).text.split()


def commit_files(
    top: Path, ids: Mapping[str, str], message: str, *, parent: str | None = None
) -> str:
    """Write a commit of files by their names, and return it; no ref names it yet."""
    with tempfile.TemporaryDirectory(prefix="mosaic-") as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        lines = "".join(f"100644 {oid}\t{name}\0" for name, oid in ids.items())
        command = ["update-index", "-z", "--index-info"]
        run_git(command, top, stdin=os.fsencode(lines), env=index)
        tree = run_git(["write-tree"], top, env=index).text
    command = ["commit-tree", tree, *(["-p", parent] if parent else [])]
    return run_git(command, top, stdin=message.encode(), env=PLAIN_IDENTITY).text


def list_files(top: Path, commit: str) -> dict[str, str]:
    """Return the files of a commit: their ids by name."""
    listed = run_git(["ls-tree", "-r", "-z", commit], top).stdout
    rows = [row.partition(b"\t") for row in listed.split(b"\0") if row]
    return {os.fsdecode(name): facts.split()[2].decode() for facts, _, name in rows}


def read_files(top: Path, ids: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Return what files hold, by name."""
    contents = contents_of(top, [*ids.values()])
    for (name, oid), known in zip(ids.items(), contents, strict=True):
        is_large = known is None
        yield name, run_git(["cat-file", "blob", oid], top).stdout if is_large else known or b""


def changes_of(top: Path, commit: str) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Return the files that a commit changes, by name: as its parent has them, and as it has."""
    command = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{commit}^", commit]
    names = [os.fsdecode(each) for each in run_git(command, top).stdout.split(b"\0") if each]
    before = contents_of(top, [f"{commit}^:{name}" for name in names])
    after = contents_of(top, [f"{commit}:{name}" for name in names])
    return dict(zip(names, zip(before, after, strict=True), strict=True))
