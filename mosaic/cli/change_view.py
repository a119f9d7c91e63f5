"""What `set`, `done`, `block`, `cancel` and `reopen` do and print, without Typer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.app.change import Change, change_statuses, change_tasks
from mosaic.cli.output import answer, clean, merge_commands, paint, plain
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import ChangedTask

ASSIGNMENT = re.compile(r"([A-Za-z][A-Za-z_-]*?)\s*(\+=|-=|=)(.*)", re.DOTALL)


def set_fields(
    task_id: str,
    changes: Sequence[str],
    *,
    rename: bool = False,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """Make changes written as `field=value`, `field+=value` or `field-=value`.

    Words before the first of them are ids of more tasks.
    """
    path = locate_mission(mission)
    at = next((n for n, word in enumerate(changes) if ASSIGNMENT.fullmatch(word)), 0)
    made = [*map(_parse, changes[at:])]
    if not rename:
        changed = change_tasks(path, [task_id, *changes[:at]], made)
        return _show(changed, _title_words(path, changed[0]), as_json=as_json)
    from mosaic.app.retitle import retitle_task  # start-up: titles seldom change

    if at:
        raise UsageError("several tasks cannot have one title", hint="set it for one task")
    renamed = retitle_task(path, task_id, made)
    words = f"  its file is {clean(renamed.task.task.file)}" if renamed.changed else ""
    return _show((renamed,), words, as_json=as_json)


def _title_words(mission_file: Path, changed: ChangedTask) -> str:
    """Return how a heading follows a new title that it does not give yet."""
    fields = (field for field in changed.fields if field.name == "title")
    before = next((field.before for field in fields if field.before != field.after), None)
    if not isinstance(before, str):
        return ""
    from mosaic.store.retitle import keeps_old_title  # start-up: titles seldom change

    is_old = keeps_old_title(read_mission(mission_file), changed.task.task, before)
    return paint("  heading and file keep their names; `--rename` changes them", "dim") * is_old


def set_status(
    task_ids: Sequence[str],
    status: str,
    why: str | None = None,
    *,
    force: bool = False,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """Set the status of tasks, and say why in their notes."""
    path, wanted = locate_mission(mission), Status(status)
    changed = change_statuses(path, task_ids, wanted, why, force=force)
    return _show(changed, as_json=as_json)


def _parse(change: str) -> Change:
    found = ASSIGNMENT.fullmatch(change)
    if found is None:
        raise UsageError(f"`{change}` is not a change", hint="write `field=value`")
    return Change(*found.groups())


def _show(changed: Sequence[ChangedTask], further: str = "", *, as_json: bool) -> int:
    first = changed[0]
    report_notices(first.notices)
    then = merge_commands([each.task.task.id for each in changed if each.to_merge])
    then += ["mission next"] if first.task.task.status.is_closed else []
    return answer(
        "task.changed" if len(changed) == 1 else "tasks.changed",
        first if len(changed) == 1 else {"tasks": changed},
        [line for each in changed for line in _lines(each)] + ([further] if further else []),
        then=then or [f"mission show {first.task.task.id}"],
        as_json=as_json,
    )


def _lines(changed: ChangedTask) -> list[str]:
    task, arrow = changed.task.task, paint("→", "dim")
    if not changed.changed:
        return [f"{task.id}  already so"]
    lines = [
        f"{task.id}  {field.name}: {_words(field.before)} {arrow} {_words(field.after)}"
        for field in changed.fields
    ]
    lines += [f"  against the evidence: {clean(each)}" for each in changed.overruled]
    if changed.to_merge:
        lines.append(
            f"  its work waits in `{clean(changed.to_merge)}`; `mission merge {task.id}` lands it"
        )
    if changed.asks_review:
        lines.append("an agent's `done` asks for review; a person sets it done")
    return lines


def _words(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(value)
    return clean(plain(value)) if value else "nothing"
