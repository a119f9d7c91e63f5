"""`mission list`."""

from typer import Option

from mosaic.cli.options import Json, MilestoneId, MissionPath, complete_status, one_of
from mosaic.cli.tasks_view import print_list

EXAMPLES = (
    ("mission list --ready", "what can be handed off now"),
    ("mission list --all --status done --milestone M1", "what is done in M1"),
)


def list_command(
    status: list[str] | None = Option(
        None,
        "--status",
        "-s",
        metavar="STATUS",
        autocompletion=complete_status,
        help="Of this status; repeat for more.",
    ),
    milestone: MilestoneId = None,
    ready: bool = Option(False, "--ready", help="Only what can be handed off now."),
    sort: str = Option(
        "plan",
        **one_of("plan", "id", "status", "priority", "milestone", "updated"),
        help="In which order.",
    ),
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
