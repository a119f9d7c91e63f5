"""Where tasks come from and go to: other tools' files, each read and written by one module.

A source is a module that has what `mosaic.sources.item.Source` names, and one line here, or a
plugin. It is imported when it is used.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, cast

from mosaic.errors import MissionError, UsageError
from mosaic.machine.disk import read_bytes
from mosaic.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.sources.item import Source

PLACES: dict[str, tuple[str, ...]] = {
    "spec-kit": ("specs/*/tasks.md", "openspec/changes/*/tasks.md"),
    "task-master": (".taskmaster/tasks/tasks.json", "tasks/tasks.json"),
    "checklist": ("TASKS.md", "TODO.md"),
    "backlog": ("backlog/*/*.md",),
    "github": (),
    "beads": (".beads/issues.jsonl", ".beads/beads.jsonl"),
    "claude-tasks": (),
    "taskmd": ("tasks/[0-9]*.md", "tasks/*/[0-9]*.md"),
    "taskwarrior": (),
}
"""Every source that is built in, and where in a project its files usually are."""
PLUGINS = Plugins("source", PLACES, needs=("read", "write"))
"""Those of other packages: a module as ours are. It may have `PLACES`, a tuple of globs."""


def load_source(name: str) -> Source:
    """Return a source by its name (or raise UsageError, PluginError)."""
    if name in PLACES:
        return cast("Source", import_module(f"mosaic.sources.{name.replace('-', '_')}"))
    if (found := PLUGINS.find(name)) is None:
        known = ", ".join(known_sources())
        raise UsageError(f"`{name}` is not a source of tasks", detail=f"known: {known}")
    return cast("Source", found)


def known_sources() -> list[str]:
    """Return the names of all sources, built-in ones first."""
    return [*PLACES, *PLUGINS.names()]


def usual_places(name: str) -> tuple[str, ...]:
    """Return the globs of a source's files in a project."""
    return PLACES[name] if name in PLACES else tuple(getattr(load_source(name), "PLACES", ()))


def sources_in(project: Path) -> Iterator[tuple[str, str]]:
    """Yield the sources that a project holds files of, each with the first of them."""
    for name, patterns in PLACES.items():
        found = (path for pattern in patterns for path in sorted(project.glob(pattern)))
        fitting = (path for path in found if name != "checklist" or _has_boxes(path))
        if (first := next((path for path in fitting if path.is_file()), None)) is not None:
            yield name, first.relative_to(project).as_posix()


def _has_boxes(path: Path) -> bool:
    try:
        return bool(re.search(rb"^[ \t]*(?:[-*+]|\d+[.)]) \[.\] ", read_bytes(path), re.MULTILINE))
    except MissionError:
        return False
