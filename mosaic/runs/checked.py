"""Records read from disk: each field holds what its class says, or the record is none."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import Any, TypeVar

Record = TypeVar("Record")


def checked(record: Record) -> Record:
    """Return a record whose fields hold values of the kinds that they are declared with.

    Raises:
        TypeError: one of them holds something else; names it.
    """
    for name, kinds in type(record).__annotations__.items():
        value = getattr(record, name)
        if not any(_fits(value, kind) for kind in kinds.split(" | ")):
            raise TypeError(f"`{name}` holds {repr(value)[:40]}")
    return record


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a value is of a kind, as an annotation names it."""
    outer, _, inner = kind.partition("[")
    match outer:
        case "None":
            return value is None
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "tuple" | "Sequence":
            item = inner.removesuffix("]").partition(",")[0]
            return isinstance(value, tuple) and all(_fits(each, item) for each in value)
        case "Mapping":
            return isinstance(value, dict)
        case "datetime":
            return isinstance(value, datetime) and value.tzinfo is not None
        case "Path":
            return isinstance(value, PurePath) and "\0" not in str(value)
    return any(base.__name__ == kind for base in type(value).__mro__)
