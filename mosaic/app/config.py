"""A person's settings: which values count, what says so, and how they are changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import (
    EditRefusedError,
    FileAccessError,
    HeldError,
    MissionError,
    MissionNotFoundError,
    RuntimeUnknownError,
    UsageError,
)
from mosaic.machine.disk import PRIVATE_FILE, create_private_dir, find_text, write_atomic
from mosaic.model import Mission
from mosaic.records import NamedTuple
from mosaic.runtimes import PREFERRED, known_runtimes
from mosaic.store.consent import SESSION_VARIABLE
from mosaic.store.mission_file import look_at_mission
from mosaic.store.own_settings import (
    LARGEST_BYTES,
    NOT_FORCED,
    WHOLE,
    chosen_command,
    own_settings,
    own_settings_path,
    parse_own_settings,
)
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mosaic.model import JsonValue
    from mosaic.store.own_settings import OwnSettings

DEFAULT = "default"


class Setting(NamedTuple):
    """A value that counts, and what says so."""

    key: str
    value: JsonValue
    """None: nothing says so."""
    source: str
    """`environment`, `mission`, `own` or `default`."""
    where: str
    """The variable, or the file with its line."""


class OwnConfig(NamedTuple):
    """A person's settings, beside what counts before and after them."""

    path: str | None
    """The file; None where nothing says where it is."""
    exists: bool
    settings: tuple[Setting, ...]
    problems: tuple[MissionError, ...]
    """What is wrong in the file."""

    def json_values(self) -> dict[str, Any]:
        """Return it with each problem as the facts of an error."""
        return {**self._asdict(), "problems": [each.json_values() for each in self.problems]}


def read_config(named: Path | None) -> OwnConfig:
    """Return each setting as it counts, in a mission where there is one."""
    own = own_settings()
    problems = [*own.faults.values()]
    path, mission = None, Mission(id="", name="")
    try:
        path = locate_mission(named)
        mission = look_at_mission(path).mission
    except MissionError as error:
        if named is not None:
            raise
        if not isinstance(error, MissionNotFoundError):
            problems.append(error)
    return OwnConfig(
        path=str(own.place) if own.place else None,
        exists=own.place is not None and own.place.exists(),
        settings=tuple(_settings(own, mission, str(path))),
        problems=tuple(problems),
    )


def _settings(own: OwnSettings, mission: Mission, mission_file: str) -> Iterator[Setting]:
    def chosen(
        key: str, of_mission: JsonValue, value: JsonValue, usual: JsonValue = None
    ) -> Setting:
        if of_mission:
            return Setting(key, of_mission, "mission", mission_file)
        if value:
            return Setting(key, value, "own", f"{own.place}:{own.lines[key]}")
        return Setting(key, usual, DEFAULT, "")

    yield chosen("runtime", mission.runtime, own.runtime)
    for name in dict.fromkeys((*PREFERRED, *mission.runtimes, *own.models)):
        spec = mission.runtimes.get(name)
        yield chosen(f"models.{name}", spec.model if spec else None, own.models.get(name))
    yield chosen("executor", None, own.executor, "process")
    for key in ("editor", "pager"):
        words, where = chosen_command(key, os.environ)
        if where == key:
            yield Setting(key, [*words], "own", f"{own.place}:{own.lines[key]}")
        else:
            yield Setting(key, [*words], "environment" if where else DEFAULT, where)
    yield chosen("notify", [*mission.notify], [*own.notify])
    if os.environ.get("NO_COLOR"):
        yield Setting("colour", "never", "environment", "$NO_COLOR")
    elif forced := os.environ.get("FORCE_COLOR"):
        value = "never" if forced in NOT_FORCED else "always"
        yield Setting("colour", value, "environment", "$FORCE_COLOR")
    else:
        yield chosen("colour", None, own.colour, "auto")


def set_config(key: str, value: str) -> Path:
    """Set a value in the person's file, which is made when missing, and return the file.

    No byte of it changes but those of the value.

    Raises:
        UsageError: there is no such key, or it cannot have that value.
        HeldError: an agent asks.
    """
    from mosaic.text.toml_edits import set_toml  # start-up: to show settings needs no edit

    def edit(place: Path, text: str) -> str:
        alone = parse_own_settings(place, set_toml("", _keys(key), value))
        if (fault := alone.faults.get(key)) is not None:
            raise UsageError(fault.message, hint=fault.hint)
        return set_toml(text, _keys(key), value)

    return change_config(edit)


def find_doubt(key: str, value: str) -> str | None:
    """Return why a value that was set may not be meant; None where nothing speaks against it."""
    try:
        mission = look_at_mission(locate_mission(None)).mission
    except MissionError:
        mission = Mission(id="", name="")
    name = value if key == "runtime" else key.partition(".")[2]
    known = known_runtimes(mission.runtimes, asked=[name])
    if (key != "runtime" and not key.startswith("models.")) or name in known:
        return None
    error = RuntimeUnknownError(name, known)
    return f"{error.message} here; {error.detail}"


def unset_config(key: str) -> Path:
    """Take a value out of the person's file, and return the file; see `set_config`."""
    from mosaic.text.toml_edits import key_lines, unset_toml  # start-up, as above

    def edit(place: Path, text: str) -> str:
        if _keys(key) not in key_lines(text):
            raise UsageError(f"`{key}` is not set", path=place, hint="`mission config` shows all")
        return unset_toml(text, _keys(key))

    return change_config(edit)


def _keys(key: str) -> tuple[str, ...]:
    return tuple(key.split(".", 1))  # a runtime's name may hold dots


def change_config(edit: Callable[[Path, str], str]) -> Path:
    """Have the text of the person's file edited, and return the file; see `set_config`."""
    if os.environ.get(SESSION_VARIABLE):
        raise HeldError(
            "an agent cannot change a person's settings",
            detail=f"`{SESSION_VARIABLE}` is set: this is called within a session",
            hint="a person runs `mission config`, in a shell of their own",
        )
    place = own_settings_path(os.environ)
    if place is None:
        raise FileAccessError(
            "nothing says where your own settings are kept",
            hint="set `HOME`, or `XDG_CONFIG_HOME` to a folder of your own",
        )
    found = find_text(place, limit_bytes=LARGEST_BYTES)
    text = found.text if found else ""
    if (fault := parse_own_settings(place, text).faults.get(WHOLE)) is not None:
        raise fault
    try:
        changed = edit(place, text)
    except EditRefusedError as error:
        raise error.at(place) from None
    if not place.parent.is_dir():
        create_private_dir(place.parent)
    write_atomic(
        place,
        changed.encode(),
        root=os.path.dirname(os.path.realpath(place)),
        mode=None if found else PRIVATE_FILE,
        expect=found.signature if found else None,
    )
    own_settings.cache_clear()
    return place
