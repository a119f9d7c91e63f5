"""What a person allows a mission from elsewhere: to run its commands, to use a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.app.change import Actor
from mosaic.errors import HeldError
from mosaic.records import NamedTuple, replace
from mosaic.store.allowance import (
    Allowance,
    find_allowance,
    find_other_owner,
    name_of,
    save_allowance,
)
from mosaic.store.consent import (
    SESSION_VARIABLE,
    allow,
    commands_of,
    digest_of,
    find_unallowed,
    find_unallowed_uses,
    require_consent,
    require_uses,
)
from mosaic.store.mission_file import load_mission
from mosaic.store.own_settings import own_settings
from mosaic.store.reading import read_mission
from mosaic.store.state import Standing, adopt_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mosaic.store.consent import Command
    from mosaic.store.mission_file import MissionDocument


class NamedCommand(NamedTuple):
    """A command that a mission names."""

    where: str
    """The key that holds it."""
    command: str
    shown: str
    allowed: bool


class Trust(NamedTuple):
    """What a mission is allowed."""

    mission_file: Path
    made_here: bool
    state: str
    places: tuple[str, ...]
    owners: tuple[int, ...]
    commands: tuple[NamedCommand, ...]
    digest: str
    done: tuple[str, ...] = ()
    """What was just allowed, in words."""


def read_trust(mission_file: Path, done: Sequence[str] = ()) -> Trust:
    """Return what a mission is allowed, and what it would ask for."""
    allowance = find_allowance(mission_file)
    document = load_mission(mission_file)
    commands = commands_of(document.mission)
    unallowed = {command.digest for command in find_asked(document)}
    uses = [] if document.layout.state.is_made_here else [*_uses_of(document)]
    return Trust(
        mission_file=mission_file,
        made_here=document.layout.state.is_made_here,
        state=document.layout.state.standing.value,
        places=tuple(allowance.places),
        owners=tuple(allowance.owners),
        commands=tuple(
            NamedCommand(each.where, each.text, each.shown, each.digest not in unallowed)
            for each in (*commands, *uses)
        ),
        digest=digest_of(commands),
        done=tuple(done),
    )


def find_asked(document: MissionDocument) -> tuple[Command, ...]:
    """Return all that a mission asks for and may not do yet: commands, and hosts of the person."""
    uses = find_unallowed_uses(document, _uses_of(document))
    return (*find_unallowed(document), *uses)


def _uses_of(document: MissionDocument) -> tuple[Command, ...]:
    if not own_settings().hosts:
        return ()
    from mosaic.remote.hosts import uses_in  # start-up: few people have any

    return uses_in(document.mission, read_mission(document.path).tasks)


def require_all(mission_file: Path, *, with_hosts: bool) -> None:
    """Make sure that all that a mission asks for is allowed, before a loop or a pool begins.

    Without `with_hosts` tasks choose no host: the person named those that may be used.
    """
    document = load_mission(mission_file)
    require_consent(document)
    if with_hosts:
        require_uses(document, _uses_of(document))


def forget_trust(mission_file: Path, actor: Actor | None = None) -> None:
    """Take back everything that was allowed."""
    _refuse_agent(actor)
    save_allowance(mission_file, Allowance(must_ask=True))


def trust_mission(
    mission_file: Path,
    places: Sequence[Path],
    confirm: Callable[[Sequence[Command]], bool],
    actor: Actor | None = None,
) -> Trust:
    """Allow a mission its owner, folders outside of the repository, its state, its commands.

    `confirm` is asked once, about the commands that are not allowed yet.

    Raises:
        HeldError: an agent asks.
    """
    _refuse_agent(actor)
    done = []
    before = find_allowance(mission_file)
    owner = find_other_owner(mission_file)
    if owner is not None and owner not in before.owners:
        before = replace(before, owners=(*before.owners, owner))
        save_allowance(mission_file, before)
        done.append(f"this mission is used, although it belongs to {name_of(owner)}")
    if fresh := [str(place) for place in places if str(place) not in before.places]:
        save_allowance(mission_file, replace(before, places=(*before.places, *fresh)))
        done += [f"this mission may use `{place}`" for place in fresh]
    document = load_mission(mission_file)
    state = document.layout.state
    if state.standing is Standing.DOUBTED:
        adopt_state(state, document.path)
        done.append(f"`{state.place}` is yours from now on")
        document = load_mission(mission_file)
    unallowed = find_asked(document)
    if unallowed and not confirm(unallowed):
        done.append("no command was allowed")
    else:
        allow(document, (*commands_of(document.mission), *unallowed), settles=True)
        done += [f"may run: {command.shown}" for command in unallowed]
    return read_trust(mission_file, done or ["there is nothing to allow"])


def _refuse_agent(actor: Actor | None) -> None:
    if actor is Actor.AGENT or (actor is None and os.environ.get(SESSION_VARIABLE)):
        raise HeldError(
            "an agent cannot allow anything",
            detail=f"`{SESSION_VARIABLE}` is set: this is called within a session",
            hint="a person runs `mission trust`, in a shell of their own",
        )
