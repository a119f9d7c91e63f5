"""Whether tasks can be handed to a fleet: its scheduler, its workers, and the machines of those."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.app.doctor import Item, State
from mosaic.app.host_facts import KeptHere, clock_item, fact_items, hub_item, hub_of
from mosaic.errors import ExtraMissingError, MissionError
from mosaic.executors.dask import with_hub
from mosaic.git.git import find_work_tree
from mosaic.remote.fleet import SAME_HINT, ask_workers, look_at_fleet
from mosaic.remote.local_fleet import SCHEDULER_FILE, local_fleet_dir
from mosaic.remote.on_fleet import tell_versions
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mosaic.remote.fleet import FleetState
    from mosaic.settings import HostSpec

WORKER_LINE = 'dask worker {} --nthreads 2 --resources "agents=2"'


def check_fleet(spec: HostSpec) -> Iterator[Item]:
    """Look whether work can be given to a fleet, and say each thing as it is found."""
    began = time.time()
    try:
        fleet = look_at_fleet(spec)
    except ExtraMissingError as error:
        yield Item("dask", State.BAD, error.message, error.hint)
        return
    except MissionError as error:
        is_ours = spec.scheduler == str(local_fleet_dir(spec.name) / SCHEDULER_FILE)
        words = f"`mission fleet local N --name {spec.name}` starts it"
        hint = words if is_ours else "see that it is started, and that it can be reached from here"
        yield Item("scheduler", State.BAD, error.detail or error.message, hint)
        return
    words = f"`{spec.scheduler}` answers after {time.time() - began:.1f} s"
    yield Item("scheduler", State.OK, words)
    yield _versions("versions", fleet.versions)
    yield from _workers(spec, fleet)
    yield from _machines(spec, fleet)


def _versions(name: str, theirs: Mapping[str, str]) -> Item:
    here = tell_versions()
    words = ", ".join(f"{what} {version}" for what, version in theirs.items())
    if differing := [what for what in here if here[what] != theirs.get(what)]:
        words += f"; here: {', '.join(f'{what} {here[what]}' for what in differing)}"
        return Item(name, State.BAD, words, SAME_HINT)
    return Item(name, State.OK, words)


def _workers(spec: HostSpec, fleet: FleetState) -> Iterator[Item]:
    """Say how many agents its workers take, and what of their set-up stands in the way."""
    labels = {label for worker in fleet.workers for label in worker.labels}
    line = WORKER_LINE.format(spec.scheduler if "://" in spec.scheduler else "ADDRESS")
    words = f"{counted(len(fleet.workers), 'worker')} for {counted(fleet.agents, 'agent')}"
    words += f"; labels: {', '.join(sorted(labels))}" if labels else ""
    state = State.OK if fleet.agents else State.MISSING  # a cluster may start workers on demand
    yield Item("workers", state, words, f"`{line}` adds one")
    if lacking := [label for label in spec.labels if label not in labels]:
        words = f"no worker offers {', '.join(f'`{each}`' for each in lacking)}"
        hint = f'start workers with `--resources "agents=1 {lacking[0]}=1"`'
        yield Item("labels", State.MISSING, words, hint)
    for worker in fleet.workers:
        if worker.agents and worker.threads != worker.agents:
            words = f"`{worker.name}` has {worker.threads} threads for {worker.agents} agents"
            hint = "give a worker as many `--nthreads` as agents: Dask counts both"
            yield Item("threads", State.MISSING, words, hint)


def _machines(spec: HostSpec, fleet: FleetState) -> Iterator[Item]:
    """Ask one worker of each machine what that machine has, and whether it reaches the hub."""
    asked = {worker.machine: worker.address for worker in fleet.workers}
    if not asked:
        return
    began = time.time()
    try:
        hub = _hub_of(spec)
        answers = ask_workers(spec, "about", {"hub": hub}, asked.values())
    except MissionError as error:
        yield Item("machines", State.BAD, error.summary, error.hint)
        return
    yield _hub(hub, answers)
    for machine, address in asked.items():
        said = answers.get(address)
        if said is None:
            yield Item(machine, State.BAD, "its worker is gone")
        elif isinstance(said, MissionError):
            yield Item(machine, State.BAD, said.summary, said.hint or SAME_HINT)
        else:
            for item in _facts(spec.name, said, began):
                yield item._replace(name=f"{machine} {item.name}")


def _hub_of(spec: HostSpec) -> str:
    """Return the hub of a fleet for the project that one stands in; empty where that says none."""
    top = find_work_tree(Path.cwd())
    return hub_of(with_hub(spec, top) if top else spec)


def _hub(hub: str, answers: Mapping[str, dict[str, Any] | MissionError]) -> Item:
    if not hub:
        words = "none is named; tasks of a project use one beside its git folder"
        return Item("hub", State.MISSING, words, "check it in the project, or name a `remote`")
    items = [hub_item(hub, each) for each in answers.values() if isinstance(each, dict)]
    return next((each for each in items if each.state is State.BAD), hub_item(hub, {}))


def _facts(fleet: str, said: Mapping[str, Any], began: float) -> Iterator[Item]:
    yield _versions("versions", said["versions"])
    yield clock_item(float(said["clock"]), began)
    yield from fact_items(said, KeptHere(), fleet)
