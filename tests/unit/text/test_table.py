from __future__ import annotations

import pytest

from mosaic.errors import EditRefusedError, TableError
from mosaic.text.grid import Table, find_tables, find_tasks_table
from mosaic.text.table import append_row, set_cell

TASKS = """\
# Tasks

| ID    | Status | Description     | Depends on | Notes      |
| ----- | ------ | --------------- | ---------- | ---------- |
| T-001 | todo   | Log \\| streams  |            | `a\\|b`     |
| T-002 | done   | 修复登录        | T-001      | x | extra  |
| T-003 | todo   |

After.
"""


def tasks(text: str) -> Table:
    table = find_tasks_table(text)
    assert table is not None
    return table


def put(text: str, line: int, column: str, value: str) -> str:
    table = tasks(text)
    row = table.rows.on_line(line)
    assert row is not None
    return set_cell(text, table, row, column, value)


def line_after(text: str, line: int, column: str, value: str) -> str:
    """Return one line after an edit that must leave every other line alone."""
    old, new = text.split("\n"), put(text, line, column, value).split("\n")
    assert old[: line - 1] + old[line:] == new[: line - 1] + new[line:]
    return new[line - 1]


def test_columns_are_known_in_any_order_and_case() -> None:
    table = tasks(TASKS)
    assert table.columns == ("id", "status", "title", "depends_on", "Notes".lower())
    assert table.headers == ("ID", "Status", "Description", "Depends on", "Notes")
    assert table.line == 3
    assert [row.line for row in table.rows] == [5, 6, 7]


@pytest.mark.parametrize("name", ["id", "ID", "Task", "task_id", "Task ID", "#", "**Id**"])
def test_an_id_column_has_many_names(name: str) -> None:
    assert tasks(f"| Status | {name} |\n|---|---|\n").columns == ("status", "id")


@pytest.mark.parametrize("name", ["depends on", "Depends-On", "depends_on", "Dependencies"])
def test_a_column_of_dependencies_has_many_names(name: str) -> None:
    assert tasks(f"| id | status | {name} |\n|---|---|---|\n").columns[2] == "depends_on"


def test_of_two_headers_for_one_column_the_first_wins() -> None:
    table = tasks("| id | status | Title | Description | own |\n|---|---|---|---|---|\n")
    assert table.columns == ("id", "status", "title", "Description", "own")


def test_rows_are_read_with_pipes_unescaped_and_short_ones_filled_up() -> None:
    table = tasks(TASKS)
    assert table.values(table.rows[0]) == {
        "id": "T-001",
        "status": "todo",
        "title": "Log | streams",
        "depends_on": "",
        "notes": "`a|b`",
    }
    assert table.values(table.rows[2])["notes"] == ""
    assert table.rows[1].cells[-1].text == "extra"


def test_a_raw_pipe_in_inline_code_parts_cells_as_it_does_in_gfm() -> None:
    table = tasks("| id | status |\n|---|---|\n| `a|b` | c |\n")
    assert [cell.text for cell in table.rows[0].cells] == ["`a", "b`", "c"]


@pytest.mark.parametrize(
    "hidden",
    [
        "```\n{}\n```\n",
        "~~~~ md\n{}\n~~~\n~~~~\n",
        "<!--\n{}\n-->\n",
        "<div>\n{}\n</div>\n",
        "<pre>\n\n{}\n</pre>\n",
    ],
)
def test_a_table_in_a_fence_or_html_is_no_table(hidden: str) -> None:
    table = "| id | status |\n|---|---|\n| F | todo |"
    text = f"{hidden.format(table)}\n| id | status |\n|---|---|\n| R | done |\n"
    assert [row.cells[0].text for row in tasks(text).rows] == ["R"]


@pytest.mark.parametrize("lead", ["    ", "\t", "> ", "- ", "1. "])
def test_a_table_in_code_a_quote_or_a_list_is_not_top_level(lead: str) -> None:
    rest = " " * len(lead) if lead in ("- ", "1. ") else lead
    text = f"{lead}| id | status |\n{rest}|---|---|\n{rest}| Q | todo |\n"
    assert find_tables(text) == ()


