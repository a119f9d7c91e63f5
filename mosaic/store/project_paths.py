"""Files as people and agents name them: from the project on, `../x` for what lies beside it.

git names files from the top of the work tree, which may hold many projects. Trees, patches and
run records keep git's names; write scopes, claims, prompts and reviews have these.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from mosaic.git.git import find_work_tree
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout


class ProjectPaths(NamedTuple):
    """Turns git's names of files into the project's, and back."""

    folder: str = ""
    """Where the project lies in its work tree; empty: it is the top, and both names are one."""

    @property
    def depth(self) -> int:
        """How many folders the project lies below the top of the work tree."""
        return self.folder.count("/") + 1 if self.folder else 0

    def named(self, path: str) -> str:
        """Return a path of git's as the project names it."""
        return posixpath.relpath(f"/{path}", f"/{self.folder}") if self.folder else path

    def in_tree(self, path: str) -> str:
        """Return a path of the project as git names it; one that leads out begins with `..`."""
        return posixpath.normpath(posixpath.join(self.folder, path)) if self.folder else path

    def leads_out(self, path: str) -> bool:
        """Tell whether a path of the project lies outside of the work tree."""
        return path.startswith(("/", "~")) or self.in_tree(path).split("/")[0] == ".."

    def roots_of(self, cwd: str) -> dict[str, str]:
        """Return what absolute paths of a project at `cwd` begin with, and how it names that."""
        ups = range(self.depth + 1)
        found = {posixpath.normpath(posixpath.join(cwd, "../" * n)): "../" * n for n in ups}
        return {folder: name.rstrip("/") for folder, name in found.items()}


def project_paths(layout: Layout) -> ProjectPaths:
    """Return how a mission names the files of its work tree; starts no process."""
    return _below(layout.project)


def _below(project: Path) -> ProjectPaths:
    top = find_work_tree(project)
    if top is None:
        return ProjectPaths()
    folder = os.path.relpath(os.path.realpath(project), os.path.realpath(top))
    return ProjectPaths("" if folder == "." or folder.startswith("..") else folder)
