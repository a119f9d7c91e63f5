"""`mission set`."""

from typer import Argument, Option

from mosaic.cli.change_view import set_fields
from mosaic.cli.options import Json, MissionPath, TaskId, complete_change

EXAMPLES = (
    ("mission set T-002 status=todo priority=high", "change two fields at once"),
    ("mission set T-002 depends_on+=T-001 labels+=docs", "add to lists; `-=` takes away"),
)


def set_command(
    task_id: TaskId,
    changes: list[str] = Argument(
        metavar="[ID...] FIELD=VALUE...",
        autocompletion=complete_change,
        help="More tasks, then what they all get; of a list, `+=` adds and `-=` takes away.",
    ),
    rename: bool = Option(
        False, "--rename", help="With `title=`: rename the heading and the file, and follow links."
    ),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Change fields in file and table: `status=done`, `depends_on+=T-003`, `labels-=x`."""
    return set_fields(task_id, changes, rename=rename, as_json=as_json, mission=mission)
