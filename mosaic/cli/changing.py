"""Changing fields of a task: what `set`, `done`, `block`, `cancel` and `reopen` do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.cli.output import Result, clean, emit, paint, plain
from mosaic.cli.tasks_view import report_notices, task_values
from mosaic.errors import UsageError
from mosaic.store.kept import list_kept_ends
from mosaic.store.reading import locate_mission
from mosaic.text.fields import FIELD_BY_NAME, Kind, field_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.draft import Draft
    from mosaic.store.sync import Value

ASSIGNMENT = re.compile(r"([A-Za-z][A-Za-z_-]*?)\s*(\+=|-=|=)(.*)", re.DOTALL)


def set_fields(
    task_id: str,
    changes: Sequence[str],
    *,
    note: str | None = None,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """Change fields of a task in its file and its row, and say what changed.

    Args:
        task_id: the task.
        changes: `field=value`, `field+=value` or `field-=value`.
        note: appended to the task's notes, with the date.
        as_json: whether to say it as JSON.
        mission: the mission that `--mission` names.
    """
    mission_file = locate_mission(mission)
    from mosaic.machine.clock import utc_now
    from mosaic.sessions.attempt import forgive_attempts
    from mosaic.store.draft import changing

    with changing(mission_file, doing=f"changing {task_id}") as draft:
        record_kept_ends(draft)
        entry = draft.snapshot.get(task_id)
        before = entry.task
        values = _values(draft, before, changes)
        asked_for_done = values.get("status") == "done"
        decides = values.get("status") in ("done", "todo") or "write_scope" in values
        is_person = decides and not _is_agent_calling(draft)
        if asked_for_done and not is_person:
            # Only people and evidence set done; an agent says that it is finished.
            values["status"] = "review"
        now = utc_now()
        draft.edit_task(before.id, values, now.astimezone())
        if note:
            draft.note(before.id, f"{now.astimezone():%Y-%m-%d} {note}")
        changed = draft.save()
        if values.get("status") == "todo" and is_person:
            forgive_attempts(draft.snapshot, before.id)
        if "write_scope" in values and is_person:
            from mosaic.sessions.rules import note_persons_scope  # start-up

            note_persons_scope(draft.snapshot, draft.snapshot.get(before.id).task)
        report_notices(draft.notices)
        task = draft.saved_task(entry)
    lines = [
        f"{task.id}  {name}: {_shown(field_value(before, name))} {paint('→', 'dim')} "
        f"{_shown(field_value(task, name))}"
        for name in values
    ]
    if asked_for_done and task.status == "review":
        lines.append("an agent's `done` asks for review; a person sets it done")
    result = Result(
        kind="task.changed",
        data={"task": task_values(task), "changed": changed},
        lines=lines if changed else [f"{task.id}  already so"],
        next_commands=["mission next"] if task.status.is_closed else [f"mission show {task.id}"],
    )
    return emit(result, as_json=as_json)


def _is_agent_calling(draft: Draft) -> bool:
    from mosaic.sessions.liveness import is_agent_calling  # start-up: few changes ask that

    return is_agent_calling(draft.layout)


def record_kept_ends(draft: Draft) -> None:
    """Record ends of sessions that were kept while mission.json was gone or broken."""
    if list_kept_ends(draft.layout):
        from mosaic.sessions.kept_ends import settle_kept  # start-up: hardly ever needed

        settle_kept(draft)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(value)
    return clean(plain(value)) if value else "nothing"


def _values(draft: Draft, task: Task, changes: Sequence[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for change in changes:
        found = ASSIGNMENT.fullmatch(change)
        if found is None:
            raise UsageError(f"`{change}` is no change", hint="write `field=value`")
        name = found[1].replace("-", "_").lower()
        field = FIELD_BY_NAME.get("title" if name == "description" else name)
        if field is None or not field.settable:
            known = ", ".join(f.name for f in FIELD_BY_NAME.values() if f.settable)
            raise UsageError(f"`{name}` is no field that can be set", detail=f"known: {known}")
        if field.name in values:
            old: Value | None = values[field.name]
        else:
            old = field_value(task, field.name)
        values[field.name] = _new_value(draft, task, field.kind, field.name, found, old)
    return values


def _new_value(
    draft: Draft, task: Task, kind: Kind, name: str, found: re.Match[str], old: object
) -> Value:
    operator, text = found[2], found[3].strip()
    if kind is not Kind.LIST:
        if operator != "=":
            raise UsageError(f"`{name}` is no list", hint=f"write `{name}={text}`")
        return _status(draft, text) if kind is Kind.STATUS else _one_line(name, text)
    present = tuple(old) if isinstance(old, tuple) else ()
    items = [item.strip() for item in text.split(",") if item.strip()]
    if name == "depends_on" and operator != "-=":
        items = [_dependency(draft, task, item) for item in items]
    if operator == "=":
        return tuple(dict.fromkeys(items))
    if operator == "+=":
        return tuple(dict.fromkeys((*present, *items)))
    unknown = [item for item in items if item not in present]
    if unknown:
        raise UsageError(f"`{name}` of `{task.id}` does not hold `{unknown[0]}`")
    return tuple(item for item in present if item not in items)


def _one_line(name: str, text: str) -> str:
    if name == "title" and not text:
        raise UsageError("a title cannot be empty")
    if "\n" in text or "\r" in text:
        raise UsageError(f"`{name}` is one line", hint="put long text into the task's file")
    return text


def _status(draft: Draft, word: str) -> str:
    from mosaic.plan.statuses import nearest_status, parse_status

    status = parse_status(word, draft.snapshot.document.mission.statuses)
    if status is None:
        near = nearest_status(word)
        raise UsageError(f"`{word}` is no status", detail=f"nearest: `{near}`" if near else None)
    return status.value


def _dependency(draft: Draft, task: Task, name: str) -> str:
    found = draft.snapshot.get(name).task.id
    if found == task.id:
        raise UsageError(f"`{task.id}` cannot depend on itself")
    return found
