"""The installed `claude` and `codex`, started by a person in a project that has a kit for them."""

from __future__ import annotations

import subprocess

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import Agent, agent, program, server

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent

SKILLS = ("mission-next", "mission-handoff", "mission-ask")
CALLS = {
    "claude": ("claude", "-p", "/mission-next"),
    "codex": ("codex", "exec", "$mission-next"),
}


def test_a_real_agent_reads_the_section_and_finds_the_skills(agent: Agent) -> None:
    assert agent.repo.run("setup", agent.name, "--yes").exit_code == 0
    agent.server.script.say(Reply(text="I see."))
    subprocess.run(
        CALLS[agent.name], cwd=agent.repo.path, env=agent.repo.environ,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    asked = agent.server.script.asked_for()
    assert "## Working on the mission" in asked
    for name in SKILLS:
        assert name in asked
    assert "Block a task of the mission with a question for a person." in asked
    assert "begin no other one" in asked, "the skill itself was not read"
