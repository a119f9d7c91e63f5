"""Ids of tasks: the next free one, and another for one of two tasks that have the same.

The highest number plus one is not enough: other branches and work trees have tasks that
are not here yet, and the id of a removed task must not mean another one later. So every
place that may know an id is asked, with three git processes however many branches there are.

Of two tasks of one id, which two branches added, the younger gets a free id. Only where it is
certain which file is the younger, which row is whose, and that nothing else speaks of the id: a
session or a task that depends on it may mean either.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.git.branches import files_on_branches
from mosaic.git.git import answer_of, find_work_tree
from mosaic.git.worktrees import other_worktrees
from mosaic.machine.disk import read_text
from mosaic.machine.transaction import Change, write_together
from mosaic.store.aside import find_moved
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.store.parsed import plain_value
from mosaic.store.rows import find_row, parse_table
from mosaic.store.scan import scan_tasks
from mosaic.text.fields import ID_KEYS
from mosaic.text.grid import NO_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord
    from mosaic.store.scan import Scan
    from mosaic.store.tasks import Snapshot

ID_WIDTH = 3
"""How many digits the first id gets; later ones follow those that are there."""


def next_task_id(snapshot: Snapshot, *, warn: Callable[[str], None]) -> str:
    """Return the next id that no place knows. Call it under the mission lock."""
    prefix = snapshot.document.mission.task_prefix
    pattern = re.compile(rf"{re.escape(prefix)}-(\d{{1,9}})(?!\d)")
    found = filter(None, map(pattern.match, _known_texts(snapshot, warn)))
    highest = max((match[1] for match in found), key=int, default="0" * ID_WIDTH)
    return f"{prefix}-{int(highest) + 1:0{len(highest)}d}"


def free_ids(snapshot: Snapshot, *, warn: Callable[[str], None]) -> Iterator[str]:
    """Yield ids that no place knows, one after the other; places are asked for the first."""
    task_id = next_task_id(snapshot, warn=warn)
    while True:
        yield task_id
        head, _, number = task_id.rpartition("-")
        task_id = f"{head}-{int(number) + 1:0{len(number)}d}"


def _known_texts(snapshot: Snapshot, warn: Callable[[str], None]) -> Iterator[str]:
    """Yield ids, and file names that begin with one, from every place that may know any."""
    layout = snapshot.layout
    yield from snapshot.entries()
    yield from snapshot.base()
    yield from filter(None, (each.id for each in snapshot.left_out))
    yield from (task_id for task_id, _ in find_moved(snapshot))
    yield from filter(None, (problem.task_id for problem in snapshot.problems))
    yield from filter(None, (each.last_task_id for each in snapshot.document.mission.sessions))
    yield from _names_in(layout.tasks_dir)
    yield from _names_in(layout.runs_dir)
    try:
        yield from _elsewhere(layout)
    except GitRefusedError as error:
        warn(
            "tasks of other branches were not looked at, so the id may be in use there: "
            f"{error.detail}; {error.hint}"
        )


def _elsewhere(layout: Layout) -> Iterator[str]:
    root = find_work_tree(layout.project)
    if root is None:
        return
    folder = _inside(layout.tasks_dir, root)
    table = _inside(layout.tasks_file, root)
    if folder is None or table is None:
        return
    branches = files_on_branches(root, folder, table)
    yield from branches.names
    for data in branches.tables:
        yield from _ids_in_table(data.decode("utf-8", "replace"))
    for other in other_worktrees(root):
        yield from _names_in(other / folder)
        try:
            yield from _ids_in_table((other / table).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue


def _ids_in_table(text: str) -> Iterator[str]:
    try:
        for row in parse_table(text):
            yield row.id
    except MissionError:
        return  # a table of another branch that cannot be read reserves nothing


def _names_in(folder: Path) -> Iterator[str]:
    try:
        yield from (path.name for path in folder.iterdir())
    except OSError:
        return


def _inside(path: Path, root: Path) -> str | None:
    try:
        return Path(os.path.realpath(path)).relative_to(os.path.realpath(root)).as_posix()
    except ValueError:
        return None


def number_rows(mission_file: Path) -> list[str]:
    """Give rows of tasks that have no id the next free ones, and say which."""
    from mosaic.text.table import set_cell

    done = []
    with changing(mission_file, doing="giving ids to rows") as draft:
        path = draft.layout.tasks_file
        lines = [each.line for each in draft.snapshot.left_out if each.why == NO_ID]
        text = (draft.text(path) if lines else None) or ""
        ids = free_ids(draft.snapshot, warn=draft.notices.append)
        for line in lines:
            found = find_row(text, line)
            if found is None:
                continue
            task_id = next(ids)
            try:
                text = set_cell(text, *found, "id", task_id)
            except MissionError as error:
                done.append(f"the row of line {line} got no id: {error.message}")
                continue
            done.append(f"`{draft.layout.shown(path)}:{line}` is `{task_id}` now")
        if done:
            draft.put(path, text)
        draft.save()
    return done


def renumber_twins(mission_file: Path) -> list[str]:
    """Give the younger of two tasks of one id the next free id; say what was done or why not."""
    done = []
    scan = scan_tasks(load_mission(mission_file).layout)
    for task_id, count in sorted(Counter(file.id for file in scan.files).items()):
        if count == 1:
            continue
        with changing(mission_file, doing=f"renumbering {task_id}") as draft:
            scan = scan_tasks(draft.layout)
            try:
                done.append(_renumber(draft.snapshot, scan, task_id))
            except (_UncertainError, GitRefusedError) as error:
                done.append(f"nothing was done about the two tasks `{task_id}`: {error}")
    return done


class _UncertainError(Exception):
    """Which of two tasks should be renumbered, or how, has more than one answer."""


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
    if not younger.name.startswith(task_id):
        raise _UncertainError(f"the name of `{younger.name}` does not begin with the id")
    name = new_id + younger.name.removeprefix(task_id)
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
    rows = [row for row in scan.rows if row.id == task_id]
    titles = [each.texts["title"] for each in files]
    named = [plain_value(row.cells.get("title", "")) for row in rows]
    if not rows:
        return None
    if len(set(titles)) < len(titles) or sorted(named) != sorted(titles):
        raise _UncertainError("the titles do not tell which row goes with which file")
    return rows[named.index(file.texts["title"])]


def _text(text: str, task_id: str, new_id: str) -> bytes:
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.set_frontmatter import set_front_matter

    matter = parse_front_matter(text)
    key = next((key for key in ID_KEYS if matter and matter.text(key)), ID_KEYS[0])
    edited = set_front_matter(text, key, new_id)
    return edited.replace(f"\n# {task_id} ", f"\n# {new_id} ", 1).encode()


def _row_change(layout: Layout, row: RowRecord, new_id: str) -> Change:
    from mosaic.text.table import set_cell

    file = read_text(layout.tasks_file)
    found = find_row(file.text, row.line)
    if found is None:
        raise _UncertainError("its row is gone")
    try:
        text = set_cell(file.text, *found, "id", new_id)
    except MissionError as error:
        raise error.at(layout.shown(layout.tasks_file)) from None
    return Change(path=layout.tasks_file, data=text.encode(), expect=file.signature)
