"""The order of the plan: a task's row moved to another place of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent
from mosaic.app.tasks import TaskView
from mosaic.errors import EditRefusedError, MissionError, UsageError
from mosaic.records import NamedTuple
from mosaic.store.adding import Row, add_rows
from mosaic.store.rows import find_row, parse_table
from mosaic.store.sync import file_value
from mosaic.text.fields import SYNCED

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Entry
    from mosaic.text.grid import Row as TableRow
    from mosaic.text.grid import Table


class MovedTask(NamedTuple):
    """A task whose row was moved."""

    task: TaskView
    beside: str
    """The task that it stands above or below now."""
    is_before: bool
    changed: bool
    row_added: bool = False
    """It stood in a file alone, and has a row now."""
    milestone_before: str | None = None
    """Its milestone before, where the place in the table gives it another one."""
    notices: tuple[str, ...] = ()


def move_task(
    mission_file: Path,
    task_id: str,
    *,
    before: str | None = None,
    after: str | None = None,
    actor: Actor | None = None,
) -> MovedTask:
    """Move a task in the plan: its row in the table, and no other byte.

    A task that stands in a file alone gets a row there.

    Raises:
        UsageError: an agent asks, not one other task is named, or that one has no row.
        EditRefusedError: the two are in tables with other columns.
    """
    if (before is None) == (after is None):
        raise UsageError(
            "say where it goes: `--before ID` or `--after ID`",
            hint=f"`mission mv {task_id} --before T-001`",
        )
    with editing(mission_file, f"moving {task_id}") as draft:
        refuse_agent(draft.layout, actor, "reorder the plan")
        entry = draft.snapshot.get(task_id)
        beside = draft.snapshot.get(str(before if after is None else after))
        old, name, other = entry.task, entry.task.id, beside.task.id
        if name == other:
            raise UsageError(f"`{name}` cannot stand beside itself")
        path = draft.layout.tasks_file
        if beside.row is None:
            raise UsageError(
                f"`{other}` has no row in `{draft.layout.shown(path)}`",
                detail="the order of rows is the order of the plan",
                hint="name a task that has one",
            )
        if entry.row is None:
            _add_row(draft, entry)
        try:
            draft.put(path, _moved(draft, name, other, before=after is None))
        except MissionError as error:
            raise error.at(draft.layout.shown(path)) from None
        changed = draft.save()
        task = draft.snapshot.get_task(name)
        return MovedTask(
            task=TaskView(task),
            beside=other,
            is_before=after is None,
            changed=changed,
            row_added=entry.row is None,
            milestone_before=old.milestone if old.milestone != task.milestone else None,
            notices=tuple(draft.notices),
        )


def _moved(draft: Draft, name: str, other: str, *, before: bool) -> str:
    """Return the table's text with one row above or below another."""
    from mosaic.text.table import move_row

    text = draft.text(draft.layout.tasks_file) or ""
    (table, row), (others, beside) = (_row_of(text, each) for each in (name, other))
    if table.columns != others.columns:
        raise EditRefusedError(
            f"`{name}` and `{other}` are in tables with other columns",
            line=beside.line,
            detail=f"{', '.join(table.headers)} in line {table.line}; "
            f"{', '.join(others.headers)} in line {others.line}",
            hint="move the row by hand, and give it the columns of that table",
        )
    return move_row(text, row, beside, before=before)


def _row_of(text: str, name: str) -> tuple[Table, TableRow]:
    line = next((row.line for row in parse_table(text) if row.id == name and not row.why), 0)
    found = find_row(text, line)
    if found is None:
        raise EditRefusedError(f"the row of `{name}` is gone", hint="run the command again")
    return found


def _add_row(draft: Draft, entry: Entry) -> None:
    """Draft a row for a task that stands in a file alone."""
    words = draft.snapshot.document.mission.statuses
    values = {name: file_value(entry, name, words) for name in SYNCED}
    add_rows(draft, [Row(entry.task.id, entry.task.milestone or "", values)])
