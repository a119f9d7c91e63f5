"""Where the ends of sessions are kept until they can be recorded in the mission.

    .state/ends/<run_id>.json                     while mission.json is gone or broken
    <git's common folder>/mosaic/ends/…           where the state folder is gone too

Every command that changes something asks whether there is one: it costs two looks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.git.git_dir import find_git_dir

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout

FOLDER = "ends"


def folders_of_ends(layout: Layout) -> list[Path]:
    """Return the folders that may hold ends, whether they are there or not."""
    shared = _shared_folder(layout.project)
    folders = [layout.state_dir / FOLDER]
    return folders if shared is None else [*folders, shared / "mosaic" / FOLDER]


def _shared_folder(project: Path) -> Path | None:
    """Return the folder that all work trees of the repository share; None outside of one."""
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
