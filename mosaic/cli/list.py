"""`mission list`."""

from typer import Option

from mosaic.cli.options import Json, MilestoneId, MissionPath, complete_status
from mosaic.cli.tasks_view import print_list


def list_command(
    status: list[str] | None = Option(
        None, "--status", "-s", autocompletion=complete_status, help="May be given more than once."
    ),
    milestone: MilestoneId = None,
    ready: bool = Option(False, "--ready", help="Only what can be handed off now."),
    sort: str = Option("plan", help="plan, id, status, priority, milestone or updated."),
    every: bool = Option(False, "--all", "-a", help="Also those that are done or cancelled."),
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
