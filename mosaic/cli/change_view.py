"""What `set`, `done`, `block`, `cancel` and `reopen` do and print, without Typer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.app.change import Change, change_status, change_task
from mosaic.cli.output import answer, clean, paint, plain
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.store.reading import locate_mission

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
    """Make changes written as `field=value`, `field+=value` or `field-=value`."""
    path = locate_mission(mission)
    changed = change_task(path, task_id, [*map(_parse, changes)], rename=rename)
    return _show(changed, as_json=as_json)


def set_status(
    task_id: str,
    status: str,
    why: str | None = None,
    *,
    force: bool = False,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """Set a task's status, and say why in its notes."""
    changed = change_status(locate_mission(mission), task_id, Status(status), why, force=force)
    return _show(changed, as_json=as_json)


def _parse(change: str) -> Change:
    found = ASSIGNMENT.fullmatch(change)
    if found is None:
        raise UsageError(f"`{change}` is not a change", hint="write `field=value`")
    return Change(*found.groups())


def _show(changed: ChangedTask, *, as_json: bool) -> int:
    report_notices(changed.notices)
    task = changed.task.task
    arrow = paint("→", "dim")
    lines = [
        f"{task.id}  {field.name}: {_words(field.before)} {arrow} {_words(field.after)}"
        for field in changed.fields
    ]
    lines += [f"  against the evidence: {clean(each)}" for each in changed.overruled]
    if changed.is_renamed:
        lines.append(f"  its file is {clean(task.file)}")
    elif changed.is_renamed is False:
        lines.append(paint("  heading and file keep their names; `--rename` changes them", "dim"))
    if changed.asks_review:
        lines.append("an agent's `done` asks for review; a person sets it done")
    return answer(
        "task.changed",
        changed,
        lines if changed.changed else [f"{task.id}  already so"],
        then=["mission next"] if task.status.is_closed else [f"mission show {task.id}"],
        as_json=as_json,
    )


def _words(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(value)
    return clean(plain(value)) if value else "nothing"
