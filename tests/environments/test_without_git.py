"""No git on the machine: what can be done is done, and the rest says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments.conftest import Surroundings, programs

NO_GIT = ("`git` cannot be started", "it is not on the PATH", "install git")


@pytest.fixture
def bare(here: Surroundings, tmp_path: Path) -> Surroundings:
    """The mission on a machine without git."""
    here.repo.environ["PATH"] = programs(tmp_path / "programs", "sh", "cat", "ps", "true")
    return here


def ok(surroundings: Surroundings, *arguments: str) -> str:
    answer = surroundings.run(*arguments)
    assert answer.exit_code == 0, (arguments, answer)
    return answer.stdout


def test_a_task_goes_its_whole_way(bare: Surroundings) -> None:
    for looked in (["status"], ["sync"]):
        ok(bare, *looked)
    ok(bare, "add", "Third")
    ok(bare, "block", "T-003", "--why", "later")
    ok(bare, "next", "--headless", "--runtime", "demo", "--task", "T-001")
    ok(bare, "exec", "T-001", "--step", "look", "--", "cat", "hello.txt")
    seen = ok(bare, "review", "T-001")
    assert "`git` cannot be started" in seen
    assert "changes  not known" in seen
    ok(bare, "review", "T-001", "--approve", "--force")
    ok(bare, "clean")
    assert ok(bare, "check") == "nothing is wrong\n"


def test_a_mission_is_laid_outside_of_any_repository(bare: Surroundings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for arguments in (["init", "--name", "Other"], ["add", "One"]):
        assert bare.run(*arguments, cwd=other).exit_code == 0
    done = bare.run("next", "--headless", "--runtime", "demo", cwd=other)
    assert done.exit_code == 0, done.stderr


def test_a_checkpoint_is_taken_and_says_that_it_has_no_tree(bare: Surroundings) -> None:
    assert "`git` cannot be started" in ok(bare, "checkpoint", "T-001")
    answer = bare.run("checkpoint", "restore", "T-001", "1", "--into", "elsewhere")
    assert answer.exit_code == 1
    assert "`git` cannot be started" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["next", "--worktree", "--headless", "--runtime", "demo"],
        ["panel", "start", "Why?", "--role", "planner", "--runtime", "demo"],
    ],
    ids=" ".join,
)
def test_what_needs_a_worktree_says_that_git_is_missing(
    bare: Surroundings, arguments: list[str]
) -> None:
    answer = bare.run(*arguments)
    assert answer.exit_code == 1
    for words in NO_GIT:
        assert words in answer.stderr
    assert bare.repo.task_status("T-001") == "todo"
    listed = bare.run("panel", "list", "--json").json()
    assert [panel["status"] for panel in listed["panels"]] in ([], ["failed"])


def test_a_pool_says_for_each_task_that_git_is_missing(bare: Surroundings) -> None:
    answer = bare.run("next", "-j", "2", "--headless", "--runtime", "demo")
    assert answer.exit_code == 1
    assert "T-001 could not be started: `git` cannot be started" in answer.stderr


def test_a_merge_says_that_git_is_missing(here: Surroundings, tmp_path: Path) -> None:
    ok(here, "next", "--worktree", "--headless", "--runtime", "demo")
    here.repo.environ["PATH"] = programs(tmp_path / "programs", "sh", "cat", "ps")
    answer = here.run("merge", "T-001", "--force")
    assert answer.exit_code == 1
    for words in NO_GIT:
        assert words in answer.stderr


def test_doctor_names_it(bare: Surroundings) -> None:
    told = ok(bare, "doctor")
    assert "git         not on the PATH" in told
    assert "install git" in told
