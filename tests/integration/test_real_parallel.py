"""The installed `claude` and `codex` side by side: in worktrees, and in panels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, agent, program, server
from tests.support.endings import assert_ending
from tests.support.mission import wait_for

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent

ANSWER: dict[str, Any] = {
    "role": "critic",
    "label": "critic",
    "status": "completed",
    "summary": "it holds",
    "claims": ["the file is small"],
    "objections": [],
    "openQuestions": ["who reads it?"],
    "evidenceRefs": ["a.txt:1"],
    "error": None,
}


def say_answer(agent: Agent, **changes: Any) -> Reply:
    """Return a reply with a worker's result, the way each agent gives one to a schema."""
    answer = {**ANSWER, **changes}
    if agent.name == "claude":
        return Reply(text="I answer.", tool="StructuredOutput", arguments=answer)
    return Reply(text=json.dumps(answer))


def results_of(agent: Agent) -> Any:
    return agent.repo.run("panel", "result", "last", "--json").json()["results"]


def test_a_worker_in_a_worktree_hands_off_to_the_mission_that_launched_it(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell(f"echo hello > hello.txt; {HAND_OVER}{agent.command} set T-001 status=review"),
        Reply(text="all done"),
    )
    answer = agent.next("--worktree", "--json")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert answer.json()["task_status"] == "review"
    assert not (agent.repo.path / "hello.txt").exists()
    assert agent.repo.git("show", "mission/T-001/work:hello.txt") == "hello\n"
    changed = agent.repo.git("diff", "--name-only", "main...mission/T-001/work").split()
    assert changed == ["hello.txt"]
    assert_ending(agent, "completed", "ok", task="review", tokens=(2000, 100))


def test_a_panel_that_looks_only_gets_results_and_leaves_nothing(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell("echo sneaky > sneaky.txt"),
        say_answer(agent),
        Reply(text="that was all"),
    )
    started = agent.repo.run(
        "panel", "start", "Is it right?", "--role", "critic", "--runtime", agent.name, "--wait"
    )
    assert started.exit_code == 0, started.stdout + started.stderr
    assert results_of(agent)["critic"] == ANSWER
    shown = agent.repo.run("panel", "show", "last", "--json").json()
    worktree = shown["workers"][0]["worktree"]
    assert agent.repo.git("-C", worktree, "status", "--porcelain") == ""
    prompts = json.dumps(agent.server.script.requests[0])
    assert "Is it right?" in prompts
    assert agent.marked() == []


def test_a_message_continues_the_worker_s_own_conversation_once(agent: Agent) -> None:
    agent.server.script.say(say_answer(agent), Reply(text="that was all"))
    start = ["panel", "start", "Is it right?", "--role", "critic", "--runtime", agent.name]
    assert agent.repo.run(*start, "--wait").exit_code == 0
    agent.server.script.say(say_answer(agent, summary="after all"), Reply(text="that was all"))
    assert agent.repo.run("panel", "send", "last", "critic", "Look at b.txt too.").exit_code == 0
    wait_for(
        lambda: results_of(agent)["critic"]["summary"] == "after all", "the answer to the message"
    )
    asked = json.dumps(agent.server.script.requests[-1])
    assert "Is it right?" in asked
    assert "Look at b.txt too." in asked
    shown = agent.repo.run("panel", "show", "last", "--json").json()
    assert len(shown["workers"][0]["runs"]) == 2


def test_a_writable_worker_s_changes_are_committed_and_merged(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell("echo built > built.txt"), say_answer(agent), Reply(text="that was all")
    )
    start = ["panel", "start", "Build it.", "--role", "implementer", "--runtime", agent.name]
    done = agent.repo.run(*start, "--writable", "--wait")
    assert done.exit_code == 0, done.stdout + done.stderr
    merged = agent.repo.run("panel", "merge", "last", "implementer")
    assert merged.exit_code == 0, merged.stderr
    assert (agent.repo.path / "built.txt").read_text() == "built\n"
    assert agent.repo.run("panel", "shutdown", "last").exit_code == 0
    assert len(agent.repo.git("worktree", "list").splitlines()) == 1
