"""Worktrees after the work: reviewed, merged, cleaned, and what is left of them named."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo
from tests.support.shell_agent import change_mission

BRANCH = "mission/T-001/work"
FINISHER = r"""
import os, pathlib, subprocess, sys

task = os.environ["MISSION_TASK"]
for pair in sys.argv[1:]:
    path, _, text = pair.partition("=")
    pathlib.Path(path).write_text(f"{text} of {task}\n")
call = [sys.executable, "-m", "mosaic"]
for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes"):
    said = "- `work.txt` (new)" if name == "files_changed" else "none"
    subprocess.run([*call, "handoff", task, "--set", name, "--text", said], check=True)
subprocess.run([*call, "set", task, "status=review"], check=True)
"""


@pytest.fixture
def finisher(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    script = tmp_path / "finisher.py"
    script.write_text(FINISHER)
    mission = repo.mission()
    mission["runtimes"]["finisher"] = {
        "command": [sys.executable, str(script), "work.txt=work"], "prompt": "file",
    }  # fmt: skip
    mission["runtime"] = "finisher"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("commit", "-qam", "Name the finisher")
    done = repo.run("next", "--worktree", "--headless")
    assert done.exit_code == 0, done.stderr
    assert repo.task_status("T-001") == "review"
    return repo


def codes(repo: MissionRepo) -> list[str]:
    return [each["code"] for each in repo.run("check", "--json").json()["findings"]]


def worktree(repo: MissionRepo) -> Path:
    return repo.state / "worktrees" / "T-001"


def test_a_review_sees_the_work_in_the_worktree(finisher: MissionRepo) -> None:
    found = finisher.run("review", "T-001", "--json").json()
    assert [each["path"] for each in found["claims"]["files"]] == ["work.txt"]
    assert found["claims"]["files"][0]["standing"] == "confirmed"
    approved = finisher.run("review", "T-001", "--approve", "--commit")
    assert approved.exit_code == 0, approved.stderr
    assert finisher.git("status", "--porcelain", "--", "coordination") == ""


def test_only_work_that_was_accepted_is_merged(finisher: MissionRepo) -> None:
    refused = finisher.run("merge", "T-001")
    assert refused.exit_code == 3
    assert "is review" in refused.stderr
    assert finisher.run("review", "T-001", "--approve", "--commit").exit_code == 0
    merged = finisher.run("merge", "T-001", "--json").json()
    assert merged["branch"] == "mission/T-001/work"
    assert (finisher.path / "work.txt").read_text() == "work of T-001\n"
    assert finisher.task_status("T-001") == "done"
    assert finisher.run("merge", "T-001", "--json").json()["was_home"] is True


@pytest.mark.parametrize("way", ["--ff-only", "--no-ff", "--squash"])
def test_what_was_brought_home_is_cleaned_whatever_the_way(finisher: MissionRepo, way: str) -> None:
    finisher.run("done", "T-001")
    merged = finisher.run("merge", "T-001", way)
    assert merged.exit_code == 0, merged.stderr
    assert codes(finisher) == ["WORKTREE_LEFT"]
    cleaned = finisher.run("clean", "--json").json()
    assert [each["removed"] for each in cleaned["worktrees"]] == [True]
    assert not worktree(finisher).exists()
    assert "mission/" not in finisher.git("branch", "--list")
    assert codes(finisher) == []


def test_what_is_merged_nowhere_is_named_and_kept(finisher: MissionRepo) -> None:
    finisher.run("done", "T-001")
    assert codes(finisher) == ["WORKTREE_UNMERGED"]
    cleaned = finisher.run("clean", "--json").json()
    assert "is not merged" in cleaned["worktrees"][0]["because"]
    assert worktree(finisher).exists()
    refused = finisher.run("clean", "--worktree", "T-001")
    assert refused.exit_code == 3
    assert finisher.run("clean", "--worktree", "T-001", "--force").exit_code == 0
    assert not worktree(finisher).exists()


def test_changes_that_are_not_committed_are_named_and_kept(finisher: MissionRepo) -> None:
    finisher.run("done", "T-001")
    assert finisher.run("merge", "T-001").exit_code == 0
    (worktree(finisher) / "later.txt").write_text("a person's\n")
    cleaned = finisher.run("clean", "--json").json()
    assert "later.txt" in cleaned["worktrees"][0]["because"]
    assert (worktree(finisher) / "later.txt").exists()


def test_a_worktree_in_use_is_no_finding(finisher: MissionRepo) -> None:
    assert codes(finisher) == []
    assert finisher.run("clean", "--json").json()["worktrees"] == []


def test_a_worktree_that_is_gone_is_named_and_forgotten_but_its_branch_is_not(
    finisher: MissionRepo,
) -> None:
    shutil.rmtree(worktree(finisher))
    assert codes(finisher) == ["WORKTREE_GONE"]
    finisher.run("clean")
    assert "mission/T-001/work" in finisher.git("branch", "--list")


def test_a_task_goes_on_in_a_worktree_that_was_removed_by_hand(finisher: MissionRepo) -> None:
    shutil.rmtree(worktree(finisher))
    assert finisher.run("reopen", "T-001").exit_code == 0
    again = finisher.run("next", "--task", "T-001", "--headless", "--json")
    assert again.exit_code == 0, again.stderr
    assert again.json()["branch"] == "mission/T-001/work"
    assert (worktree(finisher) / "work.txt").exists()


def test_what_nobody_knows_of_is_named(finisher: MissionRepo) -> None:
    (finisher.state / "worktrees" / "stray").mkdir()
    finisher.git("branch", "mission/T-009/work")
    (finisher.state / "worktrees" / ".broken.json").write_text("{")
    found = codes(finisher)
    assert {"WORKTREE_UNKNOWN", "RUN_RECORD_INVALID"} <= set(found)
    (finisher.state / "worktrees" / ".broken.json").unlink()
    assert "BRANCH_LEFT" in codes(finisher)
    report = finisher.run("doctor", "--json")
    items: dict[str, Any] = {each["name"]: each for each in report.json()["items"]}
    assert "stray unknown" in items["worktrees"]["found"]


def test_a_command_in_a_worktree_acts_on_the_mission_that_made_it(finisher: MissionRepo) -> None:
    inside = MissionRepo(worktree(finisher), finisher.environ)
    assert inside.run("set", "T-002", "priority=high").exit_code == 0
    assert finisher.run("show", "T-002", "--json").json()["task"]["priority"] == "high"
    assert inside.git("status", "--porcelain") == ""


def test_a_mission_in_any_folder_called_worktrees_is_its_own(
    repo: MissionRepo, tmp_path: Path
) -> None:
    place = tmp_path / "worktrees" / "trap"
    place.mkdir(parents=True)
    other = MissionRepo(place, repo.environ)
    assert other.run("init", "--name", "Own").exit_code == 0
    record = {"layout_version": 1, "name": "trap", "owner": "trap", "path": str(place),
              "home": str(place), "project": str(place), "branch": None, "is_own_branch": False,
              "mission_file": str(repo.path / "coordination" / "mission.json"),
              "base_commit": "0", "created_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    place.with_name(".trap.json").write_text(json.dumps(record))
    assert other.run("status", "--json").json()["mission"]["name"] == "Own"


@pytest.mark.parametrize("lost", [".git", "record", "all"])
def test_a_worktree_that_git_does_not_know_any_more_is_kept_and_mended(
    finisher: MissionRepo, lost: str
) -> None:
    place = worktree(finisher)
    (place / "late.txt").write_text("not committed\n")
    admin = finisher.path / ".git" / "worktrees"
    if lost == ".git":
        (place / ".git").unlink()
    elif lost == "record":
        shutil.rmtree(admin)
    else:
        shutil.rmtree(admin)
        (place / ".git").write_text("gitdir: /nowhere\n")
    finisher.run("done", "T-001")
    assert codes(finisher) == ["WORKTREE_BROKEN"]
    assert not finisher.run("clean", "--json").json()["worktrees"][0]["removed"]
    assert (place / "late.txt").exists()
    mended = finisher.run("check", "--fix", "--json").json()["mended"]
    assert "worktree `T-001` is known to git again" in mended
    assert finisher.git("-C", str(place), "status", "--porcelain").split() == ["??", "late.txt"]
    assert finisher.git("-C", str(place), "branch", "--show-current").strip() == BRANCH
    assert codes(finisher) == ["WORKTREE_UNMERGED"]


def test_a_worktree_that_was_moved_is_named_and_moved_back(finisher: MissionRepo) -> None:
    place = worktree(finisher)
    (place / "late.txt").write_text("not committed\n")
    place.rename(place.with_name("moved"))
    assert codes(finisher) == ["WORKTREE_MOVED"]
    finisher.run("clean")
    mended = finisher.run("check", "--fix", "--json").json()["mended"]
    assert "worktree `T-001` is in its place again" in mended
    assert (place / "late.txt").exists()
    assert codes(finisher) == []
    finisher.git("worktree", "unlock", str(place))
    finisher.git("worktree", "move", str(place), str(finisher.path.with_name("away")))
    (finding,) = finisher.run("check", "--json").json()["findings"]
    assert finding["code"] == "WORKTREE_MOVED"
    finisher.git(*finding["hint"].split("`")[1].split()[1:])
    assert codes(finisher) == []
    assert (place / "late.txt").exists()


def test_a_broken_worktree_is_mended_by_the_next_session(finisher: MissionRepo) -> None:
    (worktree(finisher) / "late.txt").write_text("not committed\n")
    (worktree(finisher) / ".git").unlink()
    finisher.run("reopen", "T-001", "--why", "once more")
    done = finisher.run("next", "--headless", "--task", "T-001")
    assert done.exit_code == 0, done.stderr
    assert (worktree(finisher) / "late.txt").exists()
    assert "late.txt" in finisher.git("show", "--stat", BRANCH)


def test_after_all_is_cleaned_away_the_work_goes_on_from_its_branch(finisher: MissionRepo) -> None:
    finisher.git("clean", "-ffdxq")
    finisher.run("reopen", "T-001", "--why", "once more")
    assert codes(finisher) == ["WORKTREE_GONE", "BRANCH_LEFT"]
    tip = finisher.git("rev-parse", BRANCH)
    done = finisher.run("next", "--headless", "--task", "T-001")
    assert done.exit_code == 0, done.stderr
    assert finisher.git("-C", str(worktree(finisher)), "rev-parse", "HEAD") == tip
    finisher.run("done", "T-001", "--force")
    assert finisher.run("merge", "T-001").exit_code == 0
    assert finisher.run("clean", "--json").json()["worktrees"][0]["branch_removed"]


@pytest.mark.parametrize("command", ["clean", "check --fix"])
def test_a_worktree_that_git_alone_remembers_is_forgotten(
    finisher: MissionRepo, command: str
) -> None:
    finisher.git("clean", "-ffdxq")
    assert "locked" in finisher.git("worktree", "list")
    finisher.run(*command.split())
    assert len(finisher.git("worktree", "list").splitlines()) == 1
    assert codes(finisher) == ["BRANCH_LEFT"]


@pytest.mark.parametrize("status", ["todo", "in-progress"])
def test_two_tasks_of_one_branch_follow_each_other(finisher: MissionRepo, status: str) -> None:
    finisher.run("add", "Third")
    for task in ("T-002", "T-003"):
        finisher.run("set", task, "branch=feat/x", "depends_on=", f"status={status}")
    pool = finisher.run("next", "-j", "2", "--loop", "--headless")
    assert "could not be started" not in pool.stdout + pool.stderr
    assert "T-003 waits: `T-002` works on branch `feat/x`" in pool.stdout + pool.stderr
    assert [finisher.task_status(task) for task in ("T-002", "T-003")] == ["review", "review"]
    subjects = finisher.git("log", "--format=%s", "main..feat/x")
    assert "T-002" in subjects


@pytest.mark.parametrize("branch", [None, "feat/x"])
@pytest.mark.parametrize("lost", ["the worktree", "all worktrees"])
def test_a_task_that_began_in_a_worktree_never_goes_on_in_the_tree_of_the_person(
    finisher: MissionRepo, branch: str | None, lost: str
) -> None:
    finisher.run("set", "T-002", "depends_on=", *([f"branch={branch}"] if branch else []))
    ends = {**finisher.mission()["runtimes"], "ends": {"command": ["true"]}}
    change_mission(finisher, runtimes=ends)
    finisher.run("next", "--headless", "--worktree", "--task", "T-002", "--runtime", "ends")
    assert finisher.task_status("T-002") == "in-progress"
    place = worktree(finisher).with_name("T-002")
    shutil.rmtree(place if lost == "the worktree" else place.parent)
    again = finisher.run("next", "--headless", "--task", "T-002", "--json")
    assert again.exit_code == 0, again.stderr
    assert again.json()["worktree"] == str(place)
    assert again.json()["branch"] == (branch or "mission/T-002/work")
    assert (place / "work.txt").exists()
    assert not (finisher.path / "work.txt").exists()


def test_a_pool_goes_on_beside_branches_that_git_will_not_make(finisher: MissionRepo) -> None:
    for number, branch in enumerate(("feat", "feat/b", "x.lock", "e\u0301", "\u00e9"), 2):
        if number > 2:
            finisher.run("add", f"Task {number}")
        (file,) = (finisher.path / "coordination" / "tasks").glob(f"T-{number:03}*")
        text = re.sub(r"depends_on:.*(\n- .*)*", "", file.read_text())
        file.write_text(text.replace("\nstatus:", f"\nbranch: {branch}\nstatus:", 1))
    finisher.run("sync", "--prefer", "files")
    pool = finisher.run("next", "-j", "5", "--loop", "--headless", "--json")
    unstarted = pool.json()["not_started"]
    assert "fatal" not in str(unstarted)
    one_of_each = sorted(["T-004", *({"T-002", "T-003"} & {*unstarted}),
                          *({"T-005", "T-006"} & {*unstarted})])  # fmt: skip
    assert sorted(unstarted) == one_of_each
    assert len(one_of_each) == 3
    assert codes(finisher).count("BRANCH_IMPOSSIBLE") == 5


def test_a_branch_that_git_will_not_make_is_refused_where_it_is_set(finisher: MissionRepo) -> None:
    for name, words in {
        "main/x": "branch `main`",
        "a b": "not a name",
        "a..b": "not a name",
        "--force": "not a name",
        "x.lock": "not a name",
        f"x/{'y' * 251}": "not a name",
        "HEAD": "not a name",
    }.items():
        refused = finisher.run("set", "T-002", f"branch={name}")
        assert refused.exit_code == 2, name
        assert words in refused.stderr
    (file,) = (finisher.path / "coordination" / "tasks").glob("T-002*")
    file.write_text(file.read_text().replace("\nstatus:", "\nbranch: main/x\nstatus:", 1))
    assert "BRANCH_IMPOSSIBLE" in codes(finisher)
    refused = finisher.run("next", "--worktree", "--headless", "--task", "T-002", "--force")
    assert refused.exit_code == 1
    assert "`main/x` cannot be made beside branch `main`" in refused.stderr
