"""`mission trust`: what a person allows a mission, and where they see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.consent import is_somebody_there, says_yes, show_commands
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, emit, paint, warn
from mosaic.errors import ExitCode, HeldError, MissionOwnerError, UsageError
from mosaic.records import dataclass, replace
from mosaic.store.allowance import Allowance, find_allowance, save_allowance
from mosaic.store.consent import (
    SESSION_VARIABLE,
    allow,
    commands_of,
    digest_of,
    find_unallowed,
)
from mosaic.store.mission_file import load_mission
from mosaic.store.owners import find_other_owner, name_of
from mosaic.store.reading import locate_mission, named_mission_file
from mosaic.store.trust import Standing, adopt_state

if TYPE_CHECKING:
    from mosaic.store.consent import Command
    from mosaic.store.mission_file import MissionDocument


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What the command line names."""

    mission_file: Path
    places: tuple[Path, ...]
    """Folders outside of the repository."""


def trust_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="A mission, or a folder outside of the repository that this one may use.",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Only show what is allowed and what is not.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Take back everything that was allowed.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Allow what a mission from elsewhere may not do by itself: run its commands, use a folder."""
    asked = _read_paths(paths or [], mission)
    if listing:
        return _show(asked.mission_file, [], as_json=as_json)
    if os.environ.get(SESSION_VARIABLE):
        raise HeldError(
            "an agent cannot allow anything",
            detail=f"`{SESSION_VARIABLE}` is set: this is called within a session",
            hint="a person runs `mission trust`, in a shell of their own",
        )
    if forget:
        save_allowance(asked.mission_file, Allowance(must_ask=True))
        said = ["everything that was allowed is taken back"]
        result = Result(kind="trust.forgotten", data={"done": list(said)}, lines=said)
        return emit(result, as_json=as_json)
    said = [*_accept_owner(asked.mission_file), *_allow_places(asked)]
    document = load_mission(asked.mission_file)
    said += _take_over_state(document)
    document = load_mission(asked.mission_file)
    said += _allow_commands(document, as_json=as_json)
    return _show(asked.mission_file, said or ["there is nothing to allow"], as_json=as_json)


def _read_paths(paths: list[Path], mission: Path | None) -> _Asked:
    """Tell the mission from the folders: a path that holds one is it, where none is named."""
    if mission is None and len(paths) == 1 and (named := _find_named(paths[0])) is not None:
        here = _find_here()
        if here is None or os.path.realpath(here) == os.path.realpath(named):
            return _Asked(mission_file=named, places=())
    here = _find_here() if mission is None else None
    mission_file = here or locate_mission(mission)
    return _Asked(
        mission_file=mission_file, places=tuple(Path(os.path.realpath(each)) for each in paths)
    )


def _find_named(path: Path) -> Path | None:
    try:
        return named_mission_file(path)
    except UsageError:
        return None


def _find_here() -> Path | None:
    """Return the mission that the search finds, of any owner; None where there is none."""
    try:
        return locate_mission(None)
    except MissionOwnerError as error:
        return Path(error.path) if error.path else None
    except UsageError:
        return None


def _accept_owner(mission_file: Path) -> list[str]:
    owner = find_other_owner(mission_file)
    before = find_allowance(mission_file)
    if owner is None or owner in before.owners:
        return []
    save_allowance(mission_file, replace(before, owners=(*before.owners, owner)))
    return [f"this mission is used, although it belongs to {name_of(owner)}"]


def _allow_places(asked: _Asked) -> list[str]:
    before = find_allowance(asked.mission_file)
    fresh = [str(place) for place in asked.places if str(place) not in before.places]
    if fresh:
        save_allowance(asked.mission_file, replace(before, places=(*before.places, *fresh)))
    return [f"this mission may use `{place}`" for place in fresh]


def _take_over_state(document: MissionDocument) -> list[str]:
    """Mark a state folder as this person's own, where that is what keeps it from being used."""
    state = document.layout.state
    if state.standing is not Standing.DOUBTED:
        return []
    adopt_state(state, document.path)
    return [f"`{state.place}` is yours from now on"]


def _allow_commands(document: MissionDocument, *, as_json: bool) -> list[str]:
    unallowed = find_unallowed(document)
    if unallowed and is_somebody_there() and not as_json:
        warn("these commands may run from now on:")
        show_commands(unallowed)
        if not says_yes("Allow them?"):
            return ["no command was allowed"]
    allow(document, commands_of(document.mission), settles=True)
    return [f"may run: {command.shown}" for command in unallowed]


def _show(mission_file: Path, said: list[str], *, as_json: bool) -> int:
    """Say what was done, and what is allowed now."""
    allowance = find_allowance(mission_file)
    document = load_mission(mission_file)
    commands = commands_of(document.mission)
    unallowed = {command.digest for command in find_unallowed(document)}
    result = Result(
        kind="trust",
        data={
            "mission_file": str(mission_file),
            "made_here": document.layout.state.is_made_here,
            "state": document.layout.state.standing.value,
            "places": list(allowance.places),
            "owners": list(allowance.owners),
            "commands": [
                {
                    "where": each.where,
                    "command": each.text,
                    "allowed": each.digest not in unallowed,
                }
                for each in commands
            ],
            "digest": digest_of(commands),
            "done": said,
        },
        lines=[clean(line) for line in said] or _lines(allowance, commands, unallowed),
        exit_code=ExitCode.OK,
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)


def _lines(allowance: Allowance, commands: tuple[Command, ...], unallowed: set[str]) -> list[str]:
    lines = []
    for command in commands:
        is_open = command.digest in unallowed
        mark = paint("asks", "yellow") if is_open else paint("may run", "green")
        lines.append(f"{mark}  {clean(command.shown)}")
    lines += [f"may use `{clean(place)}`" for place in allowance.places]
    lines += [f"may belong to {clean(name_of(owner))}" for owner in allowance.owners]
    if commands:
        lines.append(paint(f"MISSION_TRUST={digest_of(commands)} allows these commands", "dim"))
    return lines or [paint("this mission asks for nothing", "dim")]
