"""Table and task file as one record: a three-way merge, pure, and the base it starts from.

`sync.json` holds, for each task, the values that table and file last agreed on:

    {"version": 1, "tasks": {"T-001": {"status": "todo", "title": "…", "milestone": "M1",
                                       "depends_on": ["T-000"], "pr": ""}}}

A value changed on one side is carried to the other. Changed on both alike: agreed. Changed
on both differently, or different with nothing known to have been agreed on: a conflict.
A side that holds nothing, where nothing was ever agreed on, takes what the other holds.
Where the two differ, git is asked too: see `mosaic.store.history`.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from mosaic.codec import parse_json
from mosaic.model import Status
from mosaic.plan.statuses import parse_status, status_alone
from mosaic.records import dataclass
from mosaic.store.parsed import cell_words, ids_in_cell
from mosaic.text.fields import FIELD_BY_NAME, SYNCED, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mosaic.store.tasks import Entry, Snapshot

Value: TypeAlias = "str | tuple[str, ...]"
"""A field's value in comparable form: a status is its canonical word, nothing is empty."""

Base: TypeAlias = "Mapping[str, Mapping[str, Value]]"
FORMAT_VERSION = 1


class Side(StrEnum):
    """One of the two places a task may live in."""

    TABLE = "table"
    FILE = "file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Carry:
    """A value that one side has and the other shall get."""

    field: str
    value: Value
    to: Side


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """Two values of one field, and no way to tell which is the newer."""

    field: str
    table: Value
    file: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """One task's synced fields, taken together."""

    values: Mapping[str, Value]
    carries: tuple[Carry, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


def merge_sides(
    table: Mapping[str, Value],
    file: Mapping[str, Value],
    base: Mapping[str, Value],
    *,
    prefer: Side | None = None,
    unclear: Collection[str] = (),
) -> Merge:
    """Take a row and a file together; a row has only the fields that the table has columns for.

    Neither side counts as the newer in the `unclear` fields.
    """
    values: dict[str, Value] = {}
    carries: list[Carry] = []
    conflicts: list[Conflict] = []
    for field in SYNCED:
        left, right = table.get(field), file.get(field) or ""
        if left is None or same_value(left, right):
            values[field] = right
            continue
        newer = None if field in unclear else _newer(left, right, base.get(field))
        winner = newer or prefer
        if winner is None:
            conflicts.append(Conflict(field=field, table=left, file=right))
            values[field] = right
            continue
        values[field] = left if winner is Side.TABLE else right
        to = Side.FILE if winner is Side.TABLE else Side.TABLE
        carries.append(Carry(field=field, value=values[field], to=to))
    return Merge(values=values, carries=tuple(carries), conflicts=tuple(conflicts))


def same_value(left: Value, right: Value) -> bool:
    """Tell whether two values mean the same; nothing is nothing in any form."""
    return left == right or (not left and not right)


def _newer(table: Value, file: Value, base: Value | None) -> Side | None:
    if base is None:
        if not table:
            return Side.FILE
        return None if file else Side.TABLE
    if same_value(table, base):
        return Side.FILE
    return Side.TABLE if same_value(file, base) else None


def parse_base(data: bytes) -> dict[str, dict[str, Value]]:
    """Read sync.json; one that cannot be read means that nothing is known to be agreed on."""
    try:
        document = parse_json(data)
        if document["version"] != FORMAT_VERSION:
            return {}
        return {
            task: {
                field: tuple(value) if isinstance(value, list) else str(value)
                for field, value in values.items()
            }
            for task, values in document["tasks"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def dump_base(base: Base) -> bytes:
    """Write sync.json: one task a line, so that a look with `git diff` or `less` says something."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    lines = [f"{encode(task)}: {encode(values)}" for task, values in base.items()]
    head = f'{{"version": {FORMAT_VERSION}, "tasks": {{\n'
    return (head + ",\n".join(lines) + "\n}}\n").encode("utf-8", "surrogateescape")


def file_value(entry: Entry, field: str, words: Mapping[str, Status]) -> Value:
    """Return a field's value as a task's file holds it."""
    assert entry.file is not None
    if FIELD_BY_NAME[field].kind is Kind.LIST:
        return entry.file.lists.get(field, ())
    text = entry.file.texts.get(field, "")
    if field == "status":
        status = parse_status(text, words)
        return status.value if status else text
    return text


def cell_value(field: str, cell: str, words: Mapping[str, Status]) -> Value:
    """Return a field's value as a cell of the table holds it."""
    if field == "depends_on":
        return ids_in_cell(cell)
    if field == "status":
        status = parse_status(cell, words)
        return status.value if status else ""
    return cell_words(field, cell)


def cell_text(snapshot: Snapshot, field: str, value: Value) -> str:
    """Return a value as it is written into a cell."""
    if not isinstance(value, str):
        return ", ".join(value)
    return table_word(snapshot, value) if field == "status" else value


def table_word(snapshot: Snapshot, status: str) -> str:
    """Return the word that the table itself uses for a status, else the canonical one."""
    words = snapshot.document.mission.statuses
    for task in snapshot.tasks:
        if task.status == status and task.table_line is not None:
            entry = snapshot.find(task.id)
            word = entry.row.cells.get("status", "") if entry and entry.row else ""
            if word and parse_status(word, words) == Status(status):
                return status_alone(word, words)
    return status
