"""Endings of the installed `claude` and `codex` that were once judged wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, agent, begin, program, server
from tests.integration.test_real_endings import only
from tests.support.mission import is_running, wait_for

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent

USAGE_LIMIT = Reply(
    status=429,
    kind="usage_limit_reached",
    code="usage_limit_reached",
    message="The usage limit has been reached",
)
RATE_IN_STREAM = Reply(
    failed="rate_limit_exceeded", message="Rate limit reached for gpt-5.5. Try again in 1.2s."
)
LOW_CREDIT = Reply(status=400, message="Your credit balance is too low to access the API.")
NO_MODEL = Reply(status=404, message="The model `nosuch` does not exist", code="model_not_found")
CAUSES: dict[str, tuple[Reply, dict[str, tuple[str, bool]]]] = {
    "usage limit": (USAGE_LIMIT, {"codex": ("plan_limit", True)}),
    "overload": (Reply(status=529, message="Overloaded"), {"claude": ("overloaded", True)}),
    "unnamed server fault": (Reply(status=520), {"claude": ("overloaded", True)}),
    "server's own time-out": (Reply(status=408), {"claude": ("connection", True)}),
    "full window": (
        Reply(text="partial", stop_reason="model_context_window_exceeded"),
        {"claude": ("context_full", False)},
    ),
    "too large": (Reply(status=413, kind="request_too_large"), {"claude": ("context_full", False)}),
    "refusal": (Reply(stop_reason="refusal"), {"claude": ("refusal", False)}),
    "credit": (LOW_CREDIT, {"claude": ("quota", False)}),
    "payment": (Reply(status=402, message="Payment required"), {"codex": ("quota", False)}),
    "no model": (NO_MODEL, {"claude": ("model", False), "codex": ("model", False)}),
    "rate in the stream": (RATE_IN_STREAM, {"codex": ("rate_limit", True)}),
    "filter": (
        Reply(text="I will", incomplete="content_filter"),
        {"codex": ("refusal", False)},
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_a_failure_has_its_own_cause_and_says_what_to_do(agent: Agent, case: str) -> None:
    reply, causes = CAUSES[case]
    if agent.name not in causes:
        pytest.skip(f"{agent.name} does not end like this")
    agent.server.script.say(reply)
    answer = agent.next("--json").json()
    assert (answer["cause"], answer["retryable"]) == causes[agent.name], answer
    assert answer["hint"]
    agent.assert_settled("failed")


def seen_commands(agent: Agent) -> list[dict[str, Any]]:
    """Return the commands that the review knows of, Mosaic's own left out."""
    found = agent.repo.run("review", "T-001", "--json").json()["evidence"]["commands"]
    return [each for each in found if each["command"] == "./t.sh"]


def test_a_background_command_is_judged_by_its_own_end(agent: Agent) -> None:
    only(agent, "claude")
    script = agent.repo.path / "t.sh"
    script.write_text("#!/bin/sh\nuntil [ -e go ]; do sleep 0.1; done\necho FAILED\nexit 1\n")
    script.chmod(0o755)
    call = {"command": "./t.sh", "description": "t", "run_in_background": True}
    claim = "echo '- `./t.sh` passed' | mission handoff T-001 --set commands_run=-"
    agent.server.script.say(
        Reply(text="I start it.", tool="Bash", arguments=call),
        agent.shell(f"touch go; sleep 2; {HAND_OVER}{claim}; mission set T-001 status=review"),
        Reply(text="done"),
    )
    agent.next()
    (ran,) = seen_commands(agent)
    assert ran["exit_code"] == 1, ran
    claims = agent.repo.run("review", "T-001", "--json").json()["claims"]["commands"]
    assert [each["standing"] for each in claims] == ["contradicted"], claims


def test_an_interrupted_request_is_paid_for_once(agent: Agent) -> None:
    only(agent, "claude")
    agent.server.script.say(Reply(text="a long answer", pause=True, input_tokens=400_000))
    process = agent.repo.start("next", "--runtime", "claude", "--headless")
    assert agent.server.script.asked.wait(60)
    wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    wait_for(agent.kept, "the conversation on disk")
    assert agent.repo.run("stop").exit_code == 0
    process.wait(timeout=60)
    agent.server.script.say(Reply(text="second", input_tokens=500_000))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    price = 0.000004
    spent = sum(
        (session.get("usage") or {}).get("costUsd") or 0
        for session in agent.repo.mission()["sessions"]
    )
    result = json.loads((agent.repo.run_dir() / "result.json").read_text())
    assert spent >= result["usage"]["cost_usd"] > 500_000 * price * 0.2
    assert result["usage"]["input_tokens"] == 500_000


