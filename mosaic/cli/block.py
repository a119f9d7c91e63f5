"""`mission block`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MissionPath, TaskIds, Why

EXAMPLES = (
    (
        'mission block T-002 --why "which database?"',
        "say what is missing; an answer sets it back",
    ),
    ('mission block T-002 --why "waits for the vendor" --json', "the same for a program"),
)


def block_command(
    task_ids: TaskIds, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set tasks blocked, and say why."""
    return set_status(task_ids, "blocked", why, as_json=as_json, mission=mission)
