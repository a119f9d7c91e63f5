"""`mission done`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MaybeWhy, MissionPath, TaskId


def done_command(
    task_id: TaskId, why: MaybeWhy = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set a task done. Called by an agent in its session, it asks for review instead."""
    return set_status(task_id, "done", why, as_json=as_json, mission=mission)
