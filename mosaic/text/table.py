"""The tasks table: set a cell, add a row, move one, take one out; every other byte stays.

After every edit the text is read again and compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, MissionError
from mosaic.records import replace
from mosaic.text.blocks import LARGEST_TEXT, is_plain_row
from mosaic.text.grid import Row, find_tables
from mosaic.text.lines import (
    display_width,
    line_end,
    line_start,
    newline_at,
    newline_of,
    splice,
    split_lines,
)

if TYPE_CHECKING:
    from mosaic.text.blocks import Cell
    from mosaic.text.grid import Table


def set_cell(text: str, table: Table, row: Row, column: str, value: str) -> str:
    """Return a text with one cell set (or raise EditRefusedError).

    Blanks that only align the cell are given or taken where that keeps the row's width.
    """
    if column not in table.columns:
        raise EditRefusedError(
            f"the table has no `{column}` column", line=table.line, hint="add the column"
        )
    number = table.columns.index(column)
    written = _written(value, row.line)
    if row.get(number) == value.strip():
        return text
    if number < len(row.cells):
        cell = _entered(text, table, row, number)
        edited = _with_cell(text, cell, written, _kept_width(table, number, row))
    else:
        edited = _extended(text, row, number, written)
    cells = [*row.texts, *[""] * (number + 1 - len(row.texts))]
    cells[number] = value.strip()
    if not _row_reads_as(text, edited, table, row, cells):
        raise EditRefusedError(
            "the cell cannot be set without changing anything else",
            line=row.line,
            hint="edit it by hand",
        )
    return edited


def append_row(text: str, table: Table, values: Mapping[str, str]) -> str:
    """Return a text with one row added; see `append_rows`."""
    return append_rows(text, table, [values])


def append_rows(
    text: str,
    table: Table,
    new: Sequence[Mapping[str, str]],
    *,
    after: Row | None = None,
    before: Row | None = None,
) -> str:
    """Return a text with rows added behind the table's last one, or `after` or `before` another.

    They are written in the table's own style.

    Lines of other programs right below a table, such as `:::`, are rows to markdown and stay last.
    Columns without a value stay empty, and values for columns that are not there are left
    out. Raises EditRefusedError.
    """
    start, end = table.header_line
    header = text[start:end]
    indent = header[: len(header) - len(header.lstrip(" "))]
    widths = [_kept_width(table, number) for number in range(len(table.columns))]
    inner = [
        " | ".join(
            _padded(_written(values.get(name, ""), table.line), width)
            for name, width in zip(table.columns, widths, strict=True)
        )
        for values in new
    ]
    count, end_of_rows = _last_written(text, table)
    if after is not None:
        count, end_of_rows = after.line - table.rows[0].line + 1, after.end
    if before is not None:
        count, end_of_rows = before.line - table.rows[0].line, line_start(text, before.start) - 1
        end_of_rows -= text[end_of_rows - 1] == "\r"
    wanted = [row.texts for row in table.rows]
    wanted[count:count] = [
        [values.get(name, "").strip() for name in table.columns] for values in new
    ]
    # Without outer pipes a first cell may be empty or look like a list or heading.
    styles = ("| {} |",) if header.lstrip().startswith("|") else ("{}", "| {} |")
    newline = newline_at(text, end)
    for style in styles:
        lines = "".join(f"{newline}{indent}{style.format(row)}" for row in inner)
        edited = splice(text, end_of_rows, end_of_rows, lines)
        if _reads_as(edited, table, wanted):
            return edited
    message = "the row cannot be added cleanly"
    raise EditRefusedError(message, line=table.line, hint="add it by hand")


def move_row(text: str, row: Row, beside: Row, *, before: bool) -> str:
    """Return a text with a row's line above or below that of another row, of any table alike.

    Where the last line has no end, it has none afterwards. Raises EditRefusedError.
    """
    lines = split_lines(text)
    number, at = row.line - 1, beside.line - 1 + (not before)
    if at in (number, number + 1):
        return text
    at -= at > number
    first, last = min(number, at), max(number, at) + 1
    part = lines[first:last]
    end = lines[last - 1].rstrip("\r\n")
    part.insert(at - first, part.pop(number - first))
    if len(end) == len(lines[last - 1]):  # the text ends there, without a newline
        newline = newline_of(text)
        part = [line if line.endswith("\n") else line + newline for line in part]
        part[-1] = part[-1].removesuffix(newline)
    edited = "".join((*lines[:first], *part, *lines[last:]))
    return _verified(text, edited, row, beside, before=before)


def remove_row(text: str, row: Row) -> str:
    """Return a text without a row's line (or raise EditRefusedError)."""
    start, end = line_start(text, row.start), line_end(text, row.end)
    if end == len(text) and not text.endswith("\n"):
        start = len(text[:start].rstrip("\r\n"))  # the line above is the last one now
    return _verified(text, splice(text, start, end, ""), row)


