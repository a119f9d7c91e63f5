"""Agents' command lines, by name. A new one is a file here and a line in `BUILT_IN`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from mosaic.errors import ProgramNotFoundError, RuntimeUnknownError
from mosaic.machine.process import install_path
from mosaic.settings import RuntimeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mosaic.ports import Runtime

# Module and class by name: start-up, only the runtime that is used is imported.
BUILT_IN = {
    "claude": ("mosaic.runtimes.claude", "Claude"),
    "codex": ("mosaic.runtimes.codex", "Codex"),
    "gemini": ("mosaic.runtimes.gemini", "Gemini"),
    "demo": ("mosaic.runtimes.command", "Demo"),
}
CUSTOM = ("mosaic.runtimes.command", "CommandRuntime")
PREFERRED = ("claude", "codex")
"""What is looked for, in this order, when no runtime is named."""


def get_runtime(name: str, specs: Mapping[str, RuntimeSpec]) -> Runtime:
    """Return the runtime of a name, built-in or of the mission's own; or RuntimeUnknownError."""
    spec = specs.get(name)
    if name not in BUILT_IN and (spec is None or not spec.command):
        raise RuntimeUnknownError(name, known_runtimes(specs))
    module, kind = BUILT_IN.get(name, CUSTOM)
    build = cast("Callable[[RuntimeSpec], Runtime]", getattr(import_module(module), kind))
    return build(spec or RuntimeSpec(name=name))


def known_runtimes(specs: Mapping[str, RuntimeSpec]) -> list[str]:
    """Return the names of all runtimes, built-in ones first."""
    return [*BUILT_IN, *(name for name in specs if name not in BUILT_IN)]


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
