"""Every way in which the installed `claude` and `codex` were seen to end, judged and told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import Agent, agent, begin, program, server
from tests.support.mission import is_running, wait_for

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent

TOO_LONG = Reply(
    status=400, message="prompt is too long: 250000 tokens > 200000", code="context_length_exceeded"
)
NO_QUOTA = Reply(status=429, message="Quota exceeded", code="insufficient_quota")
NO_MODEL = Reply(status=404, message="model: nosuch-model")
ENDINGS = {
    "500": (Reply(status=500), {"claude": "overloaded", "codex": "overloaded"}),
    "too long": (TOO_LONG, {"claude": "context_full", "codex": "context_full"}),
    "quota": (NO_QUOTA, {"claude": "rate_limit", "codex": "quota"}),
    "cut": (Reply(text="I will", cut=True), {"claude": "connection", "codex": "connection"}),
    "no model": (NO_MODEL, {"claude": "model", "codex": "model"}),
}


def configure(agent: Agent, **spec: Any) -> None:
    """Change the runtime of the agent in mission.json."""
    path = agent.repo.path / "coordination" / "mission.json"
    mission = agent.repo.mission()
    mission["runtimes"][agent.name] = spec
    path.write_text(json.dumps(mission, indent=2))


def only(agent: Agent, name: str) -> None:
    if agent.name != name:
        pytest.skip(f"what only {name} does")


@pytest.mark.parametrize("case", ENDINGS)
def test_an_ending_by_the_server_is_judged_and_told(agent: Agent, case: str) -> None:
    reply, causes = ENDINGS[case]
    agent.server.script.say(reply)
    answer = agent.next("--json")
    told = answer.json()
    assert told["cause"] == causes[agent.name], told
    assert answer.exit_code == 1
    assert told["message"]
    agent.assert_settled("failed")


def test_an_agent_without_a_key_is_not_logged_in(agent: Agent) -> None:
    environ = {"ANTHROPIC_API_KEY": "", "STAND_IN_KEY": ""}
    answer = agent.repo.run("next", "--runtime", agent.name, "--headless", "--json", **environ)
    assert answer.exit_code == 1
    assert answer.json()["cause"] == "auth", answer.json()
    agent.assert_settled("failed")


@pytest.mark.parametrize("args", [["--max-turns", "1"], ["--max-budget-usd", "0.000001"]])
def test_a_limit_of_the_agent_s_own_is_told_as_one(agent: Agent, args: list[str]) -> None:
    only(agent, "claude")
    configure(agent, args=args)
    agent.server.script.say(agent.shell("echo one"), Reply(text="two"))
    answer = agent.next("--json")
    assert answer.json()["cause"] == "limit", answer.json()
    assert answer.exit_code == 1
    agent.assert_settled("failed")


def test_a_command_that_failed_is_recorded_with_its_code(agent: Agent) -> None:
    agent.server.script.say(agent.shell("exit 7"), Reply(text="it failed"))
    assert agent.next().exit_code == 0
    seen = agent.repo.run("review", "T-001", "--json").json()["evidence"]["commands"]
    assert any("exit 7" in each["command"] and each["exit_code"] != 0 for each in seen), seen


def test_an_interrupt_after_the_first_words_is_no_success(agent: Agent) -> None:
    agent.server.script.say(agent.shell("touch begun-it"), Reply(hang=True))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "begun-it").exists, "the first turn")
    wait_for(lambda: len(agent.server.script.requests) > 1, "the second turn")
    pid = agent.repo.session()["pid"]
    os.kill(pid, signal.SIGINT)
    process.wait(timeout=60)
    assert agent.repo.session()["endedReason"] in ("failed", "crashed")
    assert agent.repo.task_status("T-001") == "in-progress"
    assert agent.marked() == []


def test_killing_the_launcher_of_codex_alone_leaves_no_codex(agent: Agent) -> None:
    only(agent, "codex")
    process = begin(agent)
    before = agent.marked()
    assert len(before) > 1  # the wrapper and what it started
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    process.wait(timeout=60)
    assert [pid for pid in before if is_running(pid)] == []
    agent.assert_settled("crashed")


def test_a_background_command_does_not_outlive_the_session(agent: Agent) -> None:
    only(agent, "claude")
    given = {"command": "sleep 600", "description": "long", "run_in_background": True}
    agent.server.script.say(
        Reply(text="I start it.", tool="Bash", arguments=given), Reply(text="it runs")
    )
    assert agent.next("--timeout", "20s").exit_code in (0, 124)
    assert agent.marked() == []
    assert agent.repo.session()["endedReason"] in ("completed", "timeout")


def test_no_daemon_of_codex_is_left_by_a_headless_run(agent: Agent) -> None:
    only(agent, "codex")
    agent.server.script.say(Reply(text="done"))
    assert agent.next().exit_code == 0
    home = agent.repo.environ["CODEX_HOME"].encode()
    left = []
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes() if name.isdigit() else b""
            environ = Path(f"/proc/{name}/environ").read_bytes() if b"codex" in line else b""
        except OSError:
            continue
        if b"app-server" in line and home in environ:
            left.append(name)
    assert left == []
