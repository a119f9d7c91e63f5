"""Adding many tasks at once: those that are imported, and rows for files that have none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import find_text, read_text
from mosaic.records import NamedTuple
from mosaic.store.create import NewTask, slug_of, table_for, task_text
from mosaic.store.draft import changing
from mosaic.store.layout import default_layout
from mosaic.store.parsed import parse_task_file
from mosaic.store.rows import parse_table
from mosaic.store.sync import cell_text
from mosaic.text.fields import SYNCED, field_value, shown_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import JsonValue, Task
    from mosaic.store.draft import Draft

PLAN_PLACES = {"tasksFile": "TASKS.md", "tasksDir": "tasks"}
"""Where a plan may be that is older than its mission."""
MOST_LOOKED_AT = 100
ID, TITLE, BODY = "imported-0-id", "@@imported title@@", "@@imported text@@"
"""What stands in a rendered template for what a task has itself."""
MARKS = re.compile(f"{ID}|{TITLE}|{BODY}")


class Row(NamedTuple):
    """A task that gets a row in the table."""

    id: str
    milestone: str
    values: Mapping[str, str | tuple[str, ...]]
    """By column."""


def add_rows(draft: Draft, rows: Iterable[Row]) -> None:
    """Draft rows in the tables of their milestones, in order; without a table, none."""
    from mosaic.text.grid import find_tables, tasks_tables
    from mosaic.text.table import append_rows

    path = draft.layout.tasks_file
    text = draft.text(path)
    if text is None:
        return
    by_line: dict[int, list[Row]] = {}
    lines: dict[str, int | None] = {}
    for row in rows:
        if row.milestone not in lines:
            found = table_for(draft.snapshot, text, row.milestone or None)
            lines[row.milestone] = found.line if found else None
        if (line := lines[row.milestone]) is not None:
            by_line.setdefault(line, []).append(row)
    for line in sorted(by_line, reverse=True):  # what stands above keeps its line
        table = next(each for each in tasks_tables(find_tables(text)) if each.line == line)
        cells = [
            {"id": row.id}
            | {name: cell_text(draft.snapshot, name, value) for name, value in row.values.items()}
            for row in by_line[line]
        ]
        text = append_rows(text, table, cells)
    if by_line:
        draft.put(path, text)


def new_file(draft: Draft, task_id: str, title: str) -> Path:
    """Return where the file of a new task goes."""
    name = f"{task_id}-{slug}" if (slug := slug_of(title)) else task_id
    return draft.layout.tasks_dir / f"{name}.md"


class Blank(NamedTuple):
    """The template of a task file, rendered once for many tasks."""

    data: Mapping[str, JsonValue]
    body: str


def blank_task(draft: Draft, now: datetime) -> Blank:
    """Render the template with marks where each task has its own (or raise EditRefusedError)."""
    from mosaic.text.frontmatter import parse_front_matter

    made = task_text(draft.layout, ID, NewTask(title=TITLE, body=BODY), now)
    matter = parse_front_matter(made)
    if matter is None or BODY not in made:
        raise EditRefusedError(
            "the template of tasks has no front matter or does not use `body`",
            path=draft.layout.shown(draft.layout.templates_dir / "task.md.j2"),
            hint="mend it, or remove it",
        )
    return Blank({**matter.data, **matter.raw}, made[matter.body_start :])


def imported_text(
    blank: Blank,
    task_id: str,
    values: Mapping[str, str | tuple[str, ...]],
    sections: Mapping[str, str],
) -> str:
    """Return the text of a new task's file with more fields than a template has.

    What stands in a template's own front matter besides stays. Raises BrokenFileError where
    the task would not read as it is meant.

    Args:
        blank: the template.
        task_id: the id.
        values: fields of its front matter; `text` is what stands in front of the handoff.
        sections: what its handoff says already.
    """
    from mosaic.text.new_frontmatter import front_matter_file
    from mosaic.text.sections import set_section

    fields = {name: value for name, value in values.items() if value and name != "text"}
    last = {name: value for name, value in blank.data.items() if name == "updated_at"}
    data = {**blank.data, "task_id": task_id, **fields}
    data = {name: value for name, value in data.items() if name not in last} | last
    own = {ID: task_id, TITLE: str(values["title"]), BODY: str(values["text"])}
    body = blank.body if own[BODY] else blank.body.replace(f"{BODY}\n\n", "", 1)
    body = MARKS.sub(lambda mark: own[mark[0]], body)
    whole = front_matter_file(data, body.strip("\n"))
    for name, said in sections.items():
        whole = set_section(whole, name, said) if said else whole
    record = parse_task_file("the file", whole)
    read = {**record.texts, **record.lists}
    if record.id != task_id or any(read.get(name) != value for name, value in fields.items()):
        raise EditRefusedError("the task would not read as it is meant")
    return whole


def find_plan(project: Path) -> dict[str, str]:
    """Return where a table of tasks and task files are, as mission.json names such places.

    Empty where there are none, or where a mission's own would be.
    """
    own = default_layout(project)
    found: dict[str, str] = {}
    if not own.tasks_file.exists() and _has_rows(project / PLAN_PLACES["tasksFile"]):
        found["tasksFile"] = PLAN_PLACES["tasksFile"]
    folder = project / PLAN_PLACES["tasksDir"]
    is_free = not any(own.tasks_dir.glob("*.md"))
    if is_free and any(map(_is_task, sorted(folder.glob("*.md"))[:MOST_LOOKED_AT])):
        found["tasksDir"] = PLAN_PLACES["tasksDir"]
    return found


def _has_rows(path: Path) -> bool:
    try:
        file = find_text(path)
        return file is not None and any(not row.why for row in parse_table(file.text))
    except MissionError:
        return False


def _is_task(path: Path) -> bool:
    try:
        return bool(parse_task_file(path.name, read_text(path).text))
    except MissionError:
        return False


def complete_pairs(mission_file: Path, *, files: bool) -> tuple[int, int]:
    """Give task files rows, in the order of their ids, and rows files; return how many of each."""
    with changing(mission_file, doing="adopting tasks") as draft:
        now = utc_now()
        sound = [t for t in draft.snapshot.tasks if t.id not in draft.snapshot.broken_ids]
        alone = [task for task in sound if task.file and task.table_line is None]
        rows = [Row(t.id, t.milestone or "", {n: _cell(t, n) for n in SYNCED}) for t in alone]
        add_rows(draft, rows)
        bare = [task for task in sound if files and not task.file]
        for task in bare:
            new = NewTask(title=task.title, milestone=task.milestone, depends_on=task.depends_on)
            text = task_text(draft.layout, task.id, new, now, shown_status(task).lstrip("?"))
            draft.put(new_file(draft, task.id, task.title), text)
        draft.save()
        made = sum(task.table_line is not None for task in draft.snapshot.tasks)
        return made - (len(draft.snapshot.tasks) - len(alone)), len(bare)


def _cell(task: Task, name: str) -> str | tuple[str, ...]:
    value = shown_status(task).lstrip("?") if name == "status" else field_value(task, name)
    return value or ""
