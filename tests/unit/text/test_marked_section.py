"""A section between marks: what is around it is never touched, and comes back byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.errors import EditRefusedError
from mosaic.text.marked_section import (
    BEGIN_MARK,
    END_MARK,
    find_section,
    with_section,
    without_section,
)

OLD, NEW = (f"{BEGIN_MARK}\n## {word}\n\ntext\n{END_MARK}" for word in ("Old", "New"))
TEXTS = st.none() | st.text(st.sampled_from("a#` \t\r\n\ufeff\x0c\u2028"), max_size=12)


@given(TEXTS)
@example("")
@example("\n")
@example("x\r\ny\n")
@example("x\r\ny\r")
def test_what_is_added_can_be_taken_away_byte_for_byte(text: str | None) -> None:
    added = with_section(text, OLD)
    assert added.startswith(text or "")
    assert without_section(added) == text
    assert with_section(added, OLD) == added
    assert with_section(added, NEW) == with_section(text, NEW)


@given(TEXTS, TEXTS)
def test_what_a_person_writes_around_it_stays(text: str | None, more: str | None) -> None:
    around = f"{with_section(text, OLD)}\n{more or ''}"
    section = find_section(around)
    assert section is not None
    changed = with_section(around, NEW)
    assert changed.startswith(around[: section[0]])
    assert changed.endswith(around[section[1] :])
    left = without_section(around) or ""
    assert find_section(left) is None
    assert left.split() == f"{text or ''}\n{more or ''}".split()


def test_a_section_under_a_heading_of_a_person_leaves_the_heading() -> None:
    assert without_section(f"# Mine\n{OLD}\n\n## More\n") == "# Mine\n\n## More\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"# A\n{BEGIN_MARK}\ntext\n", 2),
        (f"{END_MARK}\n", 1),
        (f"a\n\n{END_MARK}\n{BEGIN_MARK}\n", 3),
        (f"{BEGIN_MARK}\n{BEGIN_MARK}\n{END_MARK}\n", 1),
        (f"{OLD}\n\n{OLD}\n", 7),
        (f"{OLD}\n{END_MARK}", 6),
        (f"{BEGIN_MARK}\ntext {END_MARK}\n", 1),
    ],
)
def test_broken_marks_are_refused_with_their_line(text: str, line: int) -> None:
    with pytest.raises(EditRefusedError) as refused:
        with_section(text, NEW)
    assert refused.value.line == line
    with pytest.raises(EditRefusedError):
        without_section(text)


def test_marks_within_a_line_are_text() -> None:
    assert find_section(f"write `{BEGIN_MARK}` and `{END_MARK}`\n") is None
