"""Looking over all worktrees: which are finished, which nobody knows of any more."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.git import find_work_tree, local_branches
from mosaic.records import dataclass
from mosaic.workspaces.record import list_workspaces, unreadable_records
from mosaic.workspaces.removal import why_kept

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.workspaces.record import Workspace

OWN_BRANCHES = "mission/"


class Standing(StrEnum):
    """How a worktree stands."""

    IN_USE = "in use"
    FINISHED = "finished"
    """It is not needed, and removing it loses nothing."""
    UNMERGED = "unmerged"
    """Nobody works on it any more, and it holds work that is nowhere else."""
    GONE = "gone"
    """Its folder is not there."""
    UNFINISHED = "unfinished"
    """The process that made it ended before it was set up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """One worktree, and how it stands."""

    workspace: Workspace
    standing: Standing
    holds: str = ""
    """What would be lost with it, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """All worktrees of a mission."""

    counted: tuple[Counted, ...]
    unknown: tuple[Path, ...]
    """Folders among them that no record speaks of."""
    broken: tuple[MissionError, ...]
    """Records that cannot be read."""
    loose_branches: tuple[str, ...]
    """Branches that look like a worker's, and are no worktree's."""


def take_census(layout: Layout, *, in_use: Collection[str], live: Collection[str]) -> Census:
    """Look over all worktrees of a mission. Changes nothing.

    Args:
        layout: where the mission is.
        in_use: tasks and panels that are not finished.
        live: those that somebody works on at this moment.
    """
    known = list_workspaces(layout)
    paths = {each.path.name for each in known}
    broken = unreadable_records(layout)
    named = {str(error.path) for error in broken}
    folders = [path for path in _folders(layout) if path.name not in paths]
    unknown = [path for path in folders if str(path.with_name(f".{path.name}.json")) not in named]
    own = {each.branch for each in known}
    home = find_work_tree(layout.project)
    branches = local_branches(home) if home is not None and not broken else ()
    return Census(
        counted=tuple(_counted(each, in_use, live) for each in known),
        unknown=tuple(unknown),
        broken=tuple(broken),
        loose_branches=tuple(
            name for name in branches if name.startswith(OWN_BRANCHES) and name not in own
        ),
    )


def _counted(workspace: Workspace, in_use: Collection[str], live: Collection[str]) -> Counted:
    if workspace.owner in live:
        return Counted(workspace=workspace, standing=Standing.IN_USE)
    if not workspace.is_there and workspace.is_added:
        return Counted(workspace=workspace, standing=Standing.GONE)
    if not workspace.is_ready:
        return Counted(workspace=workspace, standing=Standing.UNFINISHED)
    if workspace.owner in in_use:
        return Counted(workspace=workspace, standing=Standing.IN_USE)
    try:
        holds = why_kept(workspace)
    except MissionError as error:
        holds = f"what cannot be looked at: {error.message}"
    standing = Standing.FINISHED if holds is None else Standing.UNMERGED
    return Counted(workspace=workspace, standing=standing, holds=holds or "")


def _folders(layout: Layout) -> Iterator[Path]:
    if layout.worktrees_dir.is_symlink():
        return  # `check` and `clean` name it as such
    try:
        entries = sorted(os.scandir(layout.worktrees_dir), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield layout.worktrees_dir / entry.name
