"""`mission cancel`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MissionPath, TaskId, Why


def cancel_command(
    task_id: TaskId, why: Why, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task cancelled, and say why."""
    return set_status(task_id, "cancelled", why, as_json=as_json, mission=mission)
