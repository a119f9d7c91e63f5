"""What a markdown table is: its columns, rows and cells, and where each is written.

A short row has fewer cells than the table has columns; what a long one has beyond is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from mosaic.errors import TableError
from mosaic.records import dataclass
from mosaic.text.blocks import MOST_COLUMNS, Cell, Heading, Outline, outline, split_row
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import display_width

MOST_CELLS = 400_000
SHORTEST_DASHES = 3
COLUMN_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("id", ("id", "taskid", "key", "issue", "#", "task")),
    ("status", ("status", "state", "stage")),
    ("title", ("title", "task", "summary", "name", "deliverable", "description")),
    (
        "depends_on",
        ("dependson", "dependencies", "dependency", "depends", "deps", "blockedby", "requires"),
    ),
    ("milestone", ("milestone",)),
    ("pr", ("pr",)),
    ("notes", ("notes",)),
)
"""What a column is called, the surest name first: where there is an `ID`, a `Task` is a title."""
NO_ID = "has no id"
"""Why a row is left out that `check --fix` gives an id to."""
AGAIN = "names a task again"
"""What begins why a row is left out that repeats another."""
NUMBERED = re.compile(r"[A-Za-z][A-Za-z0-9._]*-\d+[A-Za-z0-9._-]*")
"""An id that can be nothing else."""
MARKED = re.compile(r"\s*(?:\*\*.+\*\*|__.+__|\*[^*]+\*|_[^_]+_|<b>.*)\s*")
DIRECTIVE = re.compile(r"\s*(?::::|\{[%{]|</?[A-Za-z!])")
"""A line of another program right below a table."""


class Row:
    """One row. A short row has fewer cells than the table has columns."""

    def __init__(self, *, line: int, start: int, end: int, source: str) -> None:
        self.line = line
        """1-based."""
        self.start = start
        self.end = end
        """Where its line ends, the newline left out."""
        self.texts = row_texts(source)
        """The texts of its cells."""
        self._source = source

    @cached_property
    def cells(self) -> list[Cell]:
        """Its cells, and where they are written: looked for only when a row is edited."""
        return split_row(self._source, self.start)

    def get(self, column: int) -> str:
        """Return the text in a column by its number; empty where the row is too short."""
        return self.texts[column] if column < len(self.texts) else ""


class Rows:
    """The rows of a table, each made when somebody asks for it."""

    def __init__(self, shape: Outline, first: int, end: int) -> None:
        self._shape = shape
        self._first = first
        self._made: list[Row | None] = [None] * (end - first)

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Iterator[Row]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Row:
        row = self._made[index]
        if row is None:
            number = self._first + index % len(self._made)
            row = self._made[index] = _row(self._shape, number)
        return row

    def on_line(self, line: int) -> Row | None:
        """Return the row on a 1-based line of the text."""
        number = line - 1 - self._first
        return self[number] if 0 <= number < len(self) else None

    def refuse_excess(self) -> None:
        """Refuse more cells than anybody writes."""
        start, end = self._shape.starts[self._first], self._shape.starts[self._first + len(self)]
        lines = self._shape.text[start:end].split("\n")
        pipes = [line.count("|") for line in lines]
        if max(pipes) < MOST_COLUMNS and sum(pipes) + len(lines) < MOST_CELLS:
            return
        if sum(len(row.texts) for row in self) > MOST_CELLS:
            message = f"the table has more than {MOST_CELLS:,} cells"
            raise TableError(message, line=self._first - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table with its rows."""

    line: int
    headers: tuple[str, ...]
    """As written."""
    columns: tuple[str, ...]
    """Canonical names of known columns, and the written names of others."""
    widths: tuple[int | None, ...]
    """How wide each column is kept by blanks, as header and dashes tell; None where it is not."""
    rows: Rows
    header_line: tuple[int, int]
    """Span of the header, the newline left out."""
    end: int
    """Where its last line ends, the newline left out."""
    is_plain: bool
    """Whether each of its lines begins with a pipe, and nothing stands right around it."""
    headings: tuple[str, ...]
    """The headings that it stands under, the nearest first."""

    @property
    def end_line(self) -> int:
        """The 1-based line that it ends on."""
        return self.line + 1 + len(self.rows)

    def values(self, row: Row) -> dict[str, str]:
        """Return a row's texts by column; a short row has the other cells empty."""
        cells = dict.fromkeys(self.columns, "")
        cells.update(zip(self.columns, row.texts, strict=False))
        return cells


def find_tables(text: str) -> tuple[Table, ...]:
    """Return all top-level tables of a text behind its front matter (or raise TableError)."""
    shape = outline(text, offset=body_offset(text))
    tables: list[Table] = []
    above: list[Heading] = []
    headings = iter([*shape.headings, None])
    heading = next(headings)
    for first, end in sorted(shape.tables):
        while heading is not None and heading.first_line < first:
            above = [each for each in above if each.level < heading.level] + [heading]
            heading = next(headings)
        titles = tuple(each.title for each in reversed(above))
        tables.append(_table(shape, first, end, titles))
    return tuple(tables)


