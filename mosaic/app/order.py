"""The shape of the plan: a row moved to another place of the table, a task split into several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent, save_change
from mosaic.app.tasks import TaskView
from mosaic.errors import EditRefusedError, HeldError, MissionError, NotReadyError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.plan.progress import milestone_of
from mosaic.records import NamedTuple
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.adding import Row, add_rows, new_file
from mosaic.store.create import NewTask, check_title, task_text
from mosaic.store.ids import free_ids
from mosaic.store.rows import find_row, parse_table
from mosaic.store.sync import cell_text, cell_value, file_value
from mosaic.text.fields import SYNCED, field_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.model import Task
    from mosaic.store.draft import Draft
    from mosaic.store.sync import Value
    from mosaic.store.tasks import Entry, Snapshot
    from mosaic.text.grid import Row as TableRow
    from mosaic.text.grid import Table

PARENT = "parent:"
"""What a label begins with that names the task which another one is a part of."""


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

    In a table with other columns it gets the cells that both have, and those that a task knows.
    A task that stands in a file alone gets a row there.

    Raises:
        UsageError: an agent asks, not one other task is named, or that one has no row.
        EditRefusedError: the two are in tables with other columns, and a cell would be lost.
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
        changed = save_change(draft)
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


class SplitTask(NamedTuple):
    """A task that was split, and its parts."""

    task: TaskView
    """It waits for its parts now."""
    parts: tuple[TaskView, ...]
    notices: tuple[str, ...] = ()


def split_task(mission_file: Path, task_id: str, titles: Sequence[str]) -> SplitTask:
    """Split a task: a new task for each title, right below it in the plan.

    The parts wait for what it waited for, and have its milestone, write scope, priority, runtime
    and labels, and a label `parent:ID`. It waits for its parts, so that whatever waits for it
    waits for all of them; begun, it is `todo` again. Its text stays. An agent may split, too.

    Raises:
        UsageError: no title, or one that says nothing.
        NotReadyError: it is closed or waits for review.
        HeldError: a session works on it.
    """
    with editing(mission_file, f"splitting {task_id}") as draft:
        entry = draft.snapshot.get(task_id)
        task, now = entry.task, utc_now()
        words = [check_title(title) for title in titles]
        if not words:
            hint = f'`mission split {task.id} "First half" "Second half"`'
            raise UsageError("say what the parts are called", hint=hint)
        _refuse_split(draft.snapshot, task)
        ids = free_ids(draft.snapshot, warn=draft.notices.append)
        new = {next(ids): title for title in words}
        status = {"status": Status.TODO.value} if task.status is Status.IN_PROGRESS else {}
        waits = tuple(dict.fromkeys((*task.depends_on, *new)))
        draft.edit_task(task.id, {**status, "depends_on": waits}, now.astimezone())
        draft.note(task.id, f"{now.astimezone():%Y-%m-%d} split into {', '.join(new)}")
        for name, title in new.items() if entry.file else ():
            draft.put(new_file(draft, name, title), _part_text(draft, task, name, title, now))
        _add_parts(draft, entry, new)
        save_change(draft)
        every = [TaskView(draft.snapshot.get_task(name)) for name in (task.id, *new)]
        return SplitTask(every[0], tuple(every[1:]), tuple(draft.notices))


def _refuse_split(snapshot: Snapshot, task: Task) -> None:
    for found in live_or_unknown(snapshot):
        if found.lock.task_id == task.id:
            session_id = found.lock.session_id
            hint = f"`mission stop {session_id}`, or wait for its end"
            raise HeldError(f"session `{session_id}` works on `{task.id}`", hint=hint)
    if task.status.is_closed or task.status is Status.REVIEW:
        words = "waits for review" if task.status is Status.REVIEW else f"is {task.status.value}"
        hint = f"`mission reopen {task.id}` first, or add a task for what is left"
        raise NotReadyError(f"`{task.id}` {words}: there is nothing to split", hint=hint)


def _part_text(draft: Draft, task: Task, name: str, title: str, now: datetime) -> str:
    from mosaic.text.set_frontmatter import set_front_matter

    new = NewTask(
        title=title,
        milestone=task.milestone,
        depends_on=task.depends_on,
        write_scope=task.write_scope,
        priority=task.priority,
        runtime=task.runtime,
    )
    labels = [label for label in task.labels if not label.startswith(PARENT)]
    text = task_text(draft.layout, name, new, now)
    return set_front_matter(text, "labels", [*labels, f"{PARENT}{task.id}"])


def _add_parts(draft: Draft, entry: Entry, new: Mapping[str, str]) -> None:
    """Draft rows for the parts of a task, below its own; at the table's end where it has none."""
    from mosaic.text.table import append_rows

    task = entry.task
    same: dict[str, Value] = {
        "status": Status.TODO.value,
        "milestone": task.milestone or "",
        "depends_on": task.depends_on,
    }
    cells: dict[str, dict[str, Value]] = {
        name: {**same, "title": title} for name, title in new.items()
    }
    if entry.row is None:
        add_rows(draft, [Row(name, task.milestone or "", each) for name, each in cells.items()])
        return
    path = draft.layout.tasks_file
    text = draft.text(path) or ""
    table, row = _row_of(text, task.id)
    rows = [
        {"id": name} | {key: cell_text(draft.snapshot, key, value) for key, value in each.items()}
        for name, each in cells.items()
    ]
    try:
        draft.put(path, append_rows(text, table, rows, after=row))
    except MissionError as error:
        raise error.at(draft.layout.shown(path)) from None


