"""Endings of the installed `claude` and `codex` that were once judged wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, agent, begin, program, server
from tests.integration.test_real_endings import configure, only
from tests.support.endings import assert_ending
from tests.support.mission import is_running, wait_for
from tests.support.shell_agent import change_mission

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent


TOOL_SERVER = """\
import json, os, sys, time
answers = {"initialize": {"protocolVersion": "2025-03-26", "capabilities": {"tools": {}},
    "serverInfo": {"name": "stays", "version": "1"}}, "tools/list": {"tools": []}}
with open(sys.argv[1], "w") as born:
    born.write(str(os.getpid()))
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"], {})}
        print(json.dumps(answer), flush=True)
time.sleep(600)
"""
"""A server of tools that stays when nobody asks it any more."""


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
    assert_ending(agent, "completed", "ok", task="review", tokens=(3000, 150))


def test_an_interrupted_request_is_paid_for_once(agent: Agent) -> None:
    only(agent, "claude")
    agent.server.script.say(Reply(text="a long answer", pause=True, input_tokens=400_000))
    process = agent.repo.start("next", "--runtime", "claude", "--headless")
    assert agent.server.script.asked.wait(60)
    wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    wait_for(agent.kept, "the conversation on disk")
    assert agent.repo.run("stop").exit_code == 0
    process.wait(timeout=60)
    assert_ending(agent, "stopped", "cut")  # claude never tells of an answer that was cut off
    agent.server.script.say(Reply(text="second", input_tokens=500_000))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    assert_ending(agent, "completed", "ok", tokens=(500_000, 50))


def test_a_stopped_tool_is_not_said_to_be_rejected_by_a_person(agent: Agent) -> None:
    agent.server.script.say(agent.shell("touch started; sleep 600"), Reply(text="on"))
    process = agent.repo.start("next", "--runtime", agent.name, "--headless")
    wait_for((agent.repo.path / "started").exists, "the command's start")
    wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    assert agent.repo.run("stop").exit_code == 0
    process.wait(timeout=60)
    assert_ending(agent, "stopped", "cut", tokens=(1000, 50))
    agent.server.script.say(Reply(text="on we go"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    asked = json.dumps(agent.server.script.requests[-1])
    assert "doesn't want to proceed" not in asked
    assert "Request interrupted by user" not in asked
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


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
    assert_ending(agent, "failed", "hook", words="not on my watch")


def test_tokens_of_a_run_that_met_its_limit_are_counted(agent: Agent) -> None:
    only(agent, "claude")
    configure(agent, args=["--max-budget-usd", "0.5"])
    agent.server.script.say(
        Reply(text="one", tool="Bash", arguments={"command": "true"}, input_tokens=700_000)
    )
    assert agent.next("--json").json()["cause"] == "limit"
    assert_ending(agent, "failed", "limit", tokens=(700_000, 50))


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
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


def test_an_agent_that_was_refused_after_its_supervisor_died_keeps_the_cause(agent: Agent) -> None:
    assert outlive_supervisor(agent, Reply(status=401, message="bad key"))["cause"] == "auth"
    assert_ending(agent, "failed", "auth", tokens=(1000, 50))


def test_a_conversation_that_is_gone_is_begun_anew_at_once(agent: Agent) -> None:
    agent.server.script.say(Reply(text="once"))
    assert agent.next().exit_code == 0
    first = agent.repo.session()["runtimeSessionId"]
    for variable, folder in (("CODEX_HOME", "sessions"), ("CLAUDE_CONFIG_DIR", "projects")):
        shutil.rmtree(Path(agent.repo.environ[variable]) / folder, ignore_errors=True)
    agent.server.script.say(Reply(text="anew"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    assert agent.repo.session()["runtimeSessionId"] != first
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


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
    assert_ending(agent, "completed", "refused", tokens=(2000, 100))


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
    assert_ending(agent, "completed", "refused", tokens=(2000, 100))


def test_a_broken_configuration_of_codex_is_told_with_its_reason(agent: Agent) -> None:
    only(agent, "codex")
    config = Path(agent.repo.environ["CODEX_HOME"]) / "config.toml"
    config.write_text(config.read_text() + "\nbroken =\n")
    told = agent.next("--json").json()
    assert told["cause"] == "usage", told
    assert "config.toml:" in told["message"], told
    assert "stderr.log" in told["hint"], told
    assert_ending(agent, "failed", "usage", words="config.toml:")


def test_what_was_killed_with_its_supervisor_leaves_nothing(agent: Agent) -> None:
    process = begin(agent)
    agent_pid = agent.repo.session()["pid"]
    process.kill()
    process.wait(timeout=60)
    os.kill(agent_pid, signal.SIGKILL)
    wait_for(lambda: not is_running(agent_pid), "the agent's end")
    agent.repo.run("status")
    wait_for(lambda: agent.marked() == [], "the end of what it left behind")
    assert_ending(agent, "crashed", "cut", called="gone")


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
    assert_ending(agent, how, "cut", tokens=(1000, 50), is_cost_known=how == "stopped")
    agent.server.script.say(Reply(text="on we go"))
    assert agent.repo.run("resume", "--headless").exit_code == 0
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))


def test_an_agent_that_ended_while_its_supervisor_slept_was_in_time(agent: Agent) -> None:
    limit = 8.0
    agent.server.script.say(agent.shell("echo one"), Reply(text="in time"))
    process = agent.repo.start(
        "next", "--runtime", agent.name, "--headless", "--timeout", f"{limit:g}s"
    )
    pid = wait_for(lambda: agent.repo.session()["pid"], "the session's entry")
    process.send_signal(signal.SIGSTOP)
    over = time.monotonic() + limit  # counted from before, by the supervisor
    wait_for(lambda: not is_running(pid), "the agent's own end")
    wait_for(lambda: time.monotonic() > over, "the end of the time")
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=60) == 0
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


def test_marks_of_an_agent_around_it_reach_no_agent(agent: Agent) -> None:
    def seen_by_agent(name: str, **around: str) -> dict[str, str]:
        agent.server.script.say(agent.shell(f"env -0 > {name}"), Reply(text="done"))
        options = ("next", "--runtime", agent.name, "--headless")
        assert agent.repo.run(*options, **around).exit_code == 0
        assert_ending(agent, "completed", "ok", tokens=(2000, 100))
        pairs = (agent.repo.path / name).read_text().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    marks = {
        name: f"{value}+outer"
        for name, value in seen_by_agent("outer").items()
        if name.startswith(("CLAUDE", "CODEX", "AI_AGENT")) and name not in agent.repo.environ
    }
    assert marks
    setting = {"CLAUDE_CODE_BASH_MAINTAIN_PROJECT_WORKING_DIR": "1"}
    inner = seen_by_agent("inner", **marks, **setting)
    assert {name: value for name, value in inner.items() if "+outer" in value} == {}
    assert setting.items() <= inner.items(), "what a person sets is no mark"


def test_overload_uses_up_no_attempt_of_a_task(agent: Agent) -> None:
    change_mission(agent.repo, budget={"retryDelay": "1s", "maxAttempts": 1})
    agent.server.script.say(Reply(status=529, message="Overloaded"))
    loop = agent.repo.start("next", "--loop", "--runtime", agent.name, "--max-time", "10m")
    wait_for(lambda: len(agent.repo.mission()["sessions"]) > 2, "more tries than a task has")
    work = f"{HAND_OVER}{agent.command} set T-001 status=review; touch served"
    agent.server.script.say(
        agent.shell(f"{work}; until [ -e go ]; do sleep 0.1; done"), Reply(text="done")
    )
    wait_for((agent.repo.path / "served").exists, "the work")
    loop.send_signal(signal.SIGINT)
    assert loop.stderr is not None
    while "Ctrl-C again" not in loop.stderr.readline():
        continue
    (agent.repo.path / "go").touch()
    loop.communicate(timeout=60)
    *turned_away, last = agent.repo.mission()["sessions"]
    assert {each["endedCause"] for each in turned_away} == {"overloaded"}
    assert {each["lastTaskId"] for each in (*turned_away, last)} == {"T-001"}
    assert_ending(agent, "completed", "ok", task="review", tokens=(2000, 100))


def test_a_loop_names_the_permission_that_a_task_lacks(agent: Agent) -> None:
    only(agent, "claude")
    change_mission(agent.repo, budget={"maxAttempts": 1})
    fetch = {"url": "http://127.0.0.1:9/", "prompt": "what is there?"}
    agent.server.script.say(
        Reply(text="I look.", tool="WebFetch", arguments=fetch), Reply(text="I could not.")
    )
    answer = agent.repo.run("next", "--loop", "--runtime", "claude", "--max-sessions", "2")
    shown = agent.repo.run("show", "T-001").stdout
    for told in (answer.stdout + answer.stderr, shown):
        assert "lacks a permission" in told
        assert "`WebFetch`" in told
    assert agent.repo.task_status("T-001") == "blocked"


def test_a_tool_server_that_outlives_both_is_ended(agent: Agent) -> None:
    only(agent, "codex")
    script, born = agent.repo.path.parent / "tools.py", agent.repo.path.parent / "born"
    script.write_text(TOOL_SERVER)
    config = Path(agent.repo.environ["CODEX_HOME"]) / "config.toml"
    server = (
        f"command = {json.dumps(sys.executable)}\nargs = {json.dumps([str(script), str(born)])}"
    )
    config.write_text(f"{config.read_text()}[mcp_servers.stays]\n{server}\n")
    process = begin(agent)
    tools = int(wait_for(born.read_text, "the tool server"))
    agent_pid = agent.repo.session()["pid"]
    process.kill()
    process.wait(timeout=60)
    for pid in agent.marked():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(agent_pid), "the agent's end")
    assert is_running(tools), "else there is nothing to find"
    agent.repo.run("status")
    wait_for(lambda: not is_running(tools), "the end of what it left behind")
    assert_ending(agent, "crashed", "cut", called="gone")


def test_tokens_of_a_sub_agent_are_counted(agent: Agent) -> None:
    only(agent, "claude")
    task = {"description": "look", "prompt": "Look around.", "subagent_type": "general-purpose"}
    agent.server.script.say(
        Reply(text="I ask another.", tool="Task", arguments=task),
        Reply(text="FOUND-NOTHING"),
        Reply(text="it found nothing"),
    )
    assert agent.next().exit_code == 0
    asked = len(agent.server.script.requests)
    assert asked > 2, "its own, and at least one of the other"
    assert_ending(agent, "completed", "ok", tokens=(1000 * asked, 50 * asked))


def test_a_supervisor_that_sleeps_can_be_stopped(agent: Agent) -> None:
    process = begin(agent)
    process.send_signal(signal.SIGSTOP)
    assert agent.repo.run("stop").exit_code == 0
    assert process.wait(timeout=60) == 130
    assert_ending(agent, "stopped", "cut")


REFUSED = Reply(stop_reason="refusal")
FULL = Reply(status=400, message="prompt is too long: 250000 tokens > 200000")


@pytest.mark.parametrize(
    ("reply", "cause", "tokens"),
    [(REFUSED, "refusal", (2000, 100)), (FULL, "context_full", None)],
    ids=["refusal", "full"],
)
def test_a_loop_goes_on_in_a_new_conversation(
    agent: Agent, reply: Reply, cause: str, tokens: tuple[int, int] | None
) -> None:
    only(agent, "claude")
    agent.server.script.say(reply)
    agent.repo.run("next", "--loop", "--runtime", "claude", "--max-sessions", "2")
    first, second = agent.repo.mission()["sessions"]
    assert first["lastTaskId"] == second["lastTaskId"] == "T-001"
    assert first["runtimeSessionId"] != second["runtimeSessionId"]
    assert_ending(agent, "failed", cause, tokens=tokens)


def test_a_loop_ends_at_once_where_only_a_person_can_help(agent: Agent) -> None:
    agent.server.script.say(
        Reply(status=404, message="The model `nosuch` does not exist", code="model_not_found")
    )
    answer = agent.repo.run("next", "--loop", "--runtime", agent.name)
    assert answer.exit_code == 1, answer
    assert "the model is not known" in answer.stdout + answer.stderr
    assert len(agent.repo.mission()["sessions"]) == 1
    assert_ending(agent, "failed", "model")
