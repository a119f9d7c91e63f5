"""Whose mission it is: one of another user is used only when a person names it.

The search for a mission goes upwards, out of the folder where somebody works: in `/tmp`, or on
a shared disk, anybody can put one above. Named is a mission by `--mission`, `$MISSION_FILE`
or `mission trust`. Where a person stands in the other user's own folder, looking is
harmless and goes without a name; nothing is written there, and nothing started.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import MissionOwnerError
from mosaic.machine.signature import find_owner

if TYPE_CHECKING:
    from pathlib import Path

ROOT = 0
_named: set[str] = set()
"""Real paths of the missions that this process was given by name."""


def note_named(mission_file: Path) -> None:
    """Keep in mind that this process was given a mission by name."""
    _named.add(os.path.realpath(mission_file))


def refuse_other_owner(mission_file: Path, *, start: Path | None = None) -> None:
    """Make sure that a mission is this user's own, root's, or named.

    Args:
        mission_file: path of mission.json.
        start: where the search for it began; None where something is to be written.
    """
    owner = find_other_owner(mission_file)
    if owner is None or os.path.realpath(mission_file) in _named:
        return
    if start is not None and find_owner(start) == owner:
        return
    from mosaic.store.allowance import find_allowance  # start-up: hardly any mission asks

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
    own = {os.geteuid(), ROOT}
    for place in (mission_file, mission_file.parent):
        owner = find_owner(place)
        # None where it is just being made, or where reading it says what is wrong.
        if owner is not None and owner not in own:
            return owner
    return None
