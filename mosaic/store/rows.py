"""The rows of all tables of tasks, and whatever looks like a task there and is none, with why.

Nothing that a person wrote into a table is passed over in silence, but for rows that say nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.plan.statuses import parse_status
from mosaic.records import replace
from mosaic.store.parsed import RowRecord, plain_id, plain_value
from mosaic.text.commonmark import fence_behind
from mosaic.text.frontmatter import body_offset
from mosaic.text.grid import DIRECTIVE, NO_ID, find_tables, is_heading_row, row_texts, tasks_tables
from mosaic.text.lines import without_comments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.text.grid import Row, Table

STRAY_ROW = re.compile(
    r"^ {0,3}(?:\|[^\n]*\||[A-Za-z][A-Za-z0-9._]*-\d[\w.-]* *\|)[^\n]*", re.MULTILINE
)
NO_STATUSES = (
    "begins a table without a column `status`: its tasks are not handed off without a file"
)
NO_PIPE = "stands right below a table and holds no `|`; put a blank line above it"
BEHIND_BLANK = "stands behind a blank line, which ends a table; take that line out"
NO_TABLE = "looks like a row and is in no table"


def parse_table(text: str) -> tuple[RowRecord, ...]:
    """Read the rows of all tables of tasks; behind them, what looks like a task and is none.

    Raises TableError.
    """
    tables = find_tables(text)
    of_tasks = tasks_tables(tables)
    rows = [row for table in of_tasks for row in _rows_of(text, table)]
    left_out = [row for row in rows if row.why]
    others = (table for table in tables if table not in of_tasks)
    left_out += [remark for table in others if (remark := _without_ids(table))]
    left_out += _stray_rows(text, tables)
    tasks = [row for row in rows if not row.why] if left_out else rows
    return (*tasks, *sorted(left_out, key=lambda row: row.line))


def parse_row(table: Table, row: Row, headings: tuple[str, ...] = ()) -> RowRecord:
    """Read one row of a table of tasks."""
    cells = table.values(row)
    return RowRecord(
        id=plain_id(plain_value(cells["id"])),
        line=row.line,
        cells=cells,
        table=table.line,
        headings=headings if "milestone" not in cells else (),
    )


def find_row(text: str, line: int) -> tuple[Table, Row] | None:
    """Return the table of tasks that has a row on a line, and the row; None where it is gone."""
    for table in tasks_tables(find_tables(text)):
        if (row := table.rows.on_line(line)) is not None:
            return table, row
    return None


def _rows_of(text: str, table: Table) -> Iterator[RowRecord]:
    headings = table.headings
    is_piped = text[table.header_line[0] :].lstrip().startswith("|")
    if "status" not in table.columns:
        yield RowRecord(id="", line=table.line, cells={}, why=NO_STATUSES)
    for row in table.rows:
        if len(row.texts) == 1 and is_piped and "|" not in (line := text[row.start : row.end]):
            if not DIRECTIVE.match(line):
                yield RowRecord(id="", line=row.line, cells={}, why=NO_PIPE)
        elif is_heading_row(table, row):
            headings = (" ".join(row.texts).strip(" *_`"), *table.headings)
        elif any(cell.strip(" -:–—.…") for cell in row.texts):
            record = parse_row(table, row, headings)
            yield record if record.id else replace(record, why=NO_ID)


def _without_ids(table: Table) -> RowRecord | None:
    """Return what is said of a table that is of tasks, by its statuses, and has no ids."""
    if "status" not in table.columns or "title" not in table.columns:
        return None
    column = table.columns.index("status")
    if not any(parse_status(row.get(column)) for row in table.rows):
        return None
    why = "begins a table without a column for ids: its rows are not tasks; add a column `id`"
    return RowRecord(id="", line=table.line, cells={}, why=why)


def _stray_rows(text: str, tables: Sequence[Table]) -> Iterator[RowRecord]:
    """Yield rows that stand in no table."""
    begins = [table.header_line[0] for table in tables]
    ends = [body_offset(text), *(table.end for table in tables)]
    hidden: frozenset[int] | None = None
    line, seen = 1, 0
    for number, (start, end) in enumerate(zip(ends, [*begins, len(text)], strict=True)):
        upto = start
        for found in STRAY_ROW.finditer(text, start, end):
            line, seen = line + text.count("\n", seen, found.start()), found.start()
            if hidden is None:
                hidden = _hidden_lines(text)
            row = found[0].rstrip("\r")
            if line in hidden or not row.strip(" |-:"):
                continue
            is_behind = number > 0 and not text[upto : found.start()].strip()
            if row.startswith(" ") and not is_behind:
                continue  # in an item of a list, most likely
            upto = found.end() if is_behind else upto
            task_id = plain_id(next(iter(row_texts(row)), ""))
            yield RowRecord(
                id=task_id if re.search(r"\d", task_id) else "",
                line=line,
                cells={},
                why=BEHIND_BLANK if is_behind else NO_TABLE,
            )


def _hidden_lines(text: str) -> frozenset[int]:
    """Return the lines that stand in a fence or a comment."""
    hidden, fence = set(), ""
    lines = zip(text.split("\n"), without_comments(text).split("\n"), strict=True)
    for number, (line, shown) in enumerate(lines, 1):
        was_open = fence
        fence, is_end = fence_behind(shown.lstrip(" \ufeff").rstrip("\r"), fence)
        if was_open or is_end or shown != line:
            hidden.add(number)
    return frozenset(hidden)
