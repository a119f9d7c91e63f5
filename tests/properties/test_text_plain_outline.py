"""What is found without mistune in plain texts is what mistune finds."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.text import blocks
from mosaic.text.blocks import DOUBTFUL, outline

LINES = (
    "# Title", "## notes", "##  two  blanks ", "### Deep", "####### seven", "#no", "#", "## ",
    "## closed ##", "## C#", "text", "- item", "- [ ] box", "  - nested", "* star", "1. one",
    "1) one", "  continued", "    code", "-", "---", "===", "***", "> quote", "- > quote",
    "- # inner", "1. ## inner", "[a]: b", "[a](b) text", "`code`", "a `b", "\\# escaped", "+ plus",
    "", "", " ", "<b>", "a | b", "```", "*emph*", "![x](y)", "10. ten", "- a", "2021-01-01",
    "_ _ _", "* * *", "a\\",
    "&lt;", "**bold**", "日本 # nein", "# 日本", "- ", "1.", "[^1]: note", "a  ",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=12).map("\n".join), st.sampled_from(["", "\n"]))
@example("- a\n# b\n- c", "")
@example("1. a\n\n   b\n## c", "\n")
def test_both_ways_find_the_same(text: str, end: str) -> None:
    text += end
    plain = outline(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "DOUBTFUL", re.compile(""))
        asked = outline(text)
    assert plain == asked


def test_an_ordinary_task_is_plain() -> None:
    text = (
        "# T-1 A\n\n## Goal\n\nDo it.\n\n- [ ] a\n- [x] `b`\n\n## files_changed\n\n- `a.py` (new)\n"
    )
    assert DOUBTFUL.search(text) is None
