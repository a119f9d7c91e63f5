"""Two branches that each added a task of the same id: the younger one gets a free id.

Only where it is certain which file is the younger, which row is whose, and that nothing else
speaks of the id: a session or a task that depends on it may mean either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.git.git import answer_of
from mosaic.machine.disk import read_text
from mosaic.machine.transaction import Change, write_together
from mosaic.store.draft import changing
from mosaic.store.ids import next_task_id
from mosaic.store.mission_file import load_mission
from mosaic.store.parsed import plain_value
from mosaic.store.scan import scan_tasks
from mosaic.text.fields import ID_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord
    from mosaic.store.scan import Scan
    from mosaic.store.tasks import Snapshot


def renumber_twins(mission_file: Path) -> list[str]:
    """Give the younger of two tasks of one id the next free id; say what was done or why not."""
    done = []
    scan = scan_tasks(load_mission(mission_file).layout, use_index=False)
    for task_id in sorted(_ids_of_pairs(scan)):
        with changing(mission_file, doing=f"renumbering {task_id}") as draft:
            scan = scan_tasks(draft.layout, use_index=False)
            try:
                done.append(_renumber(draft.snapshot, scan, task_id))
            except (_UncertainError, GitRefusedError) as error:
                done.append(f"nothing was done about the two tasks `{task_id}`: {error}")
    return done


class _UncertainError(Exception):
    """Which of two tasks should be renumbered, or how, has more than one answer."""


def _ids_of_pairs(scan: Scan) -> set[str]:
    ids = [file.id for file in scan.files]
    return {task_id for task_id in ids if ids.count(task_id) > 1}


def _renumber(snapshot: Snapshot, scan: Scan, task_id: str) -> str:
    layout = snapshot.layout
    files = [file for file in scan.files if file.id == task_id]
    if len(files) != 2:  # noqa: PLR2004 - a pair
        raise _UncertainError(f"there are {len(files)} files")
    _refuse_mentions(snapshot, task_id)
    younger = _younger(layout, files)
    row = _row_of(scan, task_id, younger, files)
    new_id = next_task_id(snapshot, warn=_refuse)
    path = layout.tasks_dir / younger.name
    name = _new_name(younger.name, task_id, new_id)
    if (layout.tasks_dir / name).exists():
        raise _UncertainError(f"`{name}` is there already")
    file = read_text(path)
    changes = [
        Change(path=layout.tasks_dir / name, data=_text(file.text, task_id, new_id), expect=None),
        Change(path=path, data=None, expect=file.signature),
    ]
    if row is not None:
        changes.append(_row_change(layout, row, new_id))
    write_together(changes, intent=layout.intent_file, root=layout.project)
    return f"`{layout.shown(path)}`, the younger of two `{task_id}`, is `{new_id}` now"


def _refuse(why: str) -> None:
    raise _UncertainError(why)


def _refuse_mentions(snapshot: Snapshot, task_id: str) -> None:
    if any(snapshot.document.mission.sessions.of_task(task_id)):
        raise _UncertainError("sessions worked on that id")
    dependents = [task.id for task in snapshot.tasks if task_id in task.depends_on]
    if dependents:
        raise _UncertainError(f"`{dependents[0]}` depends on that id, and may mean either")


def _younger(layout: Layout, files: Sequence[FileRecord]) -> FileRecord:
    ages: list[float] = []
    for file in files:
        command = ["log", "--no-show-signature", "--diff-filter=A", "--format=%ct", "--"]
        found = answer_of([*command, str(layout.tasks_dir / file.name)], layout.project)
        ages.append(float(found.split()[-1]) if found else float("inf"))
    if ages[0] == ages[1]:
        raise _UncertainError("git does not tell which of them is older")
    return files[0] if ages[0] > ages[1] else files[1]


def _row_of(
    scan: Scan, task_id: str, file: FileRecord, files: Sequence[FileRecord]
) -> RowRecord | None:
    """Return the row of a file; None where neither has one."""
    rows = [row for row in scan.rows if row.id == task_id]
    titles = [each.texts["title"] for each in files]
    named = [plain_value(row.cells.get("title", "")) for row in rows]
    if not rows:
        return None
    if len(set(titles)) < len(titles) or sorted(named) != sorted(titles):
        raise _UncertainError("the titles do not tell which row goes with which file")
    return rows[named.index(file.texts["title"])]


def _new_name(name: str, task_id: str, new_id: str) -> str:
    if not name.startswith(task_id):
        raise _UncertainError(f"the name of `{name}` does not begin with the id")
    return new_id + name.removeprefix(task_id)


def _text(text: str, task_id: str, new_id: str) -> bytes:
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.set_frontmatter import set_front_matter

    matter = parse_front_matter(text)
    key = next((key for key in ID_KEYS if matter and matter.text(key)), ID_KEYS[0])
    edited = set_front_matter(text, key, new_id)
    return edited.replace(f"\n# {task_id} ", f"\n# {new_id} ", 1).encode()


def _row_change(layout: Layout, row: RowRecord, new_id: str) -> Change:
    from mosaic.text.table import find_tasks_table, row_by_line, set_cell

    file = read_text(layout.tasks_file)
    table = find_tasks_table(file.text)
    found = row_by_line(table, row.line) if table else None
    if table is None or found is None:
        raise _UncertainError("its row is gone")
    try:
        text = set_cell(file.text, table, found, "id", new_id)
    except MissionError as error:
        raise error.at(layout.shown(layout.tasks_file)) from None
    return Change(path=layout.tasks_file, data=text.encode(), expect=file.signature)
