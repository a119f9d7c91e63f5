"""`mission schema`: what a file or a document of `--json` holds, for programs and editors."""

import sys

from typer import Argument

from mosaic.app.schemas import OUTPUT, list_schemas, read_schema, schema_kinds
from mosaic.cli.completing import Word
from mosaic.cli.options import Json
from mosaic.cli.output import answer
from mosaic.cli.table import WHOLE, Column, table

COLUMNS = (Column("kind"), WHOLE)

EXAMPLES = (
    ("mission schema", "every kind of file and document that there is a schema for"),
    ("mission schema task", "the front matter of a task file, for an editor"),
    ("mission schema task.list", "what `mission list --json` prints"),
    (
        "mission schema output/task",
        "what `mission show T-001 --json` prints: a file is a `task` too",
    ),
)


def complete_kind(incomplete: str) -> list[Word]:
    """Complete the kind of a schema, begun in full or as documents name it."""
    kinds = schema_kinds()
    if incomplete and not incomplete.startswith(OUTPUT):
        kinds += [kind.removeprefix(OUTPUT) for kind in kinds]
    return [(kind, "") for kind in dict.fromkeys(kinds) if kind.startswith(incomplete)]


def schema_command(
    kind: str | None = Argument(
        None,
        metavar="[KIND]",
        autocompletion=complete_kind,
        help="A file, or `kind` of a document; without one, list them.",
        show_default=False,
    ),
    as_json: Json = False,
) -> int:
    """Print the JSON Schema of a file, or of what a command prints with `--json`."""
    if kind is not None:
        sys.stdout.write(read_schema(kind))
        return 0
    found = list_schemas()
    return answer(
        "schema.list",
        {"schemas": found},
        table([(each.kind, each.about) for each in found], COLUMNS),
        then=["mission schema task"],
        as_json=as_json,
    )
