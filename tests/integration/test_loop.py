"""`mission next --loop`: task after task, within limits, to the state that one predicts by hand."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for

AGENT = """\
import json, os, pathlib, subprocess, sys, time
task = os.environ["MISSION_TASK"]
here = pathlib.Path.cwd()
plan = json.loads((here / "plan.json").read_text()).get(task, ["finish"])
log = here / "coordination" / ".state" / "tries.log"
tried = [line for line in (log.read_text().split() if log.exists() else []) if line == task]
with log.open("a") as out:
    out.write(task + "\\n")
do = plan[min(len(tried), len(plan) - 1)]
def mission(*arguments):
    subprocess.run([sys.executable, "-m", "mosaic", *arguments], check=True, stdout=2)
def tell(**event):
    print(json.dumps(event), flush=True)
tell(type="conversation", id="talk-" + task)
tell(type="usage", input_tokens=100, output_tokens=10, cost_usd=0.5)
def finish():
    said = pathlib.Path(os.environ["MISSION_RUN_DIR"]) / "artifacts" / "said"
    said.write_text("all is well")
    sections = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
    mission("handoff", task, *(f"--set={section}={said}" for section in sections))
    mission("set", task, "status=review")
if do == "finish":
    finish()
elif do == "no-handoff":
    mission("set", task, "status=review")
elif do == "block":
    mission("block", task, "--why", "needs a human: which colour")
elif do == "fail":
    print("it broke", file=sys.stderr)
    sys.exit(4)
elif do == "crash":
    os.kill(os.getpid(), 9)
elif do == "nothing":
    pass
elif do == "scope":
    (here / "outside.txt").write_text(task)
    finish()
elif do == "wait":
    (here / "waiting").write_text(str(os.getpid()))
    while not (here / "go").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def looping(repo: MissionRepo) -> MissionRepo:
    mission = repo.mission()
    mission["runtimes"]["worker"] = [sys.executable, "-c", AGENT, "{prompt_file}"]
    mission["runtime"] = "worker"
    mission["budget"] = {"maxAttempts": 2, "retryDelay": "1s"}
    write_mission(repo, mission)
    plan(repo)
    return repo


def write_mission(repo: MissionRepo, mission: Any) -> None:
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


def plan(repo: MissionRepo, **steps: list[str]) -> None:
    named = {task.replace("_", "-"): tries for task, tries in steps.items()}
    (repo.path / "plan.json").write_text(json.dumps(named))


def statuses(repo: MissionRepo) -> dict[str, str]:
    listed = repo.run("list", "--all", "--json").json()["tasks"]
    return {task["id"]: task["status"] for task in listed}


def tries(repo: MissionRepo) -> list[str]:
    log = repo.state / "tries.log"
    return log.read_text().split() if log.exists() else []


def test_a_loop_goes_on_until_nothing_is_ready(looping: MissionRepo) -> None:
    answer = looping.run("next", "--loop")
    assert answer.exit_code == 0, answer.stderr
    assert statuses(looping) == {"T-001": "review", "T-002": "review", "T-003": "review"}
    assert "loop ended: nothing is ready" in answer.stdout
    assert "waits for you, review: T-001, T-002, T-003" in answer.stdout
    assert "$1.50" in answer.stdout
    assert looping.run("next", "--loop").exit_code == 3


@pytest.mark.timeout(600)
def test_thirty_tasks_with_every_failure_end_as_one_predicts(looping: MissionRepo) -> None:
    for number in range(4, 31):
        looping.run("add", f"Task {number}", "--scope", "inside/**")
    kinds = {
        "finish": (["finish"], "review", 1),
        "second": (["fail", "finish"], "review", 2),
        "crashes": (["crash", "finish"], "review", 2),
        "forgets": (["no-handoff", "finish"], "review", 2),
        "fails": (["fail"], "blocked", 2),
        "idles": (["nothing"], "blocked", 2),
        "asks": (["block"], "blocked", 1),
        "strays": (["scope"], "blocked", 2),
        "settles": (["nothing", "block"], "blocked", 2),
    }
    named = list(kinds.values())
    expected = {}
    steps = {}
    for number in range(1, 31):
        task = f"T-{number:03d}"
        how, status, count = named[number % len(named)]
        if number <= 3 and how == ["scope"]:
            how, status, count = ["finish"], "review", 1
        steps[task.replace("-", "_")] = how
        expected[task] = (status, count)
    plan(looping, **steps)
    process = looping.start("next", "--loop", "--json")
    report = json.loads(process.communicate(timeout=500)[0])
    assert report["why"].startswith("nothing is ready"), report
    assert statuses(looping) == {task: status for task, (status, _) in expected.items()}
    counted = {task: tries(looping).count(task) for task in expected}
    assert counted == {task: count for task, (_, count) in expected.items()}
    assert len(report["sessions"]) == sum(counted.values())
    assert report["usage"]["cost_usd"] == pytest.approx(0.5 * len(report["sessions"]))
    assert looping.run("check").exit_code == 0


def test_a_task_that_used_its_attempts_is_blocked_with_why(looping: MissionRepo) -> None:
    plan(looping, T_001=["fail"])
    answer = looping.run("next", "--loop")
    assert answer.exit_code == 1
    assert statuses(looping)["T-001"] == "blocked"
    assert "not finished after 2 attempts" in looping.run("show", "T-001").stdout
    looping.run("reopen", "T-001")
    looping.run("next", "--loop")
    assert tries(looping).count("T-001") == 4


