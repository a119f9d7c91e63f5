from __future__ import annotations

import re
from time import perf_counter

import pytest

from mosaic.review.markdown import LONGEST_INPUT, Token
from mosaic.review.terminal import MOST_LINES, NARROWEST, render_terminal
from mosaic.text.lines import display_width


def plain(markdown: str, width: int = 40) -> list[str]:
    return render_terminal(markdown, width=width, color=False)


def test_a_heading_is_bold_and_without_color_keeps_its_signs() -> None:
    assert render_terminal("## Found *it*", width=40, color=True) == ["\x1b[1mFound it\x1b[0m"]
    assert plain("## Found *it*") == ["## Found it"]


def test_a_paragraph_is_wrapped_at_words() -> None:
    assert plain("one two three\nfour five six", width=20) == ["one two three four", "five six"]


def test_blocks_are_set_apart_by_one_blank_line() -> None:
    assert plain("# A\ntext\n\n\n\nmore") == ["# A", "", "text", "", "more"]


def test_a_hard_break_is_kept() -> None:
    assert plain("one  \ntwo") == ["one", "two"]


def test_a_word_too_long_for_a_line_goes_on_in_the_next() -> None:
    assert plain("see " + "x" * 45, width=20) == ["see", "x" * 20, "x" * 20, "xxxxx"]


def test_lists_hang_and_nest() -> None:
    text = "- one two three four five\n- six\n  1. in\n  2. side\n"
    assert plain(text, width=20) == [
        "- one two three four",
        "  five",
        "- six",
        "  1. in",
        "  2. side",
    ]


def test_a_loose_list_keeps_its_blank_lines() -> None:
    assert plain("- a\n\n- b\n") == ["- a", "", "- b"]


def test_an_ordered_list_counts_from_its_start_and_is_aligned() -> None:
    assert plain("9. nine\n10. ten\n") == [" 9. nine", "10. ten"]


def test_task_lists_show_their_boxes() -> None:
    assert plain("- [ ] open\n- [x] done\n") == ["- [ ] open", "- [x] done"]


def test_code_is_indented_dim_and_cut_at_the_width_but_never_wrapped() -> None:
    text = "```python\nif x:\n\treturn " + "y" * 40 + "\n```\n"
    assert plain(text, width=20) == ["    if x:", "        return yyyy…"]
    assert render_terminal("```\na\n```", width=20, color=True) == ["    \x1b[2ma\x1b[0m"]


def test_inline_code_keeps_its_backticks_and_what_is_struck_out_its_tildes() -> None:
    assert plain("run `a  b` or ~~c~~") == ["run `a  b` or ~~c~~"]


def test_links_and_images_show_where_they_lead() -> None:
    assert plain("[here](https://a.b) ![pic](p.png)") == ["here (https://a.b) pic (p.png)"]
    assert plain("<https://a.b> <me@a.b>") == ["https://a.b me@a.b"]
    assert plain("[](https://a.b)") == ["https://a.b"]


def test_a_table_is_aligned() -> None:
    text = "| Name | Count | 日本 |\n|---|--:|:-:|\n| a | 1 | 日 |\n| long name | 100 | x |\n"
    assert plain(text) == [
        "Name       Count  日本",
        "---------  -----  ----",
        "a              1   日",
        "long name    100   x",
    ]


def test_a_table_too_wide_wraps_in_its_widest_column() -> None:
    text = "| A | B |\n|---|---|\n| x | one two three four five |\n"
    assert plain(text, width=20) == [
        "A  B",
        "-  -----------------",
        "x  one two three",
        "   four five",
    ]


def test_a_table_of_too_many_columns_is_told_cell_by_cell() -> None:
    names = [f"col{number}" for number in range(9)]
    text = f"|{'|'.join(names)}|\n|{'-|' * 9}\n|{'|'.join('wxyz0' for _ in names)}|\n"
    assert plain(text, width=20) == [f"{name}: wxyz0" for name in names]


def test_quotes_have_a_bar_in_color_and_a_sign_without() -> None:
    assert plain("> a\n>\n> > b") == ["> a", ">", "> > b"]
    assert render_terminal("> a", width=20, color=True) == ["\x1b[2m│ \x1b[0ma"]


