"""JSON Schemas made of the annotations of records, as `mosaic.codec` writes them.

What a record says itself by `json_values()` no annotation tells: it stands in
`tests.schemas.shapes`, and every document that a test prints is held against it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeAlias

from mosaic.cli.topics import docs_of
from mosaic.codec import JsonForm
from mosaic.records import MISSING

Schema: TypeAlias = dict[str, Any]
Shape: TypeAlias = Mapping[str, Any]
"""Keys with annotations, or shapes; a key with `?` behind it may be missing, `...` names records
whose fields are there too, and `*` is what any other key holds."""

OBJECT_ID = "^[0-9a-f]{4,64}$"
PLAIN: Mapping[str, Schema] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "Text": {"type": "string"},
    "FileName": {"type": "string"},
    "Path": {"type": "string"},
    "ObjectId": {"type": "string", "pattern": OBJECT_ID},
    "datetime": {"type": "string", "format": "date-time"},
    "None": {"type": "null"},
    "JsonValue": {},
    "FreeJson": {},
    "Any": {},
}
LISTS = ("tuple", "list", "Sequence", "Sessions")
MAPPINGS = ("Mapping", "dict")


class Maker:
    """Makes one schema, with the records in it under `$defs`.

    Args:
        shapes: what classes with `json_values()` say, by the class.
        closed: what fields hold that say less by their annotation, as `app.runs.RunView.status`.
        form: how records are written that have no form of their own.
        needs_all: whether every field is there; else those without a default.
    """

    def __init__(
        self,
        shapes: Mapping[type, Shape],
        closed: Mapping[str, Any],
        form: JsonForm,
        *,
        needs_all: bool = True,
    ) -> None:
        self.defs: dict[str, Schema] = {}
        self._shapes = shapes
        self._closed = closed
        self._form = form
        self._needs_all = needs_all
        self._names: dict[tuple[type, JsonForm], str] = {}

    def of(self, wanted: Any, module: str = "", form: JsonForm | None = None) -> Schema:
        """Return the schema of an annotation, a shape or a schema."""
        form = form or self._form
        if isinstance(wanted, str):
            return self._of_annotation(wanted.strip(), module, form)
        if isinstance(wanted, type):
            return self._of_type(wanted, form)
        if isinstance(wanted, Raw):
            return wanted.schema
        if isinstance(wanted, list):
            return {"type": "array", "items": self.of(wanted[0], module, form)}
        return self._of_shape(wanted, module, form)

    def fields_of(self, kind: type, form: JsonForm | None = None) -> tuple[Schema, list[str]]:
        """Return the properties of a record, and the keys that are always there."""
        form = getattr(kind, "json_form", form or self._form)
        if (shape := self._shapes.get(kind)) is not None:
            return self._properties(shape, kind.__module__, form)
        inner = form.inner if form.version or form.leaves_out else form
        properties: Schema = {"layout_version": {"const": form.version}} if form.version else {}
        needed = [*properties] if self._needs_all else []
        docs = docs_of(kind)
        for name, annotation in kind.__annotations__.items():
            if name in form.leaves_out or name == "unknown":
                continue
            may_be_left_out = form.omits_none and "None" in annotation
            if form.omits_none:
                annotation = annotation.removesuffix(" | None")  # noqa: PLW2901
            key, place = form.key(name), f"{kind.__module__}.{kind.__qualname__}.{name}"
            wanted = self._closed.get(place.removeprefix("mosaic."), annotation)
            properties[key] = self.of(wanted, kind.__module__, inner)
            if docs.get(name) and "description" not in properties[key]:
                properties[key] = {**properties[key], "description": docs[name]}
            if not may_be_left_out and (self._needs_all or not has_default(kind, name)):
                needed.append(key)
        return properties, needed

    def _of_shape(self, shape: Shape, module: str, form: JsonForm) -> Schema:
        others = shape.get("*")
        named = {key: wanted for key, wanted in shape.items() if key != "*"}
        made = as_object(*self._properties(named, module, form))
        return {**made, "additionalProperties": self.of(others, module, form)} if others else made

    def _properties(self, shape: Shape, module: str, form: JsonForm) -> tuple[Schema, list[str]]:
        properties: Schema = {}
        needed: list[str] = []
        for key, wanted in shape.items():
            if key == "...":
                for each in wanted.split():
                    kind = resolve(each, module)
                    found, always = self.fields_of(kind, form)
                    properties |= found
                    needed += [name for name in always if name not in needed]
                continue
            name = key.removesuffix("?")
            if wanted is None:
                properties.pop(name, None)
                needed = [each for each in needed if each != name]
                continue
            properties[name] = self.of(wanted, module, form)
            needed = [each for each in needed if each != name]
            if not key.endswith("?"):
                needed.append(name)
        return properties, needed

    def _of_type(self, kind: type, form: JsonForm) -> Schema:
        if issubclass(kind, Enum):
            return {"enum": [word.value for word in kind]}
        form = getattr(kind, "json_form", form)
        if (kind, form) not in self._names:
            self._names[kind, form] = name = self._free_name(kind)
            self.defs[name] = {}
            made = as_object(*self.fields_of(kind, form))
            self.defs[name] = {**described(kind), **made}
        return {"$ref": f"#/$defs/{self._names[kind, form]}"}

    def _free_name(self, kind: type) -> str:
        name = kind.__name__
        while name in self.defs:
            name += "_"
        return name

    def _of_annotation(self, annotation: str, module: str, form: JsonForm) -> Schema:
        if len(parts := split(annotation, "|")) > 1:
            return one_of([self._of_annotation(each, module, form) for each in parts])
        outer, _, inner = annotation.removesuffix("]").partition("[")
        if outer in PLAIN and not inner:
            return dict(PLAIN[outer])
        if outer in LISTS:
            items = split(inner or "Session", ",")
            if outer == "tuple" and items[-1] != "...":
                each = [self._of_annotation(item, module, form) for item in items]
                return {"type": "array", "prefixItems": each, "minItems": len(each), "items": False}
            return {"type": "array", "items": self._of_annotation(items[0], module, form)}
        if outer in MAPPINGS:
            names, values = split(inner, ",")
            made: Schema = {"type": "object"}
            if names != "str" and "enum" in (known := self._of_annotation(names, module, form)):
                made["propertyNames"] = known
            found = self._of_annotation(values, module, form)
            return {**made, "additionalProperties": found or True}
        named = resolve(outer, module)
        return self.of(named, module, form)


class Raw:
    """A schema as it is."""

    def __init__(self, **schema: Any) -> None:
        self.schema = schema


def as_object(properties: Schema, needed: list[str]) -> Schema:
    """Return the schema of an object with these properties."""
    made: Schema = {"type": "object", "properties": properties}
    return {**made, "required": needed} if needed else made


def described(kind: type) -> Schema:
    """Return what the first line of a class's text says."""
    text = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return {"description": " ".join(text.split())} if text else {}


