"""Records read from disk: each field holds what its class says, or the record is none.

A text is one line without control characters, and no longer than a name, an id or a reason
can be, unless its reader says that it may be more: what stands in a record is shown in tables
and written into other files.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Record = TypeVar("Record")

LONGEST_LINE = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OBJECT = re.compile(r"[0-9a-f]{4,64}")


def checked(
    record: Record,
    *,
    texts: Collection[str] = (),
    names: Collection[str] = (),
    objects: Collection[str] = (),
) -> Record:
    """Return a record whose fields hold values of the kinds that they are declared with.

    Args:
        record: any of ours.
        texts: fields that may have several lines: free texts, paths, arguments.
        names: fields that name a file or folder, without a path to it.
        objects: fields that name an object of git.

    Raises:
        TypeError: one of them holds something of another kind; names it.
        ValueError: one holds what no line, name or object can; names it.
    """
    for name, kinds in type(record).__annotations__.items():
        value = getattr(record, name)
        if not any(_fits(value, kind) for kind in kinds.split(" | ")):
            raise TypeError(f"`{name}` holds {_shown(value)}")
        if name in texts:
            continue
        for line in _texts_in(value):
            if (
                not is_line(line)
                or (name in names and (line in ("", ".", "..") or "/" in line))
                or (name in objects and not _OBJECT.fullmatch(line))
            ):
                raise ValueError(f"`{name}` holds {_shown(line)}")
    return record


def is_line(text: str) -> bool:
    """Tell whether a text is one line that a record may hold as a name, an id or a reason."""
    return len(text) <= LONGEST_LINE and not _CONTROL.search(text)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (each for each in value if isinstance(each, str))
    elif isinstance(value, dict):
        yield from value
        yield from (each for each in value.values() if isinstance(each, str))


def _shown(value: Any) -> str:
    return ascii(value[:40] if isinstance(value, str) else value)[:40]


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
