"""Three versions of one of the mission's files merged by what kind of file it is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.text.lines import newline_of, refuse_conflict, split_lines
from mosaic.text.merge3 import MISSING, Merger, common_lines, joined, merge_lines

if TYPE_CHECKING:
    from collections.abc import Sequence


class Form(StrEnum):
    """How a file is merged."""

    JSON = "json"
    TASK = "task"
    TABLE = "table"
    NOTES = "notes"
    """Text to which everybody adds: both sides are kept."""
    TEXT = "text"


def form_of(name: str, texts: Sequence[str]) -> Form:
    """Return a file's form by its name and by what stands in it."""
    from mosaic.text.frontmatter import parse_front_matter
    from mosaic.text.grid import find_tasks_table

    if name.endswith(".json"):
        return Form.JSON
    if name.lower().endswith("scratchpad.md"):
        return Form.NOTES
    try:
        matters = [parse_front_matter(text) for text in texts]
        if all(matter is not None and ({"id", "task_id"} & set(matter.data)) for matter in matters):
            return Form.TASK
        if any(find_tasks_table(text) is not None for text in texts):
            return Form.TABLE
    except MissionError:
        pass
    return Form.TEXT


def merge_file(merger: Merger, form: Form, name: str, sides: Sequence[str | None]) -> str | None:
    """Return the merged text of a file, of which base, ours and theirs are given.

    None where it is removed. What cannot be taken apart, or is removed by one side, is decided as
    a whole by its name.
    """
    base, ours, theirs = sides
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    if ours is not None and theirs is not None:
        asked, still_open = dict(merger.asked), list(merger.open)
        try:
            for text in sides:
                refuse_conflict(text or "")
            return _merge(merger, form, name, base, ours, theirs)
        except MissionError:
            merger.asked, merger.open = asked, still_open
    whole = [MISSING if text is None else text for text in sides]
    chosen = merger.pick(name, *whole)
    return None if chosen is MISSING else str(chosen)


def _merge(  # noqa: PLR0917 - three sides of one file
    merger: Merger, form: Form, name: str, base: str | None, ours: str, theirs: str
) -> str:
    newline = newline_of(ours)
    base = None if base is None else _with_newline(base, newline)
    theirs = _with_newline(theirs, newline)
    if form is Form.JSON:
        from mosaic.text.merge_json import merge_json

        return merge_json(merger, base, ours, theirs)
    if form is Form.TASK:
        from mosaic.store.merge_task import merge_task

        return merge_task(merger, name, base, ours, theirs)
    if form is Form.TABLE:
        from mosaic.store.merge_table import merge_table

        return merge_table(merger, name, base, ours, theirs)
    lines = [split_lines(text) for text in (base or "", ours, theirs)]
    if base is None:
        lines[0] = common_lines(*lines[1:])
    about = None if form is Form.NOTES else f"{name}.text"
    return joined(merge_lines(merger, *lines, name=lambda _: about), newline)


def _with_newline(text: str, newline: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", newline)
