"""Other machines: what an entry may hold, and which one gets a task."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from mosaic.settings import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.model import Task

RUNS_ON = "runs_on"
"""The key of a task that says on which hosts it may be worked on: labels, or a name."""
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
HOST_ADDRESS = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.@:%/\[\]+-]*")
"""What `ssh` takes for a destination; never what it would take for an option."""
HOST_SCHEDULER = re.compile(r"(?:tcp|tls)://[^\s/?#@]+|(?:/|~/).+")
"""What Dask takes for a scheduler: its address, or the file that has it."""
HOST_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LISTS = ("labels", "setup", "options", "env", "path")
_TEXTS = ("address", "scheduler", "folder", "python", "remote")


def host_fault(spec: HostSpec) -> tuple[str, str] | None:
    """Return what is wrong with a host and what to do; None where nothing is."""
    if not HOST_NAME.fullmatch(spec.name):
        return "has a name that is not plain", "use letters, digits, `.`, `_` and `-`"
    if fault := _place_fault(spec):
        return fault
    if not spec.folder.startswith(("/", "~/")):
        return f"has the folder `{spec.folder}`", "write a whole path, or one below `~/`"
    lists = (spec.labels, spec.setup, spec.options, spec.path)
    named = (spec.scheduler, spec.folder, spec.python, spec.remote)
    texts = (*named, *chain.from_iterable(lists))
    if any(not each.isprintable() for each in texts):
        return "holds a control character", "take it out"
    if spec.remote.startswith("-"):
        return f"has the remote `{spec.remote}`", "write the name of a remote, a URL or a path"
    if unfit := [each for each in spec.env if not HOST_VARIABLE.fullmatch(each)]:
        return f"names the variable `{unfit[0]}`", "write names only; the values are those of here"
    return None


def _place_fault(spec: HostSpec) -> tuple[str, str] | None:
    """Return what is wrong with how a host is reached."""
    if spec.address and spec.scheduler:
        hint = "keep `address` for a machine over SSH, or `scheduler` for a fleet on Dask"
        return "has both an address and a scheduler", hint
    if spec.scheduler:
        if HOST_SCHEDULER.fullmatch(spec.scheduler):
            return None
        hint = "write `tcp://machine:8786`, `tls://…`, or the whole path of a scheduler file"
        return f"has the scheduler `{spec.scheduler}`", hint
    if not spec.address:
        hint = '`"address": "user@machine"`, as `ssh` takes it, or `"scheduler": "tcp://…"`'
        return "has neither an address nor a scheduler", hint
    if not HOST_ADDRESS.fullmatch(spec.address):
        return f"has the address `{spec.address}`", "write it as `ssh` takes it: `user@machine`"
    return None


def parse_host(name: str, values: Any) -> HostSpec:
    """Return a host from the values of its table; a ValueError says what is wrong, and a hint."""
    if not isinstance(values, dict):
        raise ValueError(  # noqa: TRY004 - as what else is wrong in it
            "is not a table", f"write `[hosts.{name}]`, and `address` or `scheduler` below"
        )
    for key, value in values.items():
        is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
        if key in _LISTS and not is_list:
            raise ValueError(f"has `{key}` = {value!r}", "write a list of texts")
        if key in _TEXTS and not isinstance(value, str):
            raise ValueError(f"has `{key}` = {value!r}", "write it in quotes")
        is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if key == "max" and not is_count:
            raise ValueError(f"has `max` = {value!r}", "write a number above 0")
        if key not in (*_LISTS, *_TEXTS, "max"):
            known = ", ".join(f"`{each}`" for each in (*_TEXTS, "max", *_LISTS))
            raise ValueError(f"has `{key}`, which is not known", f"known: {known}")
    given: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
    }
    spec = HostSpec(name=name, **given)
    if fault := host_fault(spec):
        raise ValueError(*fault)
    return spec


def wanted_words(task: Task) -> tuple[str, ...]:
    """Return what a task asks of the host it runs on: labels, or its name."""
    wanted = task.more.get(RUNS_ON, ())
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


def fitting_hosts(specs: Iterable[HostSpec], wanted: Iterable[str]) -> list[HostSpec]:
    """Return the hosts that have all that is wanted, each a label or their name."""
    words = set(wanted)
    return [each for each in specs if words <= {each.name, *each.labels}]


def freest_host(specs: Iterable[HostSpec], load: Mapping[str, int]) -> HostSpec | None:
    """Return the host with the fewest sessions that has room for one more; None where none has."""
    free = [each for each in specs if each.max is None or load.get(each.name, 0) < each.max]
    return min(free, key=lambda each: load.get(each.name, 0), default=None)
