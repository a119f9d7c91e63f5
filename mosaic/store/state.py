"""This machine's own folder: made when it is needed, and never tracked by git.

A clone has none: git does not track it, nor the `.gitignore` in it that says so. Whoever is
the first to write there makes both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.machine.disk import create_private_dir, find_bytes, write_atomic

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

IGNORE = b"# This machine's own: locks, runs, caches. Never tracked.\n*\n"


def ensure_state_dir(layout: Layout) -> None:
    """Make the state folder, and have git leave it alone.

    In the older layout it may hold tracked files too, mission.json among them; there git is
    left to the user.

    Raises:
        FileAccessError: it cannot be made.
    """
    folder = layout.state_dir
    create_private_dir(folder)
    ignore = folder / ".gitignore"
    if not layout.mission_file.is_relative_to(folder) and find_bytes(ignore) is None:
        write_atomic(ignore, IGNORE, root=folder)
