"""The JSON Schemas of everything that programs read: found where they were installed.

`python -m tests.schemas` makes them from the code.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mosaic.errors import UsageError
from mosaic.machine.disk import read_text
from mosaic.plan.names import closest_names
from mosaic.records import NamedTuple
from mosaic.store.templates import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLACES = (PACKAGE / "schemas", PACKAGE.parent / "docs" / "schemas")
"""In a wheel they are inside the package; in a clone, in the documentation."""
OUTPUT = "output/"
"""Begins the kinds that are documents of commands, which `kind` in them names without it."""


class SchemaView(NamedTuple):
    """A schema that there is."""

    kind: str
    about: str
    """What is of that kind, in a sentence."""
    file: Path


def schema_kinds() -> list[str]:
    """Return every kind, those of files first."""
    place = _place()
    found = [path.relative_to(place).with_suffix("").as_posix() for path in place.rglob("*.json")]
    return sorted(found, key=lambda kind: (kind.startswith(OUTPUT), kind))


def list_schemas() -> list[SchemaView]:
    """Return every kind with what it is about."""
    place = _place()
    return [
        SchemaView(kind, json.loads(read_text(path).text)["description"], path)
        for kind in schema_kinds()
        for path in [place / f"{kind}.json"]
    ]


def read_schema(kind: str) -> str:
    """Return the schema of a kind; of a file where a document's kind is called the same.

    Raises UsageError where there is none.
    """
    known = schema_kinds()
    for name in (kind, f"{OUTPUT}{kind}"):
        if name in known:
            return read_text(_place() / f"{name}.json").text
    raise UsageError(
        f"there is no schema `{kind}`",
        detail=_closest(kind, known),
        hint="`mission schema` lists them",
    )


def _closest(kind: str, known: Sequence[str]) -> str | None:
    near = closest_names(kind, [*known, *(each.removeprefix(OUTPUT) for each in known)])
    return f"closest: {', '.join(f'`{each}`' for each in dict.fromkeys(near))}" if near else None


def _place() -> Path:
    return next((place for place in PLACES if place.is_dir()), PLACES[0])
