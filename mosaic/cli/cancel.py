"""`mission cancel`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MissionPath, TaskIds, Why

EXAMPLES = (
    (
        'mission cancel T-003 --why "out of scope"',
        "a task that will not be done; it stays in the plan",
    ),
    ('mission cancel T-003 --why "done in T-002" --json', "the same for a program"),
)


def cancel_command(
    task_ids: TaskIds, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set tasks cancelled, and say why."""
    return set_status(task_ids, "cancelled", why, as_json=as_json, mission=mission)