def test_front_matter_is_passed_over() -> None:
    text = "\ufeff---\ntitle: x\nid | status: y\n---\n| id | status |\n|---|---|\n| T | todo |\n"
    assert tasks(text).rows[0].line == 7


def test_a_table_in_the_front_matter_is_no_table() -> None:
    text = "---\nnote: |\n  | id | status |\n  |---|---|\n  | F | todo |\n---\n"
    assert find_tables(text) == ()
    assert tasks(f"{text}\n| id | status |\n|---|---|\n| R | todo |\n").rows[0].line == 10


def test_a_text_that_begins_with_a_rule_still_has_its_table() -> None:
    assert tasks("---\n\n| id | status |\n|---|---|\n| T | todo |\n\n---\n").line == 3


def test_a_paragraph_may_stand_right_above_and_words_below_are_a_row() -> None:
    table = tasks("Words\n| id | status |\n|---|---|\n| T | todo |\nmore words\n# end\n| x |\n")
    assert table.line == 2
    assert [row.cells[0].text for row in table.rows] == ["T", "more words"]


@pytest.mark.parametrize(
    "end", ["# h", "> q", "- item", "1. item", "```", "<div>", "***", "    code"]
)
def test_another_block_ends_a_table(end: str) -> None:
    assert len(tasks(f"| id | status |\n|---|---|\n| T | todo |\n{end}\n").rows) == 1


def test_dashes_under_words_are_a_heading_and_ragged_dashes_nothing() -> None:
    assert find_tables("id | status\n---\n") == ()
    assert find_tables("| id | status |\n|---|\n| a | b |\n") == ()


def test_a_table_without_a_status_column_is_refused() -> None:
    with pytest.raises(TableError) as caught:
        find_tasks_table("words\n\n| id | title |\n|---|---|\n")
    assert caught.value.line == 3
    assert find_tasks_table("| name | status |\n|---|---|\n") is None


def test_an_aligned_cell_keeps_its_width() -> None:
    row = "| T-001 | {} | Log \\| streams  |            | `a\\|b`     |"
    assert line_after(TASKS, 5, "status", "done") == row.format("done  ")
    assert line_after(TASKS, 5, "status", "in-progress") == row.format("in-progress")
    assert line_after(TASKS, 6, "title", "Ready") == (
        "| T-002 | done   | Ready           | T-001      | x | extra  |"
    )


def test_an_aligned_cell_that_grew_is_aligned_again() -> None:
    grown = put(TASKS, 5, "status", "in-progress")
    assert put(grown, 5, "status", "todo") == TASKS


def test_a_table_that_is_not_aligned_gets_no_blanks() -> None:
    text = "| id | status |\n|----|--------|\n| T-001 | review |\n| T-002 | todo |\n"
    assert line_after(text, 3, "status", "done") == "| T-001 | done |"


def test_an_empty_cell_is_filled_and_emptied_again() -> None:
    assert line_after(TASKS, 5, "depends_on", "T-9") == (
        "| T-001 | todo   | Log \\| streams  | T-9        | `a\\|b`     |"
    )
    for cells in ("||  |", "| |  |", "|  | x |", "|x||"):
        text = f"| id | status |\n|---|---|\n{cells}\n"
        table = tasks(text)
        for column in table.columns:
            old = table.values(table.rows[0])[column]
            assert put(put(text, 3, column, "word"), 3, column, old) == text


def test_pipes_are_escaped_and_read_back() -> None:
    for value in ("a|b", "`x|y`", "a\\|b", "|", "ends \\"):
        edited = put(TASKS, 5, "status", value)
        assert tasks(edited).values(tasks(edited).rows[0])["status"] == value


def test_a_backslash_does_not_swallow_the_pipe_behind_it() -> None:
    text = "|id|status|\n|-|-|\n|T|todo|\n"
    assert line_after(text, 3, "status", "a\\") == "|T|a\\ |"


def test_a_short_row_is_extended_as_far_as_needed() -> None:
    assert line_after(TASKS, 7, "depends_on", "T-1") == "| T-003 | todo   |  | T-1 |"
    text = "id | status | notes\n--- | --- | ---\nT-1\n"
    assert line_after(text, 3, "notes", "x") == "T-1 |  | x"
    assert put(TASKS, 7, "notes", "") == TASKS


