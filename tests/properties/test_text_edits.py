"""An edit changes the bytes of the value it changes, and no others; set back, all is as it was."""

from __future__ import annotations

import contextlib
import string

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError, MissionError
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.grid import find_tasks_table
from mosaic.text.jsondoc import append_json, parse_json_document, set_json
from mosaic.text.sections import append_section, find_sections, section_text, set_section
from mosaic.text.set_frontmatter import set_front_matter
from mosaic.text.table import append_row, set_cell

from .documents import CELL_TEXTS, VALUES, Document, documents, tables

ANY_TEXT = st.text(
    st.one_of(st.sampled_from(string.printable), st.characters(codec="utf-8")), max_size=200
)


def one_span_differs(before: str, after: str, most: int) -> bool:
    """Tell whether two texts differ in one span only, of at most so many characters before."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while (
        tail < min(len(before), len(after)) - head
        and before[len(before) - 1 - tail] == after[len(after) - 1 - tail]
    ):
        tail += 1
    return len(before) - head - tail <= most


@settings(deadline=None, max_examples=300)
@given(documents(), VALUES, st.data())
def test_a_field_is_set_and_set_back(document: Document, value: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(document.fields)))
    matter = parse_front_matter(document.text)
    assert matter is not None
    assert matter.text(key) == document.fields[key].strip()
    assume(value.strip() == value)
    edited = set_front_matter(document.text, key, value)
    again = parse_front_matter(edited)
    assert again is not None
    assert again.raw[key] == value
    assert one_span_differs(document.text, edited, len(document.fields[key]) + 4)
    old_style = matter_style(document.text, key)
    back = set_front_matter(edited, key, document.fields[key])
    new_style = matter_style(edited, key)
    forced_single = old_style == new_style == "'" and not is_needless(value)
    forced_double = old_style != '"' and new_style == '"'
    assert back == document.text or forced_single or forced_double


def matter_style(text: str, key: str) -> str:
    """Return the quotes that a key's value is written in."""
    line = next(line for line in text.splitlines() if line.lstrip("\ufeff").startswith(f"{key}:"))
    value = line.split(":", 1)[1].strip()
    return value[:1] if value[:1] in ("'", '"') else ""


def is_needless(value: str) -> bool:
    """Tell whether a value would be written without quotes."""
    sample = set_front_matter("---\nk: x\n---\n", "k", value)
    return matter_style(sample, "k") == ""


@settings(deadline=None, max_examples=200)
@given(documents(), st.lists(VALUES, max_size=4, unique=True))
def test_a_list_is_set_and_everything_else_stays(document: Document, items: list[str]) -> None:
    assume(all(item.strip() == item for item in items))
    try:
        edited = set_front_matter(document.text, "depends_on", items)
    except EditRefusedError:
        return
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.strings("depends_on") == tuple(items)
    for key, value in document.fields.items():
        assert matter.text(key) == value.strip()
    old = parse_front_matter(document.text)
    assert old is not None
    assert edited[matter.body_start :] == document.text[old.body_start :]


@settings(deadline=None, max_examples=150)
@given(documents(), st.data())
def test_an_item_added_and_taken_away_leaves_the_file_as_it_was(
    document: Document, data: st.DataObject
) -> None:
    assume(document.lists)
    key = data.draw(st.sampled_from(sorted(document.lists)))
    items = document.lists[key]
    edited = set_front_matter(document.text, key, [*items, "one-more"])
    assert set_front_matter(edited, key, items) == document.text


@settings(deadline=None, max_examples=150)
@given(documents(), VALUES)
def test_a_key_added_and_removed_leaves_the_file_as_it_was(document: Document, value: str) -> None:
    assume(value.strip() == value)
    edited = set_front_matter(document.text, "assignee", value)
    matter = parse_front_matter(edited)
    assert matter is not None
    assert matter.raw["assignee"] == value
    assert set_front_matter(edited, "assignee", None) == document.text


@settings(deadline=None, max_examples=300)
@given(tables(), CELL_TEXTS, st.data())
def test_a_cell_is_set_and_set_back(
    drawn: tuple[str, int], written: str, data: st.DataObject
) -> None:
    text, count = drawn
    value = written.replace("\\|", "|")
    table = find_tasks_table(text)
    assert table is not None
    assert len(table.rows) == count
    row = data.draw(st.sampled_from(list(table.rows)))
    number = data.draw(st.integers(1, min(len(row.cells), len(table.columns)) - 1))
    old = row.cells[number].text
    try:
        edited = set_cell(text, table, row, table.columns[number], value)
    except EditRefusedError:
        return
    again = find_tasks_table(edited)
    assert again is not None
    new_row = next(r for r in again.rows if r.line == row.line)
    if number == len(new_row.cells):
        assert value == ""  # without outer pipes an empty last cell is none at all
        return
    assert new_row.cells[number].text == value
    lines, new_lines = text.split("\n"), edited.split("\n")
    changed = [n for n, (a, b) in enumerate(zip(lines, new_lines, strict=True)) if a != b]
    assert changed in ([], [row.line - 1])
    back = set_cell(edited, again, new_row, table.columns[number], old)
    cell = row.cells[number]
    raw = text[cell.raw_start : cell.raw_end]
    # Padded by letters or by terminal cells, or to a width of its own: nobody can tell.
    odd = not old.isascii() or (len(raw) != table.widths[number] and raw.endswith("  "))
    assert back == text or (odd and back.split() == text.split())


