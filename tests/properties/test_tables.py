"""Several tables of tasks: all rows are read or named, and an edit changes its row alone."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError
from mosaic.store.rows import find_row, parse_table
from mosaic.text.grid import find_tables, is_heading_row, tasks_tables
from mosaic.text.table import append_row, set_cell

IDS = ("id", "Key", "Issue", "#", "Task ID")
STATUSES = ("Status", "State", "**Stage**")
TITLES = ("Title", "Task", "Summary", "Name", "Description", "Deliverable")
BETWEEN = st.sampled_from(
    ["", "# M1 one", "## Phase 2", "Words.", "```\n| F-1 | todo |\n```", "<!-- | F-1 | x | -->",
     "| other | table |\n|---|---|\n| a | b |", "- item\n\n  | F-1 | todo |", "> | F-1 | x |"]
)  # fmt: skip
CELLS = st.sampled_from(
    ["todo", "✅ done", "a \\| b", "", "—", "none", "**bold**", "中文", "T-1, #T-2", "~~x~~"]
)


@dataclass(frozen=True)
class Plan:
    """A text, and the lines of it on which somebody wrote a row."""

    text: str
    rows: dict[int, str]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines: list[str] = []
    rows: dict[int, str] = {}
    for count in range(draw(st.integers(1, 3))):
        lines += [*draw(BETWEEN).split("\n"), ""]
        columns = [draw(st.sampled_from(words)) for words in (IDS, STATUSES, TITLES)]
        columns = draw(st.permutations([*columns, "own"]))
        is_piped = draw(st.booleans()) or columns[0] == "#"  # else it is a heading
        ends = "|" if is_piped else ""
        lines.append(f"{ends}{' | '.join(columns)}{ends}")
        lines.append(f"{ends}{'|'.join(['---'] * len(columns))}{ends}")
        for number in range(draw(st.integers(1, 4))):
            cells = [draw(CELLS) or "x" for _ in columns]
            name = draw(st.sampled_from([f"T-{count}{number}"] * 3 + ["", "—"]))
            if not is_piped and columns[0] in IDS:
                name = name or "—"
            place = next(n for n, column in enumerate(columns) if column in IDS)
            cells[place] = (
                draw(st.sampled_from(["{}", "**{}**", "`{}`"])).format(name)
                if name.strip("—")
                else name
            )
            lines.append(f"{ends}{' | '.join(cells)}{ends}")
            if any(cell.strip(" —") for cell in cells):
                rows[len(lines)] = name.strip("—")
        if is_piped and draw(st.booleans()):
            lines += ["", f"| T-9{count} | todo | behind | |"]
            rows[len(lines)] = f"T-9{count}"
        lines.append("")
    text = newline.join(lines)
    return Plan(("\ufeff" if draw(st.booleans()) else "") + text, rows)


@settings(deadline=None)
@given(plans())
def test_every_row_is_a_task_or_is_named(plan: Plan) -> None:
    found = {row.line: row for row in parse_table(plan.text)}
    assert found.keys() == plan.rows.keys()
    assert [found[line].id for line in plan.rows] == list(plan.rows.values())
    for line, row in found.items():
        assert bool(row.why) == (not row.id or row.id.startswith("T-9"))
        assert row.why or find_row(plan.text, line) is not None
    tasks = [row.line for row in parse_table(plan.text) if not row.why]
    assert tasks == sorted(tasks)


@settings(deadline=None)
@given(plans(), st.data(), st.sampled_from(["done", "a | b", "", "ü"]))
def test_a_cell_of_any_table_is_set_and_no_other_line_changes(
    plan: Plan, data: st.DataObject, value: str
) -> None:
    records = [row for row in parse_table(plan.text) if row.cells]
    if not records:
        return
    row = data.draw(st.sampled_from(records))
    found = find_row(plan.text, row.line)
    assert found is not None
    column = data.draw(st.sampled_from(["status", "title"]))
    try:
        edited = set_cell(plan.text, *found, column, value)
    except EditRefusedError:  # without outer pipes a first cell cannot be empty
        assert not plan.text[found[1].start :].startswith("|")
        return
    old, new = plan.text.split("\n"), edited.split("\n")
    assert [n for n, pair in enumerate(zip(old, new, strict=True), 1) if pair[0] != pair[1]] in (
        [],
        [row.line],
    )
    again = {each.line: each for each in parse_table(edited)}
    if row.line in again:  # a row may have become one that says nothing, or a heading
        assert again[row.line].cells[column] == value


@settings(deadline=None)
@given(plans(), st.data())
def test_a_row_is_added_to_any_table_and_read_back(plan: Plan, data: st.DataObject) -> None:
    tables = tasks_tables(find_tables(plan.text))
    table = data.draw(st.sampled_from(tables))
    edited = append_row(plan.text, table, {"id": "N-1", "status": "todo", "title": "New"})
    (added,) = [row for row in parse_table(edited) if row.id == "N-1"]
    assert added.table == table.line
    assert not added.why
    lines = edited.split("\n")
    assert "\n".join([*lines[: added.line - 1], *lines[added.line :]]) == plan.text
    assert not any(is_heading_row(table, row) and "N-1" in row.texts for row in table.rows)
