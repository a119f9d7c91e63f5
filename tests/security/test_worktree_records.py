"""Worktrees and their branches: only of this repository, by full names, and without a loss."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, make_environ

WORKER = """\
import os, pathlib, subprocess, sys
pathlib.Path("work.txt").write_text("work\\n")
exec(os.environ.get("AGENT_DOES", ""))
call = [sys.executable, "-m", "mosaic"]
task = os.environ["MISSION_TASK"]
for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes"):
    subprocess.run([*call, "handoff", task, "--set", name, "--text", "none"], check=True)
subprocess.run([*call, "set", task, "status=review"], check=True)
"""


@pytest.fixture
def worker(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    mission = repo.mission()
    mission["runtimes"]["worker"] = {"command": [sys.executable, str(script)], "prompt": "file"}
    mission["runtime"] = "worker"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("commit", "-qam", "Name the worker")
    return repo


def work(repo: MissionRepo, *options: str, does: str = "") -> None:
    done = repo.run("next", "--headless", "--worktree", *options, AGENT_DOES=does)
    assert done.exit_code == 0, done.stderr
    repo.run("done", "T-001")


def settle(repo: MissionRepo) -> None:
    """Commit what the mission wrote, so that merges have a clean work tree."""
    repo.git("commit", "-qam", "Note the session")


def record_of(repo: MissionRepo) -> Path:
    return repo.state / "worktrees" / ".T-001.json"


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def other(tmp_path: Path) -> MissionRepo:
    """Another repository, with a branch `release` that is merged and checked out nowhere."""
    folder = tmp_path / "other"
    folder.mkdir()
    made = MissionRepo(folder, make_environ(tmp_path))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    made.git("commit", "-q", "--allow-empty", "-m", "One")
    made.git("branch", "release")
    return made


def test_a_record_names_no_other_repository(
    worker: MissionRepo, other: MissionRepo, tmp_path: Path
) -> None:
    work(worker)
    settle(worker)
    assert worker.run("merge", "T-001").exit_code == 0
    branches = other.git("for-each-ref")
    values = {"home": str(other.path), "branch": "release", "is_own_branch": True,
              "project": str(other.path), "base_commit": "0" * 40}  # fmt: skip
    edit(record_of(worker), **values)
    planted = worker.state / "worktrees" / ".x.json"
    shutil.copy(record_of(worker), planted)
    before = sorted(os.listdir(other.path))
    for command in (("clean", "--older-than", "0s"), ("clean", "--worktree", "x", "--force"),
                    ("merge", "T-001"), ("check", "--fix")):  # fmt: skip
        worker.run(*command)
        assert other.git("for-each-ref") == branches, command
        assert sorted(os.listdir(other.path)) == before, command


def test_a_clone_that_brings_a_record_deletes_no_branch_elsewhere(
    repo: MissionRepo, other: MissionRepo, tmp_path: Path
) -> None:
    folder = repo.state / "worktrees"
    folder.mkdir(parents=True)
    values = {"layout_version": 1, "name": "x", "owner": "x", "path": "/x",
              "home": str(other.path), "project": str(other.path),
              "mission_file": str(repo.path / "coordination" / "mission.json"),
              "branch": "release", "is_own_branch": True, "base_commit": "0" * 40,
              "created_at": "2026-01-01T00:00:00Z", "is_added": True, "is_ready": True}  # fmt: skip
    (folder / ".x.json").write_text(json.dumps(values))
    repo.git("add", "--force", "coordination/.state/worktrees/.x.json")
    repo.git("commit", "-qm", "Bring a record")
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "clone"))
    clone = MissionRepo(tmp_path / "clone", repo.environ)
    branches = other.git("for-each-ref")
    clone.run("clean", "--older-than", "0s")
    clone.run("clean", "--worktree", "x", "--force")
    assert other.git("for-each-ref") == branches


@pytest.mark.parametrize("how", ["a symlink", "a repository", "a folder"])
def test_what_stands_in_the_place_of_a_worktree_is_not_removed(
    worker: MissionRepo, other: MissionRepo, how: str
) -> None:
    work(worker)
    settle(worker)
    assert worker.run("merge", "T-001").exit_code == 0
    place = worker.state / "worktrees" / "T-001"
    shutil.rmtree(place)
    if how == "a symlink":
        place.symlink_to(other.path)
    elif how == "a repository":
        shutil.copytree(other.path, place)
    else:
        worker.git("worktree", "unlock", str(place))
        worker.git("worktree", "prune")
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    names = sorted(os.listdir(place))
    for command in (("clean", "--older-than", "0s"), ("clean", "--worktree", "T-001", "--force")):
        worker.run(*command)
        assert sorted(os.listdir(place)) == names, command
    assert other.git("rev-parse", "release")


@pytest.mark.parametrize("target", ["HEAD~0", "HEAD^{tree}"])
def test_a_tag_of_the_same_name_stands_for_no_branch(worker: MissionRepo, target: str) -> None:
    worker.git("tag", "v1", "HEAD" if target == "HEAD~0" else target)
    worker.run("set", "T-001", "branch=v1")
    settle(worker)
    if target == "HEAD~0":
        work(worker)
        settle(worker)
        tip = worker.git("rev-parse", "refs/heads/v1").strip()
        dry = worker.run("clean", "--json").json()["worktrees"]
        assert [each["removed"] for each in dry] == [False]
        merged = worker.run("merge", "T-001", "--json").json()
        assert merged["was_home"] is False
        assert (worker.path / "work.txt").read_text() == "work\n"
        assert tip in worker.git("rev-list", "refs/heads/main")
        assert worker.run("clean").exit_code == 0
        assert "refs/tags/v1" in worker.git("for-each-ref")
    else:
        done = worker.run("next", "--headless", "--worktree")
        tips = worker.git("for-each-ref", "--format=%(refname)", "refs/heads")
        assert done.exit_code == 0 or tips == "refs/heads/main\n"


def test_a_branch_that_only_a_tag_holds_stays(worker: MissionRepo) -> None:
    work(worker)
    settle(worker)
    branch = worker.git("for-each-ref", "--format=%(refname:short)", "refs/heads/mission").strip()
    assert worker.run("merge", "T-001").exit_code == 0
    worker.git("tag", "kept", f"refs/heads/{branch}")
    worker.git("tag", branch, f"refs/heads/{branch}")
    worker.git("reset", "-q", "--hard", "HEAD~1")
    before = worker.git("rev-parse", f"refs/heads/{branch}")
    worker.run("clean", "--older-than", "0s")
    assert worker.git("rev-parse", f"refs/heads/{branch}") == before


def test_a_branch_that_was_rebased_by_hand_stays(worker: MissionRepo) -> None:
    work(worker)
    settle(worker)
    branch = worker.git("for-each-ref", "--format=%(refname)", "refs/heads/mission").strip()
    worker.git("cherry-pick", f"main..{branch}")
    worker.git("commit", "-q", "--amend", "-m", "Reworded")
    cleaned = worker.run("clean", "--json").json()["worktrees"]
    assert [(each["removed"], each["branch_removed"]) for each in cleaned] == [(True, False)]
    assert worker.git("rev-parse", branch)


def test_a_base_that_is_branch_and_tag_is_the_branch(worker: MissionRepo) -> None:
    worker.git("branch", "start")
    worker.git("commit", "-q", "--allow-empty", "-m", "Later")
    worker.git("tag", "start")
    worker.run("set", "T-001", "base_ref=start")
    settle(worker)
    work(worker)
    assert json.loads(record_of(worker).read_text())["base_commit"] == (
        worker.git("rev-parse", "refs/heads/start").strip()
    )


def test_a_removal_that_was_interrupted_is_gone_on_with(worker: MissionRepo) -> None:
    work(worker)
    settle(worker)
    assert worker.run("merge", "T-001").exit_code == 0
    place = worker.state / "worktrees" / "T-001"
    place.rename(place.with_name(".gone-T-001"))
    assert worker.run("clean").exit_code == 0
    assert not (worker.state / "worktrees").exists()
    assert str(place) not in worker.git("worktree", "list", "--porcelain")
    assert worker.git("for-each-ref", "refs/heads/mission") == ""


# What leaves the machine


def test_a_remote_that_mirrors_gets_no_checkpoint_and_one_of_an_older_version_is_named(
    repo: MissionRepo, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.git"
    repo.git("init", "-q", "--bare", str(backup))
    repo.git("remote", "add", "--mirror=push", "backup", str(backup))

    def codes() -> list[str]:
        return [each["code"] for each in repo.run("check", "--json").json()["findings"]]

    repo.run("checkpoint", "T-001")
    assert "CHECKPOINTS_PUSHED" not in codes()
    repo.git("push", "-q", "backup")
    assert "mosaic" not in repo.git("--git-dir", str(backup), "for-each-ref")
    repo.git("update-ref", "refs/mosaic/checkpoints/r001-abcdef/1", "HEAD")
    assert "CHECKPOINTS_PUSHED" in codes()
    repo.run("clean")
    assert "CHECKPOINTS_PUSHED" not in codes()
    assert repo.git("for-each-ref", "refs/mosaic") == ""
