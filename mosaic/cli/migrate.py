"""`mission migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, emit, paint, plain
from mosaic.store.ended_session import locate_to_change


def migrate_command(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring an older mission into today's layout and key names."""
    from mosaic.store.migrate import migrate_mission

    done = migrate_mission(locate_to_change(mission), dry_run=dry_run)
    result = Result(
        kind="mission.migrate",
        data={**plain(done), "dry_run": dry_run},
        lines=[clean(line) for line in done.actions] or [paint("nothing to migrate", "dim")],
        next_commands=["mission check"],
    )
    return emit(result, as_json=as_json)
