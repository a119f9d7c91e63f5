"""Moving an older mission into today's layout, and back, while nobody works in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import HeldError
from mosaic.machine.lock import is_folder_held
from mosaic.runs.folders import runs_in, task_folders
from mosaic.sessions.claim import refuse_live
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.sessions.liveness import Life
from mosaic.sessions.unrecorded import find_sessions
from mosaic.store.migrate import migrate_mission
from mosaic.store.reading import read_mission
from mosaic.store.unmigrate import undo_migration

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.migrate import Migration


def migrate(mission_file: Path, *, dry_run: bool = False, undo: bool = False) -> Migration:
    """Bring a mission into today's layout, or take that back before git has it.

    Raises:
        SessionLiveError: a session lives, or may live, here.
        HeldError: a recorded command runs.
        UsageError: there is nothing to undo.
    """
    if not dry_run:
        read_recovered(mission_file)  # ends of dead sessions, as its lock and journal have them

    def refuse() -> None:
        _refuse_at_work(mission_file)

    move = undo_migration if undo else migrate_mission
    return move(mission_file, dry_run=dry_run, refuse=refuse)


def _refuse_at_work(mission_file: Path) -> None:
    snapshot = read_mission(mission_file)
    for found in find_sessions(snapshot):
        life = found.judgement.life
        if life is Life.ALIVE or (life is Life.UNKNOWN and found.is_on_record):
            raise refuse_live(found)
    for folder in task_folders(snapshot.layout.runs_dir):
        for run in runs_in(folder):
            if is_folder_held(run.dir):
                raise HeldError(
                    f"run `{run.id}` is at work", path=run.dir, hint="wait for its end, or stop it"
                )
