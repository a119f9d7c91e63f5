"""A state folder that moves to another place, with the worktrees in it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, MissionError
from mosaic.git.git import find_work_tree
from mosaic.machine.disk import find_bytes
from mosaic.machine.staging import is_temporary
from mosaic.store.layout import WORKTREES
from mosaic.store.state import IGNORE, IGNORE_FILE, IGNORE_KEPT, KEPT, MARK, MIGRATION

if TYPE_CHECKING:
    from pathlib import Path

STAYS = frozenset({MARK, "mission.lock", "mission.lock.holder", "intent.json", MIGRATION})
"""What is of a place, and made anew in another."""
MOVES = frozenset({*KEPT, "checkpoints"}) - STAYS


def names_to_move(state_dir: Path) -> list[str]:
    """Return what of a state folder moves with the mission; what is not ours stays."""
    try:
        return sorted(MOVES.intersection(os.listdir(state_dir)))
    except OSError:
        return []


def move_state(old: Path, new: Path, project: Path) -> None:
    """Move what is in a state folder to another; again, where that was begun already.

    Raises FileAccessError.
    """
    for name in names_to_move(old):
        try:
            _move(old / name, new / name)
        except OSError as error:
            raise FileAccessError(
                f"`{old / name}` cannot be moved", path=old / name, detail=error.strerror
            ) from error
    _repair_worktrees(new / WORKTREES, project)


def _move(old: Path, new: Path) -> None:
    if new.is_dir() and old.is_dir() and not (new.is_symlink() or old.is_symlink()):
        for each in sorted(old.iterdir()):
            _move(each, new / each.name)
        old.rmdir()
    else:
        new.parent.mkdir(mode=0o700, exist_ok=True)
        old.replace(new)


def _repair_worktrees(folder: Path, project: Path) -> None:
    """Have git know the worktrees in a folder where they are now."""
    places = [each for each in folder.glob("[!.]*") if (each / ".git").is_file()]
    if not places:
        return
    from mosaic.git.worktrees import repair_worktree  # start-up: hardly ever needed

    with contextlib.suppress(MissionError):  # `check` names what git does not know
        home = find_work_tree(project)
        for place in places:
            repair_worktree(home or project, place, None)


def leave_state(state_dir: Path | None, folder: Path) -> None:
    """Remove what is ours in a state folder that was moved, and folders that are empty then."""
    with contextlib.suppress(MissionError, OSError):
        if state_dir is not None:
            if find_bytes(state_dir / IGNORE_FILE) in (IGNORE, IGNORE_KEPT):
                (state_dir / IGNORE_FILE).unlink()
            left = [name for name in os.listdir(state_dir) if is_temporary(name)]
            for name in (*STAYS, *left):
                (state_dir / name).unlink(missing_ok=True)
            if state_dir != folder:
                state_dir.rmdir()
        for each in (folder, folder.parent):
            each.rmdir()
