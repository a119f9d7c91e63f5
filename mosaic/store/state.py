"""This machine's own folder: made when it is needed, and never tracked by git.

A clone has none: git does not track it, nor the `.gitignore` in it that says so. Whoever is
the first to write there makes both. A clone may bring a symlink in its place, or in it: what
leads out of the project is not written to.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.disk import create_private_dir, find_bytes, write_atomic, write_private
from mosaic.machine.paths import confined

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

IGNORE = b"# This machine's own: locks, runs, caches. Never tracked.\n*\n"


def ensure_state_dir(layout: Layout) -> None:
    """Make the state folder, and have git leave it alone.

    In the older layout it may hold tracked files too, mission.json among them; there git is
    left to the user.

    Raises:
        FileAccessError: it cannot be made.
        PathOutsideError: it leads out of the project, or a folder in it leads out of it.
    """
    folder = layout.state_dir
    refuse_state_elsewhere(layout)
    create_private_dir(folder)
    ignore = folder / ".gitignore"
    if not layout.mission_file.is_relative_to(folder) and find_bytes(ignore) is None:
        write_atomic(ignore, IGNORE, root=folder)


def refuse_state_elsewhere(layout: Layout) -> None:
    """Refuse a state folder that a symlink or a setting leads out of the project with.

    Raises:
        PathOutsideError: it does, or a folder in it leads out of it.
    """
    confined(layout.project, layout.state_dir)
    for folder in (layout.runs_dir, layout.worktrees_dir, layout.session_locks_dir):
        confined(layout.state_dir, folder)


def is_own_state(layout: Layout) -> bool:
    """Tell whether the state folder is there and may be written to."""
    try:
        refuse_state_elsewhere(layout)
    except MissionError:
        return False
    return layout.state_dir.is_dir()


def save_cache(layout: Layout, path: Path, data: bytes) -> None:
    """Save a cache in the state folder where that is possible; it is not worth an error."""
    if is_own_state(layout):
        with contextlib.suppress(MissionError, OSError):
            write_private(path, data, root=layout.state_dir)
