"""What a terminal would obey is left out, however the bytes come."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.text.terminal import TerminalSanitizer, sanitize

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PIECES = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"]", b"0;", b"31m", b"\x07", b"\x1b\\", b"\r", b"\n", b"text", b"\x9d",
         b"\xc2\x9b", b"\xc2\x9d", b"\xe5\x90", b"\x8d", b"P", b" ", b"~", b"\0", b"\xff",
         "\u202e".encode(), b"x" * 4100]
    ),
    max_size=30,
)  # fmt: skip


def in_pieces(data: bytes, cuts: list[int]) -> str:
    made = TerminalSanitizer()
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    text = "".join(made.feed(data[begin:end]) for begin, end in itertools.pairwise(places))
    return text + made.finish()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("plain\ttext\n", "plain\ttext\n", id="plain text is left alone"),
        pytest.param("\x1b[1;31mred\x1b[0m", "red", id="colours"),
        pytest.param("\x1b]0;title\x07after", "after", id="a title ended by a bell"),
        pytest.param("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", id="a hyperlink"),
        pytest.param("\x1bPq#0\x1b\\after", "after", id="an image"),
        pytest.param("\x9b2Jafter", "after", id="a one-byte introducer"),
        pytest.param("\x1b]0;never ended\nnext", "\nnext", id="a title without an end"),
        pytest.param("\x1b(Bafter\x1b7", "after", id="character sets and the cursor"),
        pytest.param("10%\r20%\r\n", "10%\n20%\n", id="a progress bar"),
        pytest.param("a\u202eb\x00c\x7fd\x85e", "abcde", id="other controls"),
        pytest.param("\x1b[" + "1" * 5000 + "m", "1" * 5000 + "m", id="what is too long is text"),
    ],
)
def test_what_a_terminal_obeys_is_left_out(written: str, shown: str) -> None:
    assert sanitize(written) == shown


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=20))
def test_any_bytes_give_harmless_text_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole = in_pieces(data, [])
    assert in_pieces(data, cuts) == whole
    assert not OBEYED.search(whole)


@given(PIECES, st.lists(st.integers(0, 9000), max_size=20))
def test_sequences_give_the_same_text_however_they_are_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(pieces)
    assert in_pieces(data, cuts) == in_pieces(data, [])
    assert in_pieces(data, list(range(len(data)))) == in_pieces(data, [])


@pytest.mark.parametrize("evil", ["\x9d", "\x1b]", "\x1b[1", "\x9d" + "a" * 3999, "\x1b", "\r"])
def test_hostile_output_costs_no_more_than_its_length(evil: str) -> None:
    assert not OBEYED.search(sanitize(evil * (1_000_000 // len(evil))))
