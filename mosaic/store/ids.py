"""Ids of tasks: the next free one.

The highest number plus one is not enough: other branches and work trees have tasks that
are not here yet, and the id of a removed task must not mean another one later. So every
place that may know an id is asked, with three git processes however many branches there are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, MissionError
from mosaic.git.branches import files_on_branches
from mosaic.git.git import find_work_tree
from mosaic.git.worktrees import other_worktrees
from mosaic.store.aside import find_moved
from mosaic.store.rows import parse_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mosaic.store.layout import Layout
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


def taken_ids(snapshot: Snapshot, ids: Iterable[str], *, warn: Callable[[str], None]) -> set[str]:
    """Return those of some ids that any place knows. Call it under the mission lock."""
    asked = {*ids}
    if not asked:
        return set()
    starts = re.compile(rf"({'|'.join(map(re.escape, asked))})(?![A-Za-z0-9_]|[.-]\d)")
    found = filter(None, map(starts.match, _known_texts(snapshot, warn)))
    return {match[1] for match in found}


def _known_texts(snapshot: Snapshot, warn: Callable[[str], None]) -> Iterator[str]:
    """Yield ids, and file names that begin with one, from every place that may know any."""
    layout = snapshot.layout
    yield from snapshot.entries()
    yield from snapshot.base()
    yield from filter(None, (each.id for each in snapshot.left_out))
    yield from (task_id for task_id, _ in find_moved(snapshot))
    yield from filter(None, (problem.task_id for problem in snapshot.problems))
    yield from snapshot.document.mission.removed_tasks
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
