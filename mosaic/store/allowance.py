"""What a mission may use beside its own: other users' files, and places outside.

A mission's paths stay inside the work tree that mission.json lies in, by their real paths, and
out of `.git`: a clone says in mission.json where they lead. A mission of another user is used
only when a person names it: the search for one goes upwards, and in `/tmp` anybody can put one
above. What a person allowed beyond that is one note for each mission in the person's own folder,
under the digest of mission.json's real path:

    {"mission": "/home/me/project/coordination/mission.json",
     "places": ["/mnt/big/state"],     folders outside of the repository that it may use
     "owners": [1234],                 users whose files are taken for the mission's
     "commands": ["3f2a…"],            digests of the commands that may run
     "must_ask": false}                whether also a mission that was made here has to ask
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.codec import load_record
from mosaic.errors import MissionOwnerError, PathOutsideError, RecordError
from mosaic.machine.git_dir import find_git_dir
from mosaic.machine.paths import is_inside
from mosaic.machine.person import find_note, write_note
from mosaic.machine.signature import find_owner
from mosaic.records import asdict, dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import Text

KIND = "missions"
MOST_COMMANDS = 1000
"""How many digests are kept: those that were allowed longest ago go first."""
_named: set[str] = set()
"""Real paths of the missions that this process was given by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What a person allowed one mission."""

    places: tuple[Text, ...] = ()
    """Real paths of folders outside of the repository that its path settings may lead to."""
    owners: tuple[int, ...] = ()
    """Ids of other users whose mission or state folder is used all the same."""
    commands: tuple[str, ...] = ()
    """Digests of the commands that may run."""
    must_ask: bool = False
    """Whether its commands need consent although the mission was made here."""


def find_allowance(mission_file: Path) -> Allowance:
    """Return what a mission is allowed; nothing where nobody said anything."""
    try:
        return load_record(Allowance, find_note(KIND, digest_of(mission_file)) or {}, mission_file)
    except RecordError:
        return Allowance(must_ask=True)


def save_allowance(mission_file: Path, allowance: Allowance) -> None:
    """Write down what a mission is allowed."""
    values = {"mission": os.path.realpath(mission_file), **asdict(allowance)}
    values["commands"] = allowance.commands[-MOST_COMMANDS:]
    write_note(KIND, digest_of(mission_file), values)


def digest_of(mission_file: Path) -> str:
    """Return what a mission is called in the person's own folder: it follows from its place."""
    from hashlib import sha256  # start-up: hardly any command asks

    path = os.path.realpath(mission_file)
    return sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def note_named(mission_file: Path) -> None:
    """Keep in mind that this process was given a mission by name."""
    _named.add(os.path.realpath(mission_file))


def refuse_other_owner(mission_file: Path, *, start: Path | None = None) -> None:
    """Make sure that a mission is this user's own, root's, or named.

    `start` is where the search for it began; None where something is to be written.
    """
    owner = find_other_owner(mission_file)
    if owner is None or os.path.realpath(mission_file) in _named:
        return
    if start is not None and find_owner(start) == owner:
        return
    if owner not in find_allowance(mission_file).owners:
        raise MissionOwnerError(mission_file, name_of(owner))


def name_of(owner: int) -> str:
    """Return a user as people read it: the name, else the id."""
    import pwd  # start-up: hardly any command asks

    try:
        return f"the user `{pwd.getpwuid(owner).pw_name}`"
    except KeyError:
        return f"the user with id {owner}"


def find_other_owner(mission_file: Path) -> int | None:
    """Return the id of the other user that a mission belongs to; None for one's own."""
    own = {os.geteuid(), 0}  # root is trusted by everybody
    for place in (mission_file, mission_file.parent):
        owner = find_owner(place)
        # None where it is just being made, or where reading it says what is wrong.
        if owner is not None and owner not in own:
            return owner
    return None


def refuse_outside(mission_file: Path, project: Path, places: Mapping[str, Path]) -> None:
    """Make sure that a mission's paths stay where they may be."""
    top = _work_tree_of(mission_file, project)
    for key, place in places.items():
        try:
            real = os.path.realpath(place)
        except (OSError, ValueError) as error:
            raise PathOutsideError(
                f"`{key}` cannot be a path", path=mission_file, detail=str(error)
            ) from error
        is_within = is_inside(top, real)
        below = os.path.relpath(real, top) if is_within else real
        is_in_git = ".git" in below.casefold().split(os.sep)
        if not is_in_git and (is_within or _is_allowed(mission_file, real)):
            continue
        message = f"`{key}` leads into git's own folder"
        hint = f"use a path inside `{top}`"
        if not is_in_git:
            message = f"`{key}` leads out of the repository that mission.json lies in"
            hint += f"; if you keep it there yourself: `mission trust {real}`"
        detail = f"it leads to `{real}`"
        raise PathOutsideError(message, path=mission_file, detail=detail, hint=hint)


def may_lead_to(mission_file: Path, project: Path, place: Path) -> bool:
    """Tell whether a place lies in the work tree of a mission, or a person allowed it."""
    real = os.path.realpath(place)
    return is_inside(_work_tree_of(mission_file, project), real) or _is_allowed(mission_file, real)


def _work_tree_of(mission_file: Path, project: Path) -> str:
    real = os.path.realpath(mission_file)
    # As git finds it: the sandbox of an agent may lay an empty `.git` over any folder.
    found = find_git_dir(os.path.dirname(real))
    if found is not None:
        return str(found[0])
    top = os.path.realpath(project)
    return top if is_inside(top, real) else os.path.dirname(real)


def _is_allowed(mission_file: Path, real: str) -> bool:
    return any(is_inside(place, real) for place in find_allowance(mission_file).places)
