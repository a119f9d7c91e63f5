"""A person's own settings, for every mission: `$XDG_CONFIG_HOME/mosaic/config.toml`.

    runtime = "claude"              who gets a task that names nobody
    executor = "tmux"               where `--detach` and `-j` start them
    editor = "code --wait"
    pager = "less -R"               "" is none
    notify = ["notify-send", "Mosaic"]
    colour = "auto"                 or "always", "never"

    [models]
    claude = "opus"                 by runtime

    [hosts.box]                     another machine, by a name of your own
    address = "me@box"              and the other keys of `mosaic.settings.HostSpec`;
                                    a fleet has `scheduler` in place of it

They come after the command line and mission.json. No repository can bring them along: the folder
is named by an absolute path, and a command in it by its name or its whole path. A file that
others can write is read, but no command in it is run.
"""

from __future__ import annotations

import os
import re
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FileAccessError, OwnSettingsError
from mosaic.machine.disk import find_text
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mosaic.errors import MissionError
    from mosaic.settings import HostSpec

LARGEST_BYTES = 64 << 10
COMMANDS = ("editor", "pager", "notify", "hosts")
"""Keys whose values are run."""
ENVIRONMENT = {"editor": ("VISUAL", "EDITOR"), "pager": ("PAGER",)}
"""Variables for all programs, which count where nothing is set for this one."""
USUAL = {"editor": ("vi",), "pager": ("less",)}
COLOURS = ("auto", "always", "never")
NOT_FORCED = ("0", "false")
"""Values of `FORCE_COLOR` that ask for no colour, as other programs read it."""
WHOLE = ""
"""Stands for the file, where a fault is not of one key."""


class OwnSettings(NamedTuple):
    """What a person set for all missions."""

    place: Path | None = None
    """Where the file is or would be; None where nothing says where."""
    runtime: str | None = None
    models: Mapping[str, str] = {}
    """By runtime."""
    executor: str | None = None
    editor: tuple[str, ...] | None = None
    pager: tuple[str, ...] | None = None
    """Empty: none is wanted."""
    notify: tuple[str, ...] = ()
    colour: str | None = None
    hosts: Mapping[str, HostSpec] = {}
    """Other machines, by name."""
    lines: Mapping[str, int] = {}
    """The line of each key that counts."""
    faults: Mapping[str, MissionError] = {}
    """What is wrong, by key; such a key counts as not set."""

    def needed(self, *keys: str) -> OwnSettings:
        """Return the settings, or raise what is wrong with some of them."""
        for key in (WHOLE, *keys):
            if key in self.faults:
                raise self.faults[key]
        return self


class ChosenCommand(NamedTuple):
    """A program that a person chose, and what says so."""

    words: tuple[str, ...]
    """Empty where none is wanted."""
    where: str
    """A variable, as `$PAGER`; a key of the file, as `pager`; or nothing: the usual one."""


@cache
def own_settings() -> OwnSettings:
    """Return the settings of who runs this process, read once; no fault stops it."""
    return read_own_settings(os.environ)


