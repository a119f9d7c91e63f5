"""The forms that change the plan: what they ask, and what is done with the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import Change, add_task, change_task
from mosaic.app.order import split_task
from mosaic.app.versions import unmoved
from mosaic.board.asking import FormField
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.records import NamedTuple
from mosaic.store.create import NewTask
from mosaic.store.reading import read_mission
from mosaic.text.fields import field_value
from mosaic.text.harmless import harmless_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.store.tasks import Snapshot

EDITED = ("status", "title", "milestone", "priority", "depends_on", "write_scope", "runtime",
          "assignee", "labels")  # fmt: skip
STATUSES = tuple(each.value for each in Status if each is not Status.UNKNOWN)
WHY = FormField("why", "why")
"""Kept with a new status."""


class Shown(NamedTuple):
    """A form to edit a task, as it was when the form was made."""

    task_id: str
    version: str
    fields: tuple[FormField, ...]


def fields_to_add(mission_file: Path, milestone: str) -> tuple[FormField, ...]:
    """Return what is asked of a new task."""
    known = _milestones(read_mission(mission_file))
    return (
        FormField("title", "title"),
        FormField("milestone", "milestone", milestone, known),
        FormField("depends_on", "depends on"),
        FormField("write_scope", "write scope"),
        FormField("priority", "priority"),
        FormField("goal", "goal", is_long=True),
        FormField("criteria", "criteria, one a line", is_long=True),
    )


def add_asked(mission_file: Path, made: Mapping[str, str]) -> Sequence[str]:
    """Add a task as a form asks for it, and return what came of it."""
    new = NewTask(
        title=made["title"],
        milestone=made["milestone"].strip() or None,
        depends_on=tuple(filter(None, [made["depends_on"].strip()])),
        write_scope=tuple(filter(None, map(str.strip, made["write_scope"].split(",")))),
        priority=made["priority"].strip() or None,
        goal=made["goal"].strip(),
        criteria=tuple(_lines_of(made["criteria"])),
    )
    done = add_task(mission_file, new)
    return (f"{done.task.task.id} was added: {done.task.task.title}", *done.notices)


def fields_to_edit(mission_file: Path, task_id: str) -> Shown:
    """Return what can be changed of a task (or raise BrokenFileError)."""
    snapshot = read_mission(mission_file)
    task = snapshot.get_task(task_id)
    known = {"milestone": _milestones(snapshot), "status": STATUSES}
    fields = []
    for name in EDITED:
        value = field_value(task, name)
        text = ", ".join(value) if isinstance(value, tuple) else str(value or "")
        label = name.replace("_", " ")
        fields.append(FormField(name, label, harmless_line(text), known.get(name, ())))
        if name == "status":
            fields.append(WHY)
    return Shown(task.id, snapshot.version(task), tuple(fields))


def edit_asked(mission_file: Path, shown: Shown, made: Mapping[str, str]) -> Sequence[str]:
    """Change what differs from a form as it was shown, and return what came of it.

    Raises FileChangedError where the task moved meanwhile.
    """
    changes = [
        Change(each.name, "=", made[each.name])
        for each in shown.fields
        if each is not WHY and made[each.name] != each.value
    ]
    if not changes:
        return (f"{shown.task_id} is as it was",)
    why = made[WHY.name].strip()
    if why and changes[0].field != "status":
        raise UsageError("a reason is kept with a new status, and the status is the same")
    with unmoved(mission_file, shown.task_id, shown.version):
        done = change_task(mission_file, shown.task_id, changes, why=why)
    fields = [f"{name}: {_shown(before)} → {_shown(after)}" for name, before, after in done.fields]
    return (f"{shown.task_id}  {'; '.join(fields)}", *done.notices)


def fields_to_split() -> tuple[FormField, ...]:
    """Return what is asked to split a task."""
    return (FormField("titles", "its parts, one a line", is_long=True),)


def split_asked(mission_file: Path, task_id: str, made: Mapping[str, str]) -> Sequence[str]:
    """Split a task as a form asks for it, and return what came of it."""
    done = split_task(mission_file, task_id, _lines_of(made["titles"]))
    parts = ", ".join(each.task.id for each in done.parts)
    return (f"{task_id} waits for its parts {parts} now", *done.notices)


def _milestones(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(harmless_line(each.id) for each in snapshot.document.mission.milestones)


def _lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "none")
