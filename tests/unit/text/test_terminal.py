"""Text for a terminal: harmless, the same however it is cut, and in linear time."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.text.harmless import LONGEST_SEQUENCE, HarmlessText, harmless_text

pytestmark = pytest.mark.slow

HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
PARTS = (
    "\x1b \x1b[ \x1b] \x1bP \x1b_ \x1b\\ \x9b \x9d \x9c \x07 \x18 \r \r\n \n [ ] ; 3 1 m ( B \\ "
    "\u202e \u2066 é 漢 \t \u200b \u200c \u200d \ufe0f \u2028 ❤"
).split(" ")
PIECES = [part.encode() for part in PARTS if part] + [b"\xff", b"\xc3", b"\xe6\xbc", b"\0", b"  "]
NASTY = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40).map(b"".join)


def shown(data: bytes, cuts: list[int] | None = None) -> str:
    text = HarmlessText()
    places = [0, *sorted(cuts or []), len(data)]
    fed = [text.feed(data[a:b]) for a, b in pairwise(places)]
    return "".join(fed) + text.finish()


@given(NASTY, st.data())
def test_cutting_changes_nothing(data: bytes, choice: st.DataObject) -> None:
    places = st.lists(st.integers(0, len(data)), max_size=8)
    assert shown(data, choice.draw(places)) == shown(data)
    assert shown(data, list(range(len(data)))) == shown(data)


@given(NASTY)
def test_nothing_that_a_terminal_obeys_is_left(data: bytes) -> None:
    text = shown(data)
    assert HARMFUL.search(text) is None
    assert harmless_text(text) == text


@given(st.text())
def test_harmless_text_is_left_alone(text: str) -> None:
    kept = harmless_text(HARMFUL.sub("", text))  # a judge of its own holds what that keeps
    assert shown(kept.encode()) == kept


@given(st.lists(NASTY, max_size=5))
def test_each_line_is_the_same_by_itself(lines: list[bytes]) -> None:
    whole = [line.replace(b"\n", b"") + b"\n" for line in lines]
    assert shown(b"".join(whole)) == "".join(shown(line) for line in whole)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b[?25l\x1b[2J\x1b[Hcleared", "cleared"),
        (b"\x1b]0;a title\x07after", "after"),
        (b"\x1b]8;;https://a.invalid\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b]52;c;aGVsbG8=\x07clip", "clip"),
        (b"\x1bPq#0;2;0\x1b\\after", "after"),
        (b"\x1b_private\x1b\\\x1b^also\x1b\\\x1bXand\x1b\\after", "after"),
        ("\x9b31mred\x9dtitle\x9cafter".encode(), "redafter"),
        (b"\x1b(B\x1b=\x1b7\x1bcplain", "plain"),
        (b"\x1b]never ended", ""),
        (b"\x1b]never ended\nthe next line", "\nthe next line"),
        (b"\x1b[31", ""),
        (b"end\x1b", "end"),
        (b"\x1b]a\x1b[31mb", "b"),
        (b"a\x00b\x08c\x7fd", "abcd"),
        (b"10%\r20%\r100%\r\ndone\r\n", "10%\n20%\n100%\ndone\n"),
        (b"last\r", "last\n"),
        ("a\u202eb\u2066c".encode(), "abc"),
        (b"\xff\xfe\xc3(", "\ufffd\ufffd\ufffd("),
        ("schön 漢字 🎉\t|".encode(), "schön 漢字 🎉\t|"),
    ],
)
def test_what_becomes_of_it(data: bytes, text: str) -> None:
    assert shown(data) == text
    assert shown(data, list(range(len(data)))) == text


@pytest.mark.parametrize("begin", [b"\x1b]", b"\x1bP", b"\x1b[", b"\x1b"])
@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_a_sequence_without_an_end_is_given_up(begin: bytes, extra: int) -> None:
    filler = b"1" if begin == b"\x1b[" else b" "
    data = begin + filler * (LONGEST_SEQUENCE + extra)
    text = shown(data)
    assert text == ("" if extra <= 0 else filler.decode() * (LONGEST_SEQUENCE + extra))
    assert shown(data, list(range(0, len(data), 97))) == text
    assert shown(data + b"\x1b\\|", list(range(0, len(data), 97))) == shown(data + b"\x1b\\|")


@pytest.mark.parametrize(
    "piece", [b"\x1b]", b"\x1b[", b"\x1b", b"\x1b]" + b"x" * 5000, b"\r", b"\x1b[1", b"x"]
)
def test_time_is_linear_and_memory_has_a_limit(piece: bytes) -> None:
    data = (piece * (300_000 // len(piece)))[:300_000]

    def seconds(times: int) -> float:
        text = HarmlessText()
        begun = time.process_time()
        for _ in range(times):
            text.feed(data)
            assert len(text._waiting) <= 2 * LONGEST_SEQUENCE + 3
        return time.process_time() - begun

    seconds(1)
    assert seconds(8) < 16 * seconds(2) + 1.0
