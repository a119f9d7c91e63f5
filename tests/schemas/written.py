"""The schema files in `docs/schemas`: made, held against what is there, and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mosaic.cli.output import SCHEMA_VERSION
from mosaic.codec import JsonForm

from .files import FILES
from .kinds import DOCUMENTS, Document
from .maker import Maker, Schema, described, resolve
from .shapes import CLOSED, SHAPES, with_head

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUTPUT = "output/"
"""Begins the kinds that are documents of commands."""


def make_all() -> dict[str, Schema]:
    """Return every schema by its kind."""
    made: dict[str, Schema] = {}
    for kind, file in FILES.items():
        maker = Maker(SHAPES, CLOSED, file.form, needs_all=file.needs_all)
        made[kind] = finished(kind, file.about, file.version, file.make(maker), maker)
    for kind, document in DOCUMENTS.items():
        maker = Maker(SHAPES, CLOSED, JsonForm(times="iso"))
        shape = with_head(kind, document.shape)
        if not document.has_next:
            shape = {key: value for key, value in shape.items() if key != "next_commands"}
        about = about_of(document)
        found = finished(f"{OUTPUT}{kind}", about, SCHEMA_VERSION, maker.of(shape), maker)
        made[f"{OUTPUT}{kind}"] = found
    return made


def about_of(document: Document) -> str:
    """Return what a document is about, and which commands print it."""
    calls = ", ".join(f"`mission {each} --json`" for each in document.commands)
    words = document.about
    if not words:
        words = described(resolve(document.shape, ""))["description"].rstrip(".")
    return f"{words}: {calls or 'every command with `--json`'}"


def finished(kind: str, about: str, version: int, made: Schema, maker: Maker) -> Schema:
    """Return a schema with its head, and the records in it."""
    head = {"$schema": DIALECT, "$id": f"urn:mosaic-mission:{kind}:{version}", "title": kind}
    made = {**head, "description": about, **made}
    used = used_in(made, maker.defs)
    return {**made, "$defs": used} if used else made


def used_in(made: Schema, known: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the records that a schema refers to, by those in it too."""
    found: dict[str, Schema] = {}
    waiting = [made]
    while waiting:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop())):
            if name not in found:
                found[name] = known[name]
                waiting.append(known[name])
    return dict(sorted(found.items()))


def place_of(kind: str) -> Path:
    """Return where a schema is kept."""
    return FOLDER / f"{kind}.json"


def text_of(schema: Schema) -> str:
    """Return a schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def kept() -> dict[str, Schema]:
    """Return the schemas that are in the folder."""
    return {
        path.relative_to(FOLDER).with_suffix("").as_posix(): json.loads(path.read_text("utf-8"))
        for path in sorted(FOLDER.rglob("*.json"))
    }


def lost(before: Mapping[str, Schema], after: Mapping[str, Schema]) -> list[str]:
    """Name what programs may count on before, and not after: kinds, keys, and that keys are there.

    A schema of a higher version may lose what it likes.
    """
    found = []
    for kind, old in before.items():
        new = after.get(kind)
        if new is None:
            found.append(f"{kind} is gone")
        elif version_of(new) <= version_of(old):
            found += [f"{kind}{each}" for each in _lost_in(old, new, (old, new), set())]
    return found


def version_of(schema: Schema) -> int:
    """Return the version of a schema."""
    return int(schema["$id"].rpartition(":")[2])


def _lost_in(
    old: Any, new: Any, roots: tuple[Schema, Schema], seen: set[tuple[int, int]], at: str = ""
) -> Iterator[str]:
    old, new = _followed(old, roots[0]), _followed(new, roots[1])
    if (id(old), id(new)) in seen or not isinstance(old, dict):
        return
    seen.add((id(old), id(new)))
    there = new if isinstance(new, dict) else {}
    for key in old.get("properties", {}):
        if key not in there.get("properties", {}):
            yield f": `{at}{key}` is gone"
        else:
            inner = old["properties"][key], there["properties"][key]
            yield from _lost_in(*inner, roots, seen, f"{at}{key}.")
    for key in {*old.get("required", ())} - {*there.get("required", ())}:
        if key in there.get("properties", {}):
            yield f": `{at}{key}` may be missing now"
    for key in ("items", "additionalProperties"):
        yield from _lost_in(old.get(key), there.get(key), roots, seen, at)
    for number, each in enumerate(old.get("anyOf", ())):
        others = there.get("anyOf", [there])
        yield from _lost_in(each, others[number] if number < len(others) else {}, roots, seen, at)


def _followed(schema: Any, root: Schema) -> Any:
    if isinstance(schema, dict) and "$ref" in schema:
        return root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def write_all() -> None:
    """Write the files; refuse to lose what programs may count on."""
    made = make_all()
    if missing := lost(kept(), made):
        raise SystemExit("\n".join([*missing, "", "raise the schema's version, or keep the key"]))
    for kind in kept().keys() - made.keys():
        place_of(kind).unlink()
    for kind, schema in made.items():
        place_of(kind).parent.mkdir(parents=True, exist_ok=True)
        place_of(kind).write_text(text_of(schema), encoding="utf-8")
