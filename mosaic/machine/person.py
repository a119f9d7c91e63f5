"""The person's own folder: what is kept about missions where no repository can reach.

    $MISSION_STATE_HOME, else $XDG_STATE_HOME/mosaic, else ~/.local/state/mosaic
      states/<mark>       one note for each state folder that was made here
      missions/<digest>   one for each mission that the person allowed something
      work/<digest>       runs and worktrees of a mission that keeps them outside

A note is a JSON object, for its owner's eyes alone. A clone, a pull or an archive can bring
any file into a project, but none into this folder: that is why what it says is believed.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import FileAccessError
from mosaic.machine.disk import create_private_dir, find_bytes, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME_VARIABLE = "MISSION_STATE_HOME"
"""Set for every agent, so that one with a HOME of its own finds the same folder."""


def person_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder, whether it exists or not; FileAccessError where nothing says where."""
    named = environ.get(HOME_VARIABLE, "")
    if os.path.isabs(named):
        return Path(named)
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rules: a relative one is to be ignored
        base = os.path.expanduser("~/.local/state")
    if not os.path.isabs(base):
        raise FileAccessError(
            "nothing says where your own state is kept",
            hint="set `HOME`, or `XDG_STATE_HOME` to a folder of your own",
        )
    return Path(base) / "mosaic"


def find_note(kind: str, name: str) -> dict[str, Any] | None:
    """Return what is noted under a name; None where nothing is, or nothing readable."""
    if re.fullmatch(r"[0-9a-f]{32}", name) is None:
        return None
    try:
        data = find_bytes(person_dir() / kind / name)
        note = json.loads(data) if data else None
    except (FileAccessError, ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) else None


def write_note(kind: str, name: str, note: Mapping[str, object]) -> None:
    """Write down a note in place of the one that was there."""
    folder = person_dir()
    data = json.dumps(note, ensure_ascii=True, indent=2) + "\n"
    try:
        create_private_dir(folder)
        create_private_dir(folder / kind)
        write_private(folder / kind / name, data.encode(), root=folder)
    except FileAccessError as error:
        raise FileAccessError(
            "your own state folder cannot be written",
            path=error.path,
            detail=error.detail,
            hint="what is yours is noted outside of every repository: set `XDG_STATE_HOME` to a "
            "folder that you may write",
        ) from None
