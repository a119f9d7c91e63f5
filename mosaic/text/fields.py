"""The fields of a task: one row each, and everything that is the same for all of them.

A new front matter field is one row here, in the place where it is written. Reading, `set`,
`show`, JSON, the capsule and the values of templates follow. A field that code asks for by
its name is an attribute of `mosaic.model.Task` as well; the others are in `Task.more`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from mosaic.model import Status, Task
from mosaic.records import dataclass

FieldValue: TypeAlias = "str | tuple[str, ...] | None"


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    LIST = "list"
    STATUS = "status"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of a task file's front matter."""

    name: str
    kind: Kind = Kind.TEXT
    also: str = ""
    """Another name that is read as the same."""
    synced: bool = False
    """Kept in step with the column of the same name in the tasks table."""
    settable: bool = True
    meaning: str


FIELDS = (
    Field(name="task_id", also="id", settable=False, meaning="The task's id"),
    Field(name="title", synced=True, meaning="What is to be done, in one line"),
    Field(name="status", kind=Kind.STATUS, synced=True, meaning="Where it stands"),
    Field(name="milestone", synced=True, meaning="The milestone that it belongs to"),
    Field(name="repo", meaning="The repository, where a mission spans several"),
    Field(name="branch", meaning="The git branch that its work goes to"),
    Field(name="base_ref", meaning="What that branch starts from"),
    Field(name="priority", meaning="`critical`, `high`, `low`, `P0`…, or a number, lower first"),
    Field(name="runtime", meaning="The agent that it is handed to"),
    Field(
        name="runs_on",
        kind=Kind.LIST,
        meaning="The machine that it is worked on: its name, or labels that it must have",
    ),
    Field(name="assignee", meaning="Who looks after it"),
    Field(name="labels", kind=Kind.LIST, meaning="Free words"),
    Field(name="depends_on", kind=Kind.LIST, synced=True, meaning="Tasks to be done before"),
    Field(name="write_scope", kind=Kind.LIST, meaning="Globs of the files that it may change"),
    Field(name="pr", synced=True, meaning="Its pull request"),
    Field(name="attempts", meaning="How often it was handed off"),
    Field(name="source", meaning="Where it was imported from"),
    Field(name="imported", settable=False, meaning="Digests of what its source had last"),
    Field(name="updated_at", meaning="When it was changed last"),
)
"""In the order in which they are written."""

FIELD_BY_NAME = {field.name: field for field in FIELDS}
SYNCED = tuple(field.name for field in FIELDS if field.synced)
ID_KEYS = ("task_id", "id")
_ATTRIBUTES = {**{name: name for name in Task._fields}, "task_id": "id"}
_UNSYNCED = [field for field in FIELDS if field.name not in ID_KEYS and not field.synced]


def field_value(task: Task, name: str) -> FieldValue:
    """Return what a task holds in a field of the table; None or an empty list for nothing."""
    if name in _ATTRIBUTES:
        value: FieldValue = getattr(task, _ATTRIBUTES[name])
        return shown_status(task) if isinstance(value, Status) else value
    return task.more.get(name, () if FIELD_BY_NAME[name].kind is Kind.LIST else None)


def shown_status(task: Task) -> str:
    """Return a task's status as people see it: a word that is not understood behind a `?`."""
    if task.status is not Status.UNKNOWN:
        return task.status.value
    return f"?{unknown_word(task)}"


def unknown_word(task: Task) -> str:
    """Return the word for a task's status that is not understood; empty where all is well."""
    return str(task.more.get("status_word", ""))


def field_values(task: Task) -> dict[str, FieldValue]:
    """Return what a task holds in every field of the table, in order."""
    return {field.name: field_value(task, field.name) for field in FIELDS}


def unsynced_values(
    texts: Mapping[str, str], lists: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Return what a file holds in the fields that no table has, as `Task` takes it."""
    own: dict[str, Any] = {"more": {}}
    for field in _UNSYNCED:
        is_list, name = field.kind is Kind.LIST, field.name
        value = lists.get(name, ()) if is_list else texts.get(name)
        if name in _ATTRIBUTES:
            own[name] = value
        elif value:
            own["more"][name] = value
    return own


def keys_before(key: str) -> Sequence[str]:
    """Return the keys that stand before a key where people write all of them, last one first."""
    names = [name for field in FIELDS for name in (field.name, field.also) if name]
    return names[: names.index(key)][::-1] if key in names else ()
