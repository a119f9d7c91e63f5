"""What a field's value is in a task's file and in its row, and how it is written there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.plan.statuses import parse_status
from mosaic.store.parsed import ids_in_cell, plain_value
from mosaic.text.fields import FIELD_BY_NAME, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.sync import Value
    from mosaic.store.tasks import Entry, Snapshot


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


def front_matter_value(field: str, value: Value) -> str | tuple[str, ...] | None:
    """Return a value as it is written into front matter."""
    if FIELD_BY_NAME[field].kind is Kind.LIST:
        return tuple(value)
    return str(value) or None


def cell_value(field: str, cell: str, words: Mapping[str, Status]) -> Value:
    """Return a field's value as a cell of the table holds it."""
    if field == "depends_on":
        return ids_in_cell(cell)
    if field == "status":
        status = parse_status(cell, words)
        return status.value if status else ""
    return plain_value(cell)


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
                return word
    return status
