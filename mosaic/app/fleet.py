"""Fleets as a person sees them: connected, started on this machine, listed, stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.app.hosts import add_host, hosts_to_check
from mosaic.errors import MissionError, UsageError
from mosaic.records import NamedTuple
from mosaic.remote.fleet import look_at_fleet
from mosaic.remote.local_fleet import (
    SCHEDULER_FILE,
    WORK,
    local_fleet_dir,
    start_local_fleet,
    stop_local_fleet,
)
from mosaic.store.own_settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.remote.fleet import FleetWorker
    from mosaic.settings import HostSpec


class ListedFleet(NamedTuple):
    """A fleet and what it does now."""

    name: str
    scheduler: str
    agents: int
    """How many agents its workers take at once."""
    workers: Sequence[FleetWorker]
    unplaced: Sequence[str]
    """The runs that no worker can take as it is."""
    problem: str | None
    """Why nothing more is known of it."""


def connect_fleet(name: str, scheduler: str, values: Mapping[str, Any]) -> HostSpec:
    """Write a fleet into the person's own settings; one of that name gets the values as well."""
    if os.path.isfile(os.path.expanduser(scheduler)):
        scheduler = os.path.abspath(os.path.expanduser(scheduler))
    return add_host(name, {**values, "scheduler": scheduler})


def start_fleet_here(name: str, agents: int, labels: Sequence[str] = ()) -> HostSpec:
    """Start a fleet on this machine, for so many agents at once, and write it into the settings.

    HeldError where one of that name runs, FailedError where it does not start.
    """
    folder = local_fleet_dir(name)
    scheduler = str(folder / SCHEDULER_FILE)
    known = own_settings().hosts.get(name)
    if known is not None and known.scheduler != scheduler:
        raise UsageError(
            f"`{name}` is another host already",
            detail=known.where,
            hint=f"`mission fleet local {agents} --name NAME` takes another name",
        )
    labels = labels or (known.labels if known else ())  # those that it had before
    start_local_fleet(name, agents, labels)
    values = {"folder": str(folder / WORK), "max": agents, "labels": [*labels]}
    return add_host(name, {"scheduler": scheduler, **values})


def stop_fleet_here(name: str) -> bool:
    """Stop a fleet on this machine and tell whether it ran; its agents work on.

    A UsageError where it is none of this machine.
    """
    if not local_fleet_dir(name).is_dir():
        raise UsageError(
            f"no fleet on this machine is called `{name}`",
            hint="a fleet elsewhere is stopped where it was started; `mission fleet list`",
        )
    return stop_local_fleet(name)


def list_fleets(named: Path | None) -> list[ListedFleet]:
    """Return all fleets that tasks may be handed to, each as its scheduler sees it now."""
    return [_listed(spec) for spec in hosts_to_check(named, None) if spec.scheduler]


def _listed(spec: HostSpec) -> ListedFleet:
    try:
        fleet = look_at_fleet(spec)
    except MissionError as error:
        return ListedFleet(spec.name, spec.scheduler, 0, (), (), error.detail or error.message)
    return ListedFleet(spec.name, spec.scheduler, fleet.agents, fleet.workers, fleet.unplaced, None)
