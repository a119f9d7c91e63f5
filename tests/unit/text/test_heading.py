"""The heading of a task's file: found where it names the id, and edited in its title alone."""

from __future__ import annotations

import pytest

from mosaic.text.heading import find_heading, with_heading

HEAD = "---\ntask_id: T-001\ntitle: 1\n---\n\n"


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# T-001 The title", "The title"),
        ("# T-001: The title", "The title"),
        ("#\tt-001 — The `title` #", "The `title`"),
        ("# T-001 About C#", "About C#"),
        ("# T-001 - -x", "x"),
        ("# T-0011 Another", None),
        ("# The title", None),
        ("# T-001", None),
        ("# T-001:", None),
        ("## T-001 The title", None),
        ("T-001 The title", None),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_heading_gives_its_title_behind_the_id(
    line: str, title: str | None, newline: str
) -> None:
    text = f"{HEAD}{line}\n\n# T-001 Further below\n".replace("\n", newline)
    found = find_heading(text, "T-001")
    assert (found and found.title) == title
    changed = with_heading(text, "T-001", "Other words")
    if found is None:
        assert changed == text
    else:
        assert found.line == 6
        assert changed == text.replace(found.title, "Other words", 1)
