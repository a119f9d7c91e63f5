"""Where a mission's files may be: inside the work tree that mission.json lies in.

A clone says in mission.json where its table, its task files, its scratchpad and its state
are. All of these are written, so by their real paths (symlinks followed) they have to lie in
the same work tree as mission.json itself, and not in `.git`. A person who keeps state on
another disk, or plans in another repository, allows that place once: `mission trust PATH`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import PathOutsideError
from mosaic.git.git_dir import find_git_dir
from mosaic.machine.paths import is_inside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GIT = ".git"


def refuse_outside(mission_file: Path, project: Path, places: Mapping[str, Path]) -> None:
    """Make sure that a mission's paths stay where they may be."""
    top = work_tree_of(mission_file, project)
    for key, place in places.items():
        try:
            real = os.path.realpath(place)
        except (OSError, ValueError) as error:
            raise PathOutsideError(
                f"`{key}` cannot be a path", path=mission_file, detail=str(error)
            ) from error
        is_within = is_inside(top, real)
        below = os.path.relpath(real, top) if is_within else real
        is_in_git = GIT in below.casefold().split(os.sep)
        if not is_in_git and (is_within or _is_allowed(mission_file, real)):
            continue
        raise PathOutsideError(
            f"`{key}` leads into git's own folder"
            if is_in_git
            else f"`{key}` leads out of the repository that mission.json lies in",
            path=mission_file,
            detail=f"it leads to `{real}`",
            hint=f"use a path inside `{top}`"
            + ("" if is_in_git else f"; if you keep it there yourself: `mission trust {real}`"),
        )


def work_tree_of(mission_file: Path, project: Path) -> str:
    """Return the real top of the work tree that mission.json lies in; its project without git."""
    real = os.path.realpath(mission_file)
    # As git finds it: the sandbox of an agent may lay an empty `.git` over any folder.
    found = find_git_dir(os.path.dirname(real))
    if found is not None:
        return str(found[0])
    top = os.path.realpath(project)
    return top if is_inside(top, real) else os.path.dirname(real)


def _is_allowed(mission_file: Path, real: str) -> bool:
    from mosaic.store.allowance import find_allowance  # start-up: hardly any mission asks

    return any(is_inside(place, real) for place in find_allowance(mission_file).places)
