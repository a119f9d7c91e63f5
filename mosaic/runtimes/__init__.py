"""Agents' command lines, by name. A new one is a file here and a line in `BUILT_IN`.

Other packages add theirs as plugins; an entry of mission.json with a command comes before them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from mosaic.errors import ProgramNotFoundError, RuntimeUnknownError
from mosaic.machine.process import install_path
from mosaic.plugins import Plugins
from mosaic.settings import RuntimeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mosaic.ports import Runtime

# Module and class by name: start-up, only the runtime that is used is imported.
BUILT_IN = {
    "claude": ("mosaic.runtimes.claude", "Claude"),
    "codex": ("mosaic.runtimes.codex", "Codex"),
    "gemini": ("mosaic.runtimes.gemini", "Gemini"),
    "opencode": ("mosaic.runtimes.opencode", "Opencode"),
    "demo": ("mosaic.runtimes.command", "Demo"),
}
CUSTOM = ("mosaic.runtimes.command", "CommandRuntime")
PREFERRED = ("claude", "codex")
"""What is looked for, in this order, when no runtime is named."""
PLUGINS = Plugins(
    "runtime",
    BUILT_IN,
    needs=(
        "name", "reports_commands", "reports_edits", "uses_terminal", "can_continue", "invocation",
        "reader", "transcripts", "transcript_reader", "probe",
    ),
)  # fmt: skip
"""Those of other packages: what makes a `Runtime` of a `RuntimeSpec`."""


def get_runtime(name: str, specs: Mapping[str, RuntimeSpec]) -> Runtime:
    """Return the runtime of a name: built in, the mission's own, or a plugin's.

    Raises:
        RuntimeUnknownError: there is none.
        PluginError: a plugin has this name and cannot be used.
    """
    spec = specs.get(name)
    if name not in BUILT_IN and (spec is None or not spec.command):
        return _of_plugin(name, spec or RuntimeSpec(name=name), specs)
    module, kind = BUILT_IN.get(name, CUSTOM)
    build = cast("Callable[[RuntimeSpec], Runtime]", getattr(import_module(module), kind))
    return build(spec or RuntimeSpec(name=name))


def _of_plugin(name: str, spec: RuntimeSpec, specs: Mapping[str, RuntimeSpec]) -> Runtime:
    found = PLUGINS.find(name, spec)
    if found is None:
        raise RuntimeUnknownError(name, known_runtimes(specs))
    if found.name != name:
        raise found.plugin.error(f"it calls itself `{found.name}`")
    from mosaic.runtimes.of_plugin import PluginRuntime  # start-up: few are asked for

    return cast("Runtime", PluginRuntime(found.plugin, found.of_plugin))


def known_runtimes(
    specs: Mapping[str, RuntimeSpec], *, asked: Iterable[str | None] | None = None
) -> list[str]:
    """Return the names of all runtimes, built-in ones first.

    Args:
        specs: the mission's own.
        asked: the names that are looked up; plugins are left out where none of them is asked.
    """
    own = [*BUILT_IN, *(name for name in specs if name not in BUILT_IN)]
    if asked is not None and {name for name in asked if name} <= {*own}:
        return own
    return [*own, *(name for name in PLUGINS.names() if name not in own)]


def default_runtime(specs: Mapping[str, RuntimeSpec]) -> Runtime:
    """Return the first of claude and codex that is installed, or raise ProgramNotFoundError."""
    for name in PREFERRED:
        spec = specs.get(name)
        program = spec.command[0] if spec and spec.command else name
        if install_path(program):
            return get_runtime(name, specs)
    raise ProgramNotFoundError(
        PREFERRED[0],
        problem="neither `claude` nor `codex` is installed, and the mission names no runtime",
        hint="install one (`npm install -g @anthropic-ai/claude-code`), name another with "
        "`--runtime`, or set `runtime` in mission.json; `mission demo` needs none",
    )
