"""Which session has taken a task over from another, whatever the form of their ids."""

from __future__ import annotations

import json

import pytest

from mosaic.store.mission_file import parse_mission
from mosaic.store.session_entries import find_later


def later(own: str, *listed: str) -> str | None:
    entries = [
        {"sessionId": name, "startedAt": f"2026-11-21T10:{at:02}:00Z", "lastTaskId": "T-1"}
        for at, name in enumerate(listed)
    ]
    found = find_later(parse_mission(json.dumps({"sessions": entries})), own, "T-1")
    return found.id if found else None


@pytest.mark.parametrize(
    ("own", "listed", "expected"),
    [
        ("sess-001", ("sess-001", "sess-002-k7mp"), "sess-002-k7mp"),
        ("sess-001-k7mp", ("sess-001-k7mp", "sess-002"), "sess-002"),
        ("sess-002-k7mp", ("sess-001", "sess-002-k7mp"), None),
        # Of another clone, which did not know of this one: it has taken nothing over.
        ("sess-004-k7mp", ("sess-004-k7mp", "sess-004-b2xn"), None),
        ("sess-004-k7mp", ("sess-004-k7mp", "sess-004-b2xn", "sess-005-t4wd"), "sess-005-t4wd"),
        # Not listed: git took it out, or it is only being started.
        ("sess-003-k7mp", ("sess-002", "sess-003-b2xn"), None),
        ("sess-003-k7mp", ("sess-004",), "sess-004"),
        ("mine", ("mine", "yours"), "yours"),
    ],
)
def test_the_newest_of_the_task_that_came_after(
    own: str, listed: tuple[str, ...], expected: str | None
) -> None:
    assert later(own, *listed) == expected
