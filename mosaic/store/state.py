"""This machine's own folder: made and marked when it is needed, and never tracked by git.

A clone has none: git does not track it, nor the `.gitignore` in it that says so. The
first command that writes there makes both. What is not ours (see `mosaic.store.trust`) is not
written into; neither is a folder in it that a symlink leads out of the project with.

Ends of sessions that cannot be recorded in mission.json wait in

    .state/ends/<run_id>.json                     while mission.json is gone or broken
    <git's common folder>/mosaic/ends/…           where the state folder is gone too
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_atomic, write_private
from mosaic.machine.git_dir import find_git_dir
from mosaic.machine.paths import confined
from mosaic.store.allowance import refuse_other_owner
from mosaic.store.trust import IGNORE_FILE, Standing, look_at_state, mark_state, write_mark

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

ENDS = "ends"
IGNORE = b"# This machine's own: locks, runs, caches. Never tracked.\n*\n"


def ensure_state_dir(layout: Layout, *, is_made_here: bool = False) -> None:
    """Make the state folder, mark it as ours, and have git leave it alone.

    In the older layout it may hold tracked files too, mission.json among them; there git is
    left to the user.

    Raises:
        StateNotOursError: what stands there may be somebody else's.
        MissionOwnerError: the mission belongs to another user, and nobody named it.
        FileAccessError: it cannot be made.
        PathOutsideError: a folder in it leads out of it.
    """
    folder = layout.state.place
    # Looked at once more: another process may have made it meanwhile.
    state = look_at_state(folder, layout.mission_file)
    if layout.state.is_ours and (state.lacks_mark or state.standing is Standing.NEW):
        # Removed while this process was at work, which has known it as ours.
        state = layout.state
        write_mark(folder, layout.mission_file, state.mark)
    if state.standing in (Standing.DOUBTED, Standing.CLOSED):
        raise state.refusal()
    if state.standing is Standing.NEW:
        refuse_other_owner(layout.mission_file)
        mark_state(folder, layout.mission_file, is_made_here=is_made_here)
    refuse_links_out(layout)
    ignore = folder / IGNORE_FILE
    if not layout.mission_file.is_relative_to(folder) and find_bytes(ignore) is None:
        write_atomic(ignore, IGNORE, root=folder)


def refuse_links_out(layout: Layout) -> None:
    """Refuse a folder in the state folder that a symlink leads out of it with."""
    for folder in (layout.runs_dir, layout.worktrees_dir, layout.session_locks_dir):
        confined(layout.state_dir, folder)


def is_own_state(layout: Layout) -> bool:
    """Tell whether the state folder is there and may be written to."""
    if not look_at_state(layout.state.place, layout.mission_file).is_ours:
        return False
    try:
        refuse_links_out(layout)
    except MissionError:
        return False
    return True


def save_cache(layout: Layout, path: Path, data: bytes) -> None:
    """Save a cache in the state folder where that is possible; it is not worth an error."""
    if is_own_state(layout):
        with contextlib.suppress(MissionError, OSError):
            write_private(path, data, root=layout.state_dir)


def find_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where none can be read."""
    try:
        values = parse_json(find_bytes(path) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def folders_of_ends(layout: Layout) -> list[Path]:
    """Return the folders that may hold ends, whether they are there or not."""
    shared = _shared_folder(layout.project)
    folders = [layout.state_dir / ENDS]
    return folders if shared is None else [*folders, shared / "mosaic" / ENDS]


def _shared_folder(project: Path) -> Path | None:
    found = find_git_dir(project)
    if found is None or found[1].name == ".git":
        return found and found[1]
    from mosaic.git.git import common_dir  # start-up: only a linked work tree needs it

    return common_dir(project)


def list_kept_ends(layout: Layout) -> list[Path]:
    """Return the ends that wait to be recorded, also those of other missions of a repository."""
    found = []
    for folder in folders_of_ends(layout):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        found += [folder / name for name in names if name.endswith(".json")]
    return found
