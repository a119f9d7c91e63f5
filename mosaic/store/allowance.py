"""What a person allowed a mission, kept in the person's own folder.

One note for each mission, under the digest of mission.json's real path:

    {"mission": "/home/me/project/coordination/mission.json",
     "places": ["/mnt/big/state"],     folders outside of the repository that it may use
     "owners": [1234],                 users whose files are taken for the mission's
     "commands": ["3f2a…"],            digests of the commands that may run
     "must_ask": false}                whether also a mission that was made here has to ask
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.person import find_note, write_note
from mosaic.records import asdict, dataclass

if TYPE_CHECKING:
    from pathlib import Path

KIND = "missions"
MOST_COMMANDS = 1000
"""How many digests are kept: those that were allowed longest ago go first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What a person allowed one mission."""

    places: tuple[str, ...] = ()
    """Real paths of folders outside of the repository that its path settings may lead to."""
    owners: tuple[int, ...] = ()
    """Ids of other users whose mission or state folder is used all the same."""
    commands: tuple[str, ...] = ()
    """Digests of the commands that may run."""
    must_ask: bool = False
    """Whether its commands need consent although the mission was made here."""


def find_allowance(mission_file: Path) -> Allowance:
    """Return what a mission is allowed; nothing where nobody said anything."""
    note = find_note(KIND, _name_of(mission_file)) or {}
    return Allowance(
        places=tuple(one for one in _list(note.get("places")) if isinstance(one, str)),
        owners=tuple(one for one in _list(note.get("owners")) if isinstance(one, int)),
        commands=tuple(one for one in _list(note.get("commands")) if isinstance(one, str)),
        must_ask=note.get("must_ask") is True,
    )


def save_allowance(mission_file: Path, allowance: Allowance) -> None:
    """Write down what a mission is allowed."""
    values = {"mission": os.path.realpath(mission_file), **asdict(allowance)}
    values["commands"] = allowance.commands[-MOST_COMMANDS:]
    write_note(KIND, _name_of(mission_file), values)


def _name_of(mission_file: Path) -> str:
    from hashlib import sha256  # start-up: hardly any command asks

    path = os.path.realpath(mission_file)
    return sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
