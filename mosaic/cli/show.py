"""`mission show`."""

from typer import Option

from mosaic.cli.completers import complete_section
from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.tasks_view import print_section, print_task

EXAMPLES = (
    ("mission show T-001", "everything about one task"),
    ("mission show T-001 --section next_handoff", "only what its agent left for the next one"),
)


def show_command(
    task_id: TaskId,
    section: str | None = Option(
        None,
        "--section",
        metavar="NAME",
        autocompletion=complete_section,
        help="Only this section.",
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show everything about one task: fields, text, handoff, dependencies, sessions, runs."""
    if section is not None:
        return print_section(task_id, section, as_json=as_json, mission=mission)
    return print_task(task_id, as_json=as_json, mission=mission)
