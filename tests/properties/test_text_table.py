"""Table edits over generated texts: read back right, and no other byte changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError, TableError
from mosaic.text.grid import Row, Table, find_tables, find_tasks_table
from mosaic.text.lines import display_width
from mosaic.text.table import append_row, set_cell

CELLS = [
    "",
    "T-001",
    "todo",
    "in progress",
    "a \\| b",
    "`x \\| y`",
    "[link](http://a.b/c_d)",
    "`code`",
    "**bold**",
    "修复登录",
    "👩‍💻",
    "مهمة",
    "T-2, T-3",
    "a\\\\",
    "-",
    "# no heading",
    "<b>html</b>",
    "…",
]
VALUES = [
    "done",
    "a|b",
    "||",
    "x \\| y",
    "ends with \\",
    "修",
    "👍🏽",
    "مهمة",
    "`a|b`",
    "",
    "a" * 60,
    "- x",
]
values = st.one_of(
    st.sampled_from(VALUES),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
)
BEFORE = [
    "",
    "---\ntitle: x | y\nkind: z\n---\n",
    "# Tasks\n\n",
    "Words that end\nwith a colon:\n\n",
    "```\n| id | status |\n|---|---|\n| F | todo |\n```\n\n",
    "> | id | status |\n> |---|---|\n> | Q | todo |\n\n",
    "- | id | status |\n  |---|---|\n  | L | todo |\n\nText.\n\n",
    "<!--\n| id | status |\n|---|---|\n-->\n\n",
    "    | id | status |\n    |---|---|\n\n",
    "| other | table |\n|---|---|\n| a | b |\n\n",
]
AFTER = [
    "",
    "\n",
    "\nText behind.\n",
    "\n| other | table |\n|---|---|\n",
    "\n```\nopen fence\n",
    "## h\n",
]


@dataclass(frozen=True)
class Document:
    """A generated text and its tasks table."""

    text: str

    @property
    def table(self) -> Table:
        table = find_tasks_table(self.text)
        assert table is not None
        return table


@st.composite
def documents(draw: st.DrawFn) -> Document:
    columns = draw(st.permutations(["id", "Status", "Title", "Depends on", "custom"]))
    columns = columns[: draw(st.integers(2, 5))]
    columns += [name for name in ("id", "Status") if name not in columns]
    outer = draw(st.booleans())
    pad = draw(st.sampled_from(["", " ", "  "]))
    width = draw(st.sampled_from([0, 0, 14]))

    def line(cells: list[str]) -> str:
        inner = "|".join(f"{pad}{cell}{' ' * (width - display_width(cell))}{pad}" for cell in cells)
        return f"|{inner}|" if outer else inner.lstrip()

    dashes = draw(st.sampled_from(["---", ":--", ":-:", "--:"]))
    rows = []
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1 if outer else 2, len(columns) + 1))
        cells = draw(st.lists(st.sampled_from(CELLS), min_size=count, max_size=count))
        if not outer:  # without outer pipes the edges must be words
            cells = [f"R{number}", *cells[1:-1], "x"]
        rows.append(line(cells))
    indent = draw(st.sampled_from(["", "", "  "]))
    lines = [
        line(columns),
        line([dashes.replace("---", "-" * max(width, 3))] * len(columns)),
        *rows,
    ]
    table = "\n".join(indent + text for text in lines)
    after = draw(st.sampled_from(AFTER))
    text = draw(st.sampled_from(BEFORE)) + table + ("\n" if after else "") + after
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return Document(text=("\ufeff" if draw(st.booleans()) else "") + text)


def pick(data: st.DataObject, document: Document) -> tuple[int, str]:
    table = document.table
    assume(table.rows)
    row = data.draw(st.integers(0, len(table.rows) - 1))
    column = data.draw(st.sampled_from(table.columns))
    # The first word of a line without outer pipes may make it another kind of block.
    assume(
        document.text[table.rows[row].start :].lstrip().startswith("|")
        or column != table.columns[0]
    )
    return row, column


@given(documents(), st.data(), values)
@settings(deadline=None, max_examples=300)
def test_a_cell_reads_back_and_only_its_row_changes(
    document: Document, data: st.DataObject, value: str
) -> None:
    number, column = pick(data, document)
    table = document.table
    row = table.rows[number]
    edited = set_cell(document.text, table, row, column, value)
    after = find_tasks_table(edited)
    assert after is not None
    assert after.values(after.rows[number])[column] == value.strip()
    assert edited[: row.start] == document.text[: row.start]
    assert edited[len(edited) - (len(document.text) - row.end) :] == document.text[row.end :]
    kept = [cell.text for cell in row.cells]
    now = [cell.text for cell in after.rows[number].cells]
    place = table.columns.index(column)
    for other in range(len(kept)):
        assert other == place or kept[other] == now[other]


@given(documents(), st.data(), values)
@settings(deadline=None, max_examples=300)
def test_a_cell_set_back_restores_the_text(
    document: Document, data: st.DataObject, value: str
) -> None:
    number, column = pick(data, document)
    table = document.table
    row = table.rows[number]
    place = table.columns.index(column)
    assume(place < len(row.cells))
    # Without its last word, a line without outer pipes has one cell less.
    line = document.text[row.start : row.end].rstrip()
    assume(value.strip() or (line.endswith("|") and not line.endswith("\\|")))
    assume(not value.strip().endswith("\\"))  # parts itself from the pipe with a blank
    old = row.cells[place].text
    edited = set_cell(document.text, table, row, column, value)
    after = find_tasks_table(edited)
    assert after is not None
    assert set_cell(edited, after, after.rows[number], column, old) == document.text


@given(documents(), st.lists(values, min_size=6, max_size=6))
@settings(deadline=None, max_examples=200)
def test_an_appended_row_reads_back_and_leaves_the_others(
    document: Document, cells: list[str]
) -> None:
    table = document.table
    wanted = dict(zip(table.columns, cells, strict=False))
    edited = append_row(document.text, table, wanted)
    after = find_tasks_table(edited)
    assert after is not None
    assert len(after.rows) == len(table.rows) + 1
    assert after.values(after.rows[-1]) == {name: text.strip() for name, text in wanted.items()}
    if "\r\n" in document.text:
        assert edited.count("\n") == edited.count("\r\n")
    assert [row.texts for row in after.rows][:-1] == [row.texts for row in table.rows]
    start = table.end
    assert edited[:start] == document.text[:start]
    assert edited.endswith(document.text[start:])


LINES = [
    "| id | status |",
    "|---|---|",
    "| a | b | c |",
    "|",
    "",
    "---",
    "```",
    "> x",
    "- y",
    "    z",
    "<div>",
    "<!--",
    "-->",
    "## h",
    "===",
    "a | b",
    "\t| t |",
    "\\|",
    "| \\",
    "id|status",
    "-|-",
]
lines = st.sampled_from(LINES)


def cell_or_none(text: str, table: Table, row: Row, column: str, value: str) -> str | None:
    with suppress(EditRefusedError):
        return set_cell(text, table, row, column, value)
    return None


@given(st.lists(st.one_of(lines, st.text(max_size=5)), max_size=12), values)
@settings(deadline=None, max_examples=400)
def test_whatever_a_text_holds_its_tables_are_set_or_refused_in_words(
    pieces: list[str], value: str
) -> None:
    text = "\n".join(pieces)
    for table in find_tables(text):
        for row in table.rows:
            for column in table.columns:
                edited = cell_or_none(text, table, row, column, value)
                if edited is None:
                    continue
                again = next(t for t in find_tables(edited) if t.line == table.line)
                found = next(r for r in again.rows if r.line == row.line)
                assert again.values(found)[column] == value.strip()
    with suppress(TableError):
        find_tasks_table(text)


@given(
    st.lists(st.sampled_from(["|", "\\\\", "\\", " ", "\t", "a", "`", "\u3000", "x y"])).map(
        "".join
    )
)
def test_the_texts_of_a_row_are_those_of_its_cells(line: str) -> None:
    row = Row(line=1, start=0, end=len(line), source=line)
    assert row.texts == [cell.text for cell in row.cells]
