"""An agent whose session is over may look, and changes nothing any more."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import go, let_agent_do


@pytest.fixture
def over(repo: MissionRepo) -> MissionRepo:
    """A mission whose first session is over, and whose task is open again."""
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    assert repo.run("reopen", "T-001").exit_code == 0
    return repo


CHANGES = (
    ("set", "T-001", "status=review"),
    ("done", "T-001"),
    ("block", "T-001", "--why", "x"),
    ("reopen", "T-001"),
    ("add", "Another"),
    ("handoff", "T-001", "--set", "notes", "--text", "x"),
    ("sync",),
    ("next", "--headless"),
    ("resume", "T-001", "--headless"),
    ("exec", "T-001", "--", "true"),
    ("gates", "T-001"),
    ("checkpoint", "T-001"),
    ("merge", "T-001"),
    ("clean",),
    ("stop",),
)
LOOKS = (
    ("list",),
    ("show", "T-001"),
    ("status",),
    ("sessions",),
    ("review", "T-001"),
    ("check",),
    ("graph",),
    ("checkpoint", "list", "T-001"),
    ("next", "--print"),
)


@pytest.mark.parametrize("has_state", [True, False])
def test_a_command_of_a_session_that_is_over_changes_nothing(
    over: MissionRepo, has_state: bool
) -> None:
    own, before = over.session_id(), over.git("diff", "--", "coordination")
    for command in CHANGES:
        if not has_state:
            shutil.rmtree(over.state, ignore_errors=True)
        answer = over.run(*command, MISSION_SESSION=own, MISSION_TASK="T-001")
        assert answer.exit_code == 4, command
        assert f"session `{own}` has ended; its work is no longer accepted" in answer.stderr
        assert "unset MISSION_SESSION" in answer.stderr
        assert over.git("diff", "--", "coordination") == before, command


def test_it_may_look(over: MissionRepo) -> None:
    for command in LOOKS:
        assert over.run(*command, MISSION_SESSION=over.session_id()).exit_code == 0, command


def test_a_resumed_session_is_another_one_and_the_earlier_agent_is_refused(
    repo: MissionRepo,
) -> None:
    let_agent_do(repo)
    marks = ("MISSION_SESSION", "MISSION_RUN", "MISSION_TASK", "MISSION_FILE")
    note = "; ".join(f"echo {name}=$%s >>../{{}}" % name for name in marks)
    go(repo, note.format(*["old"] * 4), NOFINISH="1")
    go(repo, note.format(*["new"] * 4), "--task", "T-001", NOFINISH="1")
    old, new = (
        dict(line.split("=", 1) for line in (repo.path.parent / name).read_text().splitlines())
        for name in ("old", "new")
    )
    assert (old["MISSION_SESSION"], new["MISSION_SESSION"]) == (
        repo.session_id(0),
        repo.session_id(1),
    )
    assert new["MISSION_RUN"] == repo.session()["runId"]
    answer = repo.run("set", "T-001", "status=review", **old)
    assert answer.exit_code == 4
    assert f"`T-001` was handed to `{repo.session_id()}` since" in answer.stderr
    assert repo.task_status("T-001") == "in-progress"


def test_a_session_of_the_same_name_is_another_one(over: MissionRepo) -> None:
    answer = over.run("add", "x", MISSION_SESSION=over.session_id(), MISSION_RUN="r001-000000")
    assert answer.exit_code == 4


def test_a_session_of_another_mission_is_not_meant(over: MissionRepo) -> None:
    own = over.session_id()
    answer = over.run(
        "add", "x", "--mission", str(over.path), MISSION_SESSION=own, MISSION_FILE="/away"
    )
    assert answer.exit_code == 0


def test_a_live_session_may_change_and_a_look_of_one_that_is_over_still_recovers(
    over: MissionRepo,
) -> None:
    assert go(over, "mission set T-001 priority=high", "--task", "T-001").exit_code == 0
    ended = over.session_id()
    process = over.start("next", "--headless", "--task", "T-003", "--runtime", "wait")
    wait_for(lambda: over.session(-1)["lastTaskId"] == "T-003" and over.run_state()["agent"])
    agent = over.run_state()["agent"]["pid"]
    process.kill()
    process.wait()
    os.kill(agent, signal.SIGKILL)
    wait_for(
        lambda: (
            over.run("status", MISSION_SESSION=ended).exit_code == 0
            and over.session(-1).get("endedReason") == "crashed"
        )
    )


def test_a_person_with_the_variable_left_in_the_shell_is_told_what_to_do(
    over: MissionRepo,
) -> None:
    answer = over.run("add", "x", "--json", MISSION_SESSION=over.session_id())
    assert json.loads(answer.stderr)["code"] == "SESSION_OVER"
