"""Other machines as a person sees them: added to their own settings, and looked at."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.app.config import change_config
from mosaic.app.doctor import Item, State
from mosaic.app.fleet_check import check_fleet
from mosaic.app.host_facts import KeptHere, clock_item, fact_items, hub_item, hub_of
from mosaic.app.host_view import HostView, idle_host, view_hosts
from mosaic.errors import FailedError, MissionError, MissionNotFoundError, UsageError
from mosaic.machine.signature import access_error
from mosaic.model import Mission
from mosaic.plan.hosts import parse_host
from mosaic.records import NamedTuple
from mosaic.remote.hosts import get_host, known_hosts
from mosaic.remote.link import call
from mosaic.remote.send import mission_name
from mosaic.remote.sent import hub_run, list_sent, write_sent
from mosaic.remote.shell import INSTALL, probe, run_there, traits
from mosaic.remote.wheel import make_wheel
from mosaic.sessions.unbegun import clean_unbegun
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.settings import HostSpec
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import look_at_mission
from mosaic.store.own_settings import own_settings
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mosaic.remote.sent import Sent
    from mosaic.runs.record import Run

MOST_SENDING_SECONDS = 3600.0
"""How long an attempt may be there without being on record here: it is sent before it begins."""
NO_MISSION = Mission(id="", name="")


class ListedHost(NamedTuple):
    """A machine: how it is set up, and what the mission here has there."""

    spec: HostSpec
    view: HostView

    def json_values(self) -> dict[str, Any]:
        """Return it flat."""
        values: dict[str, Any] = {}
        for part in (self.spec, self.view):
            values |= {name: getattr(part, name) for name in part.__dataclass_fields__}
        return values


class CleanedAttempt(NamedTuple):
    """An attempt whose copy on another machine was to go."""

    host: str
    run_id: str
    kept_because: str
    """Empty: it is gone."""


def list_hosts(named: Path | None) -> list[ListedHost]:
    """Return the machines that tasks may be handed to, those of a mission where there is one.

    With them those that something of the mission is still on.
    """
    try:
        snapshot = read_mission(locate_mission(named))
    except MissionNotFoundError:
        known = known_hosts(NO_MISSION)
        return [ListedHost(spec, idle_host(spec, "own")) for spec in known.values()]
    known = known_hosts(snapshot.document.mission)
    views = view_hosts(snapshot, live_or_unknown(snapshot))
    return [ListedHost(known.get(view.name) or HostSpec(name=view.name), view) for view in views]


def add_host(name: str, values: Mapping[str, Any]) -> HostSpec:
    """Write a machine into the person's own settings; one of that name gets the values as well."""
    from mosaic.text.toml_edits import set_toml  # start-up, as in `app.config`

    given = {key: value for key, value in values.items() if value not in (None, [], "")}
    known = own_settings().hosts.get(name)
    try:
        parse_host(name, {**(_values_of(known) if known else {}), **given})
    except ValueError as error:
        raise _refusal(name, error) from None

    def edit(_place: Path, text: str) -> str:
        for key, value in given.items():
            text = set_toml(text, ("hosts", name, key), value)
        return text

    change_config(edit)
    own = own_settings()
    if fault := own.faults.get(f"hosts.{name}"):
        raise fault
    return own.hosts[name]


def _values_of(spec: HostSpec) -> dict[str, Any]:
    """Return what is set of a host, as its table has it."""
    values = {
        name: getattr(spec, name)
        for name, each in spec.__dataclass_fields__.items()
        if name != "name" and getattr(spec, name) != each.default
    }
    return {key: [*v] if isinstance(v, tuple) else v for key, v in values.items()}


def _refusal(name: str, error: ValueError) -> UsageError:
    message, *hint = error.args
    return UsageError(f"host `{name}` {message}", hint=hint[0] if hint else None)


def _mission(named: Path | None) -> Mission:
    try:
        return look_at_mission(locate_mission(named)).mission
    except MissionNotFoundError:
        return NO_MISSION


def hosts_to_check(named: Path | None, name: str | None) -> list[HostSpec]:
    """Return one machine, or all; those of a mission only where its commands may run."""
    mission, own = _mission(named), own_settings().hosts
    specs = [*known_hosts(mission).values()] if name is None else [get_host(mission, name)]
    if any(each.name not in own for each in specs):
        require_consent(look_at_mission(locate_mission(named)))
    return specs


def kept_here(named: Path | None) -> KeptHere:
    """Return what the mission here, where there is one, has on record of other machines."""
    try:
        layout = look_at_mission(locate_mission(named)).layout
    except MissionNotFoundError:
        return KeptHere()
    attempts = frozenset((sent.mission, run.id) for run, sent in list_sent(layout.runs_dir))
    return KeptHere(mission_name(layout), attempts)


def check_host(spec: HostSpec, here: KeptHere) -> Iterator[Item]:
    """Look whether work can be sent to a machine, and say each thing as it is found."""
    if spec.scheduler:
        yield from check_fleet(spec)
        return
    began = time.time()
    try:
        found = probe(spec)
    except MissionError as error:
        yield Item("ssh", State.BAD, error.summary, f"try `ssh {spec.address}` by hand")
        return
    yield Item("ssh", State.OK, f"`{spec.address}` answers after {time.time() - began:.1f} s")
    lacks = False
    for trait in traits(spec, found):
        if trait.name == "mission":
            yield clock_item(float(found.get("clock") or 0), began)
        lacks = lacks or not trait.is_ok
        yield Item(trait.name, State.OK if trait.is_ok else State.BAD, trait.found, trait.hint)
    if lacks:
        return
    try:
        hub = hub_of(spec)
        about = call(spec, "about", {"hub": hub}).values
        yield from fact_items(about, here, spec.name)
        if hub:
            yield hub_item(hub, about)
    except MissionError as error:
        yield Item("mission", State.BAD, error.summary, error.hint)


