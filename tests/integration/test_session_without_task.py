"""A session that names no task is told of without one, wherever it is told of."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.mission import MissionRepo

DEAD = 2**22 + 1
"""No process has this number."""


@pytest.fixture
def taskless(repo: MissionRepo) -> MissionRepo:
    """A mission whose session was cut off, and does not say what it was about."""
    mission = repo.mission()
    mission["sessions"] = [
        {"sessionId": "sess-001", "runtime": "quick", "pid": DEAD, "host": os.uname().nodename,
         "startedAt": "2026-01-01T00:00:00Z"},
    ]  # fmt: skip
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    return repo


def test_a_session_without_a_task_is_not_on_none(taskless: MissionRepo) -> None:
    found = taskless.run("status")
    assert "session sess-001 crashed" in found.stdout
    for arguments in (("sessions",), ("status",), ("check",), ("list",), ("resume",), ("stop",)):
        answer = taskless.run(*arguments)
        assert "None" not in answer.stdout + answer.stderr, arguments
    assert "None" not in found.stdout + found.stderr
    for name in ("SCRATCHPAD.md", "TASKS.md"):
        for path in taskless.path.rglob(name):
            assert "None" not in path.read_text()
    assert any(
        "sess-001 no task" in path.read_text()
        for path in (taskless.path / "coordination").glob("*.md")
    )