def tasks_tables(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Return those of a text's tables that are of tasks (or raise TableError)."""
    found = tuple(filter(_is_of_tasks, tables))
    for table in tables if not found else ():
        if table.columns and table.columns[0] == "id" and table.headers[0].strip() != "#":
            raise TableError(
                "the tasks table has no `status` column",
                line=table.line,
                detail=f"its columns are {', '.join(f'`{name}`' for name in table.headers)}",
                hint="add a column `status`",
            )
    return found


def find_tasks_table(text: str) -> Table | None:
    """Return the first table of tasks; None where there is none (or raise TableError)."""
    return next(iter(tasks_tables(find_tables(text))), None)


def _is_of_tasks(table: Table) -> bool:
    """Tell whether a table is of tasks: one without statuses needs ids that are surely ids."""
    if "id" not in table.columns:
        return False
    if "status" in table.columns:
        return True
    column = table.columns.index("id")
    cells = (row.get(column).strip("`*_~ []") for row in table.rows)
    return "title" in table.columns and any(map(NUMBERED.match, cells))


def is_heading_row(table: Table, row: Row) -> bool:
    """Tell whether a row is a heading between rows: one cell alone, in bold or without an id."""
    words = [cell for cell in row.texts if cell.strip()]
    if len(words) != 1 or len(table.columns) == 1:
        return False
    if not row.get(table.columns.index("id")).strip():
        return MARKED.fullmatch(words[0]) is not None
    word = words[0].strip("*_`~ ")
    is_numbered = re.search(r"\d", word) and not MARKED.fullmatch(words[0])
    return not (is_numbered or NUMBERED.fullmatch(word))


def canonical_columns(headers: Sequence[str]) -> tuple[str, ...]:
    """Return canonical names for headers; of two alike the surer wins, then the first."""
    keys = [re.sub(r"[\s_*`-]+", "", header).casefold() for header in headers]
    known: dict[int, str] = {}
    for name, words in COLUMN_NAMES:
        ranked = (keys.index(word) for word in words if word in keys)
        number = next((each for each in ranked if each not in known), None)
        if number is not None:
            known[number] = name
    names: list[str] = []
    for number, header in enumerate(headers):
        name = known.get(number, header.strip())
        if number not in known and (name in names or name in known.values()):
            name = f"{name} {number}"
        names.append(name)
    return tuple(names)


def _table(shape: Outline, first: int, end: int, headings: tuple[str, ...]) -> Table:
    header_start, header_end = shape.span(first)
    header = shape.text[header_start:header_end]
    below_start, below_end = shape.span(first + 1)
    headers = tuple(cell.text for cell in split_row(header))
    rows = Rows(shape, first + 2, end)
    rows.refuse_excess()
    return Table(
        line=first + 1,
        headers=headers,
        columns=canonical_columns(headers),
        widths=_kept_widths(header, shape.text[below_start:below_end]),
        rows=rows,
        header_line=(header_start, header_end),
        end=shape.span(end - 1)[1],
        is_plain=shape.is_plain,
        headings=headings,
    )


def _kept_widths(header: str, below: str) -> tuple[int | None, ...]:
    """Return the columns' widths where somebody aligned the table; chance looks alike.

    A header as wide as its dashes proves nothing: `own` and `---` are. Somebody
    aligned the table if some such column has more dashes, or a header with blanks behind it.
    """
    widths: list[int | None] = []
    aligned = False
    for over, under in zip(split_row(header), split_row(below), strict=True):
        width = display_width(header[over.raw_start : over.raw_end])
        same = width == under.raw_end - under.raw_start
        widths.append(width if same else None)
        aligned |= same and (len(under.text) > SHORTEST_DASHES or over.raw_end - over.end > 1)
    return tuple(widths) if aligned else (None,) * len(widths)


def _row(shape: Outline, number: int) -> Row:
    start, end = shape.span(number)
    try:
        return Row(line=number + 1, start=start, end=end, source=shape.text[start:end])
    except TableError as error:
        error.line = number + 1
        raise


def row_texts(line: str) -> list[str]:
    """Return the texts of a row's cells, as `split_row` finds them (or raise TableError)."""
    if "\\" in line:
        return [cell.text for cell in split_row(line)]
    parts = line.split("|")
    if len(parts) > MOST_COLUMNS + 1:
        raise TableError(f"a table row has more than {MOST_COLUMNS:,} columns")
    if len(parts) > 1 and not parts[0].strip():
        del parts[0]
    if len(parts) > 1 and not parts[-1].strip():
        del parts[-1]
    return [part.strip(" \t") for part in parts]
