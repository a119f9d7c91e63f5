"""A person is called in every mode: here, in the background, by loops, pools and panels."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_panels import Panels, panels
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import change_mission, go, let_agent_do

__all__ = ["panels"]
WRITE = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"
ASK = 'mission block "$MISSION_TASK" --why "needs a human: which colour?"; exit 0'


def listen(repo: MissionRepo) -> Path:
    """Let the mission call a command that adds what it is given to a file."""
    calls = repo.path.parent / "calls"
    change_mission(repo, notify=[sys.executable, "-c", WRITE, str(calls)])
    repo.git("commit", "-qam", "Call me")
    return calls


@pytest.fixture
def asking(repo: MissionRepo) -> Path:
    let_agent_do(repo, budget={"maxAttempts": 1})
    return listen(repo)


def heard(calls: Path) -> list[tuple[str, str | None]]:
    """Return what for and for which task a person was called."""
    return [(each["kind"], each["task_id"]) for each in whole(calls)]


def whole(calls: Path) -> list[Any]:
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        (ASK, ("question", "needs a human: which colour?")),
        ('mission block "$MISSION_TASK" --why "no key"; exit 0', ("blocked", "blocked: no key")),
        ("true", ("review", "the agent says finished; the handoff is complete")),
        ("exit 4", ("failed", "`sh` exited with code 4")),
        ("exit 0", ("failed", "the agent ended without saying finished or blocked")),
    ],
    ids=["question", "blocked", "review", "failed", "incomplete"],
)
def test_the_end_of_a_session_calls_a_person(
    repo: MissionRepo, asking: Path, does: str, expected: tuple[str, str]
) -> None:
    answer = go(repo, does)
    (call,) = whole(asking)
    assert (call["kind"], call["why"].partition("\n")[0]) == expected, call
    assert (call["task_id"], call["session_id"]) == ("T-001", repo.session_id())
    assert expected[1] in answer.stdout


def test_a_session_in_the_background_calls_too(repo: MissionRepo, asking: Path) -> None:
    assert repo.run("next", "--detach", DOES=ASK).exit_code == 0
    wait_for(lambda: asking.exists() and heard(asking), "the call")
    assert heard(asking) == [("question", "T-001")]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_a_session_in_the_terminal_calls_too(repo: MissionRepo) -> None:
    calls = listen(repo)
    tmux = ["tmux", "-S", str(repo.path.parent / "tmux"), "-f", "/dev/null"]
    command = shlex.join(repo.argv("next", "--runtime", "quick"))
    start = [*tmux, "new-session", "-d", "-c", str(repo.path), f"{command}; exec cat"]
    try:
        subprocess.run(start, env=repo.environ, check=True)
        wait_for(lambda: heard(calls), "the call")
    finally:
        subprocess.run([*tmux, "kill-server"], env=repo.environ, capture_output=True, check=False)
    assert heard(calls) == [("failed", "T-001")]


def test_one_that_a_person_stopped_calls_nobody(repo: MissionRepo, asking: Path) -> None:
    assert repo.run("next", "--detach", DOES="sleep 600").exit_code == 0
    assert repo.run("stop").exit_code == 0
    wait_for(lambda: not repo.lock.exists(), "the end")
    assert heard(asking) == []


def test_a_loop_calls_for_each_task_and_at_its_end(repo: MissionRepo, asking: Path) -> None:
    does = f"case $MISSION_TASK in T-001) exit 4;; T-002) {ASK};; esac"
    repo.run("next", "--loop", "--headless", DOES=does)
    assert heard(asking) == [
        ("failed", "T-001"),
        ("question", "T-002"),
        ("review", "T-003"),
        ("waiting", None),
    ]
    assert whole(asking)[-1]["waiting"] == {"review": ["T-003"], "blocked": ["T-001", "T-002"]}


def test_a_budget_that_is_met_calls(repo: MissionRepo, asking: Path) -> None:
    repo.run("next", "--loop", "--headless", "--max-sessions", "1", DOES="true")
    assert heard(asking) == [("review", "T-001"), ("budget", None)]


def test_a_pool_calls_by_itself_and_its_workers_where_it_leaves_them(
    repo: MissionRepo, asking: Path
) -> None:
    assert repo.run("next", "-j", "1", DOES=ASK).exit_code == 0
    assert heard(asking)[0] == ("question", "T-001")
    before = len(heard(asking))
    assert repo.run("next", "-j", "1", "--detach", DOES=ASK).exit_code == 0
    wait_for(lambda: len(heard(asking)) > before, "the call")
    assert heard(asking)[before:] == [("question", "T-002")]


def test_a_call_that_fails_changes_nothing(repo: MissionRepo, asking: Path) -> None:
    change_mission(repo, notify=["/no/such/program"])
    answer = go(repo, ASK)
    assert answer.exit_code == 1
    assert "`/no/such/program` could not be called" in answer.stderr
    assert repo.task_status("T-001") == "blocked"
    assert "`/no/such/program` is not there, so nobody is called" in repo.run("doctor").stdout


def test_a_panel_calls_after_its_last_answer(panels: Panels) -> None:
    calls = listen(panels.repo)
    answer = panels.start("--role", "critic", "--role", "planner", "--wait")
    assert answer.exit_code == 0, answer.stderr
    wait_for(lambda: heard(calls), "the call")
    assert heard(calls) == [("panel", None)]
