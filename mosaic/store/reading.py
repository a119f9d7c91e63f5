"""Open a mission and read it whole: the entrance that every command uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.machine.disk import find_bytes
from mosaic.store.assemble import build_snapshot
from mosaic.store.layout import MISSION_PLACES, find_mission_file, named_mission_file
from mosaic.store.mission_file import load_mission
from mosaic.store.scan import scan_tasks
from mosaic.store.sync import parse_base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.sync import Side
    from mosaic.store.tasks import Snapshot


def locate_mission(
    named: Path | None, *, environ: Mapping[str, str] = os.environ, start: Path | None = None
) -> Path:
    """Return the path of the mission.json that a command is about.

    Args:
        named: what `--mission` names.
        environ: `MISSION_FILE` in it comes next.
        start: where the search upwards begins, the working directory unless given.

    Raises:
        MissionNotFoundError: none is named and none is found.
        UsageError: the one that is named does not exist.
    """
    if named is None and environ.get("MISSION_FILE"):
        named = Path(environ["MISSION_FILE"])
    found = (
        named_mission_file(named) if named is not None else find_mission_file(start or Path.cwd())
    )
    if found.parent.name != MISSION_PLACES[1][-2]:
        return found
    from mosaic.store.migrate import finish_migration  # start-up: the older place alone needs it

    return finish_migration(found)


def read_mission(
    mission_file: Path, *, prefer: Side | None = None, use_index: bool = True
) -> Snapshot:
    """Read a mission with all its tasks. Takes no lock and writes nothing but the index.

    Raises:
        FileAccessError: mission.json or a folder cannot be read.
        MissionFileError: mission.json is broken. (Broken tasks become problems instead.)
    """
    document = load_mission(mission_file)
    scan = scan_tasks(document.layout, use_index=use_index)
    data = find_bytes(document.layout.sync_file)
    return build_snapshot(document, scan, parse_base(data) if data else {}, prefer=prefer)
