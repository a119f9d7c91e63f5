"""`mission status`."""

from typer import Option

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.status_view import print_status

EXAMPLES = (
    ("mission status", "where the mission stands, and what waits for you"),
    ("mission status --watch", "the same, again every 2 s"),
)


def status_command(
    watch: bool = Option(False, "--watch", "-w", help="Look again every 2 s."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show where the mission stands: progress, live sessions, what waits, what comes next."""
    return print_status(watch=watch, as_json=as_json, mission=mission)
