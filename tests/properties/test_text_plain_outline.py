"""What is found without mistune in plain texts is what mistune finds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.records import replace
from mosaic.text import blocks
from mosaic.text.blocks import find_plain_tables, outline

LINES = (
    "# Title", "## notes", "##  two  blanks ", "### Deep", "####### seven", "#no", "#", "## ",
    "## closed ##", "## C#", "text", "- item", "- [ ] box", "  - nested", "* star", "1. one",
    "1) one", "  continued", "    code", "-", "---", "===", "***", "> quote", "- > quote",
    "- # inner", "1. ## inner", "[a]: b", "[a](b) text", "`code`", "a `b", "\\# escaped", "+ plus",
    "", "", " ", "<b>", "a | b", "```", "*emph*", "![x](y)", "10. ten", "- a", "2021-01-01",
    "_ _ _", "* * *", "a\\",
    "| a | b |", "| - | - |", "| :-: | -- |", "|-|", "| a", "|", "| <b> | ``` |", "| # | > |",
    "| a |\tb", "| x | y |", "", "| - | x |", "a | b", "|a|b|", "---|---", "| 日本 | a\\| b |",
    "| a |  ", " | a | b |", "&lt;", "**bold**", "日本 # nein", "# 日本", "- ", "1.",
    "[^1]: note", "a  ",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=12).map("\n".join), st.sampled_from(["", "\n"]))
@example("- a\n# b\n- c", "")
@example("1. a\n\n   b\n## c", "\n")
def test_both_ways_find_the_same(text: str, end: str) -> None:
    text += end
    plain = outline(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "find_plain_tables", lambda _: None)
        asked = outline(text)
    assert replace(plain, is_plain=False) == asked


def test_an_ordinary_task_is_plain() -> None:
    text = (
        "# T-1 A\n\n## Goal\n\nDo it.\n\n- [ ] a\n- [x] `b`\n\n## files_changed\n\n- `a.py` (new)\n"
    )
    assert find_plain_tables(text) == []


TABLE = "| id | status |\n| --- | --- |\n| T-1 | todo |\n| T-2 |"


@pytest.mark.parametrize("before", ["", "# Tasks\n\n", "Words.\n\n", "- item\n\n", "\n\n"])
@pytest.mark.parametrize("after", ["", "\n", "\n\nMore.\n\n## End\n", f"\n\n{TABLE}"])
def test_a_table_by_itself_is_plain(before: str, after: str) -> None:
    text = f"{before}{TABLE}{after}"
    spans = find_plain_tables(text)
    assert spans is not None
    assert [text[start:end].rstrip("\n") for start, end in spans] == [TABLE] * len(spans)
    assert len(spans) == text.count(TABLE)
    plain = outline(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "find_plain_tables", lambda _: None)
        assert outline(text) == replace(plain, is_plain=False)
