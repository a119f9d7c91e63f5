"""Every way in which the installed `claude` and `codex` were seen to end, judged and told.

`ROWS` are those that come from what the server says or how the agent is set up. The signals,
the time limit and what agents leave behind follow, a test each.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import Agent, agent, begin, program, server
from tests.support.endings import PASSING, assert_ending
from tests.support.mission import is_running, wait_for
from tests.support.shell_agent import change_mission

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent


@dataclass(frozen=True)
class Row:
    """One way to fail, and what is known of it afterwards."""

    causes: Mapping[str, str]
    """The cause by agent, for those that can end like this."""
    replies: tuple[Reply, ...] = ()
    args: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def claude(cause: str, *replies: Reply, **more: Any) -> Row:
    return Row(causes={"claude": cause}, replies=replies, **more)


def codex(cause: str, *replies: Reply, **more: Any) -> Row:
    return Row(causes={"codex": cause}, replies=replies, **more)


def both(cause: str, *replies: Reply, **more: Any) -> Row:
    return Row(causes={"claude": cause, "codex": cause}, replies=replies, **more)


RUN = Reply(text="I run it.", tool="Bash", arguments={"command": "true", "description": "x"})
TOO_LONG = "prompt is too long: 250000 tokens > 200000"
NO_MODEL = "The model `nosuch` does not exist"
RATE = "Rate limit reached for gpt-5.5. Try again in 1.2s."
USAGE_LIMIT = "usage_limit_reached"
QUOTA = Reply(status=429, message="Quota exceeded", code="insufficient_quota")
ONE = {"claude": (1000, 50), "codex": (1000, 50)}
ROWS = {
    "401": both("auth", Reply(status=401, message="bad key")),
    "403": both("auth", Reply(status=403, message="not for you")),
    "429": both("rate_limit", Reply(status=429, message="slow down")),
    "429 for hours": both(
        "rate_limit", Reply(status=429, message="slow down", headers={"retry-after": "7200"})
    ),
    "500": both("overloaded", Reply(status=500)),
    "529": both("overloaded", Reply(status=529, message="Overloaded")),
    "dropped": both("connection", Reply(drop=True)),
    "cut": both("connection", Reply(text="I will", cut=True), tokens={"claude": (1000, 50)}),
    "too long": both(
        "context_full", Reply(status=400, message=TOO_LONG, code="context_length_exceeded")
    ),
    "no model": both("model", Reply(status=404, message=NO_MODEL, code="model_not_found")),
    "quota": codex("quota", QUOTA),
    "payment": codex("quota", Reply(status=402, message="Payment required")),
    "credit": claude(
        "quota", Reply(status=400, message="Your credit balance is too low to access the API.")
    ),
    "usage limit": codex(
        "plan_limit", Reply(status=429, kind=USAGE_LIMIT, code=USAGE_LIMIT, message="reached")
    ),
    "520": claude("overloaded", Reply(status=520)),
    "408": claude("connection", Reply(status=408)),
    "413": claude("context_full", Reply(status=413, kind="request_too_large")),
    "full window": claude(
        "context_full",
        Reply(text="partial", stop_reason="model_context_window_exceeded"),
        tokens={"claude": (4000, 200)},  # it tries three times to make room
    ),
    "refusal": claude("refusal", Reply(stop_reason="refusal"), tokens={"claude": (2000, 100)}),
    "filter": codex("refusal", Reply(text="I will", incomplete="content_filter")),
    "rate in the stream": codex("rate_limit", Reply(failed="rate_limit_exceeded", message=RATE)),
    "no key": both("auth", environ={"ANTHROPIC_API_KEY": "", "STAND_IN_KEY": ""}),
    "turns": claude("limit", RUN, Reply(text="two"), args=("--max-turns", "1"), tokens=ONE),
    "budget": claude("limit", RUN, args=("--max-budget-usd", "0.000001"), tokens=ONE),
    "flag": both("usage", args=("--no-such-flag",), words="--no-such-flag"),
    "root": claude(
        "usage",
        args=("--permission-mode", "bypassPermissions"),
        environ={"IS_SANDBOX": ""},
        words="root",
    ),
}
CASES = [(name, case) for case, row in ROWS.items() for name in row.causes]


def configure(agent: Agent, **spec: Any) -> None:
    """Change the runtime of the agent in mission.json."""
    change_mission(agent.repo, runtimes={**agent.repo.mission()["runtimes"], agent.name: spec})


def only(agent: Agent, name: str) -> None:
    if agent.name != name:
        pytest.skip(f"what only {name} does")


@pytest.mark.parametrize(("program", "case"), CASES, indirect=["program"])
def test_a_row_of_the_table(agent: Agent, case: str) -> None:
    row = ROWS[case]
    cause = row.causes[agent.name]
    configure(agent, args=row.args)
    if row.replies:
        agent.server.script.say(*row.replies)
    options = ("next", "--runtime", agent.name, "--headless", "--json")
    answer = agent.repo.run(*options, **row.environ)
    told = answer.json()
    assert (answer.exit_code, told["cause"]) == (1, cause), told
    assert told["retryable"] == (cause in PASSING), told
    assert told["hint"], told
    assert_ending(agent, "failed", cause, tokens=row.tokens.get(agent.name), words=row.words)


def test_a_command_that_failed_is_recorded_with_its_code(agent: Agent) -> None:
    agent.server.script.say(agent.shell("exit 7"), Reply(text="it failed"))
    assert agent.next().exit_code == 0
    seen = agent.repo.run("review", "T-001", "--json").json()["evidence"]["commands"]
    assert any("exit 7" in each["command"] and each["exit_code"] == 7 for each in seen), seen
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


def test_an_edit_is_seen(agent: Agent) -> None:
    path = agent.repo.path / "new.txt"
    edit = Reply(tool="Write", arguments={"file_path": str(path), "content": "hello\n"})
    if agent.name == "codex":
        patch = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
        edit = Reply(tool="apply_patch", plain=patch)
    agent.server.script.say(edit, Reply(text="edited"))
    assert agent.next().exit_code == 0
    assert path.read_text() == "hello\n"
    assert "new.txt" in agent.repo.run("logs", "T-001").stdout
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


def test_an_empty_answer_is_told(agent: Agent) -> None:
    agent.server.script.say(Reply())
    answer = agent.next("--json")
    assert (answer.exit_code, answer.json()["warnings"]) == (0, ["the answer is empty"])
    asked = 2 if agent.name == "claude" else 1
    assert_ending(agent, "completed", "empty", tokens=(1000 * asked, 50 * asked))


@pytest.mark.parametrize("when", ["before its first word", "after a command"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_from_elsewhere_is_no_success(agent: Agent, number: int, when: str) -> None:
    if when == "after a command":
        agent.server.script.say(agent.shell("echo TOOL-RESULT"), Reply(hang=True))
        process = agent.repo.start("next", "--runtime", agent.name, "--headless")
        wait_for(lambda: len(agent.server.script.requests) > 1, "the second turn")
        wait_for(lambda: agent.kept().count("TOOL-RESULT") > 1, "the call and its result on disk")
        tokens = (1000, 50)
    else:
        process, tokens = begin(agent), None
    os.kill(wait_for(lambda: agent.repo.session()["pid"], "the session's entry"), number)
    assert process.wait(timeout=60) == 1
    # An interrupt is caught, and looks like an end of its own.
    reason = "failed" if number == signal.SIGINT else "crashed"
    is_cost_known = number != signal.SIGKILL
    assert_ending(agent, reason, "cut", tokens=tokens, is_cost_known=is_cost_known)


def test_killing_the_launcher_of_codex_alone_leaves_no_codex(agent: Agent) -> None:
    only(agent, "codex")
    process = begin(agent)
    before = agent.marked()
    assert len(before) > 1  # the wrapper and what it started
    os.kill(agent.repo.session()["pid"], signal.SIGKILL)
    process.wait(timeout=60)
    assert [pid for pid in before if is_running(pid)] == []
    assert_ending(agent, "crashed", "cut", words="SIGKILL")


def test_a_background_command_does_not_outlive_the_session(agent: Agent) -> None:
    only(agent, "claude")
    given = {"command": "sleep 600", "description": "long", "run_in_background": True}
    agent.server.script.say(
        Reply(text="I start it.", tool="Bash", arguments=given), Reply(text="it runs")
    )
    change_mission(agent.repo, runs={"afterResult": "1s", "background": "2s"})
    assert agent.next().exit_code == 0
    assert "ended_after_result" in [event["type"] for event in agent.repo.events()]
    assert_ending(agent, "completed", "ok", tokens=(2000, 100))


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
    assert_ending(agent, "completed", "ok", tokens=(1000, 50))
