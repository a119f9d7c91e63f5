"""The tasks table: find it, read its rows, set a cell, add a row; every other byte stays.

It is the first top-level GFM table whose header has an id and a status column, in any
order and case. After every edit the text is read again and compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, MissionError, TableError
from mosaic.text.blocks import CellSpan, Outline, outline, split_row
from mosaic.text.lines import display_width, newline_of, splice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMN_NAMES = {
    "id": "id",
    "task": "id",
    "taskid": "id",
    "#": "id",
    "status": "status",
    "state": "status",
    "milestone": "milestone",
    "title": "title",
    "description": "title",
    "dependson": "depends_on",
    "dependencies": "depends_on",
    "pr": "pr",
    "notes": "notes",
}
SHORTEST_DASHES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell: its text as meant, and where it is written."""

    text: str
    start: int
    end: int
    raw_start: int
    raw_end: int
    """What is between its pipes, blanks and all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row. A short row has fewer cells than the table has columns."""

    line: int
    """1-based."""
    start: int
    end: int
    """Where its line ends, the newline left out."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table with its rows."""

    line: int
    headers: tuple[str, ...]
    """As written."""
    columns: tuple[str, ...]
    """Canonical names of known columns, and the written names of others."""
    widths: tuple[int | None, ...]
    """How wide each column is kept by blanks; None where it is not."""
    rows: tuple[Row, ...]
    end: int
    """Where its last line ends, the newline left out."""
    last_line: tuple[int, int]
    """Span of the last line, the delimiter row where there are no rows."""


def find_tables(text: str) -> tuple[Table, ...]:
    """Return all top-level tables of a text.

    Raises:
        TableError: a line or a row is beyond all measure.
    """
    shape = outline(text)
    return tuple(_table(shape, block.first_line, block.end_line) for block in shape.tables)


def find_tasks_table(text: str) -> Table | None:
    """Return the tasks table; None when the text has no table of tasks.

    Raises:
        TableError: there is a table with ids but without statuses, and none with both.
    """
    tables = find_tables(text)
    for table in tables:
        if "id" in table.columns and "status" in table.columns:
            return table
    for table in tables:
        if table.columns and table.columns[0] == "id" and table.headers[0].strip() != "#":
            raise TableError(
                "the tasks table has no `status` column",
                line=table.line,
                detail=f"its columns are {', '.join(f'`{name}`' for name in table.headers)}",
                hint="add a column `status`",
            )
    return None


def set_cell(text: str, table: Table, row: Row, column: str, value: str) -> str:
    """Return a text with one cell set.

    Blanks that only align the cell are given or taken where that keeps the row's width.

    Args:
        text: the text that `table` was found in.
        table: the table.
        row: one of its rows; extended with empty cells when it is too short.
        column: canonical or written name of the column.
        value: the new value, on one line.

    Raises:
        EditRefusedError: there is no such column, or the value cannot stand in a cell.
    """
    if column not in table.columns:
        raise EditRefusedError(
            f"the table has no `{column}` column", line=table.line, hint="add the column"
        )
    number = table.columns.index(column)
    written = _escaped(value, row.line)
    edited = (
        _with_cell(text, row.cells[number], written, table.widths[number])
        if number < len(row.cells)
        else _extended(text, row, number, written)
    )
    _verify(edited, table, changed={(row.line, number): value})
    return edited


def append_row(text: str, table: Table, values: Mapping[str, str]) -> str:
    """Return a text with a row added behind the table's last one, in the table's own style.

    Raises:
        EditRefusedError: a value cannot stand in a cell.
    """
    line = text[slice(*table.last_line)]
    indent = line[: len(line) - len(line.lstrip(" "))]
    cells = [
        _padded(_escaped(values.get(name, ""), table.line), width)
        for name, width in zip(table.columns, table.widths, strict=True)
    ]
    row = " | ".join(cells)
    outer = line.lstrip().startswith("|")
    row = f"{indent}| {row} |" if outer else f"{indent}{row}"
    if len(cells) == 1 and not outer:
        row = f"{row} |"
    at = table.end
    edited = splice(text, at, at, newline_of(text) + row)
    before, after = find_tables(text), find_tables(edited)
    place = next(n for n, other in enumerate(before) if other.line == table.line)
    if len(after) == len(before) and len(after[place].rows) == len(table.rows) + 1:
        new = dict(zip(table.columns, (c.text for c in after[place].rows[-1].cells), strict=False))
        if all(new.get(name, "") == value for name, value in values.items() if name in new) and [
            [cell.text for cell in r.cells] for r in after[place].rows[:-1]
        ] == [[cell.text for cell in r.cells] for r in table.rows]:
            return edited
    raise EditRefusedError(
        "the row cannot be added cleanly", line=table.line, hint="add it by hand"
    )


def _padded(written: str, width: int | None) -> str:
    return written + " " * max(0, (width or 0) - 2 - display_width(written))


def row_by_line(table: Table, line: int) -> Row | None:
    """Return the row on a line."""
    return next((row for row in table.rows if row.line == line), None)


