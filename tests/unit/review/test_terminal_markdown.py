from __future__ import annotations

from time import process_time

import pytest

from mosaic.review.terminal import LONGEST_INPUT, MOST_LINES, NARROWEST, render_terminal
from mosaic.text.lines import display_width


def plain(markdown: str, width: int = 40) -> list[str]:
    return render_terminal(markdown, width=width, color=False)


def test_the_source_is_shown_as_it_stands() -> None:
    text = "# A\ntext *and* `code`\n\n- [x] one\n  1. in\n\n| a | b |\n|---|---|\n| <b> | &lt; |\n"
    assert plain(text) == text.rstrip("\n").split("\n")


def test_headings_are_bold_and_code_is_dim() -> None:
    lines = render_terminal("## Found *it*\n\n```py\n# x\n```\n# B", width=40, color=True)
    assert lines == [
        "\x1b[1m## Found *it*\x1b[0m",
        "",
        "\x1b[2m```py\x1b[0m",
        "\x1b[2m# x\x1b[0m",
        "\x1b[2m```\x1b[0m",
        "\x1b[1m# B\x1b[0m",
    ]


def test_a_line_is_wrapped_at_words() -> None:
    assert plain("one two three\nfour five six seven", width=20) == [
        "one two three",
        "four five six seven",
    ]
    assert plain("one two three four five", width=20) == ["one two three four", "five"]


def test_blocks_are_set_apart_by_one_blank_line() -> None:
    assert plain("\n\n# A\ntext\n\n\n\nmore\n\n") == ["# A", "text", "", "more"]


def test_a_word_too_long_for_a_line_goes_on_in_the_next() -> None:
    assert plain("see " + "x" * 45, width=20) == ["see " + "x" * 16, "x" * 20, "x" * 9]


def test_what_goes_on_in_the_next_line_is_indented_as_it_began() -> None:
    text = "- one two three four five\n  1. [x] one two three four\n> one two three four five\n"
    assert plain(text, width=20) == [
        "- one two three four",
        "  five",
        "  1. [x] one two",
        "         three four",
        "> one two three four",
        "  five",
    ]


def test_wide_letters_count_twice_and_break_anywhere() -> None:
    lines = plain("日本語のテキストはここで折り返されます", width=20)
    assert lines == ["日本語のテキストはこ", "こで折り返されます"]
    assert plain("🎉" * 15, width=20) == ["🎉" * 10, "🎉" * 5]


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
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_what_a_terminal_would_obey_is_gone(text: str, shown: str) -> None:
    assert plain(text) == [shown]


def test_an_escape_sequence_without_an_end_hides_nothing() -> None:
    assert "b" in plain("a\x1b]0;the rest\nb")


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
    before = process_time()
    lines = plain("word " * 200_000, width=200)
    assert process_time() - before < 3
    assert lines[-1] == f"[… cut here after {LONGEST_INPUT} of 1000000 characters]"


def test_nothing_is_no_line() -> None:
    assert plain("") == plain("\n \n") == []
