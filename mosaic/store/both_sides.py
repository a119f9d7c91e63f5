"""Looking at a table or task file that git left in conflict: what both sides agree on, and ours.

Lines are counted as the file stands. Every task that the sides disagree about is a problem, so that
it is not handed off and not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MergeConflictError, MissionError
from mosaic.records import replace
from mosaic.store.parsed import FileRecord, RowRecord, parse_task_file
from mosaic.store.rows import parse_table
from mosaic.store.tasks import Problem
from mosaic.text.lines import conflict_sides, find_conflicts

if TYPE_CHECKING:
    from mosaic.text.lines import Side


def read_both_tables(
    text: str, error: MergeConflictError
) -> tuple[tuple[RowRecord, ...], list[Problem]]:
    """Return the rows of both sides, ours first, and what is wrong with them.

    `error` is the conflict as it is reported for the whole file.
    """
    try:
        ours, theirs = (_rows(side) for side in conflict_sides(text))
    except MissionError:
        return (), [Problem(error=error)]
    known = {row.id: row for row in ours}
    others = {row.id: row for row in theirs}
    rows = [*ours, *(row for row in theirs if row.id not in known)]
    places: dict[int | None, MergeConflictError] = {}
    about: dict[int | None, list[str]] = {}
    problems = []
    for row in rows:
        mine, yours = known.get(row.id), others.get(row.id)
        if mine is None or yours is None or mine.cells != yours.cells:
            found = _at_line(text, row.line, error)
            found = places.setdefault(found.line, found)
            about.setdefault(found.line, []).append(f"`{row.id}`")
            problems.append(Problem(error=found, task_id=row.id))
    for line, found in places.items():
        found.detail = f"{found.detail}; it is about {', '.join(about[line])}"
    return tuple(rows), problems or [Problem(error=error)]


def read_our_file(name: str, text: str) -> list[FileRecord]:
    """Return our side of a task file; nothing where it cannot be read."""
    ours, _ = conflict_sides(text)
    try:
        record = parse_task_file(name, ours.text)
    except MissionError:
        return []
    lines = {key: ours.lines[line - 1] for key, line in record.lines.items()}
    return [replace(record, lines=lines)]


def _rows(side: Side) -> list[RowRecord]:
    found = parse_table(side.text)
    return [replace(row, line=side.lines[row.line - 1]) for row in found if not row.why]


def _at_line(text: str, line: int, error: MergeConflictError) -> MergeConflictError:
    """Return the conflict that a line stands in, or else the first one."""
    for marks in find_conflicts(text):
        if marks.first <= line <= marks.last:
            found = MergeConflictError(marks.first, marks.last, marks.other)
            return found.at(error.path) if error.path else found
    return error
