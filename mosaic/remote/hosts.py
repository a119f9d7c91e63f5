"""Which other machines there are: the mission's, and a person's own, which win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.plan.hosts import fitting_hosts, wanted_words
from mosaic.store.consent import Command
from mosaic.store.own_settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import Mission, Task
    from mosaic.settings import HostSpec


def known_hosts(mission: Mission) -> dict[str, HostSpec]:
    """Return the hosts by name; an OwnSettingsError where a person's own cannot be read."""
    own = own_settings()
    faults = [key for key in own.faults if key == "hosts" or key.startswith("hosts.")]
    return {**mission.hosts, **own.needed("commands", *faults).hosts}


def shown_hosts(mission: Mission) -> dict[str, HostSpec]:
    """Return the hosts by name, to be looked at: what cannot be read of a person's own is left out.

    Which of them are a person's own is not said: theirs win, as in `known_hosts`.
    """
    return {**mission.hosts, **own_settings().hosts}


def uses_of(specs: Iterable[HostSpec]) -> tuple[Command, ...]:
    """Return the use of those hosts that are a person's own, as it is asked about."""
    own = own_settings().hosts
    return tuple(
        Command(where=f"your host {each.name}", text=f"`runs_on` of tasks chooses {each.address}")
        for each in specs
        if own.get(each.name) == each
    )


def uses_in(mission: Mission, tasks: Iterable[Task]) -> tuple[Command, ...]:
    """Return what open tasks would use of a person's own hosts."""
    wanted = {
        words
        for task in tasks
        if not task.status.is_closed and (words := tuple(wanted_words(task)))
    }
    if not wanted:
        return ()
    known = shown_hosts(mission)
    found = {e.name: e for words in wanted for e in fitting_hosts(known.values(), words)}
    return uses_of(found.values())


def get_host(mission: Mission, name: str) -> HostSpec:
    """Return the host of a name; a UsageError where there is none."""
    known = known_hosts(mission)
    if name in known:
        return known[name]
    from difflib import get_close_matches  # start-up: only a wrong name needs it

    near = get_close_matches(name, known, n=1)
    raise UsageError(
        f"no host is called `{name}`",
        detail=f"known: {', '.join(f'`{each}`' for each in known) or 'none'}",
        hint=f"closest: `{near[0]}`" if near else f"`mission hosts add {name} user@machine`",
    )