def own_settings_path(environ: Mapping[str, str]) -> Path | None:
    """Return where the file is or would be."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # the XDG rules: a relative one is to be ignored
        base = os.path.expanduser("~/.config")
    return Path(base, "mosaic", "config.toml") if os.path.isabs(base) else None


def read_own_settings(environ: Mapping[str, str]) -> OwnSettings:
    """Read the settings; where there is no file, none is set."""
    place = own_settings_path(environ)
    if place is None:
        return OwnSettings()
    try:
        found = find_text(place, limit_bytes=LARGEST_BYTES)
    except FileAccessError as error:
        return OwnSettings(place, faults={WHOLE: error})
    return OwnSettings(place) if found is None else parse_own_settings(place, found.text)


def parse_own_settings(place: Path, text: str) -> OwnSettings:
    """Return what a text of the file at a place sets."""
    import tomllib  # start-up: most people have no such file

    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        words, _, at = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", at)
        return OwnSettings(
            place,
            faults={
                WHOLE: OwnSettingsError(
                    "your own settings cannot be read, so none of them counts",
                    path=place,
                    line=int(line[1]) if line else text.count("\n") + 1,
                    detail=words,
                    hint="mend that line; `mission config` shows what counts",
                )
            },
        )
    if not values:
        return OwnSettings(place)
    from mosaic.text.toml_edits import key_lines  # start-up, as above

    lines = {".".join(keys): line for keys, line in key_lines(text).items()}
    kept: dict[str, Any] = {}
    faults: dict[str, MissionError] = {}
    for key, value in values.items():
        _read_key(key, value, kept, faults)
    named = [key for key in COMMANDS if kept.get(key)]
    if named and (why := _why_not_followed(place)):
        listed = ", ".join(f"`{key}`" for key in named)
        faults["commands"] = OwnSettingsError(
            f"others could have written your own settings: {why}",
            detail=f"the commands in it are not run: {listed}",
            hint="look at the file, then make it and its folders writable for you alone",
        ).at(place, lines.get(named[0]))
        kept = {key: value for key, value in kept.items() if key not in named}
    for key, fault in faults.items():
        fault.at(place, lines.get(key))
    return OwnSettings(place, lines=lines, faults=faults, **kept)


def chosen_command(key: str, environ: Mapping[str, str]) -> ChosenCommand:
    """Return a person's `editor` or `pager`.

    As git does: our own variable, the settings, the variables for all programs, the usual one.
    """
    own, *general = f"MISSION_{key.upper()}", *ENVIRONMENT[key]
    for name in (own, key, *general):
        if name == key:
            if (words := getattr(own_settings(), key)) is not None:
                return ChosenCommand(words, key)
        elif name in environ and (environ[name].strip() or key == "pager"):
            return ChosenCommand(_split(environ[name]), f"${name}")
    return ChosenCommand(USUAL[key], "")


def _split(text: str) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def _read_key(key: str, value: Any, kept: dict[str, Any], faults: dict[str, MissionError]) -> None:
    """Put what a key sets into `kept`, or what is wrong with it into `faults`."""
    entries = {key: value}
    if key in ("models", "hosts") and isinstance(value, dict):
        entries = {f"{key}.{name}": each for name, each in value.items()}
    for name, each in entries.items():
        try:
            found = _reader_of(name)(each)
        except ValueError as error:
            message, *hint = error.args
            words = f"`{name}` in your own settings {message}"
            faults[name] = OwnSettingsError(words, hint=hint[0] if hint else None)
        else:
            if name == key:
                kept[key] = found
            else:
                kept.setdefault(key, {})[name.partition(".")[2]] = found


def _reader_of(key: str) -> Callable[[Any], Any]:
    from mosaic.executors import known_executors  # start-up: only a file that is there is read

    readers: dict[str, Callable[[Any], Any]] = {
        "runtime": _read_name,
        "executor": lambda value: _read_word(value, (*known_executors(asked=value),)),
        "editor": _read_command,
        "pager": lambda value: _read_command(value) if value else (),
        "notify": lambda value: _read_command(value) if value else (),
        "colour": lambda value: _read_word(value, COLOURS),
        "models": _refuser("is not a table", "write `[models]`, and a line for each runtime"),
        "hosts": _refuser("is not a table", "write `[hosts.NAME]`, and `address` below"),
    }
    if key.startswith("models."):
        return _read_name
    if key.startswith("hosts."):
        from mosaic.plan.hosts import parse_host

        return lambda value: parse_host(key.partition(".")[2], value)
    if key in readers:
        return readers[key]
    from difflib import get_close_matches

    near = get_close_matches(key, readers, n=1)
    hint = f"closest: `{near[0]}`" if near else f"known: {', '.join(f'`{k}`' for k in readers)}"
    return _refuser("is not known", hint)


def _refuser(message: str, hint: str) -> Callable[[Any], Any]:
    def refuse(_value: Any) -> None:
        raise ValueError(message, hint)

    return refuse


def _read_name(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError("is not a name", "write it in quotes")


def _read_word(value: Any, words: tuple[str, ...]) -> str:
    if value in words:
        return str(value)
    raise ValueError(f"is {value!r}", f"use {', '.join(f'`{word}`' for word in words)}")


def _read_command(value: Any) -> tuple[str, ...]:
    import shlex

    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("has a quote that is not closed", "close it") from None
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not is_list or not words:
        raise ValueError("is not a command", "write it in quotes, or as a list of its words")
    program = os.path.expanduser(words[0])
    if os.sep in program and not os.path.isabs(program):
        # It would be another program in each project that one stands in.
        raise ValueError(f"names `{words[0]}`", "write a program's name, or its whole path")
    return (program, *words[1:])


def _why_not_followed(place: Path) -> str | None:
    """Return why others may have written a file: itself, its folder, or one above; None: not so."""
    real = Path(os.path.realpath(place))
    for path in dict.fromkeys((real, *real.parents, place.parent)):
        try:
            status = os.stat(path)
        except OSError as error:
            return f"`{path}` cannot be looked at: {error.strerror}"
        if status.st_uid not in (os.geteuid(), 0):
            return f"`{path}` belongs to another user"
        if path != real and status.st_mode & stat.S_ISVTX:
            continue  # what is in it can be replaced by its owner only
        if status.st_mode & stat.S_IWOTH:
            return f"everybody can write `{path}`"
        if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid):
            return f"a group can write `{path}`"
    return None


def _is_own_group(number: int) -> bool:
    """Tell whether a group is this user's alone, as many systems make one for each user."""
    import grp
    import pwd

    if number == 0:
        return True
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}
