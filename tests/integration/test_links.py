"""Links that are cut, listeners that are killed, and several missions and machines at once.

Nothing is lost, and nothing is run twice. `python -m tests.links` is the long version.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.links import CutMachine, add_quick, cut_machine
from tests.support.machines import Machine
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]
SEED = int(os.environ.get("MISSION_LINKS_SEED", "1"))
ROUNDS = int(os.environ.get("MISSION_LINKS_ROUNDS", "0"))
"""Rounds of cuts at random places, beside those that are planned."""
LOOP_SECONDS = 200.0
TASKS = int(os.environ.get("MISSION_LINKS_TASKS", "6"))
SECTIONS = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
GATE = "test -e made.txt"
PLANNED = (
    # what is sent: half of the pack, and the question whether to begin
    {"op": "known", "way": "down", "at": 0.5},
    {"op": "prepare", "way": "up", "at": 0.5},
    {"op": "prepare", "way": "down", "at": 0.0},
    # heard, and the answer is lost; then not heard as a whole
    {"op": "go", "way": "down", "at": 0.0},
    {"op": "go", "way": "up", "at": 0.5},
    # while it works
    {"op": "follow", "way": "up", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "log", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "state", "at": 0.9},
    # at its end: in the pack, behind it, and before and after its end was said
    {"op": "follow", "way": "down", "frame": "commits", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "commits", "at": 1.0},
    {"op": "follow", "way": "down", "frame": "ended", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "ended", "at": 1.0},
    # what is kept there is removed
    {"op": "drop", "way": "up", "at": 0.5},
    {"op": "drop", "way": "down", "at": 0.0},
)


def begins(repo: MissionRepo) -> Path:
    return repo.path.parent / f"begun {repo.path.name}"


def begun(repo: MissionRepo) -> Counter[str]:
    """Return how often an agent began at each task."""
    return Counter(begins(repo).read_text().split())


def doing(repo: MissionRepo, more: str = "") -> str:
    """Return what an agent does: it notes its begin, says something, commits, and leaves more."""
    return (
        f'echo "$MISSION_TASK" >>"{begins(repo)}"; echo "$MISSION_TASK says it"; '
        'echo "$MISSION_TASK of {0}" >"$MISSION_TASK.txt"; echo made >made.txt; '
        'git add "$MISSION_TASK.txt" && git commit -qm "Make it"; echo rest >"rest.$MISSION_TASK"; '
        "seq 500; "
    ).replace("{0}", repo.path.name) + more


def let_work(repo: MissionRepo, tasks: int = 3, **settings: Any) -> MissionRepo:
    """Give a mission a scripted agent, and so many tasks."""
    let_agent_do(repo, qualityGates=GATE, parallelWithoutScope=True, **settings)
    for number in range(3, tasks):
        assert repo.run("add", f"Task {number + 1}", "-m", "M1").exit_code == 0
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Tasks", "--allow-empty")
    return repo


def task_ids(repo: MissionRepo) -> list[str]:
    listed = repo.run("list", "--all", "--json").json()["tasks"]
    return sorted(str(each["id"]) for each in listed)


def ends(repo: MissionRepo) -> list[tuple[str, str | None]]:
    """Return the task and the end of each session."""
    return [(each["lastTaskId"], each.get("endedReason")) for each in repo.mission()["sessions"]]


def run_of(repo: MissionRepo, task_id: str) -> Path:
    """Return the record of the last run of a task that was sent away."""
    return max((repo.state / "runs" / task_id).glob("*/host.json")).parent


def wait_for_ends(repo: MissionRepo) -> None:
    def is_over() -> bool:
        repo.run("status")
        return not [*(repo.state / "sessions").glob("*.lock")]

    wait_for(is_over, "the end of all sessions")


def check_evidence(repo: MissionRepo, task_id: str) -> None:
    """Make sure that nothing of a task's work is missing here."""
    run, branch = run_of(repo, task_id), f"mission/{task_id}/work"
    assert repo.task_status(task_id) == "review"
    assert repo.git("show", f"{branch}:{task_id}.txt") == f"{task_id} of {repo.path.name}\n"
    assert repo.git("show", f"{branch}:rest.{task_id}") == "rest\n"
    said = (run / "stdout.log").read_text()
    assert said.count(f"{task_id} says it\n") == 1
    assert said.count("\n500\n") == 1
    result = json.loads((run / "result.json").read_text())
    assert result["outcome"] == "completed"
    state = json.loads((run / "state.json").read_text())
    assert (state["status"], state["place"]["executor"]) == ("completed", "ssh")
    events = [json.loads(line) for line in (run / "worker.log").read_text().splitlines()]
    counts = Counter(each["type"] for each in events)
    assert counts["worker_exited"] == counts["gate_passed"] == 1, counts
    seqs = [each["seq"] for each in events if "seq" in each]
    assert seqs == sorted(set(seqs))
    assert [*(run / "checkpoints").glob("*.json")]
    assert [ref for ref in repo.kept_refs() if f"/{run.name}/" in ref]
    text = repo.run("handoff", task_id, "--json").json()
    assert "nothing" in json.dumps(text)
    worktree = repo.state / "worktrees" / task_id
    assert (worktree / f"rest.{task_id}").read_text() == "rest\n"
    left = [line for line in repo.git("branch", "--list", f"{branch}-*").splitlines() if line]
    assert left == []