@settings(deadline=None, max_examples=100)
@given(tables(), CELL_TEXTS)
def test_a_row_is_added_at_the_end_and_nothing_else_changes(
    drawn: tuple[str, int], written: str
) -> None:
    text, count = drawn
    table = find_tasks_table(text)
    assert table is not None
    values = {"id": "T-99", "status": written.replace("\\|", "|")}
    try:
        edited = append_row(text, table, values)
    except EditRefusedError:
        return
    again = find_tasks_table(edited)
    assert again is not None
    assert len(again.rows) == count + 1
    assert again.rows[-1].cells[0].text == "T-99"
    start, end = again.rows[-1].start, again.rows[-1].end
    newline = "\r\n" if "\r\n" in text else "\n"
    assert edited[: start - len(newline)] + edited[end:] == text


CONTENT = st.lists(
    st.sampled_from(["- item", "text", "", "### sub", "```", "| a |", "中文", "    code"]),
    max_size=5,
).map("\n".join)


@settings(deadline=None, max_examples=200)
@given(documents(), st.sampled_from(["risks", "notes", "result"]), CONTENT)
def test_a_section_is_set_and_the_others_stay(document: Document, name: str, content: str) -> None:
    try:
        edited = set_section(document.text, name, content)
    except EditRefusedError:
        return
    assert (section_text(edited, name) or "").replace("\r\n", "\n") == content.strip()
    others = [(s.name, s.content) for s in find_sections(document.text) if s.name != name]
    assert [(s.name, s.content) for s in find_sections(edited) if s.name != name] == others
    matter, old = parse_front_matter(edited), parse_front_matter(document.text)
    assert matter is not None
    assert old is not None
    # A file that ends with the closing fence gets the newline that a heading needs.
    assert edited[: matter.body_start].rstrip() == document.text[: old.body_start].rstrip()


@settings(deadline=None, max_examples=100)
@given(documents(), CONTENT)
def test_what_is_appended_to_a_section_comes_last(document: Document, content: str) -> None:
    assume(content.strip())
    try:
        edited = append_section(document.text, "notes", content)
    except EditRefusedError:
        return
    found = (section_text(edited, "notes") or "").replace("\r\n", "\n")
    assert found.endswith(content.strip())


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def json_texts(draw: st.DrawFn) -> str:
    import json

    data = draw(st.dictionaries(st.text(min_size=1, max_size=5), JSON_VALUES, max_size=4))
    data["sessions"] = draw(
        st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=3)
    )
    data["status"] = "active"
    indent = draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    text = json.dumps(data, indent=indent, ensure_ascii=draw(st.booleans()))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))) + draw(
        st.sampled_from(["", "\n"])
    )


@settings(deadline=None, max_examples=200)
@given(json_texts(), JSON_VALUES)
def test_json_is_set_and_set_back(text: str, value: object) -> None:
    edited = set_json(text, ("status",), value)  # type: ignore[arg-type]
    assert parse_json_document(edited)["status"] == value
    assert set_json(edited, ("status",), "active") == text


@settings(deadline=None, max_examples=200)
@given(json_texts(), JSON_VALUES)
def test_an_appended_item_is_the_only_difference(text: str, value: object) -> None:
    edited = append_json(text, ("sessions",), value)  # type: ignore[arg-type]
    assert parse_json_document(edited)["sessions"][-1] == value
    assert one_span_differs(text, edited, 3)


@settings(deadline=None, max_examples=300)
@given(ANY_TEXT)
@example("---\n" + "[" * 50 + "\n---\n")
@example("---\n? a\n: b\n---\n")
@example("| id | status |\n| - | - |\n")
def test_readers_raise_only_what_the_user_can_be_told(text: str) -> None:
    for source in (text, f"---\n{text}\n---\n", f"| id | status |\n|---|---|\n{text}"):
        for read in (parse_front_matter, find_tasks_table, find_sections, parse_json_document):
            with contextlib.suppress(MissionError):
                read(source)
