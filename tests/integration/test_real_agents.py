"""The installed `claude` and `codex`, driven by `mission`, against a stand-in model server.

They are looked for in `$MISSION_TEST_AGENTS`, a folder of programs, and on the PATH. All
they are given is private: home, configuration, dummy keys, loopback only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.agents.home import make_home
from tests.agents.model_server import ModelServer, Reply, model_server
from tests.agents.scenarios import shell_call
from tests.support.endings import assert_ending
from tests.support.mission import Answer, MissionRepo, is_running, wait_for
from tests.support.shell_agent import change_mission

pytestmark = pytest.mark.real_agent

HAND_OVER = (
    "for s in files_changed commands_run result risks next_handoff notes; do "
    'sed -i "s/^## $s\\$/## $s\\nnone/" coordination/tasks/T-001*.md; done; '
)


@dataclass(frozen=True)
class Agent:
    """One real agent with a mission to work on."""

    name: str
    repo: MissionRepo
    server: ModelServer
    command: str
    """How `mission` is called from any shell of the agent."""

    def next(self, *arguments: str) -> Answer:
        return self.repo.run("next", "--runtime", self.name, "--headless", *arguments)

    def shell(self, command: str) -> Reply:
        """Return a reply that makes the agent run a shell command."""
        return shell_call(self.name, command)

    def marked(self) -> list[int]:
        """Return every process that carries the mark of one of this mission's runs."""
        mark = f"MISSION_RUN_DIR={self.repo.state}".encode()
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
        return [pid for pid in found if is_running(pid)]

    def kept(self) -> str:
        """Return what the agent itself has kept of its conversations so far."""
        home = Path(self.repo.environ["HOME"])
        return "".join(path.read_text("utf-8", "replace") for path in home.rglob("*.jsonl"))


@pytest.fixture(params=["claude", "codex"])
def program(request: pytest.FixtureRequest) -> Path:
    """The path of one installed agent."""
    name = str(request.param)
    folder = os.environ.get("MISSION_TEST_AGENTS", "")
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PATH", ""))))
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is neither in MISSION_TEST_AGENTS nor on the PATH")
    return Path(found)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def agent(program: Path, repo: MissionRepo, server: ModelServer, tmp_path: Path) -> Agent:
    tools = tmp_path / "tools"
    tools.mkdir()
    command = tools / "mission"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mosaic "$@"\n')
    command.chmod(0o755)
    environ = {
        **repo.environ,
        "PATH": os.pathsep.join((str(tools), str(program.parent), repo.environ["PATH"])),
        **make_home(tmp_path / "home", server.url),
    }
    # A test that counts requests must not be asked for a handoff; the hook has tests of its own.
    change_mission(repo, review={"askHandoff": False})
    repo.environ = environ
    return Agent(program.name, repo, server, str(command))


def test_a_finished_task_comes_to_review(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell(f"echo hello > hello.txt; {HAND_OVER}{agent.command} set T-001 status=review"),
        Reply(text="all done"),
    )
    answer = agent.next("--json")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert (agent.repo.path / "hello.txt").read_text() == "hello\n"
    assert answer.json()["task_status"] == "review"
    result = json.loads((agent.repo.run_dir() / "result.json").read_text())
    assert result["answer"] == "all done"
    assert result["usage"]["input_tokens"] == 2000
    assert result["usage"]["output_tokens"] == 100
    assert (agent.repo.run_dir() / "transcript.jsonl").stat().st_size > 0
    assert agent.repo.session()["runtimeSessionId"]
    assert_ending(agent, "completed", "ok", task="review", tokens=(2000, 100))


def test_a_blocked_task_says_why(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell(f"{agent.command} block T-001 --why 'needs a human: which one?'"),
        Reply(text="I wait."),
    )
    answer = agent.next()
    assert answer.exit_code == 1
    assert "T-001 is blocked" in answer.stdout
    assert "which one?" in agent.repo.run("status").stdout
    assert_ending(agent, "blocked", "ok", task="blocked", tokens=(2000, 100))


def test_a_refused_permission_is_told(agent: Agent) -> None:
    mission = agent.repo.mission()
    target = agent.repo.path / "no.txt"
    if agent.name == "claude":
        mission["runtimes"]["claude"] = {"args": ["--permission-mode", "manual"]}
        given = {"file_path": str(target), "content": "x"}
        ask = Reply(text="I write.", tool="Write", arguments=given)
    else:
        mission["runtimes"]["codex"] = {"args": ["--sandbox", "read-only"]}
        ask = agent.shell("echo x > no.txt")
    path = agent.repo.path / "coordination" / "mission.json"
    path.write_text(json.dumps(mission, indent=2))
    agent.server.script.say(ask, Reply(text="I was not allowed to."))
    answer = agent.next()
    assert answer.exit_code == 0
    assert not target.exists()
    if agent.name == "claude":
        assert "not allowed: `Write`" in answer.stdout
    cause = "refused" if agent.name == "claude" else "ok"
    assert_ending(agent, "completed", cause, tokens=(2000, 100))