@pytest.mark.parametrize("value", ["a\nb", "a\rb"])
def test_a_value_of_two_lines_is_refused(value: str) -> None:
    with pytest.raises(EditRefusedError):
        put(TASKS, 5, "status", value)


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(EditRefusedError, match="`milestone`"):
        put(TASKS, 5, "milestone", "M1")


def test_a_value_that_would_become_another_block_is_refused() -> None:
    text = "id | status\n--- | ---\nT-1 | todo\n"
    with pytest.raises(EditRefusedError) as caught:
        put(text, 3, "id", "# T-1")
    assert caught.value.line == 3


def test_a_table_of_another_text_is_refused() -> None:
    table = tasks(TASKS)
    with pytest.raises(EditRefusedError):
        set_cell(f"one more line\n{TASKS}", table, table.rows[0], "status", "done")


def test_a_row_is_added_in_the_style_of_the_table() -> None:
    edited = append_row(TASKS, tasks(TASKS), {"id": "T-004", "title": "a|b", "milestone": "M9"})
    assert edited == TASKS.replace(
        "| T-003 | todo   |\n",
        "| T-003 | todo   |\n| T-004 |        | a\\|b            |            |            |\n",
    )
    bare = "  id | status\r\n  --- | ---"
    assert append_row(bare, tasks(bare), {"id": "T", "status": "todo"}) == f"{bare}\r\n  T | todo"


def test_a_row_that_needs_outer_pipes_gets_them() -> None:
    text = "id | status\n--- | ---\n"
    assert append_row(text, tasks(text), {"id": "", "status": "todo"}).endswith("|  | todo |\n")
    assert append_row(text, tasks(text), {"id": "- T", "status": "x"}).endswith("| - T | x |\n")


def test_ten_thousand_rows_are_read_and_one_of_them_set() -> None:
    text = "| id | status |\n|---|---|\n" + "".join(f"| T-{n} | todo |\n" for n in range(10_000))
    assert line_after(text, 9_003, "status", "done") == "| T-9000 | done |"


@pytest.mark.parametrize(
    "text",
    [
        "| id | status |\n|---|---|\n" + "|" * 200_000,
        "|" * 100_000 + "\n" + "|-" * 100_000 + "|\n",
        "| id | status |\n|---|---|\n" + "a" * 3_000_000 + "|b\n",
        "| id | status |\n|---|---|\n" + ("|" * 900 + "\n") * 600,
        "x" * (17 << 20),
    ],
    ids=["wide row", "wide header", "long line", "many cells", "large"],
)
def test_a_text_beyond_all_measure_is_refused_with_a_line(text: str) -> None:
    with pytest.raises(TableError) as caught:
        find_tables(text)
    assert caught.value.line


@pytest.mark.parametrize(
    "text",
    [
        "|" * 500_000 + "\nwords\n",
        "a|b\n" + " " * 500_000 + "x\n",
        "a|b\n" + "-" * 500_000 + "x\n",
        ">" * 200_000,
        "- " * 200_000,
        "[" * 200_000,
        "<!-- " * 100_000,
        "`" * 200_000 + "\n" + "a|b\n" * 20_000,
    ],
    ids=lambda text: text[:6],
)
def test_hostile_lines_are_read_without_going_back_and_forth(text: str) -> None:
    assert find_tables(text) == ()  # the suite's time-out is what this would run into


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", ["", "| T-1 | todo |\n"])
@pytest.mark.parametrize("below", [":::", "{% endif %}", "{{< /table >}}\n\nmore"])
def test_a_new_row_comes_before_what_closes_a_block_of_another_program(
    below: str, rows: str, newline: str
) -> None:
    head = f"::: table\n\n| id | status |\n|---|---|\n{rows}"
    text = f"{head}{below}\n".replace("\n", newline)
    table = find_tasks_table(text)
    assert table is not None
    edited = append_row(text, table, {"id": "T-9", "status": "todo"})
    assert edited == f"{head}| T-9 | todo |\n{below}\n".replace("\n", newline)