def test_a_stopped_tool_is_not_said_to_be_rejected_by_a_person(agent: Agent) -> None:
    agent.server.script.say(agent.shell("touch started; sleep 600"), Reply(text="on"))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "started").exists, "the command's start")
    wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    assert agent.repo.run("stop").exit_code == 0
    process.wait(timeout=60)
    agent.server.script.say(Reply(text="on we go"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    asked = json.dumps(agent.server.script.requests[-1])
    assert "doesn't want to proceed" not in asked
    assert "Request interrupted by user" not in asked


def test_a_prompt_that_a_hook_refused_is_no_good_end(agent: Agent) -> None:
    only(agent, "claude")
    folder = agent.repo.path / ".claude"
    folder.mkdir()
    hook = {"type": "command", "command": "echo not on my watch >&2; exit 2"}
    settings = {"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}}
    (folder / "settings.json").write_text(json.dumps(settings))
    answer = agent.next("--json")
    told = answer.json()
    assert answer.exit_code == 1, told
    assert told["cause"] == "hook", told
    assert "not on my watch" in told["message"], told
    agent.assert_settled("failed")


def test_tokens_of_a_run_that_met_its_limit_are_counted(agent: Agent) -> None:
    only(agent, "claude")
    mission = agent.repo.mission()
    mission["runtimes"]["claude"] = {"args": ["--max-budget-usd", "0.5"]}
    path = agent.repo.path / "coordination" / "mission.json"
    path.write_text(json.dumps(mission, indent=2))
    agent.server.script.say(
        Reply(text="one", tool="Bash", arguments={"command": "true"}, input_tokens=700_000)
    )
    assert agent.next("--json").json()["cause"] == "limit"
    assert agent.repo.session()["usage"]["inputTokens"] == 700_000


def outlive_supervisor(agent: Agent, last: Reply) -> dict[str, Any]:
    """Kill the supervisor in the middle, let the agent end by itself, and return its result."""
    wait = "until [ -e go ]; do sleep 0.1; done"
    agent.server.script.say(agent.shell(f"touch started; {wait}"), last)
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "started").exists, "the command's start")
    pid = wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    process.kill()
    process.wait(timeout=60)
    (agent.repo.path / "go").touch()
    wait_for(lambda: not is_running(pid), "the agent's own end")
    assert agent.repo.run("status").exit_code == 0
    found: dict[str, Any] = json.loads((agent.repo.run_dir() / "result.json").read_text())
    return found


def test_an_agent_that_ended_well_after_its_supervisor_died_is_judged_by_its_result(
    agent: Agent,
) -> None:
    assert outlive_supervisor(agent, Reply(text="after all"))["answer"] == "after all"
    agent.assert_settled("completed")


def test_an_agent_that_was_refused_after_its_supervisor_died_keeps_the_cause(agent: Agent) -> None:
    assert outlive_supervisor(agent, Reply(status=401, message="bad key"))["cause"] == "auth"
    agent.assert_settled("failed")


def test_a_thread_of_codex_that_is_gone_is_begun_anew_at_once(agent: Agent) -> None:
    only(agent, "codex")
    agent.server.script.say(Reply(text="once"))
    assert agent.next().exit_code == 0
    shutil.rmtree(Path(agent.repo.environ["CODEX_HOME"]) / "sessions")
    agent.server.script.say(Reply(text="anew"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    agent.assert_settled("completed")


def test_a_tool_that_settings_deny_is_said(agent: Agent) -> None:
    if agent.name == "claude":
        folder = agent.repo.path / ".claude"
        folder.mkdir()
        (folder / "settings.json").write_text('{"permissions": {"deny": ["Bash"]}}')
        ask = agent.shell("echo one")
    else:
        arguments = {
            "cmd": "echo one > /no.txt",
            "sandbox_permissions": "require_escalated",
            "justification": "x",
        }
        ask = Reply(text="I run it.", tool="exec_command", arguments=arguments)
    agent.server.script.say(ask, Reply(text="I could not."))
    told = agent.next("--json").json()
    assert told["warnings"], told
    assert told["cause"] == "refused", told


def test_a_command_that_a_hook_refused_did_not_run(agent: Agent) -> None:
    only(agent, "claude")
    folder = agent.repo.path / ".claude"
    folder.mkdir()
    hook = {"type": "command", "command": "echo no tests today >&2; exit 2"}
    settings = {"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}}
    (folder / "settings.json").write_text(json.dumps(settings))
    agent.server.script.say(agent.shell("./t.sh"), Reply(text="I could not."))
    agent.next()
    assert seen_commands(agent) == []


def test_a_broken_configuration_of_codex_is_told_with_its_reason(agent: Agent) -> None:
    only(agent, "codex")
    config = Path(agent.repo.environ["CODEX_HOME"]) / "config.toml"
    config.write_text(config.read_text() + "\nbroken =\n")
    told = agent.next("--json").json()
    assert told["cause"] == "usage", told
    assert "config.toml:" in told["message"], told
    assert "stderr.log" in told["hint"], told


def test_what_was_killed_with_its_supervisor_leaves_nothing(agent: Agent) -> None:
    process = begin(agent)
    agent_pid = agent.repo.session()["pid"]
    process.kill()
    process.wait(timeout=60)
    os.kill(agent_pid, signal.SIGKILL)
    wait_for(lambda: not is_running(agent_pid), "the agent's end")
    agent.repo.run("status")
    wait_for(lambda: agent.marked() == [], "the end of what it left behind")
    agent.assert_settled("crashed")


@pytest.mark.parametrize("how", ["stopped", "crashed"])
def test_an_agent_that_was_cut_off_has_its_tokens(agent: Agent, how: str) -> None:
    agent.server.script.say(agent.shell("echo TOOL-RESULT; touch ran"), Reply(hang=True))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "ran").exists, "the command's run")
    wait_for(lambda: len(agent.server.script.requests) > 1, "the second request")
    wait_for(lambda: agent.kept().count("TOOL-RESULT") > 1, "the call and its result on disk")
    if how == "stopped":
        assert agent.repo.run("stop").exit_code == 0
    else:
        os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    process.wait(timeout=60)
    agent.assert_settled(how)
    assert agent.repo.session()["usage"]["inputTokens"] == 1000
    agent.server.script.say(Reply(text="on we go"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    assert agent.repo.session()["usage"]["inputTokens"] in (1000, 2000)
    total = sum(each["usage"]["inputTokens"] for each in agent.repo.mission()["sessions"])
    assert total <= 3000
