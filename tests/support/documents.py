"""Real JSON held against its schema, with no key there that the schema does not name."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from mosaic.app.schemas import OUTPUT, read_schema

MOST_SHOWN = 5


def check_document(document: Any) -> None:
    """Check what a command printed with `--json`; what is no document of a command is passed."""
    if isinstance(document, dict) and {"schema_version", "kind"} <= document.keys():
        check(f"{OUTPUT}{document['kind']}", document)


def check_printed(printed: str) -> None:
    """Check what a command printed: a document, or one a line; other text is passed."""
    for text in (printed, *printed.splitlines()):
        try:
            document = json.loads(text)
        except ValueError:
            continue
        check_document(document)
        if text is printed:
            return


def check(kind: str, values: Any) -> None:
    """Check one document or file against the schema of its kind."""
    from jsonschema.exceptions import best_match

    found = []
    for each in validator(kind).iter_errors(values):
        error = best_match([each])
        found.append(f"{kind}: {error.json_path}: {error.message[:300]}")
    hint = "describe it in `tests/schemas`, then `python -m tests.schemas`"
    assert not found, "\n".join([*found[:MOST_SHOWN], "", hint])


@cache
def validator(kind: str) -> Any:
    """Return what checks JSON of a kind, as strictly as what we write ourselves can be."""
    from jsonschema import Draft202012Validator

    schema = strict(json.loads(read_schema(kind)))
    return Draft202012Validator(schema, format_checker=formats())


@cache
def formats() -> Any:
    """Return what checks times: a moment with its zone, in ISO 8601."""
    from datetime import datetime

    from jsonschema import FormatChecker

    made = FormatChecker([])

    def is_moment(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    made.checks("date-time", ValueError)(is_moment)
    return made


def strict(schema: Any) -> Any:
    """Return a schema whose objects have no keys but those that it names."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: strict(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else strict(value)
        for key, value in schema.items()
    }
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made
