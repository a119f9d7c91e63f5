"""`mission list`."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.options import Json, MilestoneId, MissionPath, complete_status
from mosaic.cli.tasks_view import print_list


def list_command(
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", "-s", autocompletion=complete_status, help="May be given more than once."
        ),
    ] = None,
    milestone: MilestoneId = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Only what can be handed off now.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="plan, id, status, priority, milestone or updated.")
    ] = "plan",
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that are done or cancelled.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List the tasks, in plan order."""
    return print_list(
        statuses=status or (),
        milestone=milestone,
        ready=ready,
        sort=sort,
        every=every,
        as_json=as_json,
        mission=mission,
    )
