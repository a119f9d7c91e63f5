"""The end of a session of a real agent, looked at from every side at once.

What each end is called stands here and nowhere else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mission import is_running, wait_for

if TYPE_CHECKING:
    from tests.integration.test_real_agents import Agent

WORDS = {
    "ok": "`{agent}` ended well",
    "refused": "`{agent}` ended well, but",
    "empty": "`{agent}` ended without an answer",
    "left": "the person left the agent",
    "auth": "`{agent}` is not logged in",
    "quota": "the quota of `{agent}` is used up",
    "rate_limit": "`{agent}` was turned away by a rate limit",
    "plan_limit": "the plan's limit for `{agent}` is reached",
    "overloaded": "the model server could not answer `{agent}`",
    "connection": "`{agent}` lost its connection",
    "context_full": "`{agent}` has no room left",
    "refusal": "the model refused to go on with `{agent}`",
    "model": "`{agent}` cannot use the model",
    "hook": "a hook refused the prompt of `{agent}`",
    "limit": "`{agent}` met its limit",
    "usage": "`{agent}`",
    "cut": "before its answer was complete",
    "ended": "`{agent}` was ended by",
    "stopped": "it was stopped",
    "timeout": "the time limit ran out",
    "gone": "its process was gone when somebody looked",
}
"""What the run's record says of the agent's own end: by its cause, or as what we ended it."""
SUMMARIES = {
    "in-progress": "the agent ended without saying finished or blocked",
    "blocked": "needs a human: which one?",
    "review": "the agent says finished; the handoff is complete",
}
"""What its session says of an agent that ended well, by the status that its task was left in."""
RUN_STATUS = {"review": "completed", "done": "completed", "blocked": "blocked"}
PASSING = ("rate_limit", "plan_limit", "overloaded", "connection", "cut", "ended")
"""Ends after which the same may be tried again."""
FILES = ("prompt.md", "rules.json")
STREAMS = ("stdout", "stderr")
DOLLARS = {"claude": (0.000004, 0.00002), "opencode": (0.000003, 0.000015)}
"""What an agent reckons for a token, in and out, of the model that it asks for."""


def assert_ending(
    agent: Agent,
    reason: str,
    cause: str,
    *,
    task: str = "in-progress",
    tokens: tuple[int, int] | None = None,
    is_cost_known: bool = True,
    called: str = "",
    words: str = "",
) -> None:
    """Make sure of everything that holds after the end of the last session, which had T-001.

    Its reason; the words for it; the task's status; that the lock is gone, and every process;
    that the record is whole; tokens and cost; what the next prompt says of it.

    Args:
        tokens: in and out, of this session alone; None: nothing is known of them.
        is_cost_known: claude writes down no cost before it ends.
        called: its key in `WORDS`, where that is not what we ended it as, or else the cause.
        words: what its end says beside `WORDS`, such as the server's own.
    """
    repo = agent.repo
    session = repo.session()
    own_cause = cause
    if task == "blocked":
        own_cause = "needs_human"
    elif task == "review" and cause == "left":
        own_cause = "ok"
    elif reason == "completed" and task == "in-progress" and cause != "left":
        own_cause = "incomplete"
    assert (session["endedReason"], session["endedCause"]) == (reason, own_cause), session
    assert session["endedAt"]
    assert session["durationSeconds"] >= 0
    told = _assert_record(agent, session, task)
    assert told["cause"] == cause, told
    called = called or (reason if reason in ("stopped", "timeout") else cause)
    for part in (WORDS[called].format(agent=agent.name), words):
        assert part in told["words"], told
    ended_well = reason in ("completed", "blocked") and cause != "left"
    summary = SUMMARIES[task] if ended_well or task == "review" else told["words"]
    assert told["summary"].startswith(summary[:300]), told
    assert session["endedDetail"][:300] == " ".join(told["summary"].split())[:300]
    assert told["retryable"] == (called in PASSING), told
    assert repo.task_status("T-001") == task
    assert not repo.lock.exists()
    assert repo.run("status", "--json").json()["live_sessions"] == []
    assert agent.marked() == []
    wait_for(lambda: not left_in_folder(repo.path), "the end of all that ran in the folder")
    _assert_usage(agent, session, told, tokens, is_cost_known=is_cost_known)
    prompt = repo.run("next", "--print", "--runtime", agent.name).stdout
    if task == "in-progress":
        assert session["sessionId"] in prompt
        assert " ".join(summary.split())[:60] in " ".join(prompt.split()), prompt
    else:
        assert "T-002" in prompt.partition("\n")[0], "the next task's turn has come"


def _assert_record(agent: Agent, session: Any, task: str) -> Any:
    """Make sure that the session's run is wholly on record, and return its result."""
    run = agent.repo.state / "runs" / "T-001" / session["runId"]
    meta, state, result = (
        json.loads((run / f"{name}.json").read_text()) for name in ("meta", "state", "result")
    )
    streams = STREAMS if meta["mode"] == "headless" else ()
    files = [*FILES, *(f"{stream}.log" for stream in streams)]
    if session["endedCause"] != "usage":
        files.append("transcript.jsonl")
    assert [name for name in files if not (run / name).is_file()] == []
    events = [json.loads(line) for line in (run / "worker.log").read_text().splitlines()]
    reason, ended_well = session["endedReason"], session["endedReason"] == "completed"
    status = RUN_STATUS.get(task, "completed" if ended_well else "failed")
    assert (state["status"], state["reason"]) == (status, reason), state
    assert state["finished_at"] == result["finished_at"]
    assert state["last_event_seq"] == len(events)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run_prepared", kinds
    assert "worker_started" in kinds, kinds
    assert kinds[-1] == f"step_{status}", kinds
    assert (result["outcome"], result["reason"]) == (status, reason), result
    assert result["ok"] == (ended_well and status == "completed")
    for name, key in (("run_id", "runId"), ("session_id", "sessionId")):
        assert meta[name] == result[name] == session[key]
    assert result["runtime_session_id"] == session.get("runtimeSessionId")
    metrics = result["metrics"]
    assert metrics["lifecycle_event_count"] == len(events)
    assert metrics["checkpoint_count"] == len(list((run / "checkpoints").glob("*.json")))
    if "worker_exited" in kinds:  # else its supervisor was dead by then
        assert metrics["checkpoint_count"] > 0
    for stream in streams:
        size = (run / f"{stream}.log").stat().st_size
        assert (metrics[f"{stream}_bytes"], metrics[f"{stream}_bytes_lost"]) == (size, 0)
    return result


def _assert_usage(
    agent: Agent,
    session: Any,
    result: Any,
    tokens: tuple[int, int] | None,
    *,
    is_cost_known: bool,
) -> None:
    usage, told = session.get("usage") or {}, result["usage"] or {}
    found = (usage.get("inputTokens", 0), usage.get("outputTokens", 0))
    assert found == (tokens or (0, 0)), usage
    assert (told.get("input_tokens", 0), told.get("output_tokens", 0)) == found, told
    cost = None
    if agent.name in DOLLARS and tokens and is_cost_known:
        prices = DOLLARS[agent.name]
        cost = pytest.approx(sum(n * price for n, price in zip(tokens, prices, strict=True)))
    for found_cost in (usage.get("costUsd"), told.get("cost_usd")):
        assert (found_cost or None) == cost, usage


def left_in_folder(folder: Path) -> list[str]:
    """Return what runs in a folder, a test's own terminal and its shell left out."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            place = Path(os.readlink(f"/proc/{name}/cwd"))
            in_terminal = b"\0TMUX=" in Path(f"/proc/{name}/environ").read_bytes()
            command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if folder in (place, *place.parents) and not in_terminal and is_running(int(name)):
            found.append(f"{name} {command!r}")
    return found
