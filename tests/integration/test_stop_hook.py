"""An agent that would end without its handoff is asked for it once, by its own stop hook."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mosaic.app.remind import NAME
from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, program, server
from tests.integration.test_real_agents import agent as quiet_agent
from tests.integration.test_real_endings import only
from tests.integration.test_terminal_sessions import Terminal, hand_off, leave, terminal
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import change_mission

__all__ = ["program", "quiet_agent", "server", "terminal"]
ASKED = r"Stop hook feedback:\nBefore you end, hand T-001 over"
"""As it stands in a request, where claude repeats it in other words."""


@pytest.fixture
def agent(quiet_agent: Agent) -> Agent:
    """A real agent in a mission that asks for handoffs, as missions do."""
    change_mission(quiet_agent.repo, review={})
    return quiet_agent


@pytest.mark.real_agent
def test_an_agent_that_forgets_its_handoff_is_asked_and_leaves_it(agent: Agent) -> None:
    only(agent, "claude")
    agent.server.script.say(
        Reply(text="I am done."),
        agent.shell(f"{HAND_OVER}{agent.command} set T-001 status=review"),
        Reply(text="now it is handed over"),
    )
    answer = agent.next("--json").json()
    assert ASKED in agent.server.script.asked_for()
    assert answer["task_status"] == "review", answer
    assert answer["outcome"] == "completed"


@pytest.mark.real_agent
def test_it_is_asked_once_and_may_end_all_the_same(agent: Agent) -> None:
    only(agent, "claude")
    agent.server.script.say(Reply(text="I am done."))
    answer = agent.next("--json").json()
    last = json.dumps(agent.server.script.requests[-1], ensure_ascii=False)
    assert last.count(ASKED) == 1
    assert answer["session"]["ended_cause"] == "incomplete", answer
    assert agent.repo.task_status("T-001") == "in-progress"


@pytest.mark.real_agent
def test_nothing_is_asked_where_the_mission_does_not_want_it(agent: Agent) -> None:
    only(agent, "claude")
    change_mission(agent.repo, review={"askHandoff": False})
    agent.server.script.say(Reply(text="I am done."))
    agent.next()
    assert ASKED not in agent.server.script.asked_for()


@pytest.mark.real_agent
def test_in_the_terminal_it_is_asked_at_its_first_stop_alone(
    agent: Agent, terminal: Terminal
) -> None:
    only(agent, "claude")
    agent.server.script.say(Reply(text="Which colour?"), Reply(text="I wait for your answer."))
    hand_off(agent, terminal)
    wait_for(lambda: "I wait for your answer." in agent.kept(), "the answer to the hook")
    terminal.type("-l", "Blue.")
    agent.server.script.say(Reply(text="Blue it is."))
    terminal.type("Enter")
    leave(agent, terminal, "Blue it is.")
    assert json.dumps(agent.server.script.requests[-1]).count(ASKED) == 1


def call_hook(repo: MissionRepo, run_dir: Path, stdin: object = None, **environ: str) -> str:
    """Call the hook as an agent does, and return its answer."""
    marks = {
        "MISSION_FILE": str(repo.path / "coordination" / "mission.json"),
        "MISSION_TASK": "T-001",
        "MISSION_RUN_DIR": str(run_dir),
    }
    done = subprocess.run(
        repo.argv("remind"),
        cwd=repo.path,
        env={**repo.environ, **marks, **environ},
        input=json.dumps({} if stdin is None else stdin),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_missing_is_named_once(repo: MissionRepo, tmp_path: Path) -> None:
    first = json.loads(call_hook(repo, tmp_path))
    assert first["decision"] == "block"
    assert "files_changed" in first["reason"]
    assert "mission set T-001 status=review" in first["reason"]
    assert call_hook(repo, tmp_path) == ""


@pytest.mark.parametrize(
    "stdin", [{"stop_hook_active": True}, {"background_tasks": [{"id": "b1"}]}, [1], "no object"]
)
def test_an_agent_that_goes_on_by_itself_is_asked_nothing(
    repo: MissionRepo, tmp_path: Path, stdin: object
) -> None:
    assert call_hook(repo, tmp_path, stdin) == ""
    assert not (tmp_path / NAME).exists()


def test_a_blocked_task_is_handed_over(repo: MissionRepo, tmp_path: Path) -> None:
    repo.run("block", "T-001", "--why", "no key")
    assert call_hook(repo, tmp_path) == ""


@pytest.mark.parametrize(
    "trouble",
    [
        {"MISSION_RUN_DIR": "/no/such/folder"},
        {"MISSION_FILE": "/no/mission.json"},
        {"MISSION_TASK": "T-999"},
        {"MISSION_TASK": ""},
    ],
)
def test_trouble_never_keeps_an_agent(
    repo: MissionRepo, tmp_path: Path, trouble: dict[str, str]
) -> None:
    assert call_hook(repo, tmp_path, **trouble) == ""


def test_the_help_does_not_list_it(repo: MissionRepo) -> None:
    assert "remind" not in repo.run("--help").stdout
