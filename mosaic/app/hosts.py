"""Other machines as a person sees them: added to their own settings, and looked at."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.app.config import change_config
from mosaic.app.doctor import Item, State
from mosaic.app.fleet_check import check_fleet
from mosaic.app.host_facts import clock_item, fact_items
from mosaic.app.host_view import HostView, idle_host, view_hosts
from mosaic.errors import MissionError, MissionNotFoundError, UnreachableError, UsageError
from mosaic.git.git import OLDEST_GIT
from mosaic.machine.environment import outer_environment
from mosaic.model import Mission
from mosaic.plan.hosts import parse_host
from mosaic.records import NamedTuple
from mosaic.remote.hosts import get_host, known_hosts
from mosaic.remote.link import CHOOSE, HOME, call, ssh_command
from mosaic.remote.sent import hub_run, list_sent, write_sent
from mosaic.remote.wheel import make_wheel
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.settings import HostSpec
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import look_at_mission
from mosaic.store.own_settings import own_settings
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.remote.sent import Sent
    from mosaic.runs.record import Run

SCRIPT_SECONDS = 300.0
MOST_SAID = 2000
NO_MISSION = Mission(id="", name="")
_TELL = 'say() { echo; echo "MOSAIC $k $*"; }; '
PROBE = (
    HOME + CHOOSE + "k=$3; " + _TELL + 'mkdir -p -m 700 "$d"; say folder "$d"; '
    'say git "$(git --version)"; '
    'say python "$("$p" -c "import sys; print(*sys.version_info[:3], sep=chr(46))")"; '
    'say mission "$("$p" -P -c "import mosaic; print(mosaic.__version__)")"; '
    'say clock "$(date +%s)"; [ -w "$d" ] && say writable yes; say end'
)
"""Shell, because there may be no Python of ours yet; without a single quote, for `csh` too."""
INSTALL = (
    HOME + 'k=$3; mkdir -p -m 700 "$d" && cd "$d" && cat > "$4" && '
    '{ [ -x venv/bin/python ] || "$2" -m venv venv; } >&2 && '
    'venv/bin/python -m pip install -q --disable-pip-version-check --upgrade "./$4" >&2 && '
    'rm -f "$4" && echo && echo "MOSAIC $k end"'
)


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


def check_host(spec: HostSpec) -> Iterator[Item]:
    """Look whether work can be sent to a machine, and say each thing as it is found."""
    if spec.scheduler:
        yield from check_fleet(spec)
        return
    began = time.time()
    try:
        found = _probe(spec)
    except MissionError as error:
        yield Item("ssh", State.BAD, error.summary, f"try `ssh {spec.address}` by hand")
        return
    yield Item("ssh", State.OK, f"`{spec.address}` answers after {time.time() - began:.1f} s")
    is_writable = found.get("writable") == "yes"
    hint = "name another `folder`, or mend its rights there"
    words = f"`{found.get('folder', spec.folder)}`"
    words += "" if is_writable else " cannot be written"
    yield Item("folder", State.OK if is_writable else State.BAD, words, hint)
    yield _version("git", found.get("git", "").removeprefix("git version "), OLDEST_GIT)
    yield _version("python", found.get("python", ""), (3, 11))
    yield clock_item(float(found.get("clock") or 0), began)
    version = found.get("mission", "")
    if version != __version__:
        words = f"version {version}, and {__version__} here" if version else "it is not installed"
        hint = f"`mission hosts check {spec.name} --install` puts it into `{spec.folder}/venv`"
        yield Item("mission", State.BAD, words, hint)
        return
    yield Item("mission", State.OK, version)
    try:
        yield from fact_items(call(spec, "about", {}).values)
    except MissionError as error:
        yield Item("mission", State.BAD, error.summary, error.hint)


def _version(name: str, found: str, oldest: Sequence[int]) -> Item:
    numbers = [int(each) for each in found.split(".")[:2] if each.isdigit()]
    if not numbers:
        return Item(name, State.BAD, "not found", f"install {name} there")
    if numbers < [*oldest]:
        words = f"{found}; {'.'.join(map(str, oldest))} or newer is needed"
        return Item(name, State.BAD, words, f"install a newer {name} there")
    return Item(name, State.OK, found)


def _probe(spec: HostSpec) -> dict[str, str]:
    """Return what a machine says of itself by its shell alone."""
    mark, lines = _run_there(spec, PROBE, [], subprocess.DEVNULL)
    said = [line.removeprefix(mark).partition(" ") for line in lines if line.startswith(mark)]
    return {key: value for key, _, value in said}


def _run_there(
    spec: HostSpec, script: str, words: Sequence[str], stdin: int | IO[bytes]
) -> tuple[str, list[str]]:
    """Run a script of shell to its `end`, and return its lines, with what marks its own."""
    word = secrets.token_hex(8)
    command = ["sh", "-c", script, "sh", spec.folder, spec.python, word, *words]
    # A file: a connection that is kept for later calls would keep a pipe open.
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                ssh_command(spec, command),
                env=outer_environment(),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=SCRIPT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(spec.name, f"no answer in {SCRIPT_SECONDS:g} s") from None
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()[-MOST_SAID:]
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    mark = f"MOSAIC {word} "
    if f"{mark}end" not in lines:
        raise UnreachableError(spec.name, said or f"`ssh` ended with {done.returncode}")
    return mark, lines


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
        with open(place, "rb") as file:
            _run_there(spec, INSTALL, [place.name], file)


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
    return cleaned


def _clean(spec: HostSpec, run: Run, sent: Sent) -> str:
    """Remove an attempt from a machine that `ssh` reaches; return why it is kept, if it is."""
    where = {"mission": sent.mission, "run": run.id, "token": sent.token}
    if sent.is_forgotten:
        call(spec, "stop", where)
    said = call(spec, "drop", {**where, "brought_home": True}).values
    return "its agent would not end" if said.get("went") else ""


def _clean_hub(run: Run) -> str:
    """Remove an attempt from its hub: its carrier stops the agent then, and removes the copy."""
    if found := hub_run(run):
        found[0].remove(found[1].token)
    return ""
