"""Where a repository keeps its files, found without starting git."""

from __future__ import annotations

import os
from pathlib import Path

from mosaic.errors import FileAccessError
from mosaic.machine.disk import find_bytes

_SMALL_BYTES = 65536
_PARTS = ("HEAD", "config", "objects", "refs")
"""What of a repository is left where some of it was lost. git passes an empty `.git` by."""


def find_git_dir(cwd: Path | str) -> tuple[Path, Path] | None:
    """Return the top of the work tree around `cwd` and the folder with its HEAD; None outside.

    A broken repository is found like a whole one: only git can say what is wrong with it.
    """
    start = Path(os.path.realpath(cwd))
    for folder in (start, *start.parents):
        git = folder / ".git"
        if os.path.isdir(git):
            is_closed = not os.access(git, os.X_OK)
            if is_closed or any(os.path.lexists(git / part) for part in _PARTS):
                return folder, git
        elif os.path.isfile(git):
            # A linked work tree or submodule has a file that tells where.
            pointer = read_small(git) or ""
            place = pointer.removeprefix("gitdir:").strip() if "gitdir:" in pointer else ""
            return folder, folder / (place or ".git")
    return None


def read_small(path: Path) -> str | None:
    """Return the text of one of git's own files; None where it cannot be read."""
    try:
        data = find_bytes(path, limit_bytes=_SMALL_BYTES)
    except FileAccessError:
        return None
    return None if data is None else os.fsdecode(data)
