"""The mission's files on their way: what is sent of them, and what another machine made of them.

They go by their names in the repository. A commit of them has those that were in common last as
its parent; so what one side changed is what the commit changes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.git.file_trees import changes_of, commit_files, store_files
from mosaic.git.git import run_git
from mosaic.machine.disk import find_bytes
from mosaic.store.unite import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.layout import Layout


PLAN_REF = "refs/mosaic/plan"
"""Where an agent works: the mission's files as its copy and the mission had them in common last."""


def note_common(top: Path, commit: str) -> None:
    """Note in a copy of the project which files it has in common with the mission."""
    run_git(["update-ref", PLAN_REF, commit], top)


def common_plan(top: Path) -> str:
    """Return the commit of the files that a copy of the project has in common with the mission."""
    return run_git(["rev-parse", PLAN_REF], top).text


def plan_files(layout: Layout, top: Path) -> dict[str, Path]:
    """Return the mission's files below the top of a repository, by their names in it."""
    found = {}
    for path in (*layout.own_files, *sorted(layout.tasks_dir.glob("*.md"))):
        name = _name_of(path, top)
        if name is not None and path.is_file():
            found[name] = path
    return found


def commit_plan(layout: Layout, top: Path, parent: str | None = None) -> str:
    """Write the mission's files as a commit, and return it; no ref names it yet."""
    files = plan_files(layout, top)
    ids = store_files(top, [*files.values()])
    named = dict(zip(files, ids, strict=True))
    return commit_files(top, named, "The mission's files", parent=parent)


def changed_plan(layout: Layout, top: Path, commit: str) -> dict[Path, Version]:
    """Return what a commit changes of the mission's files, by where they belong here.

    What is no file of the mission here, or no text, is passed by.
    """
    return versions(layout, top, changes_of(top, commit))


def versions(
    layout: Layout, top: Path, changes: Mapping[str, tuple[bytes | None, bytes | None]]
) -> dict[Path, Version]:
    """Return changes of files, by their names in a repository, as those of the mission's files."""
    own = {_name_of(path, top): path for path in layout.own_files}
    folder = _name_of(layout.tasks_dir, top)
    found = {}
    for name, sides in changes.items():
        parent, _, last = name.rpartition("/")
        path = own.get(name)
        if path is None and folder is not None and parent == folder and last.endswith(".md"):
            path = layout.tasks_dir / last
        if path is None:
            continue
        try:
            found[path] = Version(*(None if each is None else each.decode() for each in sides))
        except UnicodeDecodeError:
            continue
    return found


def _name_of(path: Path, top: Path) -> str | None:
    place = Path(os.path.realpath(path))
    return place.relative_to(top).as_posix() if place.is_relative_to(top) else None


def read_plan(layout: Layout, top: Path) -> dict[str, bytes]:
    """Return the mission's files as they stand, by their names in the repository."""
    found = {name: find_bytes(path) for name, path in plan_files(layout, top).items()}
    return {name: data for name, data in found.items() if data is not None}
