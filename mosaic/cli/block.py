"""`mission block`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MissionPath, TaskId, Why

EXAMPLES = (
    (
        'mission block T-002 --why "which database?"',
        "say what is missing; an answer sets it back",
    ),
    ('mission block T-002 --why "waits for the vendor" --json', "the same for a program"),
)


def block_command(
    task_id: TaskId, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task blocked, and say why."""
    return set_status(task_id, "blocked", why, as_json=as_json, mission=mission)