def _moved(draft: Draft, name: str, other: str, *, before: bool) -> str:
    """Return the table's text with one row above or below another."""
    from mosaic.text.table import append_rows, move_row, remove_row

    text = draft.text(draft.layout.tasks_file) or ""
    (table, row), (others, beside) = (_row_of(text, each) for each in (name, other))
    if table.columns == others.columns:
        return move_row(text, row, beside, before=before)
    cells = _cells_for(draft, name, (table, row), (others, beside))
    place = {"before" if before else "after": beside}
    added = append_rows(text, others, [cells], **place)
    found = find_row(added, row.line + (beside.line < row.line))
    assert found is not None  # every line but the new one is there still
    return remove_row(added, found[1])


def _cells_for(
    draft: Draft, name: str, old: tuple[Table, TableRow], new: tuple[Table, TableRow]
) -> dict[str, str]:
    """Return a row's cells by the columns of another table, or refuse where one would be lost."""
    (table, row), (others, beside) = old, new
    entry, declared = draft.snapshot.get(name), draft.snapshot.document.mission.milestones
    has_heading = milestone_of(others.headings, declared) is not None
    cells, left, lost = dict[str, str](), list[str](), list[str]()
    for number, text in enumerate(row.texts):
        column = table.columns[number] if number < len(table.columns) else f"cell {number + 1}"
        if column in others.columns and column not in cells:
            cells[column] = text
        elif text.strip(" -–—") and not (column == "milestone" and has_heading):
            is_in_file = _is_in_file(draft.snapshot, entry, column, text)
            (left if is_in_file else lost).append(column)
    if lost:
        named = ", ".join(f"`{column}`" for column in lost)
        raise EditRefusedError(
            f"`{name}` and its new neighbour are in tables with other columns: what stands "
            f"in {named} would be lost",
            line=beside.line,
            detail=f"{', '.join(table.headers)} in line {table.line}; "
            f"{', '.join(others.headers)} in line {others.line}",
            hint="give that table these columns, or put what stands in them into the task's file",
        )
    if left:
        named = ", ".join(f"`{column}`" for column in left)
        draft.notices.append(f"`{name}` has no {named} in that table; its file has it")
    for column in SYNCED:
        if column in others.columns and column not in cells:
            value = field_value(entry.task, column)
            cells[column] = cell_text(draft.snapshot, column, value or "")
    return cells


def _is_in_file(snapshot: Snapshot, entry: Entry, column: str, text: str) -> bool:
    """Tell whether a task's file holds what a cell does."""
    if entry.file is None or column not in SYNCED:
        return False
    words = snapshot.document.mission.statuses
    return file_value(entry, column, words) == cell_value(column, text, words)


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
