"""The installed `claude` and `codex` call the tools of `mission mcp`, by the entry that it adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mosaic.text.sections import HANDOFF_SECTIONS
from tests.agents.model_server import Reply
from tests.integration.test_real_agents import Agent, agent, program, server
from tests.support.mission import ROOT

pytest.importorskip("mcp", reason="`mission mcp` needs the extra `mcp`")
__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent


def results_in(request: Any) -> list[str]:
    """Return what tools answered, as an agent shows it to its model."""
    if "messages" in request:
        parts = [part for each in request["messages"] for part in each["content"]]
        return [json.dumps(p) for p in parts if isinstance(p, dict) and p["type"] == "tool_result"]
    items = request["input"]
    return [json.dumps(each) for each in items if each["type"].endswith("call_output")]


def tool(agent: Agent, name: str, **given: Any) -> Reply:
    """Return a reply that calls a tool, as each agent is told of it."""
    if agent.name == "claude":
        return Reply(text="I call.", tool=f"mcp__mission__{name}", arguments=given)
    return Reply(text="I call.", tool=name, namespace="mcp__mission", arguments=given)


def test_tools_are_called_by_the_entry_that_was_installed(agent: Agent) -> None:
    installed = agent.repo.run("mcp", "--install", agent.name, "--write")
    assert installed.exit_code == 0, installed.stdout + installed.stderr
    environ = agent.repo.environ
    if agent.name == "claude":
        allowed = {"permissions": {"allow": ["mcp__mission"]}}
        environ["MCP_TIMEOUT"] = "60000"  # a loaded machine starts it slowly
        (Path(environ["CLAUDE_CONFIG_DIR"]) / "settings.json").write_text(json.dumps(allowed))
    else:
        config = Path(environ["CODEX_HOME"]) / "config.toml"
        # The model answers before the server is there, nobody can be asked, and this tree is
        # what is tested.
        entry, table = "[mcp_servers.mission]\n", "[mcp_servers.mission.env]\n"
        told = (
            'required = true\nstartup_timeout_sec = 60\ndefault_tools_approval_mode = "approve"\n'
        )
        text = config.read_text().replace(entry, entry + told)
        text += "" if table in text else table
        config.write_text(f'{text}PYTHONPATH = "{ROOT}"\n')
    sections = dict.fromkeys(HANDOFF_SECTIONS, "none")
    agent.server.script.say(
        tool(agent, "handoff", id="T-001", sections=sections),
        tool(agent, "set", id="T-001", fields={"status": "done"}),
        Reply(text="all done"),
    )
    answer = agent.next()
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    shown = results_in(agent.server.script.requests[-1])
    assert len(shown) == 2
    assert f"{agent.repo.path}/coordination/mission.json" in shown[0]
    assert shown[0].count("mission.json") == 1, "it is shown once, though it is sent twice"
    assert "a person sets it done" in shown[1]
    assert agent.repo.task_status("T-001") == "review"
