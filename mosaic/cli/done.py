"""`mission done`."""

from typer import Option

from mosaic.cli.change_view import set_status
from mosaic.cli.options import Json, MaybeWhy, MissionPath, TaskIds

EXAMPLES = (
    ("mission done T-001", "what a person finished"),
    (
        'mission done T-001 --force --why "checked by hand"',
        "also against the evidence, with the reason",
    ),
)


def done_command(
    task_ids: TaskIds,
    why: MaybeWhy = None,
    force: bool = Option(False, "--force", help="Also against the evidence, as a review has it."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set tasks done. Called by an agent in its session, it asks for review instead."""
    return set_status(task_ids, "done", why, force=force, as_json=as_json, mission=mission)
