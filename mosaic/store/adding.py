"""Adding many tasks at once: those that are imported, and rows for files that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError
from mosaic.records import NamedTuple
from mosaic.store.create import NewTask, slug_of, table_for, task_text
from mosaic.store.parsed import parse_task_file
from mosaic.store.sync import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from mosaic.store.draft import Draft

BODY = "@@imported text@@"
"""What stands in a template's text for that of the task, which no template engine looks at."""


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


def imported_text(
    draft: Draft,
    task_id: str,
    values: Mapping[str, str | tuple[str, ...]],
    sections: Mapping[str, str],
    now: datetime,
) -> str:
    """Return the text of a new task's file with more fields than a template has.

    What stands in a template's own front matter besides stays. Raises BrokenFileError where
    the task would not read as it is meant.

    Args:
        draft: the mission.
        task_id: the id.
        values: fields of its front matter; `text` is what stands in front of the handoff.
        sections: what its handoff says already.
        now: when that is.
    """
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.new_frontmatter import front_matter_file
    from mosaic.text.sections import set_section

    title, text = str(values["title"]), str(values["text"])
    new = NewTask(title=title, milestone=str(values["milestone"]) or None, body=BODY)
    made = task_text(draft.layout, task_id, new, now, str(values["status"]))
    matter = parse_front_matter(made)
    if matter is None or BODY not in made:
        raise EditRefusedError(
            "the template of tasks has no front matter or does not use `body`",
            path=draft.layout.shown(draft.layout.templates_dir / "task.md.j2"),
            hint="mend it, or remove it",
        )
    data = {key: value for key, value in matter.data.items() if key != "updated_at"}
    data |= {name: value for name, value in values.items() if value and name != "text"}
    data["updated_at"] = matter.raw.get("updated_at", "")
    body = made[matter.body_start :].replace(BODY if text else f"{BODY}\n\n", text, 1)
    whole = front_matter_file(data, body.strip("\n"))
    for name, said in sections.items():
        whole = set_section(whole, name, said) if said else whole
    record = parse_task_file("the file", whole)
    read = {**record.texts, **record.lists}
    if record.id != task_id or any(
        read.get(n, "") != v for n, v in values.items() if v and n != "text"
    ):
        raise EditRefusedError("the task would not read as it is meant")
    return whole
