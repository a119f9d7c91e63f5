"""Moving a row, and taking one out: what is a line of the text stays a line of the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.text.grid import find_tables, tasks_tables
from mosaic.text.table import append_rows, move_row, remove_row

CELL = st.sampled_from(["", "x", "a b", "`c`", "**bold**", "é", "a \\| b", "[l](u)"])


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a text with one or two tables, and the ids of its rows."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines = draw(st.lists(st.sampled_from(["# Plan", "Some words.", ""]), max_size=3))
    ids: list[str] = []
    for _ in range(draw(st.integers(1, 2))):
        pad = draw(st.sampled_from(["", " "]))
        lines += ["", f"|{pad}id{pad}|status|title|", "|---|:--|---|"]
        for _ in range(draw(st.integers(1, 4))):
            ids.append(f"T-{len(ids) + 1:03}")
            cells = [ids[-1], "todo", draw(CELL)]
            lines.append("|" + "|".join(f"{pad}{cell}{pad}" for cell in cells) + "|")
        lines.append("")
    end = draw(st.sampled_from(["", "after the last"]))
    text = newline.join([*lines, end])
    return (text.rstrip("\r\n") if draw(st.booleans()) else text), ids


def ids_in(text: str) -> list[str]:
    tables = tasks_tables(find_tables(text))
    return [row.get(0) for table in tables for row in table.rows]


@given(plans(), st.data())
def test_a_row_moves_and_every_line_stays_as_it_is(
    plan: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, ids = plan
    assert ids_in(text) == ids
    rows = {row.get(0): row for table in tasks_tables(find_tables(text)) for row in table.rows}
    name, beside = data.draw(st.sampled_from(ids)), data.draw(st.sampled_from(ids))
    if name == beside:
        return
    before = data.draw(st.booleans())
    edited = move_row(text, rows[name], rows[beside], before=before)
    wanted = [each for each in ids if each != name]
    wanted.insert(wanted.index(beside) + (not before), name)
    assert ids_in(edited) == wanted
    assert sorted(edited.splitlines()) == sorted(text.splitlines())
    assert len(edited) == len(text)
    assert edited.endswith("\n") == text.endswith("\n")
    stays = [line for line in text.splitlines() if name not in line]
    assert [line for line in edited.splitlines() if name not in line] == stays


@given(plans(), st.data(), st.booleans())
def test_a_row_is_added_beside_another_and_every_line_stays(
    plan: tuple[str, list[str]], data: st.DataObject, before: bool
) -> None:
    text, ids = plan
    beside = data.draw(st.sampled_from(ids))
    rows = {
        row.get(0): (table, row) for table in tasks_tables(find_tables(text)) for row in table.rows
    }
    table, row = rows[beside]
    new = {"id": "T-999", "status": "todo", "title": "a | b"}
    place = {"before": row} if before else {"after": row}
    edited = append_rows(text, table, [new], **place)
    wanted = [*ids]
    wanted.insert(ids.index(beside) + (not before), "T-999")
    assert ids_in(edited) == wanted
    assert [line for line in edited.splitlines() if "T-999" not in line] == text.splitlines()
    newline = "\r\n" if "\r\n" in text else "\n"
    assert edited.count("\n") == text.count("\n") + 1 == edited.count(newline)


@given(plans(), st.data())
def test_a_row_goes_and_every_other_line_stays(
    plan: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, ids = plan
    name = data.draw(st.sampled_from(ids))
    row = next(r for t in tasks_tables(find_tables(text)) for r in t.rows if r.get(0) == name)
    edited = remove_row(text, row)
    assert edited.splitlines() == [line for line in text.splitlines() if name not in line]
    assert ids_in(edited) == [each for each in ids if each != name]
    assert edited.endswith("\n") == text.endswith("\n")
