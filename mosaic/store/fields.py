"""The fields of a task: one row each, and what reading, `set` and the documentation take from it.

A new front matter field is a field of `mosaic.model.Task` and one row here.
"""

from __future__ import annotations

from enum import StrEnum

from mosaic.records import dataclass


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
    synced: bool = False
    """Held in step with the column of the same name in the tasks table."""
    settable: bool = True
    meaning: str


FIELDS = (
    Field(name="task_id", settable=False, meaning="The task's id; `id` is read as the same"),
    Field(name="title", synced=True, meaning="What is to be done, in one line"),
    Field(name="status", kind=Kind.STATUS, synced=True, meaning="Where it stands"),
    Field(name="milestone", synced=True, meaning="The milestone that it belongs to"),
    Field(name="branch", meaning="The git branch that its work goes to"),
    Field(name="base_ref", meaning="What that branch starts from"),
    Field(name="repo", meaning="The repository, where a mission spans several"),
    Field(name="priority", meaning="`critical`, `high`, `low`, `P0`…, or a number, lower first"),
    Field(name="runtime", meaning="The agent that it is handed to"),
    Field(name="assignee", meaning="Who looks after it"),
    Field(name="labels", kind=Kind.LIST, meaning="Free words"),
    Field(name="depends_on", kind=Kind.LIST, synced=True, meaning="Tasks to be done before"),
    Field(name="write_scope", kind=Kind.LIST, meaning="Globs of the files that it may change"),
    Field(name="pr", synced=True, meaning="Its pull request"),
    Field(name="attempts", meaning="How often it was handed off"),
    Field(name="updated_at", meaning="When it was changed last"),
)
FIELD_BY_NAME = {field.name: field for field in FIELDS}
SYNCED = tuple(field.name for field in FIELDS if field.synced)
