"""Texts as the board draws them: harmless, whole, and in the width that there is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("textual", reason="the extra `board` is not installed")

from mosaic.board.markdown import markdown_lines
from mosaic.board.words import LONGEST_LINE, plain, wrapped
from mosaic.text.harmless import harmless_line, harmless_text

WORD = re.compile(r"[A-Za-z]{2,}")
PIECES = st.sampled_from(
    [
        "# Head", "- [x] done", "* item", "12. item", "> quote", "```", "~~~", "---", "| a | b |",
        "[link](javascript:run)", "<!-- hidden -->", "![image](x)", "[bold red]no[/]", "`code`",
        "**strong**", "\x1b[31m", "\x1b]8;;http://x\x07", "\u202e", "\t", "  ", "\r\n", "\n", "é",
        "日本",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=30).map("\n".join)


@given(TEXTS)
def test_markdown_keeps_every_word_and_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = "\n".join(line.plain for line in markdown_lines(text))
    assert WORD.findall(shown) == WORD.findall(harmless_text(text))
    assert all(harmless_line(line) == line for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("## Goal", "Goal"),
        ("- [ ] one", "☐ one"),
        ("  - [x] two", "  ☑ two"),
        ("* item", "• item"),
        ("3. third", "3. third"),
        ("> said", "▌ said"),
        ("[a](b)", "[a](b)"),
        ("-no item", "-no item"),
        ("#no head", "#no head"),
    ],
)
def test_marks_of_structure_are_drawn(line: str, shown: str) -> None:
    assert [each.plain for each in markdown_lines(line)] == [shown]


def test_in_a_fence_everything_is_as_it_stands() -> None:
    text = "```\n# no head\n- no item\n~~~\n```\n# head"
    shown = [each.plain for each in markdown_lines(text)]
    assert shown == ["```", "# no head", "- no item", "~~~", "```", "head"]


@given(st.text(max_size=200), st.integers(4, 60))
def test_a_wrapped_line_fits_and_lacks_nothing_but_blanks(text: str, width: int) -> None:
    line = plain(text)
    parts = wrapped(line, width)
    assert all(part.cell_len <= width or not part.plain[width:].strip() for part in parts)
    assert "".join("".join(part.plain.split()) for part in parts) == "".join(line.plain.split())


def test_of_a_very_long_line_the_end_is_cut_and_it_says_so() -> None:
    shown = plain("x" * (LONGEST_LINE + 5)).plain
    assert shown == "x" * LONGEST_LINE + " [… 5 more characters]"
