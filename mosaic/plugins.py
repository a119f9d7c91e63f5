"""What other packages add: runtimes, sources and executors, and roles of panels.

    [project.entry-points."mosaic.runtimes"]
    example = "mosaic_example:Example"

The metadata of the installed packages is read when a name is asked for that is not built in, or
where all names are listed. Nothing of a package is imported before its name is asked for. A name
that is built in, or that two packages have, is no plugin's: such plugins are skipped, and
`skipped` says why.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError, PluginError
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from importlib.metadata import Distribution, EntryPoint

_skipped: dict[str, PluginError] = {}


class Found(NamedTuple):
    """An entry point of an installed package."""

    entry: EntryPoint
    package: str
    """Its name and version."""


class Plugin:
    """One name that other packages add, used or not."""

    def __init__(
        self, kind: str, found: list[Found], *, is_built_in: bool, needs: Collection[str]
    ) -> None:
        self.kind, self.name = kind, found[0].entry.name
        self.package = " and ".join(each.package for each in found)
        self.problem = ""
        if is_built_in:
            self.problem = f"Mosaic itself has a {kind} of that name"
        elif len(found) > 1:
            self.problem = "they have the same name, so none of them is used"
        self._entry = found[0].entry
        self._needs = needs

    def load(self, *made_with: object) -> Any:
        """Return what it is, or what it makes of some values; errors in that name the plugin.

        Raises:
            PluginError: it cannot be used, fails, or lacks what one of its kind needs.
        """
        if self.problem:
            raise self.error(self.problem)
        found = self.guarded(self._entry.load)()
        if made_with:
            found = self.guarded(found)(*made_with)
        has = self.guarded(hasattr)
        if lacking := [f"`{name}`" for name in self._needs if not has(found, name)]:
            raise self.error(f"`{self._entry.value}` has no {', no '.join(lacking)}")
        return Guarded(self, found)

    def guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that raises nothing but our own errors."""

        def guarded_call(*arguments: Any, **named: Any) -> Any:
            try:
                return call(*arguments, **named)
            except MissionError:
                raise
            except (Exception, SystemExit) as error:
                raise self.error(f"{type(error).__name__}: {error}") from error

        return guarded_call

    def error(self, why: str) -> PluginError:
        """Return the error that it cannot be used."""
        return PluginError(self.kind, self.name, self.package, why)


class Guarded:
    """Something of a plugin: as it is, but whatever one of its methods raises names the plugin."""

    def __init__(self, plugin: Plugin, of_plugin: Any) -> None:
        self.plugin = plugin
        self.of_plugin = of_plugin

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of it."""
        found = getattr(self.of_plugin, name)
        return self.plugin.guarded(found) if callable(found) else found

    def __call__(self, *arguments: Any) -> Any:
        """Make something of it, as guarded."""
        return Guarded(self.plugin, self.plugin.guarded(self.of_plugin)(*arguments))


class Plugins:
    """What packages add of one kind, such as runtimes."""

    def __init__(self, kind: str, built_in: Collection[str], needs: Collection[str] = ()) -> None:
        self.kind = kind
        self.needs = needs
        """What each of them must have."""
        self._built_in = built_in

    def listed(self) -> list[Plugin]:
        """Return all that are installed, also those that cannot be used; none is imported."""
        return [
            Plugin(self.kind, found, is_built_in=name in self._built_in, needs=self.needs)
            for name, found in sorted(_entry_points().get(f"mosaic.{self.kind}s", {}).items())
        ]

    def names(self) -> list[str]:
        """Return the names that they add, without those that are skipped; none is imported."""
        plugins = self.listed()
        for each in plugins:
            if each.problem:
                skip(each.error(each.problem))
        return [each.name for each in plugins if not each.problem]

    def find(self, name: str, *made_with: object) -> Any:
        """Return what the plugin of a name is, or makes of some values; None where there is none.

        Raises:
            PluginError: it cannot be used.
        """
        plugin = next((each for each in self.listed() if each.name == name), None)
        return None if plugin is None else plugin.load(*made_with)


def skip(error: PluginError) -> None:
    """Note that this process does without a plugin, so that a person is told once."""
    _skipped.setdefault(error.summary, error)


def skipped() -> list[PluginError]:
    """Return why this process did without some plugins."""
    return [*_skipped.values()]


@cache
def _entry_points() -> dict[str, dict[str, list[Found]]]:
    """Read the entry points that are meant for us, by group and name."""
    from importlib.metadata import distributions  # start-up: 20 ms

    groups: dict[str, dict[str, list[Found]]] = {}
    seen: set[str] = set()
    # Not the working directory: whoever brings a repository along installs nothing by that.
    places = [each for each in sys.path if os.path.isabs(each) and each != _working_directory()]
    for package in distributions(path=places):
        found: list[Found] = []
        with suppress(Exception):  # a damaged package keeps nobody from the others
            found = _entries_of(package, seen)
        for each in found:
            groups.setdefault(each.entry.group, {}).setdefault(each.entry.name, []).append(each)
    return groups


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it is gone


def _entries_of(package: Distribution, seen: set[str]) -> list[Found]:
    if "mosaic." not in (package.read_text("entry_points.txt") or ""):
        return []
    name = package.metadata["Name"]
    known = name.lower().replace("-", "_")
    if known in seen:
        return []  # installed twice: the first on the path is the one that is imported
    seen.add(known)
    entries = (each for each in package.entry_points if each.group.startswith("mosaic."))
    return [Found(each, f"{name} {package.version}") for each in entries]
