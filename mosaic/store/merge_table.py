"""Three versions of the tasks table's file merged: rows by id and column, other text by line.

Rows stand in our order, each new one of theirs behind its predecessor. Two rows of one id that
each side added with another title are two tasks: both stay, and `mission renumber` parts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError
from mosaic.plan.statuses import parse_status
from mosaic.store.parsed import cell_words, ids_in_cell
from mosaic.store.rows import find_row, parse_table
from mosaic.text.lines import newline_of, split_lines
from mosaic.text.merge3 import (
    MISSING,
    THEIRS,
    Merger,
    common_lines,
    joined,
    merge_sets,
    regions,
    united,
    woven,
)
from mosaic.text.table import set_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.store.parsed import RowRecord

ROW = "row"


class _Side:
    """One version: its lines, and which of them are rows of tasks."""

    def __init__(self, text: str) -> None:
        self.lines = split_lines(text)
        self.rows: dict[str, RowRecord] = {}
        self.key_on: dict[int, str] = {}
        for row in parse_table(text) if text else ():
            if row.id and not row.why:
                self.put(row)
        self.texts = [at for at in range(len(self.lines)) if at not in self.key_on]
        """Where the lines stand that are not rows."""

    def put(self, row: RowRecord) -> None:
        key, number = row.id, 1
        while key in self.rows:
            number += 1
            key = f"{row.id}\0{number}"
        self.rows[key] = row
        self.key_on[row.line - 1] = key

    def rename(self, key: str, new: str) -> None:
        """Know a row by another key."""
        self.rows = {new if each == key else each: row for each, row in self.rows.items()}
        self.key_on = {at: new if each == key else each for at, each in self.key_on.items()}

    def text_lines(self) -> list[str]:
        return [self.lines[at] for at in self.texts]

    def line(self, key: str) -> str:
        return self.lines[self.rows[key].line - 1]


def merge_table(merger: Merger, name: str, base: str | None, ours: str, theirs: str) -> str:
    """Return our text with what they changed.

    Raises TableError, or EditRefusedError where rows cannot be put together cleanly.
    """
    sides = [_Side(text) for text in (base or "", ours, theirs)]
    if base is not None:
        _part_twins(*sides)
    return _Merge(merger, name, *sides, is_new=base is None).text(newline_of(ours))


def _part_twins(base: _Side, ours: _Side, theirs: _Side) -> None:
    for key in [key for key in theirs.rows if key in ours.rows and key not in base.rows]:
        titles = [
            cell_words("title", side.rows[key].cells.get("title", "")) for side in (ours, theirs)
        ]
        if titles[0] != titles[1]:
            theirs.rename(key, f"{key}\0{THEIRS}")


class _Merge:
    def __init__(
        self, merger: Merger, name: str, base: _Side, ours: _Side, theirs: _Side, *, is_new: bool
    ) -> None:
        self._merger = merger
        self._name = name
        self._base, self._ours, self._theirs = base, ours, theirs
        self._is_new = is_new
        self._cells: dict[str, dict[str, str]] = {}
        # Where only they put rows into another order, theirs is what ours are put into.
        known = [key for key in base.rows if key in ours.rows and key in theirs.rows]
        orders = [[key for key in side.rows if key in known] for side in (ours, theirs)]
        is_moved = orders[0] == known != orders[1]
        self._main, self._other = (theirs, ours) if is_moved else (ours, theirs)

    def text(self, newline: str) -> str:
        kept = self._merged_rows()
        elements = self._elements(kept)
        lines = [self._line(element) for element in elements]
        keys = {at: each for at, each in enumerate(elements) if isinstance(each, str)}
        text = joined(lines, newline)
        return self._with_cells(text, keys)

    def _merged_rows(self) -> set[str]:
        kept = set()
        rows = [side.rows for side in (self._base, self._ours, self._theirs)]
        for key in dict.fromkeys((*rows[1], *rows[2], *rows[0])):
            base, ours, theirs = (each.get(key) for each in rows)
            name = key.partition("\0")[0]
            if ours is not None and theirs is not None:
                self._cells[key] = self._merged_cells(name, base, ours, theirs)
                kept.add(key)
                continue
            there = [MISSING if row is None else _plain(row) for row in (base, ours, theirs)]
            if self._merger.pick(f"{name}.{ROW}", *there) is not MISSING:
                row = ours or theirs
                assert row is not None
                self._cells[key] = dict(row.cells)
                kept.add(key)
        return kept

    def _merged_cells(
        self, name: str, base: RowRecord | None, ours: RowRecord, theirs: RowRecord
    ) -> dict[str, str]:
        merged = {}
        for column in dict.fromkeys((*ours.cells, *theirs.cells)):
            before = base.cells.get(column, "") if base else ""
            cells = [row.cells.get(column, before) for row in (ours, theirs)]
            merged[column] = self._merged_cell(name, column, before, *cells)
        return merged

    def _merged_cell(self, name: str, column: str, base: str, ours: str, theirs: str) -> str:
        if column == "depends_on" and not _same_cell(column, ours, theirs):
            lists = [ids_in_cell(cell) for cell in (base, ours, theirs)]
            merged = merge_sets(*lists)
            written = [cell for cell in (ours, theirs) if ids_in_cell(cell) == merged]
            return written[0] if written else ", ".join(merged)

        def read(answer: str) -> str:
            return next((c for c in (ours, theirs, base) if _same_cell(column, c, answer)), answer)

        def same(left: Any, right: Any) -> bool:
            return left == right or _same_cell(column, left, right)

        return str(self._merger.pick(f"{name}.{column}", base, ours, theirs, same=same, read=read))

    def _elements(self, kept: set[str]) -> list[str | tuple[_Side, int]]:
        """Return the rows, by key, and the other lines of the merged text in order."""
        main, other = self._main, self._other
        chosen, own, twin_of = self._chosen_texts()
        elements: list[str | tuple[_Side, int]] = []
        for at in range(len(main.lines)):
            if (key := main.key_on.get(at)) is not None:
                elements += [key] if key in kept else []
            elif at in chosen:
                elements.append((main, at))
        news = {key for key in main.rows if key not in other.rows and key not in self._base.rows}
        more: list[str | tuple[_Side, int]] = []
        for at in range(len(other.lines)):
            if (key := other.key_on.get(at)) is not None:
                more += [key] if key in kept else []
            elif at in twin_of:
                more.append((main, twin_of[at]))
            elif at in own:
                more.append((other, at))

        def is_own(element: str | tuple[_Side, int]) -> bool:
            return element in news if isinstance(element, str) else chosen[element[1]]

        return woven(elements, more, is_own)

    def _chosen_texts(self) -> tuple[dict[int, bool], set[int], dict[int, int]]:
        """Merge the lines that are not rows.

        Return those of the main side that stay, each with whether it alone has it; those that come
        from the other; and which of the other's are the same line as one of the main side.
        """
        main, other = self._main, self._other
        lines = [side.text_lines() for side in (self._base, main, other)]
        if self._is_new:
            lines[0] = common_lines(lines[1], lines[2])
        stay: dict[int, bool] = {}
        added: set[int] = set()
        twins: dict[int, int] = {}
        for region in regions(*lines):
            b, m, o = lines[0][region.base], lines[1][region.ours], lines[2][region.theirs]
            mains, others = main.texts[region.ours], other.texts[region.theirs]
            if m == o:
                stay |= dict.fromkeys(mains, False)
                twins |= dict(zip(others, mains, strict=True))
            elif o == b or (m != b and b and not self._takes_other(b, m, o)):
                stay |= dict.fromkeys(mains, not b)
            elif m == b or b:
                added |= set(others)
            else:  # each put something in: both stay
                stay |= dict.fromkeys(mains, True)
                known = set(united(b, m, o)[len(m) :])
                added |= {at for at in others if other.lines[at] in known}
        return stay, added, twins

    def _takes_other(self, base: list[str], main: list[str], other: list[str]) -> bool:
        """Ask about text that both changed."""
        texts = ["".join(each) for each in (base, main, other)]
        ours, theirs = texts[1:] if self._main is self._ours else texts[:0:-1]
        name = self._merger.free_name(f"{self._name}.text")
        return bool(self._merger.pick(name, texts[0], ours, theirs) == texts[2])

    def _line(self, element: str | tuple[_Side, int]) -> str:
        if isinstance(element, str):
            side = self._main if element in self._main.rows else self._other
            return side.line(element)
        return element[0].lines[element[1]]

    def _with_cells(self, text: str, keys: Mapping[int, str]) -> str:
        """Write merged cells into the rows, and compare all rows with what is wanted."""
        now = {row.line - 1: row for row in parse_table(text) if row.id and not row.why}
        for at, key in keys.items():
            row = now.get(at)
            if row is None:
                raise EditRefusedError("a row of one side would stand outside of a table")
            cells = {name: self._cells[key].get(name, "") for name in row.cells}
            source = self._fitting(tuple(row.cells), key)
            if source and _texts(row.cells) == _texts(cells):
                continue
            if not source:
                inner = " | ".join(each.replace("|", "\\|") for each in cells.values())
                source = f"| {inner} |"
            lines = split_lines(text)
            lines[at] = source + lines[at][len(lines[at].rstrip("\r\n")) :]
            text = "".join(lines)
            for column, value in cells.items():
                if (found := find_row(text, at + 1)) is not None:
                    text = set_cell(text, *found, column, value)
        wanted = [(key.partition("\0")[0], self._cells[key]) for key in keys.values()]
        rows = [row for row in parse_table(text) if row.id and not row.why]
        if [row.id for row in rows] != [task_id for task_id, _ in wanted] or any(
            cell.strip() != cells.get(column, "").strip()
            for row, (_, cells) in zip(rows, wanted, strict=True)
            for column, cell in row.cells.items()
        ):
            raise EditRefusedError("the rows of both sides cannot be put together cleanly")
        return text

    def _fitting(self, columns: tuple[str, ...], key: str) -> str:
        """Return a row as a side has it whose columns are those of the table; else nothing."""
        for side in (self._main, self._other):
            if key in side.rows and tuple(side.rows[key].cells) == columns:
                return side.line(key).rstrip("\r\n")
        return ""


def _texts(cells: Mapping[str, str]) -> list[str]:
    return [cell.strip() for cell in cells.values()]


def _plain(row: RowRecord) -> str:
    return " | ".join(row.cells.values())


def _same_cell(column: str, left: str, right: str) -> bool:
    if column == "status" and (status := parse_status(left)) is not None:
        return status is parse_status(right)
    if column == "depends_on":
        return ids_in_cell(left) == ids_in_cell(right)
    return cell_words(column, left) == cell_words(column, right)