def begin(agent: Agent) -> Any:
    """Start a hand-off whose model never answers, and wait until it was asked."""
    agent.server.script.say(Reply(hang=True))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    assert agent.server.script.asked.wait(60)
    wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_interrupt_stops_the_agent(agent: Agent, number: int) -> None:
    process = begin(agent)
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    assert_ending(agent, "stopped", "cut")


def test_stop_from_elsewhere_ends_the_agent(agent: Agent) -> None:
    process = begin(agent)
    assert agent.repo.run("stop").exit_code == 0
    assert process.wait(timeout=60) == 130
    assert_ending(agent, "stopped", "cut")


def test_a_stalled_server_ends_in_our_time_limit(agent: Agent) -> None:
    agent.server.script.say(Reply(hang=True))
    assert agent.next("--timeout", "4s").exit_code == 124
    assert_ending(agent, "timeout", "cut")


def test_killing_the_agent_is_recorded_and_nothing_is_left(agent: Agent) -> None:
    process = begin(agent)
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    assert_ending(agent, "crashed", "cut", words="SIGKILL")


def test_a_killed_supervisor_and_agent_are_found_out(agent: Agent) -> None:
    process = begin(agent)
    process.kill()
    process.wait(timeout=60)
    assert "live" in agent.repo.run("status").stdout
    assert agent.next().exit_code == 4
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    wait_for(lambda: not is_running(agent.repo.session()["pid"]), "the agent's end")
    assert "crashed" in agent.repo.run("status").stdout
    wait_for(lambda: agent.marked() == [], "the end of what it left behind")
    assert_ending(agent, "crashed", "cut", called="gone")


def test_the_same_conversation_goes_on_and_costs_are_counted_once(agent: Agent) -> None:
    agent.server.script.say(Reply(text="FIRST-ANSWER"))
    assert agent.next().exit_code == 0
    first = agent.repo.session()["runtimeSessionId"]
    for number in range(3):
        agent.server.script.say(Reply(text=f"ANSWER-{number}"))
        assert agent.repo.run("resume", "--headless").exit_code == 0
    assert agent.repo.session()["runtimeSessionId"] == first
    last = json.dumps(agent.server.script.requests[-1])
    for said in ("FIRST-ANSWER", "ANSWER-0", "ANSWER-1"):
        assert said in last
    sessions = agent.repo.mission()["sessions"]
    assert len(sessions) == 4
    assert {s["usage"]["inputTokens"] for s in sessions} == {1000}
    assert {s["usage"]["outputTokens"] for s in sessions} == {50}
    if agent.name == "claude":
        assert len({s["usage"]["costUsd"] for s in sessions}) == 1
        assert sessions[0]["usage"]["costUsd"] > 0


def test_a_killed_conversation_can_be_resumed(agent: Agent) -> None:
    agent.server.script.say(agent.shell("echo TOOL-RESULT; touch ran"), Reply(hang=True))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "ran").exists, "the tool's run")
    wait_for(
        lambda: "TOOL-RESULT" in json.dumps(agent.server.script.requests[1]), "the second turn"
    )
    conversation = wait_for(lambda: agent.repo.run_state()["runtime_session_id"], "its name")
    wait_for(lambda: agent.kept().count("TOOL-RESULT") > 1, "the call and its result on disk")
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    process.wait(timeout=60)
    agent.server.script.say(Reply(text="on we go"))
    answer = agent.repo.run("resume", "--headless", "--json")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert agent.repo.session()["runtimeSessionId"] == conversation
    assert "TOOL-RESULT" in json.dumps(agent.server.script.requests[-1])
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


def test_an_agent_killed_before_its_first_word_is_handed_the_task_again(agent: Agent) -> None:
    process = begin(agent)
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    process.wait(timeout=60)
    agent.server.script.say(Reply(text="on we go"))
    answer = agent.repo.run("resume", "--headless")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


def test_a_300_kb_prompt_reaches_the_model_whole(agent: Agent) -> None:
    task = next((agent.repo.path / "coordination" / "tasks").glob("T-001*"))
    lines = "".join(f"line {number} of a long task\n" for number in range(13_000))
    task.write_text(task.read_text().replace("## Goal\n", f"## Goal\n\n{lines}END-OF-GOAL\n"))
    agent.server.script.say(Reply(text="read it"))
    answer = agent.next()
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert (agent.repo.run_dir() / "prompt.md").stat().st_size > 300_000
    asked = agent.server.script.asked_for()
    assert "END-OF-GOAL" in asked
    assert "line 12999 of a long task" in asked
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


def test_what_the_agent_left_running_is_ended(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell("setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo started"),
        Reply(text="it runs"),
    )
    assert agent.next().exit_code == 0
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


def test_a_detached_agent_is_recorded(agent: Agent) -> None:
    agent.server.script.say(Reply(text="alone"))
    assert agent.repo.run("next", "--runtime", agent.name, "--detach").exit_code == 0
    wait_for(lambda: agent.repo.session().get("endedAt"), "the end")
    wait_for(lambda: agent.repo.run_state()["status"] == "completed", "the final state")
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))
