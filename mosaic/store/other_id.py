"""The texts of a mission's files with another id for one of its tasks; nothing is read or written.

The row and the file of the task get the id, and so does whatever speaks of it: lists of ids, and
the id in backticks. Of two tasks of one id only what is certainly that task's own is changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.records import NamedTuple
from mosaic.store.mission_file import with_removed
from mosaic.store.parsed import ids_in_cell, parse_task_file, plain_id
from mosaic.store.rows import find_row, parse_table
from mosaic.text.fields import ID_KEYS
from mosaic.text.grid import NUMBERED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.parsed import RowRecord


class NewId(NamedTuple):
    """Which task gets which id."""

    old: str
    new: str
    file: str | None
    """The name of the task's file."""
    row: RowRecord | None
    """Its row, where the id alone does not tell which that is."""
    is_twin: bool
    """Whether another task has the old id too."""


def renumbered(layout: Layout, texts: Mapping[Path, str], old: str, new: str) -> dict[Path, str]:
    """Return files of a mission, by where they belong, with another id for a task of theirs.

    Nothing is written. mission.json is left as it is; the task's own file may get another place.
    Raises MissionError where an id cannot be replaced cleanly.
    """
    own = next((path for path in texts if _is_file_of(old, layout, path, texts[path])), None)
    plan = NewId(old, new, own.name if own else None, None, is_twin=False)
    found = {}
    for path, text in texts.items():
        is_own = path == own
        target = path.with_name(name_with_id(plan, path.name)) if is_own else path
        is_plain = path == layout.mission_file
        found[target] = text if is_plain else with_new_id(plan, layout, path, text, is_own=is_own)
    return found


def _is_file_of(task_id: str, layout: Layout, path: Path, text: str) -> bool:
    try:
        return path.parent == layout.tasks_dir and parse_task_file(path.name, text).id == task_id
    except MissionError:
        return False


def name_with_id(plan: NewId, name: str) -> str:
    """Return what a file is called from then on, by what it is called now."""
    rest = name.removeprefix(plan.old)
    if rest == name or rest[:1].isalnum():
        return name  # it is not named after its id
    return plan.new + rest


def with_new_id(plan: NewId, layout: Layout, path: Path, text: str, *, is_own: bool) -> str:
    """Return a file's text with what speaks of the task changed."""
    try:
        if path == layout.mission_file:
            return text if plan.is_twin else _with_sessions(plan, text)
        if is_own:
            text = _own_file(plan, text)
        elif path.parent == layout.tasks_dir and not plan.is_twin:
            text = _front_matter(plan, text)
        if path == layout.tasks_file:
            text = _table(plan, text)
        if not plan.is_twin or is_own:
            text = text.replace(f"`{plan.old}`", f"`{plan.new}`")
        if plan.file is not None:
            text = text.replace(plan.file, name_with_id(plan, plan.file))
    except MissionError as error:
        raise error.at(layout.shown(path)) from None
    return text


def _own_file(plan: NewId, text: str) -> str:
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.set_frontmatter import set_front_matter

    matter = parse_front_matter(text)
    key = next((key for key in ID_KEYS if matter and matter.text(key)), ID_KEYS[0])
    edited = set_front_matter(text, key, plan.new)
    return edited.replace(f"\n# {plan.old} ", f"\n# {plan.new} ", 1)


def _front_matter(plan: NewId, text: str) -> str:
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.set_frontmatter import set_front_matter

    matter = parse_front_matter(text)
    for key in matter.data if matter else ():
        value = matter.lists.get(key) or matter.raw.get(key, "") if matter else ""
        is_text = isinstance(value, str)
        words = [value] if isinstance(value, str) else list(value)
        news = [
            with_word(plan, word) if key == "depends_on" or _is(plan, word) else word
            for word in words
        ]
        if news != words:
            text = set_front_matter(text, key, news[0] if is_text else news)
    return text


def _is(plan: NewId, word: str) -> bool:
    return plain_id(word) == plan.old


def with_word(plan: NewId, text: str) -> str:
    """Return a text with the id changed wherever it stands as a word of its own."""
    pattern = rf"(?<![A-Za-z0-9_.-]){re.escape(plan.old)}(?![A-Za-z0-9_]|[.-]\d)"
    return re.sub(pattern, plan.new, text)


def _table(plan: NewId, text: str) -> str:
    from mosaic.text.table import set_cell

    for row in parse_table(text):
        is_own = plan.row is not None and row.line == plan.row.line
        is_same = row.id == plan.old and not plan.is_twin  # it stands in more than one table
        for column, cell in row.cells.items():
            is_id = column == "id" and (is_own or is_same)
            if not is_id and (plan.is_twin or not _is_list_of_ids(column, cell)):
                continue
            new = with_word(plan, cell)
            if new != cell and (found := find_row(text, row.line)) is not None:
                text = set_cell(text, *found, column, new)
    return text


def _is_list_of_ids(column: str, cell: str) -> bool:
    """Tell whether a cell holds ids and nothing else, in whatever column."""
    if column in ("id", "title", "notes", "status"):
        return False
    return column == "depends_on" or all(map(NUMBERED.fullmatch, ids_in_cell(cell)))


def _with_sessions(plan: NewId, text: str) -> str:
    from mosaic.text.jsondoc import parse_json_document, set_json

    for number, entry in enumerate(parse_json_document(text).get("sessions") or ()):
        for key in ("lastTaskId", "last_task_id"):
            if isinstance(entry, dict) and entry.get(key) == plan.old:
                text = set_json(text, ("sessions", number, key), plan.new)
    return with_removed(text, plan.old, f"now `{plan.new}`")