def _verified(
    text: str, edited: str, row: Row, beside: Row | None = None, *, before: bool = False
) -> str:
    """Return the edited text if a row is gone from it, or stands beside another, and no more."""
    tables = find_tables(text)
    wanted = [[other for other in table.rows if other.line != row.line] for table in tables]
    for rows in wanted:
        lines = [other.line for other in rows]
        if beside is not None and beside.line in lines:
            rows.insert(lines.index(beside.line) + (not before), row)
    try:
        found = find_tables(edited)
    except MissionError:
        found = ()
    is_same = len(found) == len(tables) and all(
        new.headers == old.headers
        and len(new.rows) == len(rows)
        and all(map(_alike, new.rows, rows))
        for new, old, rows in zip(found, tables, wanted, strict=True)
    )
    if not is_same:
        message = "the row cannot be moved" if beside else "the row cannot be taken out"
        hint = "edit the table by hand"
        raise EditRefusedError(f"{message} cleanly", line=row.line, hint=hint)
    return edited


def _alike(row: Row, other: Row) -> bool:
    return _same(row, other.texts)


def _last_written(text: str, table: Table) -> tuple[int, int]:
    """Return how many rows stand before those that have no pipe at the end, and where that is."""
    if not text[table.header_line[0] :].lstrip().startswith("|"):
        return len(table.rows), table.end
    count = len(table.rows)
    while count and "|" not in text[table.rows[count - 1].start : table.rows[count - 1].end]:
        count -= 1
    if count == len(table.rows):
        return count, table.end
    below = table.rows[count].start - 1
    return count, below - (text[below - 1] == "\r")


def _written(value: str, line: int) -> str:
    if "\n" in value or "\r" in value:
        raise EditRefusedError(
            "a table cell holds one line", line=line, hint="write the value without a line break"
        )
    return value.strip().replace("|", "\\|")


def _kept_width(table: Table, column: int, row: Row | None = None) -> int | None:
    """Return the width that a column is kept at by blanks; None where it is not.

    The row that is edited has no say, so that setting it back finds the same answer.
    """
    width = table.widths[column]
    if width is None:
        return None
    others = [other.cells for other in table.rows if other is not row]
    cells = [other[column] for other in others if column < len(other)]
    # The width of a text differs from its length only where it is not ASCII.
    widths = [it.raw_end - it.raw_start + display_width(it.text) - len(it.text) for it in cells]
    return width if 2 * widths.count(width) >= len(cells) else None


def _padded(written: str, width: int | None) -> str:
    return written + " " * max(0, (width or 0) - 2 - display_width(written))


def _entered(text: str, table: Table, row: Row, number: int) -> Cell:
    """Return a cell; an empty one begins behind a blank if its neighbours' words do."""
    cell = row.cells[number]
    if cell.text:
        return cell
    # Blanks before the first word of a line without outer pipes are its indent.
    opened = [other for other in row.cells if text[other.raw_start - 1 : other.raw_start] == "|"]
    blanks = [other.start - other.raw_start for other in opened if other.text]
    if not blanks:
        header = re.match(r" *\|( *)", text[slice(*table.header_line)])
        blanks = [len(header[1]) if header else 1]
    start = min(cell.raw_start + min(blanks), cell.raw_end)
    return replace(cell, start=start, end=start)


def _with_cell(text: str, cell: Cell, written: str, width: int | None) -> str:
    """Write a cell's text; where blanks keep its column's width, they go on doing so."""
    before = text[cell.raw_start : cell.start]
    after = text[cell.end : cell.raw_end]
    wide = display_width(text[cell.raw_start : cell.raw_end])
    closed = text.startswith("|", cell.raw_end)
    kept = width is not None and closed and before == " "
    if kept and width is not None and wide >= width:
        # Padded beyond the column: by letters and not by cells, so its own width counts.
        goal = width if after == " " else wide
        blanks = max(len(after[:1]), goal - 1 - display_width(written))
        return splice(text, cell.start, cell.raw_end, written + " " * blanks)
    if written.endswith("\\") and text[cell.end : cell.end + 1] == "|":
        written += " "  # else it would protect the pipe
    return splice(text, cell.start, cell.end, written)


def _extended(text: str, row: Row, number: int, written: str) -> str:
    line = text[row.start : row.end]
    added = " | ".join([""] * (number - len(row.cells)) + [written])
    closed = line.rstrip(" \t").endswith("|") and not line.rstrip(" \t").endswith("\\|")
    at = row.start + len(line.rstrip(" \t"))
    return splice(text, at, at, f" {added} |" if closed else f" | {added}")


def _row_reads_as(text: str, edited: str, table: Table, row: Row, wanted: Sequence[str]) -> bool:
    end = row.end + len(edited) - len(text)
    is_local = edited[: row.start] == text[: row.start] and edited[end:] == text[row.end :]
    line = edited[row.start : end]
    if table.is_plain and is_local and is_plain_row(line) and len(edited) <= LARGEST_TEXT:
        # Such a line is a row of such a table, whatever stands in it.
        new = Row(line=row.line, start=row.start, end=end, source=line)
        return _same(new, wanted)
    texts = [wanted if other.line == row.line else other.texts for other in table.rows]
    return _reads_as(edited, table, texts)


def _reads_as(edited: str, table: Table, wanted: Sequence[Sequence[str]]) -> bool:
    try:
        tables = find_tables(edited)
    except MissionError:
        return False
    new = next((other for other in tables if other.line == table.line), None)
    if new is None or new.headers != table.headers or len(new.rows) != len(wanted):
        return False
    return all(map(_same, new.rows, wanted))


def _same(row: Row, texts: Sequence[str]) -> bool:
    """Compare a row with texts; a cell that is missing is as good as an empty one."""
    return all(one == other for one, other in zip_longest(row.texts, texts, fillvalue=""))
