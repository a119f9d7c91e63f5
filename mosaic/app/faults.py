"""What is wrong with a mission's files, with the lines of them where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MergeConflictError, MissionError
from mosaic.machine.disk import find_text
from mosaic.records import NamedTuple
from mosaic.text.lines import find_conflicts, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.text.lines import Marks

AROUND = 3
"""Lines that are shown before and after those where it is."""
MOST_LINES = 400


class FaultLine(NamedTuple):
    """A line of a file, there or nearby."""

    number: int
    text: str
    kind: str = ""
    """`mark`, `ours`, `base` or `theirs` in a conflict of git's; `fault`; empty: beside it."""


class Fault(NamedTuple):
    """One thing that is wrong, and the lines where it is."""

    error: MissionError
    lines: tuple[FaultLine, ...] = ()


def find_faults(snapshot: Snapshot, task_id: str | None) -> tuple[Fault, ...]:
    """Return what is wrong with a task; without one, what is wrong with no single task."""
    return tuple(
        Fault(each.error, tuple(_lines_at(snapshot.layout, each.error))[:MOST_LINES])
        for each in snapshot.problems
        if each.task_id == task_id
    )


def _lines_at(layout: Layout, error: MissionError) -> Iterator[FaultLine]:
    if error.path is None or error.line is None:
        return
    path = layout.project / error.path
    try:
        file = find_text(path)
    except MissionError:  # it cannot be read as text: that is what is said of it
        return
    text = file.text if file else ""
    lines, kinds = split_lines(text), {error.line: "fault"}
    if isinstance(error, MergeConflictError):
        found = [each for each in find_conflicts(text) if each.first >= error.line]
        # Of a table each conflict is told of by itself, with the tasks in it.
        kinds = _kinds_in(found[:1] if path == layout.tasks_file else found)
    shown = {near for at in kinds for near in range(at - AROUND, at + AROUND + 1)}
    for number in sorted(shown):
        if 0 < number <= len(lines):
            yield FaultLine(number, lines[number - 1].rstrip("\r\n"), kinds.get(number, ""))


def _kinds_in(conflicts: list[Marks]) -> dict[int, str]:
    kinds: dict[int, str] = {}
    for each in conflicts:
        kinds |= dict.fromkeys(range(each.first, each.base or each.middle), "ours")
        kinds |= dict.fromkeys(range(each.base, each.middle) if each.base else (), "base")
        kinds |= dict.fromkeys(range(each.middle, each.last), "theirs")
        marks = filter(None, (each.first, each.base, each.middle, each.last))
        kinds |= dict.fromkeys(marks, "mark")
    return kinds
