"""Planning, reviewing and merging beside an agent is safe: none of it counts as its work."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import by_hand, go, go_behind, let_agent_do, tell

WORK = "mkdir -p src; echo x >>src/a"


def scoped(repo: MissionRepo) -> MissionRepo:
    repo.run("set", "T-001", "write_scope=src/**")
    repo.run("set", "T-003", "write_scope=lib/**")
    return let_agent_do(repo)


def review(repo: MissionRepo) -> Any:
    return repo.run("review", "T-001", "--json").json()


@pytest.mark.parametrize(
    "command",
    [
        ("add", "Another"),
        ("set", "T-003", "priority=high"),
        ("block", "T-003", "--why", "x"),
        ("handoff", "T-003", "--set", "notes", "--text", "a word"),
        ("review", "T-003", "--reject", "--why", "x"),
        ("sync",),
    ],
    ids=lambda command: command[0],
)
def test_what_mission_writes_never_counts_against_a_scope(
    repo: MissionRepo, command: tuple[str, ...]
) -> None:
    scoped(repo)
    repo.run("set", "T-003", "status=review")
    go_behind(repo, WORK)
    assert repo.run(*command).exit_code == 0
    assert tell(repo)["endedReason"] == "completed"
    found = review(repo)
    assert (found["objections"], found["warnings"]) == ([], [])


def test_a_loop_goes_on_while_somebody_plans(repo: MissionRepo) -> None:
    scoped(repo)
    add = f"(unset MISSION_SESSION; mission add Idea); {WORK}"
    assert repo.run("next", "--loop", "--max-sessions", "1", DOES=add).exit_code == 0
    assert repo.task_status("T-001") == "review"


def test_a_session_in_a_worktree_that_ends_beside_it_does_not_count(repo: MissionRepo) -> None:
    scoped(repo)
    go_behind(repo, WORK, "--task", "T-001")
    assert go(repo, "mkdir lib; echo k >lib/k", "--worktree", "--task", "T-003").exit_code == 0
    assert tell(repo)["endedReason"] == "completed"


def test_nor_does_what_mission_merges_beside_it(repo: MissionRepo) -> None:
    scoped(repo)
    assert go(repo, "mkdir lib; echo k >lib/k", "--worktree", "--task", "T-003").exit_code == 0
    repo.run("done", "T-003")
    repo.git("commit", "-qam", "Plan")
    go_behind(repo, WORK, "--task", "T-001")
    merged = repo.run("merge", "T-003")
    assert merged.exit_code == 0, merged.stderr
    assert tell(repo, 1)["endedReason"] == "completed"
    found = review(repo)
    assert found["objections"] == []
    assert [each["path"] for each in found["evidence"]["files"]
            if not each["path"].startswith("coordination/")] == ["src/a"]  # fmt: skip


OTHER = "path, = pathlib.Path('coordination/tasks').glob('T-003*')"
TABLE = "path = pathlib.Path('coordination/TASKS.md')"
APPEND = "path.write_text(path.read_text() + '\\nby hand\\n')"


@pytest.mark.parametrize(
    ("code", "path"),
    [
        (f"{OTHER}\n{APPEND}", "coordination/tasks/T-003-third.md"),
        (f"{OTHER}\npath.unlink()", "coordination/tasks/T-003-third.md"),
        (f"{TABLE}\n{APPEND}", "coordination/TASKS.md"),
    ],
    ids=["another task", "removed", "table"],
)
def test_an_edit_of_the_plan_by_hand_is_named(repo: MissionRepo, code: str, path: str) -> None:
    scoped(repo)
    edit = by_hand(repo, code)
    go(repo, f"{WORK}; {edit}; git add -A; git commit -qm sly", "--task", "T-001")
    found = review(repo)
    assert [warning for warning in found["warnings"] if path in warning]
    assert "worth a look" in repo.run("review", "T-001").stdout
    assert found["out_of_scope"] == []


def test_a_replaced_table_cannot_hide_what_the_agent_was_given(repo: MissionRepo) -> None:
    scoped(repo)
    table = (repo.path / "coordination" / "TASKS.md").read_text()
    widened = table.replace("| id |", "| id | write_scope |").replace("|---|", "|---|---|", 1)
    (repo.path.parent / "table").write_text(widened)
    go(repo, f"{WORK}; echo y >outside; cp ../table coordination/TASKS.md", "--task", "T-001")
    assert repo.task_status("T-001") == "in-progress"
    assert review(repo)["out_of_scope"] == ["outside"]


def test_git_may_move_the_plan_while_it_works(repo: MissionRepo) -> None:
    scoped(repo)
    file = repo.path / "coordination" / "tasks" / "T-003-third.md"
    file.write_text(f"{file.read_text()}\nmine\n")
    go(repo, f"git checkout -q coordination/tasks/T-003-third.md; {WORK}", "--task", "T-001")
    assert review(repo)["warnings"] == []


def test_what_an_earlier_session_did_and_undid_does_not_stick(repo: MissionRepo) -> None:
    scoped(repo)
    assert go(repo, f"{WORK}; echo y >outside").exit_code == 1
    assert go(repo, f"{WORK}; rm outside", "--task", "T-001").exit_code == 0
    wait_for(lambda: repo.task_status("T-001") == "review")