def test_a_thematic_break_is_a_rule() -> None:
    assert plain("---", width=20) == ["-" * 20]


def test_wide_letters_count_twice_and_break_anywhere() -> None:
    lines = plain("日本語のテキストはここで折り返されます。次の文です。", width=20)
    assert lines == ["日本語のテキストはこ", "こで折り返されます。", "次の文です。"]
    assert plain("🎉" * 15, width=20) == ["🎉" * 10, "🎉" * 5]


def test_html_is_shown_as_text() -> None:
    assert plain("<script>\nx()\n</script>") == ["<script>", "x()", "</script>"]
    assert plain("a <b>c</b> <!-- d -->") == ["a <b>c</b> <!-- d -->"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x1b[0mc", "abc"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://evil\x1b\\b\x1b]8;;\x1b\\c", "abc"),
        ("a\x1bP1$r\x1b\\b", "ab"),
        ("a\x1bcb\x1b(Bc\x1b", "abc"),
        ("a\x9b31mb\x9d0;t\x9cc", "abc"),
        ("a\x07\x08\x7f\x00b", "ab"),
        ("a\u202eb\u2066c\u2069\u200f", "abc"),
        ("a&#27;[31mb&#x202e;c&#155;", "a[31mbc›"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_what_a_terminal_would_obey_is_gone(text: str, shown: str) -> None:
    assert plain(text) == [shown]


def test_an_escape_sequence_without_an_end_hides_nothing() -> None:
    assert plain("a\x1b]0;the rest\nb") == ["a0;the rest b"]


def test_reference_spelt_line_ends_do_not_break_out_of_a_table() -> None:
    text = "|a|b|\n|-|-|\n|x&#10;y&#13;z|1|\n"
    assert plain(text)[-1] == "x y z  1"


def test_nesting_stops_before_the_text_is_squeezed_away() -> None:
    text = "".join("  " * depth + f"- item {depth}\n" for depth in range(30))
    lines = plain(text, width=20)
    assert all(display_width(line) <= 20 for line in lines)
    assert "item 0" in lines[0]
    quoted = plain("> " * 40 + "deep", width=120)
    assert quoted[0].startswith("> " * 11)
    assert quoted[0].endswith("deep")


def test_a_width_too_small_counts_as_the_narrowest() -> None:
    assert plain("word " * 9, width=0) == plain("word " * 9, width=NARROWEST)


def test_many_lines_are_cut_with_a_line_that_says_so() -> None:
    lines = plain("- a\n" * 5_000)
    assert len(lines) == MOST_LINES
    assert lines[-1].startswith("[… cut here after")


def test_a_long_text_is_cut_with_a_line_that_says_so_and_soon() -> None:
    before = perf_counter()
    lines = plain("word " * 200_000, width=200)
    assert perf_counter() - before < 3
    assert lines[-1] == f"[… cut here after {LONGEST_INPUT} of 1000000 characters]"


def test_quotes_and_lists_that_take_turns_stay_in_order() -> None:
    text = "".join(f"> q{number}\n- a{number}\n" for number in range(300))
    shown = [line for line in plain(text) if line]
    assert shown == [line for line in text.splitlines() if line]


def test_a_heading_ends_a_quote() -> None:
    assert plain("> said\n# Mine\n") == ["> said", "", "# Mine"]


def test_a_text_that_cannot_be_parsed_is_shown_as_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(markdown: str) -> list[Token]:
        raise RecursionError

    monkeypatch.setattr("mosaic.review.terminal.parse", full)
    assert plain("*a*\n\x1b[31m- b") == ["    *a*", "    - b"]


def test_a_paragraph_with_too_many_signs_is_shown_as_it_stands() -> None:
    assert plain("*a*\n\n" + "*b* " * 1_000)[:3] == ["a", "", " ".join(["*b*"] * 10)]


def test_color_codes_open_and_close_on_every_line() -> None:
    for line in render_terminal("**" + "bold words " * 20 + "end**", width=20, color=True):
        assert re.fullmatch(r"\x1b\[1m[^\x1b]+\x1b\[0m", line)


def test_nothing_is_no_line() -> None:
    assert plain("") == plain("\n \n") == []
