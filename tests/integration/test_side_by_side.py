"""Several agents at once, each in a worktree: nothing is shared, nothing is lost."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for

AGENT = r"""
import json, os, pathlib, subprocess, sys, time

task, signs = os.environ["MISSION_TASK"], pathlib.Path(sys.argv[1])
plan = json.loads((signs / "plan.json").read_text())
plan = {**plan.get("*", {}), **plan.get(task, {})}
here = pathlib.Path.cwd()
call = [sys.executable, "-m", "mosaic"]
(signs / f"at-{task}").write_text(json.dumps({"pid": os.getpid(), "cwd": str(here)}))
with open(signs / "log", "a") as log:
    log.write(f"begin {task}\n")
pathlib.Path(f"{task}.txt").write_text(f"{task}\n")
for path, text in plan.get("write", {}).items():
    (here / path).parent.mkdir(parents=True, exist_ok=True)
    (here / path).write_text(text)
own = next((here / "coordination" / "tasks").glob(f"{task}-*.md"))
for name, text in plan.get("by_hand", {}).items():
    own.write_text(own.read_text().replace(f"## {name}\n", f"## {name}\n\n{text}\n", 1))
if plan.get("commit"):
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "-c", "user.name=w", "-c", "user.email=w@w", "commit", "-qm", "w"])
for command in plan.get("run", []):
    subprocess.run(command, shell=True, check=True)
while plan.get("wait") and not (signs / f"go-{task}").exists():
    time.sleep(0.02)
if plan.get("finish", True):
    sets = []
    for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes"):
        if name not in plan.get("by_hand", {}):
            said = signs / f"said-{task}-{name}"
            said.write_text(f"- `{task}.txt` (new)" if name == "files_changed" else "none")
            sets.append(f"--set={name}={said}")
    if sets:
        subprocess.run([*call, "handoff", task, *sets], check=True)
    subprocess.run([*call, "set", task, "status=review"], check=True)
with open(signs / "log", "a") as log:
    log.write(f"end {task}\n")
