"""`mission reopen`."""

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MaybeWhy, MissionPath, TaskIds

EXAMPLES = (
    ("mission reopen T-001", "back to todo"),
    (
        'mission reopen T-001 --why "it fails on an empty file"',
        "the reason stands in the next prompt",
    ),
)


def reopen_command(
    task_ids: TaskIds, why: MaybeWhy = None, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Set tasks back to todo."""
    return set_status(task_ids, "todo", why, as_json=as_json, mission=mission)