def canonical_columns(headers: Sequence[str]) -> tuple[str, ...]:
    """Return canonical names for headers; of two alike the first wins."""
    names: list[str] = []
    for header in headers:
        key = re.sub(r"[\s_*`-]+", "", header).casefold()
        name = COLUMN_NAMES.get(key, header.strip())
        if name in names:
            name = (
                header.strip() if header.strip() not in names else f"{header.strip()} {len(names)}"
            )
        names.append(name)
    return tuple(names)


def _table(shape: Outline, first: int, end: int) -> Table:
    header_start, header_end = shape.span(first)
    header = shape.text[header_start:header_end]
    spans = split_row(header)
    headers = tuple(_unescaped(header[span.start : span.end]) for span in spans)
    below_start, below_end = shape.span(first + 1)
    below = shape.text[below_start:below_end]
    widths = _kept_widths(header, spans, below)
    rows = tuple(_row(shape, number) for number in range(first + 2, end))
    last = shape.span(end - 1)
    return Table(
        line=first + 1,
        headers=headers,
        columns=canonical_columns(headers),
        widths=widths,
        rows=rows,
        end=last[1],
        last_line=last,
    )


def _kept_widths(header: str, spans: Sequence[CellSpan], below: str) -> tuple[int | None, ...]:
    """Return the columns' widths where somebody aligned the table; chance looks alike.

    A header as wide as its dashes is no sign by itself: `own` and `---` are. Somebody
    aligned the table if some such column has more dashes, or a header with blanks behind it.
    """
    widths: list[int | None] = []
    aligned = False
    for over, under in zip(spans, split_row(below), strict=True):
        width = _width(header, over)
        same = width == _width(below, under)
        widths.append(width if same else None)
        dashes = under.end - under.start
        aligned |= same and (dashes > SHORTEST_DASHES or over.raw_end - over.end > 1)
    return tuple(widths) if aligned else (None,) * len(widths)


def _row(shape: Outline, number: int) -> Row:
    start, end = shape.span(number)
    line = shape.text[start:end]
    try:
        spans = split_row(line)
    except TableError as error:
        error.line = number + 1
        raise
    cells = tuple(
        Cell(
            text=_unescaped(line[span.start : span.end]),
            start=start + span.start,
            end=start + span.end,
            raw_start=start + span.raw_start,
            raw_end=start + span.raw_end,
        )
        for span in spans
    )
    return Row(line=number + 1, start=start, end=end, cells=cells)


def _unescaped(text: str) -> str:
    return text.replace("\\|", "|")


def _escaped(value: str, line: int) -> str:
    if "\n" in value or "\r" in value:
        raise EditRefusedError(
            "a table cell holds one line", line=line, hint="write the value without a line break"
        )
    return value.replace("|", "\\|")


def _width(line: str, span: CellSpan) -> int:
    return display_width(line[span.raw_start : span.raw_end])


def _with_cell(text: str, cell: Cell, written: str, width: int | None) -> str:
    """Write a cell's text; where blanks keep its column's width, they go on doing so."""
    raw = text[cell.raw_start : cell.raw_end]
    before = text[cell.raw_start : cell.start]
    after = text[cell.end : cell.raw_end]
    wide = display_width(raw)
    closed = text[cell.raw_end : cell.raw_end + 1] == "|"
    if width is None or not closed or before != " ":
        return splice(text, cell.start, cell.end, written)
    if wide == width or len(after) > 1:
        kept = wide  # what is wide in one terminal is not in another: its own width counts
    elif wide > width:
        kept = width
    else:
        return splice(text, cell.start, cell.end, written)
    blanks = max(len(after[:1]), kept - display_width(f"{before}{written}"))
    return splice(text, cell.start, cell.raw_end, written + " " * blanks)


def _extended(text: str, row: Row, number: int, written: str) -> str:
    line = text[row.start : row.end]
    cells = ["" for _ in range(len(row.cells), number)] + [written]
    closed = line.rstrip().endswith("|") and not line.rstrip().endswith("\\|")
    at = row.start + len(line.rstrip())
    added = " | ".join(cells)
    return splice(text, at, at, f" {added} |" if closed else f" | {added}")


def _verify(after: str, table: Table, changed: Mapping[tuple[int, int], str]) -> None:
    try:
        tables = find_tables(after)
    except MissionError:
        tables = ()
    new = next((other for other in tables if other.line == table.line), None)
    same = new is not None and new.headers == table.headers and len(new.rows) == len(table.rows)
    if new is not None and same and all(map(_row_matches, table.rows, new.rows, repeat(changed))):
        return
    line = next(iter(changed))[0]
    raise EditRefusedError(
        "the cell cannot be set without changing anything else", line=line, hint="edit it by hand"
    )


def _row_matches(old: Row, now: Row, changed: Mapping[tuple[int, int], str]) -> bool:
    count = max(len(old.cells), len(now.cells))
    for number in range(count):
        was = old.cells[number].text if number < len(old.cells) else ""
        wanted = changed.get((old.line, number), was)
        found = now.cells[number].text if number < len(now.cells) else ""
        if found != wanted:
            return False
    return True
