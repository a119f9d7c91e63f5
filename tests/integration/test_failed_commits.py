"""`review --approve --commit` where git makes no commit: both or neither, and a way on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, wait_for

APPROVE = ("review", "T-001", "--approve", "--commit", "--force")
Fault = Callable[[MissionRepo], Callable[[], object]]


def hook(name: str, script: str) -> Fault:
    def lay(repo: MissionRepo) -> Callable[[], object]:
        path = repo.path / ".git" / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path.unlink

    return lay


def setting(name: str, value: str) -> Fault:
    def lay(repo: MissionRepo) -> Callable[[], object]:
        repo.git("config", name, value)
        return lambda: repo.git("config", "--unset", name)

    return lay


def no_identity(repo: MissionRepo) -> Callable[[], object]:
    for name in ("user.name", "user.email"):
        repo.git("config", "--unset", name)
    repo.git("config", "user.useConfigOnly", "true")
    return lambda: (repo.git("config", "user.name", "A"), repo.git("config", "user.email", "a@b"))


def unfinished_merge(repo: MissionRepo) -> Callable[[], object]:
    repo.git("checkout", "-q", "-b", "side")
    (repo.path / "side.txt").write_text("side\n")
    repo.git("add", "side.txt")
    repo.git("commit", "-qm", "Side")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-commit", "side")
    return lambda: repo.git("commit", "-qm", "Merge")


FAULTS: dict[str, tuple[Fault, str]] = {
    "pre-commit": (hook("pre-commit", "echo 'the linter says no'; exit 1"), "the linter says no"),
    "commit-msg": (hook("commit-msg", "echo 'no ticket' >&2; exit 1"), "no ticket"),
    "signature": (setting("commit.gpgsign", "true"), "sign"),
    "identity": (no_identity, "dentity"),
    "merge": (unfinished_merge, "merge"),
}


@pytest.fixture
def worked(repo: MissionRepo) -> MissionRepo:
    """A mission with a task that waits for review, and something else staged by its user."""
    assert repo.run("next", "--headless", "--runtime", "quick").exit_code == 0
    assert repo.run("set", "T-001", "status=review").exit_code == 0
    (repo.path / "mine.txt").write_text("staged by the user\n")
    repo.git("config", "gpg.program", "false")
    return repo


def index_of(repo: MissionRepo) -> str:
    return repo.git("ls-files", "--stage") + repo.git("diff", "--cached", "--name-status")


@pytest.mark.parametrize("name", FAULTS)
def test_a_commit_that_fails_leaves_decision_and_index_as_they_were(
    worked: MissionRepo, name: str
) -> None:
    fault, words = FAULTS[name]
    mend = fault(worked)
    worked.git("add", "mine.txt")
    head, index = worked.git("rev-parse", "HEAD"), index_of(worked)
    task = next((worked.path / "coordination" / "tasks").glob("T-001*")).read_text()
    answer = worked.run(*APPROVE)
    assert answer.exit_code == 1, answer
    assert words in answer.stderr
    assert "mission review T-001 --approve" in answer.stderr
    assert worked.task_status("T-001") == "review"
    assert next((worked.path / "coordination" / "tasks").glob("T-001*")).read_text() == task
    assert worked.git("rev-parse", "HEAD") == head
    assert index_of(worked) == index
    mend()
    again = worked.run(*APPROVE)
    assert again.exit_code == 0, again
    assert worked.task_status("T-001") == "done"
    assert "Approve T-001" in worked.git("log", "-1", "--format=%s")
    assert worked.git("status", "--porcelain", "coordination") == ""


def test_a_rejection_whose_commit_fails_is_taken_back_too(worked: MissionRepo) -> None:
    FAULTS["pre-commit"][0](worked)
    answer = worked.run("review", "T-001", "--reject", "--why", "not so", "--commit")
    assert answer.exit_code == 1
    assert "mission review T-001 --reject --why 'not so' --commit" in answer.stderr
    assert worked.task_status("T-001") == "review"
    assert "not so" not in worked.run("show", "T-001").stdout


def test_a_task_that_is_done_and_not_committed_can_be_committed(worked: MissionRepo) -> None:
    assert worked.run("review", "T-001", "--approve", "--force").exit_code == 0
    answer = worked.run("review", "T-001", "--approve", "--commit")
    assert answer.exit_code == 0, answer
    assert "status: done" in worked.git(
        "show", *[f"HEAD:{p}" for p in worked.git("ls-files", "*T-001*").split()]
    )
    nothing = worked.run("review", "T-001", "--approve", "--commit")
    assert nothing.exit_code == 3
    assert "nothing to commit" in nothing.stderr
    assert worked.task_status("T-001") == "done"


def test_a_commit_that_fails_in_a_new_clone_keeps_its_index(
    worked: MissionRepo, tmp_path: Path
) -> None:
    assert worked.run(*APPROVE).exit_code == 0
    clone = MissionRepo(tmp_path / "clone", worked.environ)
    worked.git("clone", "-q", str(worked.path), str(clone.path))
    pad = clone.path / "coordination" / "SCRATCHPAD.md"
    pad.write_text(pad.read_text() + "more\n")
    index = index_of(clone)
    FAULTS["pre-commit"][0](clone)
    assert clone.run("review", "T-001", "--approve", "--commit").exit_code == 1
    assert index_of(clone) == index


def test_a_command_that_is_killed_while_git_commits_can_be_repeated(worked: MissionRepo) -> None:
    mend = hook("pre-commit", 'kill -9 "$(ps -o ppid= -p $PPID)"; exit 1')(worked)
    subprocess.run(
        worked.argv(*APPROVE), cwd=worked.path, env=worked.environ, capture_output=True, check=False
    )
    mend()
    wait_for(lambda: not (worked.path / ".git" / "index.lock").exists(), "the end of git")
    assert worked.run("check").exit_code in (0, 1)
    again = worked.run(*APPROVE)
    assert again.exit_code == 0, again
    assert worked.task_status("T-001") == "done"
    assert "Approve T-001" in worked.git("log", "-1", "--format=%s")
