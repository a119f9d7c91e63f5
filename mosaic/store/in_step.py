"""What a person left to be completed in table and files: values to carry, ids of rows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.store.draft import changing
from mosaic.store.ids import free_ids
from mosaic.store.rows import find_row
from mosaic.text.lines import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.store.draft import Draft
    from mosaic.store.sync import Carry, Side
    from mosaic.store.tasks import Snapshot

MOST_NAMED = 5
"""How many rows that got ids are named one by one."""


def synchronize(
    mission_file: Path, task_ids: Sequence[str], prefer: Side | None
) -> tuple[list[tuple[str, Carry]], Snapshot, tuple[str, ...]]:
    """Carry to the other side what only one has changed.

    Returned are what was carried, the mission after it, and what a person should know.
    """
    with changing(mission_file, doing="bringing table and files in step", prefer=prefer) as draft:
        chosen = [draft.snapshot.get(name).task.id for name in task_ids]
        broken = draft.snapshot.broken_ids
        carried: list[tuple[str, Carry]] = []
        for task_id, entry in draft.snapshot.entries().items():
            if task_id in broken or (chosen and task_id not in chosen):
                continue
            if chosen and not (entry.row and entry.file):
                draft.forget(task_id)  # that it is in one place is as it should be
            if not entry.carries:
                continue
            draft.edit_task(task_id, {}, utc_now())
            carried += [(task_id, carry) for carry in entry.carries]
        draft.agree_everywhere()
        draft.save()
        if not chosen and draft.snapshot.rows_without_id:
            _number_for_person(draft)
        return carried, draft.snapshot, tuple(draft.notices)


def save_and_number(draft: Draft) -> bool:
    """Save a person's change, and tell whether anything was written.

    Where it was, rows that have no id get one, and a notice says which.
    """
    lacks_ids = bool(draft.snapshot.rows_without_id)
    changed = draft.save()
    if changed and lacks_ids:
        _number_for_person(draft)
    return changed


def _number_for_person(draft: Draft) -> None:
    if os.environ.get("MISSION_SESSION"):
        return  # what an agent would be told, no person hears
    try:
        numbered, _ = number_rows(draft)
    except MissionError:
        draft.start_over()  # such as a table in conflict: the rows are named until they have ids
        return
    draft.notices += numbered[:MOST_NAMED]
    if (more := len(numbered) - MOST_NAMED) > 0:
        draft.notices.append(f"{counted(more, 'more row')} got ids; `git diff` shows them")


def number_rows(draft: Draft) -> tuple[list[str], list[str]]:
    """Give rows that have no id the next free ones, and save that; nothing else is drafted.

    Returned are which got one, and which did not, with why.
    """
    from mosaic.text.table import set_cell

    numbered, refused = list[str](), list[str]()
    lines, path = draft.snapshot.rows_without_id, draft.layout.tasks_file
    if not lines:
        return numbered, refused
    text = draft.text(path) or ""
    ids = free_ids(draft.snapshot, warn=draft.notices.append)
    for line in lines:
        found = find_row(text, line)
        if found is None:
            continue
        task_id = next(ids)
        try:
            text = set_cell(text, *found, "id", task_id)
        except MissionError as error:
            refused.append(f"the row of line {line} got no id: {error.message}")
            continue
        numbered.append(f"`{draft.layout.shown(path)}:{line}` is `{task_id}` now")
    if numbered:
        draft.put(path, text)
        draft.save()
    return numbered, refused
