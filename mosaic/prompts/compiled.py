"""Runs a prompt of ours as Jinja compiled it, without Jinja, whose import takes 30 ms.

What Jinja compiles asks its environment for what it needs. What ours ask for is here, and
charged as in `mosaic.prompts.sandbox`. Whatever else is asked for fails, and the caller lets
Jinja itself render.
"""

from __future__ import annotations

from operator import getitem
from typing import TYPE_CHECKING, Any

from mosaic.prompts.budget import Budget, charges_of, filters_of
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType


def run_compiled(
    codes: Mapping[str, CodeType], name: str, values: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what a template writes, or raise anything that says that Jinja is needed.

    `codes` are its code and that of all that it may include, by name; they must be of ours:
    nothing keeps them from what they want to do.
    """
    yield from _Environment(codes, Budget()).get_template(name).root_render_func(_Context(values))


class _Runtime:
    """Stands for `jinja2.runtime`: all that is used of it is the mark of a missing name."""

    missing = object()

    def __getattr__(self, name: str) -> None:
        return None


_RUNTIME = _Runtime()
_BUILTINS = {"__import__": lambda *_: _RUNTIME, "str": str, "KeyError": KeyError}


class _Context(NamedTuple):
    values: Mapping[str, Any]

    def resolve_or_missing(self, name: str) -> Any:
        return self.values.get(name, _RUNTIME.missing)

    def get_all(self) -> Mapping[str, Any]:
        return self.values


class _Template(NamedTuple):
    root_render_func: Any

    def new_context(self, values: Mapping[str, Any], _: bool, more: Mapping[str, Any]) -> _Context:
        return _Context({**values, **more})


class _Environment:
    """What stands for Jinja's own, for one rendering."""

    concat = "".join
    getattr = staticmethod(getitem)
    """All that ours look into are dictionaries."""

    def __init__(self, codes: Mapping[str, CodeType], budget: Budget) -> None:
        self._codes = codes
        self.finalize = budget.written
        trim = budget.charged(lambda text: str(text).strip())
        self.filters = {**filters_of(budget), **charges_of(budget), "trim": trim}

    def get_template(self, name: str, _parent: str = "") -> _Template:
        names: dict[str, Any] = {"environment": self, "__builtins__": _BUILTINS}
        exec(self._codes[name], names)  # noqa: S102 - of ours, kept where our modules are
        return _Template(names["root"])

    def undefined(self, name: str) -> None:
        raise KeyError(name)