"""


class Side:
    """A mission whose scripted agent works in worktrees."""

    def __init__(self, repo: MissionRepo, signs: Path) -> None:
        self.repo = repo
        self.signs = signs
        self.tell({})

    def tell(self, plan: dict[str, Any]) -> None:
        """Set what the agent does from now on, by task; `*` is every task."""
        (self.signs / "plan.json").write_text(json.dumps(plan))

    def set_mission(self, **values: Any) -> None:
        path = self.repo.path / "coordination" / "mission.json"
        path.write_text(json.dumps({**self.repo.mission(), **values}, indent=2))

    def at(self, task: str) -> Any:
        """Wait until the agent of a task runs, and return its pid and folder."""
        return wait_for(lambda: json.loads((self.signs / f"at-{task}").read_text()), task)

    def log(self) -> list[str]:
        return (self.signs / "log").read_text().splitlines()

    def branch_files(self, task: str) -> list[str]:
        range_ = f"main...mission/{task}/work"
        return self.repo.git("diff", "--name-only", range_).split()

    def section(self, task: str, name: str) -> str:
        told = self.repo.run("handoff", task, "--json").json()["sections"]
        return str(told[name]).strip()

    def clean_check(self) -> None:
        answer = self.repo.run("check", "--json")
        assert answer.json()["findings"] == [], answer.stdout


def make_side(repo: MissionRepo, tmp_path: Path) -> Side:
    signs = tmp_path / "signs"
    signs.mkdir()
    script = tmp_path / "side-agent.py"
    script.write_text(AGENT)
    side = Side(repo, signs)
    runtimes = {"side": {"command": [sys.executable, str(script), str(signs)], "prompt": "file"}}
    side.set_mission(
        runtimes={**repo.mission()["runtimes"], **runtimes},
        runtime="side",
        parallelWithoutScope=True,
    )
    repo.git("commit", "-qam", "Name the agent")
    return side


@pytest.fixture
def side(repo: MissionRepo, tmp_path: Path) -> Side:
    return make_side(repo, tmp_path)


def plan_more(repo: MissionRepo, last: int) -> None:
    for number in range(4, last + 1):
        added = repo.run("add", f"Task {number}", "--scope", f"T-{number:03d}.txt")
        assert added.exit_code == 0, added.stderr
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Plan more")


@pytest.fixture
def several(repo: MissionRepo, tmp_path: Path) -> Side:
    plan_more(repo, 9)
    return make_side(repo, tmp_path)


@pytest.fixture
def many(repo: MissionRepo, tmp_path: Path) -> Side:
    plan_more(repo, 24)
    return make_side(repo, tmp_path)


# One worktree


def test_a_handoff_by_hand_in_the_worktree_is_carried_over_and_the_copies_are_set_back(
    side: Side,
) -> None:
    names = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
    by_hand = dict.fromkeys(names, "said by hand")
    writes = {"coordination/TASKS.md": "gone\n", "coordination/mission.json": "{}\n"}
    side.tell({"T-001": {"by_hand": by_hand, "write": writes, "commit": True}})
    done = side.repo.run("next", "--worktree", "--headless", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.json()["task_status"] == "review"
    assert side.section("T-001", "result") == "said by hand"
    assert side.branch_files("T-001") == ["T-001.txt"]
    merged = side.repo.run("merge", "T-001", "--force")
    assert merged.exit_code == 0, merged.stderr
    assert side.repo.task_status("T-001") == "review"


def test_a_section_that_was_changed_in_both_places_is_told_and_nothing_is_lost(
    side: Side,
) -> None:
    ours = f"{sys.executable} -m mosaic handoff T-001 --set risks --text ours"
    side.tell({"T-001": {"by_hand": {"risks": "theirs"}, "run": [ours]}})
    side.repo.run("next", "--worktree", "--headless")
    assert side.section("T-001", "risks") == "ours"
    warnings = [e for e in side.repo.events() if e["level"] == "warn"]
    assert any("risks" in each["message"] for each in warnings)
    kept = side.repo.run_dir() / "artifacts" / "handoff-in-worktree.md"
    assert "theirs" in kept.read_text()


def test_merging_the_leader_s_history_in_keeps_what_it_changed(side: Side) -> None:
    side.tell({"T-001": {"finish": False}})
    side.repo.run("next", "--worktree", "--headless")
    assert side.repo.run("set", "T-002", "priority=high").exit_code == 0
    side.repo.git("commit", "-qam", "Raise T-002")
    side.tell({"T-001": {"run": ["git -c user.name=w -c user.email=w@w merge -q main"]}})
    done = side.repo.run("resume", "--headless")
    assert done.exit_code == 0, done.stderr
    assert side.branch_files("T-001") == ["T-001.txt"]
    side.repo.git("stash", "-q")
    side.repo.git("merge", "-q", "mission/T-001/work")
    assert side.repo.run("show", "T-002", "--json").json()["task"]["priority"] == "high"


def test_a_worktree_that_vanishes_is_an_end_of_its_own_and_is_made_anew(side: Side) -> None:
    side.tell({"T-001": {"wait": True, "commit": True, "finish": False}})
    process = side.repo.start("next", "--worktree", "--headless", "--json")
    place = side.at("T-001")["cwd"]
    wait_for(
        lambda: "T-001.txt" in side.repo.git("ls-tree", "--name-only", "mission/T-001/work"),
        "the commit",
    )
    shutil.rmtree(place)
    (side.signs / "go-T-001").write_text("")
    told, _ = process.communicate(timeout=60)
    assert json.loads(told)["cause"] == "workspace_gone"
    side.tell({})
    again = side.repo.run("resume", "--headless")
    assert again.exit_code == 0, again.stderr
    assert (Path(place) / "T-001.txt").exists()


def test_a_launcher_killed_while_the_worktree_is_made_leaves_the_task_free(side: Side) -> None:
    begun = side.signs / "setup-begun"
    side.set_mission(worktrees={"setup": f"echo $$ >> '{begun}'; exec sleep 600"})
    before = side.repo.git("status", "--porcelain")
    launcher = side.repo.start("next", "--worktree", "--headless")
    wait_for(begun.exists, "the setup command")
    assert "live" in side.repo.run("status").stdout
    assert side.repo.run("next", "--task", "T-001", "--headless").exit_code == 3
    launcher.kill()
    launcher.wait()
    assert side.repo.git("status", "--porcelain") == before
    side.set_mission(worktrees={})
    done = side.repo.run("next", "--worktree", "--headless")
    assert done.exit_code == 0, done.stderr
    assert side.repo.task_status("T-001") == "review"
    assert [pid for pid in map(int, begun.read_text().split()) if is_running(pid)] == []


def test_a_setup_that_fails_takes_everything_back(side: Side) -> None:
    side.set_mission(worktrees={"setup": "echo broken pipe >&2; exit 3"})
    side.repo.git("commit", "-qam", "Set up")
    refused = side.repo.run("next", "--worktree", "--headless")
    assert refused.exit_code == 1
    assert "exit code 3" in refused.stderr
    assert "broken pipe" in refused.stderr
    assert side.repo.git("status", "--porcelain") == ""
    assert side.repo.task_status("T-001") == "todo"
    assert "mission/" not in side.repo.git("branch", "--list")
    assert len(side.repo.git("worktree", "list").splitlines()) == 1


def test_a_hook_that_says_no_leaves_nothing_of_the_worktree(side: Side) -> None:
    hook = side.repo.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not here >&2\nexit 1\n")
    hook.chmod(0o755)
    refused = side.repo.run("next", "--worktree", "--headless")
    assert refused.exit_code == 1
    assert "not here" in refused.stderr
    assert "mission/" not in side.repo.git("branch", "--list")
    assert len(side.repo.git("worktree", "list").splitlines()) == 1


def test_a_worktree_whose_record_was_deleted_is_taken_up_with_its_work(side: Side) -> None:
    side.tell({"T-001": {"finish": False}})
    side.repo.run("next", "--worktree", "--headless")
    place = Path(side.at("T-001")["cwd"])
    place.with_name(".T-001.json").unlink()
    again = side.repo.run("next", "--task", "T-001", "--worktree", "--headless")
    assert again.exit_code == 0, again.stderr
    assert Path(side.at("T-001")["cwd"]) == place
    assert (place / "T-001.txt").exists()


def test_what_is_not_committed_is_carried_along_or_refused_in_words(side: Side) -> None:
    (side.repo.path / "draft.bin").write_bytes(bytes(range(256)))
    done = side.repo.run("next", "--with-changes", "--headless")
    assert done.exit_code == 0, done.stderr
    committed = side.repo.git("show", "--stat", "--format=", "mission/T-001/work")
    assert "draft.bin" in committed
    (side.repo.path / "a.txt").write_text("base\n")
    side.repo.git("add", "a.txt")
    side.repo.git("commit", "-qm", "a")
    side.repo.run("set", "T-002", "base_ref=HEAD~1")
    (side.repo.path / "a.txt").write_text("changed\n")
    refused = side.repo.run("next", "--task", "T-002", "--with-changes", "--headless")
    assert refused.exit_code == 1
    assert "do not fit" in refused.stderr
    assert side.repo.task_status("T-002") == "todo"


# The pool


def test_eight_workers_bring_24_tasks_to_the_end_and_every_handoff_is_reviewed(
    many: Side,
) -> None:
    pool = many.repo.start("next", "-j", "8", "--loop", "--json")
    told, said = pool.communicate(timeout=600)
    assert pool.returncode == 0, said
    report = json.loads(told)
    assert len(report["sessions"]) == len(set(report["sessions"])) == 24
    assert {move["to"] for move in report["moved"].values()} == {"review"}
    places = list(report["worktrees"].values())
    assert len({each["path"] for each in places}) == 24
    assert len({each["branch"] for each in places}) == 24
    many.clean_check()
    for task in report["moved"]:
        assert many.branch_files(task) == [f"{task}.txt"]
        found = many.repo.run("review", task, "--approve", "--json")
        assert found.exit_code == 0, found.stderr
        assert many.repo.run("merge", task).exit_code == 0
    status = many.repo.run("status", "--json").json()
    assert status["progress"]["tasks_done"] == 24
    assert len(many.repo.run("clean", "--json").json()["worktrees"]) == 24
    assert len(many.repo.git("worktree", "list").splitlines()) == 1


def test_a_pool_that_is_killed_is_started_again_and_loses_nothing(several: Side) -> None:
    several.tell({"T-001": {"wait": True}, "T-002": {"wait": True}})
    pool = several.repo.start("next", "-j", "4", "--loop", "--json")
    pids = [several.at(task)["pid"] for task in ("T-001", "T-002")]
    pool.kill()
    pool.wait()
    assert all(is_running(pid) for pid in pids)
    again = several.repo.start("next", "-j", "4", "--loop", "--json")
    wait_for(lambda: several.repo.task_status("T-009") == "review", "all the others")
    for task in ("T-001", "T-002"):
        (several.signs / f"go-{task}").write_text("")
    told, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert {move["to"] for move in json.loads(told)["moved"].values()} == {"review"}
    begun = [line for line in several.log() if line.startswith("begin")]
    assert len(begun) == len(set(begun)) == 9
    several.clean_check()


def test_a_worker_that_cannot_be_started_stops_no_other(several: Side) -> None:
    place = several.repo.state / "worktrees" / "T-002"
    place.mkdir(parents=True)
    (place / "mine").write_text("mine")
    answer = several.repo.run("next", "-j", "3", "--json")
    report = answer.json()
    assert answer.exit_code == 1
    assert "in the way" in report["not_started"]["T-002"]
    assert set(report["moved"]) == {"T-001", "T-003"}
    assert (place / "mine").read_text() == "mine"


def test_no_more_work_at_once_than_the_mission_allows(several: Side) -> None:
    several.set_mission(maxParallel=2)
    several.tell({"*": {"wait": True}})
    started = several.repo.run("next", "-j", "5", "--detach", "--json")
    assert len(started.json()["sessions"]) == 2
    refused = several.repo.run("next", "--worktree", "--headless")
    assert refused.exit_code == 4
    assert "maxParallel" in refused.stderr
    for session in started.json()["sessions"]:
        assert several.repo.run("stop", session["id"], "--now").exit_code == 0