def has_default(kind: Any, name: str) -> bool:
    """Tell whether a field of a record may be missing in a file."""
    if hasattr(kind, "_field_defaults"):
        return name in kind._field_defaults
    field = kind.__dataclass_fields__[name]
    return field.default is not MISSING or field.default_factory is not MISSING


def one_of(schemas: list[Schema]) -> Schema:
    """Return what takes any of several, as short as it can be said."""
    if {} in schemas:
        return {}
    *others, last = schemas
    if last == {"type": "null"} and len(others) == 1:
        only = others[0]
        if "enum" in only:
            return {"enum": [*only["enum"], None]}
        if isinstance(only.get("type"), str):
            return {**only, "type": [only["type"], "null"]}
    if all(set(each) == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    return {"anyOf": schemas}


def split(text: str, sign: str) -> list[str]:
    """Return the parts of an annotation between signs that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == sign and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def resolve(name: str, module: str) -> Any:
    """Return what a name means in a module, also one that only type checkers import there.

    A name with dots is one of the package: `plan.progress.Progress`.
    """
    if "." in name:
        place, _, name = name.rpartition(".")
        module = f"mosaic.{place}"
    home = importlib.import_module(module)
    if hasattr(home, name):
        return getattr(home, name)
    return getattr(
        importlib.import_module(imports_of(module)[name][0]), imports_of(module)[name][1]
    )


@cache
def imports_of(module: str) -> dict[str, tuple[str, str]]:
    """Return the names that a module imports, for type checkers too: from where, by what name."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        alias.asname or alias.name: (statement.module or "", alias.name)
        for statement in ast.walk(tree)
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
