"""The reference says what the code says."""

from __future__ import annotations

from tests.reference import PAGE, make_page


def test_the_reference_is_made_from_the_code_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(), "run `python -m tests.reference`"
