from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.prompts.bounded import cut_text, exact_line, one_line, plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("\x00\x1b[31mred\x9b\x7f", "red"),
        ("tu\u202ern\u200b a\u200db \U000e0041", "turn ab "),
        ("tab\tand\nline", "tab\tand\nline"),
        ("half \ud800 pair", "half \ufffd pair"),
    ],
)
def test_plain_text_has_no_control_characters_but_tabs_and_newlines(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_one_line_folds_blanks_and_is_cut() -> None:
    assert one_line(" a \n\t b ") == "a b"
    assert one_line("x" * 99, 10) == "xxxxxxxxx…"


def test_an_exact_line_keeps_its_blanks() -> None:
    assert exact_line("a  b\nc") == "a  b c"


def test_a_cut_falls_on_a_line_and_says_what_is_missing() -> None:
    text = "line\n" * 100
    cut = cut_text(text, 52, "T-1.md")
    assert (
        cut
        == "line\n" * 9
        + "line\n[… cut here after 49 of 500 characters; the whole is in "
        + ("`T-1.md`]")
    )
    assert cut_text("short", 10) == "short"


@settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_cuts_never_grow_beyond_their_limit(text: str, limit: int) -> None:
    assert len(cut_text(text, limit)) <= max(len(text), limit + 80)
    assert len(one_line(text, limit)) <= limit
    assert "\n" not in one_line(text, limit)
    assert len(exact_line(text, limit)) <= limit