def check_once_each(repo: MissionRepo, tasks: list[str]) -> None:
    assert begun(repo) == dict.fromkeys(tasks, 1)
    assert sorted(ends(repo)) == [(task, "completed") for task in tasks]
    for task_id in tasks:
        check_evidence(repo, task_id)


def clean_up(repo: MissionRepo, *machines: Machine) -> None:
    """Make sure that nothing is left there once that was asked for."""
    assert repo.run("hosts", "clean").exit_code == 0
    for each in machines:
        assert each.attempts() == []
        assert [*each.works.glob(".received-*")] == []


@pytest.fixture
def cut_box(tmp_path: Path) -> Iterator[CutMachine]:
    with cut_machine(tmp_path) as made:
        yield made


def work_through_cuts(repo: MissionRepo, box: CutMachine, cuts: list[dict[str, Any]]) -> None:
    """Have three tasks worked on while the link is cut again and again."""
    add_quick(repo, box.there, env=ENV)
    box.cut_at(*cuts)
    repo.environ["DOES"] = doing(repo)
    loop = repo.start("next", "-j", "3", "--loop", "--on", "box")
    out, _ = loop.communicate(timeout=LOOP_SECONDS)
    assert "nothing is ready" in out, out
    wait_for_ends(repo)
    check_once_each(repo, ["T-001", "T-002", "T-003"])


@pytest.mark.parametrize("how", ["drop", "stall"])
def test_a_link_that_is_cut_anywhere_loses_nothing(
    repo: MissionRepo, cut_box: CutMachine, how: str
) -> None:
    let_work(repo)
    work_through_cuts(repo, cut_box, [{**cut, "how": how} for cut in PLANNED])
    assert cut_box.planned() == []
    assert cut_box.proxy.lost == len(PLANNED)
    clean_up(repo, cut_box.there)


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_a_link_that_is_cut_at_random_loses_nothing(
    repo: MissionRepo, cut_box: CutMachine, seed: int
) -> None:
    chance = random.Random(seed)
    cuts = [
        {
            **chance.choice(PLANNED),
            "at": chance.random(),
            "skip": chance.randrange(3),
            "how": chance.choice(["drop", "drop", "stall"]),
        }
        for _ in range(12)
    ]
    let_work(repo)
    work_through_cuts(repo, cut_box, cuts)
    clean_up(repo, cut_box.there)
