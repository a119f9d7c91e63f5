"""Lines are broken at words: nothing is lost, no word is torn that need not be."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.text.folding import fold, shorten
from mosaic.text.lines import display_width

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.lists(st.text("abcxyzöß—日本`/", min_size=1, max_size=12), max_size=30)


@patient
@given(WORDS, st.integers(24, 60), st.integers(0, 8), st.booleans())
def test_every_line_fits_and_nothing_is_lost(
    words: list[str], width: int, hang: int, is_whole: bool
) -> None:
    lines = fold(" ".join(words), width, hang=hang, is_whole=is_whole)
    assert all(display_width(line) <= width for line in lines)
    assert re.sub(r"\s", "", "".join(lines)) == "".join(words)


@patient
@given(st.lists(st.text("abcxyz", min_size=1, max_size=12), max_size=30), st.integers(20, 60))
def test_no_word_is_torn_and_no_line_could_take_another(words: list[str], width: int) -> None:
    lines = fold(" ".join(words), width)
    assert [word for line in lines for word in line.split()] == words
    for line, further in pairwise(lines):
        assert len(line) + 1 + len(further.split()[0]) > width


@patient
@given(st.text("abc 日ö", max_size=60), st.integers(3, 50))
def test_a_text_that_is_cut_fits_and_says_so(text: str, width: int) -> None:
    cut = shorten(text, width)
    assert display_width(cut) <= width
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("  label     some words here", 20, ["  label     some", "    words here"]),
        (
            "do this: `mission show T-001` now",
            26,
            ["do this:", "    `mission show T-001`", "    now"],
        ),
        ("see https://example.org/a/long/path", 20, ["see", "    https://example.org/a/long/path"]),
        ("\x1b[31merror:\x1b[0m twelve cells", 16, ["\x1b[31merror:\x1b[0m twelve", "    cells"]),
    ],
)
def test_blanks_code_addresses_and_colours_stay_whole(
    text: str, width: int, expected: list[str]
) -> None:
    assert fold(text, width, hang=4) == expected


def test_paths_in_cells_are_broken_behind_their_signs() -> None:
    lines = fold("src/parser/tokens/reader.py", 14, is_whole=False)
    assert lines == ["src/parser/", "tokens/", "reader.py"]
    assert fold("x" * 25, 10, is_whole=False) == ["x" * 10, "x" * 10, "x" * 5]