def install_on(spec: HostSpec, wheel: Path | None) -> None:
    """Install this version into the folder on a machine, from a wheel that is sent there.

    What it needs beside that, pip fetches there as usual. A FailedError where that fails, a
    UsageError for a fleet, whose workers are set up as Dask's are.
    """
    if spec.scheduler:
        raise UsageError(
            f"`{spec.name}` is a fleet: nothing is installed on its workers from here",
            hint="install `mosaic-mission[fleet]` where its scheduler and workers are started",
        )
    with tempfile.TemporaryDirectory(prefix="mosaic-") as folder:
        place = wheel or make_wheel(Path(folder))
        try:
            with open(place, "rb") as file:
                said = run_there(spec, INSTALL, [place.name], file)
        except OSError as error:
            raise access_error("read", place, error) from None
    if said.values.get("installed") != "yes":
        raise FailedError(
            f"`mission` could not be installed on `{spec.name}`; what was there is as it was",
            detail=said.errors or "it was not said why",
            hint=f"its Python needs `venv` and `pip`; `mission hosts check {spec.name}` names it",
        )


def clean_hosts(named: Path | None, name: str | None) -> list[CleanedAttempt]:
    """Remove what other machines still keep of attempts that are over here.

    An agent that was given up and still works is ended first.
    """
    mission_file = locate_mission(named)
    document = look_at_mission(mission_file)
    kept = list_sent(document.layout.runs_dir, settled=False)
    left = [each for each in kept if each[1].is_left]
    by_hub = {sent.host for _, sent in left if sent.hub}
    # Machines that a hub alone reaches need not be known here by an address.
    hosts = {} if name in by_hub else {spec.name: spec for spec in hosts_to_check(named, name)}
    cleaned = []
    for run, sent in left:
        if not (sent.host in hosts or (sent.hub and name in (None, sent.host))):
            continue
        try:
            why = _clean_hub(run) if sent.hub else _clean(hosts[sent.host], run, sent)
        except MissionError as error:
            why = error.summary
        if not why:
            write_sent(run, sent, is_removed=True)
        cleaned.append(CleanedAttempt(sent.host, run.id, why))
    for spec in filter(lambda each: each.address, hosts.values()):
        with contextlib.suppress(MissionError):  # what it keeps of others was named above
            gone = clean_unbegun(spec, document.layout)
            cleaned += [CleanedAttempt(spec.name, run_id, "") for run_id in gone]
    return cleaned


def clean_lost(named: Path | None, name: str, mission: str) -> list[CleanedAttempt]:
    """Remove what a machine keeps of a mission by its name there, and nobody here has on record.

    Its agents are ended. What is on record here stays: `clean_hosts` sees to that.
    """
    (spec,) = hosts_to_check(named, name)
    if spec.scheduler:
        words = f"`{name}` is a fleet: its workers remove what is over by themselves"
        raise UsageError(words, hint="`mission fleet list` shows what they do")
    known = kept_here(named).attempts
    kept = call(spec, "about", {}).values["attempts"]
    cleaned = []
    for each in kept:
        if each["mission"] == mission and (mission, each["run"]) not in known:
            try:
                why = _clean_lost(spec, each)
            except MissionError as error:
                why = error.summary
            cleaned.append(CleanedAttempt(spec.name, each["run"], why))
    if not any(there == mission for there, _ in known):
        call(spec, "sweep", {"mission": mission})
    return cleaned


def _clean_lost(spec: HostSpec, kept: Mapping[str, Any]) -> str:
    """Remove an attempt that is not on record here; return why it is kept, if it is."""
    if not kept.get("token"):
        return f"its work.json cannot be read: remove it there, below `{spec.folder}`"
    if kept.get("carrier"):
        return "a git remote carries it: its carrier removes it when it is over"
    if not kept["went"] and kept["age_seconds"] < MOST_SENDING_SECONDS:
        return "it may be on its way there just now"
    where = {key: kept[key] for key in ("mission", "run", "token")}
    return _remove(spec, where, stops=kept["went"])


def _clean(spec: HostSpec, run: Run, sent: Sent) -> str:
    """Remove an attempt from a machine that `ssh` reaches; return why it is kept, if it is."""
    where = {"mission": sent.mission, "run": run.id, "token": sent.token}
    return _remove(spec, where, stops=sent.is_forgotten)


def _remove(spec: HostSpec, where: Mapping[str, str], *, stops: bool) -> str:
    if stops:
        call(spec, "stop", where)
    said = call(spec, "drop", {**where, "brought_home": True}).values
    return "its agent would not end" if said.get("went") else ""


def _clean_hub(run: Run) -> str:
    """Remove an attempt from its hub: its carrier stops the agent then, and removes the copy."""
    if found := hub_run(run):
        found[0].remove(found[1].token)
    return ""
