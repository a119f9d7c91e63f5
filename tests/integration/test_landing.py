"""Done means landed: a task's work counts when it is on the mission's branch."""

from __future__ import annotations

import shutil

import pytest

from mosaic.store.reading import read_mission
from mosaic.workspaces.landed import find_unlanded
from tests.support.mission import MissionRepo
from tests.support.workers import give_agent, write_mission

BRANCH = "mission/T-001/work"


@pytest.fixture
def home(repo: MissionRepo) -> MissionRepo:
    return give_agent(repo)


@pytest.fixture
def worked(home: MissionRepo) -> MissionRepo:
    """T-001 was worked on in a branch, in two commits, and approved."""
    does = 'write("a", "1\\n")\ncommit("a")\nwrite("b", "2\\n")\nfinish()'
    assert home.run("next", "--worktree", AGENT_DOES=does).exit_code == 0
    assert home.run("review", "T-001", "--approve", "--force").exit_code == 0
    home.git("add", "--all")
    home.git("commit", "-qm", "T-001 is done")
    return home


def to_merge(repo: MissionRepo) -> dict[str, str]:
    snapshot = read_mission(repo.path / "coordination" / "mission.json")
    return find_unlanded(snapshot.layout, snapshot.tasks)


def commit(repo: MissionRepo, name: str, text: str) -> None:
    (repo.path / name).write_text(text)
    repo.git("add", name)
    repo.git("commit", "-qm", f"{name}: {text}")


# What has landed


def test_work_waits_in_its_branch_until_it_is_merged(worked: MissionRepo) -> None:
    assert to_merge(worked) == {"T-001": BRANCH}
    assert worked.run("merge", "T-001").exit_code == 0
    assert to_merge(worked) == {}


def test_a_merge_that_is_undone_takes_it_back(worked: MissionRepo) -> None:
    worked.run("merge", "T-001", "--squash")
    assert to_merge(worked) == {}
    worked.git("reset", "-q", "--hard", "HEAD~1")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_that_people_squash_has_landed_and_later_changes_do_not_matter(
    worked: MissionRepo,
) -> None:
    worked.git("merge", "-q", "--squash", BRANCH)
    assert to_merge(worked) == {"T-001": BRANCH}  # in no commit yet
    worked.git("commit", "-qm", "squashed")
    commit(worked, "a", "changed since")
    assert to_merge(worked) == {}


def test_a_branch_that_people_rebase_has_landed_and_later_changes_do_not_matter(
    worked: MissionRepo,
) -> None:
    commit(worked, "other", "x")
    worked.git("cherry-pick", "HEAD~1.." + BRANCH)
    commit(worked, "b", "changed since")
    assert to_merge(worked) == {}


def test_half_of_a_branch_has_not_landed(worked: MissionRepo) -> None:
    worked.git("cherry-pick", BRANCH + "~1")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_deleted_after_the_merge_has_landed(worked: MissionRepo) -> None:
    worked.run("merge", "T-001", "--squash")
    commit(worked, "a", "changed since")
    worked.git("worktree", "remove", "--force", "--force", str(worked.state / "worktrees/T-001"))
    worked.git("branch", "-D", BRANCH)
    assert to_merge(worked) == {}


@pytest.mark.parametrize("packed", [False, True])
def test_work_waits_although_the_state_folder_is_gone(worked: MissionRepo, packed: bool) -> None:
    shutil.rmtree(worked.state)
    worked.git("worktree", "prune")
    if packed:
        worked.git("pack-refs", "--all")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_task_that_was_done_without_a_branch_has_landed(worked: MissionRepo) -> None:
    worked.run("done", "T-002")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_without_a_commit_of_its_own_has_landed(home: MissionRepo) -> None:
    home.run("next", "--worktree", AGENT_DOES="pass")
    home.run("done", "T-001", "--force")
    commit(home, "other", "x")
    assert home.git("branch", "--list", BRANCH).strip()
    assert to_merge(home) == {}


def test_a_persons_own_branch_counts_as_far_as_it_is_there(home: MissionRepo) -> None:
    home.run("set", "T-001", "status=done", "branch=feat")
    home.run("set", "T-002", "status=done", "branch=main")
    assert to_merge(home) == {}
    home.git("switch", "-q", "-c", "feat")
    commit(home, "a", "1")
    home.git("switch", "-q", "main")
    assert to_merge(home) == {"T-001": "feat"}


# The setting


def test_an_unknown_landing_is_named_with_its_line(home: MissionRepo) -> None:
    write_mission(home, home.mission() | {"landing": "sometimes"})
    answer = home.run("status")
    assert answer.exit_code == 5
    assert "`landing` is 'sometimes'" in answer.stderr
    assert "use one of `manual`, `approved`, `green`" in answer.stderr