@pytest.mark.parametrize(
    ("options", "sessions", "why"),
    [
        (("--max-sessions", "2"), 2, "limit met: 2 sessions"),
        (("--max-cost", "0.9"), 2, "limit met: $1.00 spent"),
    ],
)
def test_a_limit_ends_the_loop(
    looping: MissionRepo, options: tuple[str, ...], sessions: int, why: str
) -> None:
    answer = looping.run("next", "--loop", *options)
    assert why in answer.stdout
    assert len(looping.mission()["sessions"]) == sessions


def test_the_mission_s_budget_holds_across_loops(looping: MissionRepo) -> None:
    mission = looping.mission()
    mission["budget"]["maxCostUsd"] = 1.0
    write_mission(looping, mission)
    looping.run("next", "--loop", "--max-sessions", "1")
    assert "the mission's budget" in looping.run("next", "--loop").stdout
    assert len(looping.mission()["sessions"]) == 2
    assert looping.run("next", "--loop").exit_code == 3


def test_green_gates_suffice_where_the_mission_says_so(looping: MissionRepo) -> None:
    mission = looping.mission()
    mission["qualityGates"] = [{"name": "quick", "command": "true"}]
    mission["review"] = {"greenIsDone": True}
    write_mission(looping, mission)
    assert looping.run("next", "--loop").exit_code == 0
    assert set(statuses(looping).values()) == {"done"}


def test_a_red_gate_keeps_a_task_from_review_and_reaches_the_next_prompt(
    looping: MissionRepo,
) -> None:
    mission = looping.mission()
    mission["qualityGates"] = [{"name": "tests", "command": "echo 3 failed; exit 1"}]
    write_mission(looping, mission)
    looping.run("next", "--loop", "--max-sessions", "1")
    assert statuses(looping)["T-001"] == "in-progress"
    types = [event["type"] for event in agent_events(looping)]
    assert "gate_failed" in types
    (rules,) = looping.state.glob("runs/T-001/*/rules.json")  # the agent's run; gates have none
    result = json.loads(rules.with_name("result.json").read_text())
    events = rules.with_name("worker.log").read_text().splitlines()
    assert result["metrics"]["lifecycle_event_count"] == len(events)
    looping.run("next", "--loop", "--max-sessions", "1")
    prompts = sorted((looping.state / "runs" / "T-001").glob("*/prompt.md"))
    prompt = prompts[-1].read_text()
    assert "gate `tests` failed with exit code 1" in prompt
    assert "3 failed" in prompt


def agent_events(repo: MissionRepo) -> list[Any]:
    run = repo.state / "runs" / "T-001" / str(repo.mission()["sessions"][0]["runId"])
    return [json.loads(line) for line in (run / "worker.log").read_text().splitlines()]


def test_a_change_outside_of_the_scope_keeps_a_task_from_review(looping: MissionRepo) -> None:
    looping.run("set", "T-001", "write_scope=inside/**")
    plan(looping, T_001=["scope"])
    looping.run("next", "--task", "T-001", "--headless")
    assert statuses(looping)["T-001"] == "in-progress"
    violation = next(e for e in agent_events(looping) if e["type"] == "scope_violated")
    assert violation["data"]["paths"] == ["outside.txt"]


def test_each_session_leaves_one_block_in_the_scratchpad(looping: MissionRepo) -> None:
    before = (looping.path / "coordination" / "SCRATCHPAD.md").read_text()
    looping.run("next", "--loop", "--max-sessions", "2")
    after = (looping.path / "coordination" / "SCRATCHPAD.md").read_text()
    assert after.startswith(before)
    heads = [line for line in after.splitlines() if line.startswith("## ")]
    assert [" ".join(head.split()[3:]) for head in heads] == [
        f"{looping.session_id(0)} T-001 review",
        f"{looping.session_id(1)} T-002 review",
    ]


def test_ctrl_c_once_ends_after_the_session_and_twice_now(looping: MissionRepo) -> None:
    plan(looping, T_001=["wait"])
    process = looping.start("next", "--loop")
    agent = int(wait_for((looping.path / "waiting").read_text))
    process.send_signal(signal.SIGINT)
    wait_for(lambda: is_running(agent))
    (looping.path / "go").write_text("")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped after the session" in out
    assert tries(looping) == ["T-001"]

    (looping.path / "go").unlink()
    (looping.path / "waiting").unlink()
    process = looping.start("next", "--loop")
    agent = int(wait_for((looping.path / "waiting").read_text))
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Ctrl-C again" not in process.stderr.readline():
        continue
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert looping.session()["endedReason"] == "stopped"
    assert not is_running(agent)


def test_a_loop_that_is_killed_goes_on_where_it_was(looping: MissionRepo) -> None:
    plan(looping, T_002=["wait", "finish"])
    process = looping.start("next", "--loop")
    int(wait_for((looping.path / "waiting").read_text))
    process.kill()
    process.communicate()
    again = looping.start("next", "--loop")
    assert again.stderr is not None
    assert "waiting for sess-002" in again.stderr.readline()
    (looping.path / "go").write_text("")
    again.communicate(timeout=60)
    assert statuses(looping) == {"T-001": "review", "T-002": "review", "T-003": "review"}
    assert tries(looping) == ["T-001", "T-002", "T-002", "T-003"]
    costs = [session["usage"]["costUsd"] for session in looping.mission()["sessions"]]
    assert costs == [0.5] * 4


def test_limits_without_a_loop_are_refused(looping: MissionRepo) -> None:
    assert looping.run("next", "--max-sessions", "2").exit_code == 2
    assert looping.run("next", "--loop", "--task", "T-001").exit_code == 2
    mission = looping.mission()
    mission["budget"] = {"maxCostUsd": "much"}
    write_mission(looping, mission)
    assert looping.run("next", "--loop").exit_code == 5
    assert Path(looping.path / "plan.json").exists()
    assert os.path.exists(looping.lock) is False
