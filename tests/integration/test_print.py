"""A hand-off that stops before the claim: what it needs, and what it says of the launch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which there is git, and no agent."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "ps"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return str(folder)


def test_a_hand_off_is_printed_without_an_installed_agent(
    repo: MissionRepo, bare_path: str
) -> None:
    answer = repo.run("next", "--print", PATH=bare_path)
    assert answer.exit_code == 0, answer.stderr
    assert "T-001" in answer.stdout
    assert not repo.mission()["sessions"]
    assert repo.run("next", "--headless", PATH=bare_path).exit_code != 0


def test_a_printed_hand_off_says_how_it_would_be_launched(
    repo: MissionRepo, bare_path: str
) -> None:
    printed = repo.run("next", "--print", "--json", PATH=bare_path).json()
    assert printed["runtime"] == "claude"
    assert printed["launch_command"][0] == "claude"
    assert printed["prompt"] not in printed["launch_command"]
    assert printed["lock_file"] == str(repo.lock)
    assert not repo.lock.exists()
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    session = repo.session()
    assert session["sessionId"].split("-")[1] == printed["session_id"].split("-")[1]
    assert session["runId"].split("-")[0] == printed["run_id"].split("-")[0]


def test_a_task_to_resume_is_printed_with_its_conversation(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "talk").exit_code == 0
    listed = repo.mission()["sessions"]
    printed = repo.run("resume", "--print", "--json")
    assert printed.exit_code == 0, printed.stderr
    assert printed.json()["task"]["id"] == "T-001"
    assert printed.json()["launch_command"][-2:] == ["again", "talk-1"]
    assert repo.run("resume", "--print", "--fresh", "--json").json()["launch_command"][-1] == "talk"
    assert repo.mission()["sessions"] == listed


def test_a_checkpoint_that_is_gone_back_to_is_on_record(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Work")
    answer = repo.run("resume", "T-001", "--from", "1", "--runtime", "quick", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert '"from_checkpoint": 1' in (repo.run_dir() / "meta.json").read_text()
    resumed = [event for event in repo.events() if event["type"] == "run_resumed"]
    assert [event["data"] for event in resumed] == [{"from_checkpoint": 1}]
