"""No row in silence: every row that a person wrote is a task, or is named with line and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo

PLAN = """\
# Plan

## Phase M1: first

| Key | Summary | State |
|-----|---------|-------|
| T-101 | One | ✅ Done 2026-03-21 |
| **Core** | | |
| T-102 | Two | todo |

Words between.

## Second

ID | Task | Status | Depends on
---|---|---|---
T-103 | Three | [ ] | T-101, #T-102
T-104 | none | todo | [[T-101]]; T-103

### Third

| # | Milestone | Description | Stage |
|:--|:-:|---|---|
| 12 | M2 | Four | ~~todo~~ in progress |
"""


@pytest.fixture
def plan(repo: MissionRepo) -> MissionRepo:
    """A mission of two milestones, with three tables and no task files."""
    mission = repo.mission()
    mission["milestones"] = [{"id": "M1", "name": "Base"}, {"id": "M2", "name": "Second"}]
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    # The tasks of before are of no commit and of no agreement any more: they are not missed.
    repo.git("rm", "-rq", "coordination/tasks", "coordination/TASKS.md")
    repo.git("commit", "-qam", "Another plan")
    (repo.path / "coordination" / "tasks").mkdir()
    (repo.state / "sync.json").unlink(missing_ok=True)
    write(repo, PLAN)
    return repo


def write(repo: MissionRepo, text: str) -> None:
    table_of(repo).write_text(text)


def table_of(repo: MissionRepo) -> Path:
    return repo.path / "coordination" / "TASKS.md"


def run(repo: MissionRepo, *arguments: str) -> Answer:
    return call(repo.path, *arguments)


def tasks(repo: MissionRepo) -> dict[str, dict[str, Any]]:
    listed = json.loads(run(repo, "list", "--all", "--json").stdout)["tasks"]
    return {task["id"]: task for task in listed}


def findings(repo: MissionRepo) -> dict[tuple[str, int], str]:
    found = json.loads(run(repo, "check", "--json").stdout)["findings"]
    return {(each["code"], each["line"]): f"{each['message']} {each['hint']}" for each in found}


def test_several_tables_are_one_plan_in_order(plan: MissionRepo) -> None:
    found = tasks(plan)
    assert list(found) == ["T-101", "T-102", "T-103", "T-104", "12"]
    names = ("title", "status", "milestone", "depends_on", "ready")
    assert [tuple(task[name] for name in names) for task in found.values()] == [
        ("One", "done", "M1", [], False),
        ("Two", "todo", "M1", [], True),
        ("Three", "todo", "M2", ["T-101", "T-102"], False),
        ("none", "todo", "M2", ["T-101", "T-103"], False),
        ("Four", "in-progress", "M2", [], True),
    ]
    assert run(plan, "check").stdout.strip() == "nothing is wrong"


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (("done", "T-103"), "T-103 | Three | [ ] |", "T-103 | Three | ✅ Done |"),
        (("set", "12", "title=A | b"), "| Four |", "| A \\| b |"),
        (("set", "T-104", "depends_on-=T-103"), "[[T-101]]; T-103", "T-101"),
        (("set", "T-102", "status=review"), "| Two | todo |", "| Two | review |"),
    ],
)
def test_a_change_touches_its_row_alone(
    plan: MissionRepo, arguments: tuple[str, ...], old: str, new: str
) -> None:
    assert run(plan, *arguments).exit_code == 0
    assert table_of(plan).read_text() == PLAN.replace(old, new)


def test_a_new_row_goes_to_the_table_of_its_milestone(plan: MissionRepo) -> None:
    assert run(plan, "add", "New", "--milestone", "M1", "--table-only").stdout == "T-105\n"
    assert "| T-102 | Two | todo |\n| T-105 | New | todo |\n" in table_of(plan).read_text()
    assert run(plan, "add", "Last", "--table-only").stdout == "T-106\n"
    assert table_of(plan).read_text().endswith("| T-106 |  | Last | todo |\n")


HEAD = "| id | status | title |\n|---|---|---|\n| T-101 | todo | One |\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "| | todo | No id |\n", 4, "has no id"),
        (HEAD + "| — | todo | No id |\n", 4, "has no id"),
        (HEAD + "\n| T-102 | todo | Behind |\n", 5, "`T-102` stands behind a blank line"),
        (HEAD + "\n\nT-102 | todo | Behind\n", 6, "`T-102` stands behind a blank line"),
        (HEAD + "words below\n", 4, "holds no `|`"),
        (HEAD + "\nText.\n| T-102 | todo |\n", 6, "`T-102` looks like a row"),
        (HEAD + "\n| id | status |\n|---|\n| T-102 | todo |\n", 7, "`T-102` looks like a row"),
        (HEAD + "\n| id | title |\n|---|---|\n| T-102 | x |\n", 5, "without a column `status`"),
        (HEAD + "\n| Name | Status |\n|---|---|\n| Docs | todo |\n", 5, "column for ids"),
        (HEAD + "\n| id | status |\n|---|---|\n| T-101 | todo |\n", 7, "that of line 3"),
    ],
)
def test_what_is_no_task_is_named_with_line_and_reason(
    plan: MissionRepo, text: str, line: int, words: str, tmp_path: Path
) -> None:
    write(plan, text)
    told = findings(plan)
    assert words in told["ROW_LEFT_OUT", line]
    for arguments in (("list",), ("list",), ("status",)):
        answer = run(plan, *arguments)
        assert answer.exit_code == 0
        assert f"not read: coordination/TASKS.md:{min(n for _, n in told)} " in answer.stdout
    assert run(plan, "add", "New", "--table-only").stdout.strip() not in text
    write(plan, text.replace("todo", "done"))
    assert "not read: coordination/TASKS.md:" in run(plan, "next", "--print").stderr
    assert "not read: coordination/TASKS.md:" in run(plan, "next", "--loop").stdout
    other = tmp_path / "other"
    (other / "coordination").mkdir(parents=True)
    (other / "coordination" / "TASKS.md").write_text(text)
    assert (
        f"not read: coordination/TASKS.md:{line} "
        in run(other_of(plan, other), "init", "--adopt").stdout
    )


def other_of(repo: MissionRepo, path: Path) -> MissionRepo:
    return MissionRepo(path=path, environ=repo.environ)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "| | | |\n| --- | --- | --- |\n| **Core** | | |\n| Later | | |\n",
        HEAD + ":::\n",
        HEAD + "\n```\n| T-102 | todo | x |\n```\n<!--\n| T-103 | todo | x |\n-->\n",
        HEAD + "\n| Key | Value |\n|---|---|\n| T-102 | x |\n",
        HEAD + "\n| Key | Description |\n|---|---|\n| P0 | now |\n",
        HEAD + "\n| Name | Status |\n|---|---|\n| build | passing |\n",
    ],
)
def test_what_says_nothing_of_tasks_is_passed_over(plan: MissionRepo, text: str) -> None:
    write(plan, text)
    assert list(tasks(plan)) == ["T-101"]
    assert findings(plan) == {}
    assert "T-101" in run(plan, "next", "--explain").stdout


def test_an_id_in_bold_alone_is_a_task_and_other_bold_words_are_a_heading(
    plan: MissionRepo,
) -> None:
    write(plan, HEAD + "| **T-102** | | |\n| **M2** | | |\n| | **Core** | |\n")
    assert list(tasks(plan)) == ["T-101", "T-102"]
    assert findings(plan) == {}


def test_rows_get_ids_by_check_fix(plan: MissionRepo) -> None:
    text = HEAD + "|  | todo | A |\n| T-104 | todo | B |\n| | done | C |\n\nKept.\n"
    write(plan, text)
    assert "TASKS.md:4` is `T-105` now" in run(plan, "check", "--fix").stdout
    wanted = text.replace("|  | todo | A", "| T-105 | todo | A").replace(
        "| | done", "| T-106| done"
    )
    assert table_of(plan).read_text() == wanted
    assert list(tasks(plan)) == ["T-101", "T-105", "T-104", "T-106"]


def test_rows_get_ids_at_a_persons_next_change_and_a_notice_says_so(plan: MissionRepo) -> None:
    text = HEAD + "|  | todo | A |\n| T-104 | todo | B |\n"
    write(plan, text)
    for refused in (("done", "T-999"), ("set", "T-101", "status=todo"), ("list",)):
        run(plan, *refused)
        assert table_of(plan).read_text() == text, refused
    agents = plan.run("set", "T-101", "title=By an agent", MISSION_SESSION="sess-001-k7mp")
    assert (agents.exit_code, "now" in agents.stderr) == (0, False)

    answer = run(plan, "done", "T-104")
    assert "warning: `coordination/TASKS.md:4` is `T-105` now" in answer.stderr
    assert list(tasks(plan)) == ["T-101", "T-105", "T-104"]

    write(plan, table_of(plan).read_text() + "| | todo | C |\n" * 8)
    answer = run(plan, "add", "New", "--table-only")
    assert (answer.stdout, answer.stderr.count("` now")) == ("T-106\n", 5)
    assert "3 more rows got ids" in answer.stderr
    assert len(tasks(plan)) == 12
    assert findings(plan) == {}


def test_sync_gives_ids_to_rows_whatever_else_it_finds(plan: MissionRepo) -> None:
    write(plan, HEAD + "| | todo | A |\n")
    assert "TASKS.md:4` is `T-102` now" in run(plan, "sync").stderr
    assert list(tasks(plan)) == ["T-101", "T-102"]


@pytest.mark.parametrize(
    ("word", "near"), [("dnoe", "done"), ("❌", "use todo"), ("~~todo~~", "use todo")]
)
def test_a_status_that_is_not_understood_keeps_its_task(
    repo: MissionRepo, word: str, near: str
) -> None:
    text = table_of(repo).read_text()
    before = text.replace("| T-002 | todo |", f"| T-002 | {word} |")
    write(repo, before)
    found = tasks(repo)["T-002"]
    assert (found["status"], found["status_word"], found["reason"]) == (
        "unknown",
        word,
        "STATUS_UNKNOWN",
    )
    assert f"?{word} " in run(repo, "list").stdout
    assert f"(?{word})" not in run(repo, "list").stdout
    assert run(repo, "next", "--task", "T-002", "--force", "--headless").exit_code == 3
    assert ("take the" if "~~" in word else near) in " ".join(findings(repo).values())
    assert run(repo, "sync").exit_code == 0
    assert run(repo, "set", "T-002", "priority=high").exit_code == 0
    assert table_of(repo).read_text() == before
    assert run(repo, "done", "T-002").exit_code == 0
    assert tasks(repo)["T-002"]["status"] == "done"
    assert table_of(repo).read_text() == text.replace("| T-002 | todo |", "| T-002 | done |")


def test_a_status_that_is_mended_by_hand_is_the_newer_one(repo: MissionRepo) -> None:
    text = table_of(repo).read_text()
    write(repo, text.replace("| T-002 | todo |", "| T-002 | dnoe |"))
    assert run(repo, "set", "T-002", "title=Other").exit_code == 0
    write(repo, table_of(repo).read_text().replace("| dnoe |", "| done |"))
    assert run(repo, "sync").exit_code == 0
    assert tasks(repo)["T-002"]["status"] == "done"


def test_a_row_that_is_struck_through_waits_for_a_word(plan: MissionRepo) -> None:
    write(plan, PLAN.replace("| T-102 |", "| ~~T-102~~ |"))
    assert tasks(plan)["T-102"]["reason"] == "STATUS_UNKNOWN"
    assert run(plan, "cancel", "T-102", "--why", "x").exit_code != 0  # it has no place for the why
    assert run(plan, "set", "T-102", "status=cancelled").exit_code == 0
    assert tasks(plan)["T-102"]["status"] == "cancelled"


@pytest.mark.parametrize(
    "name",
    [
        "T-001-first 2.md", "T-001-first (1).md", "T-001-first copy.md",
        "T-001-first (Ann's conflicted copy 2026-01-02).md", "T-001-first.orig.md",
        "T-001-first.sync-conflict-20260102-101112-ABCDEFG.md", "T-001-first.md.orig",
        "T-001-first.md~", "Copy of T-001-first.md",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_copy_of_an_editor_or_sync_tool_is_named_and_changes_nothing(
    repo: MissionRepo, name: str, is_broken: bool
) -> None:
    path = repo.path / "coordination" / "tasks" / "T-001-first.md"
    before = run(repo, "list", "--json").stdout
    text = path.read_text().replace("title: First", "title: a: b" if is_broken else "title: Old")
    path.with_name(name).write_text(text)
    assert run(repo, "list", "--json").stdout == before
    said = run(repo, "check").stdout
    assert f"`{name}` is a copy of `T-001-first.md`" in said
    assert "0 errors, 1 warning" in said
    assert run(repo, "set", "T-001", "title=New").exit_code == 0
    assert path.with_name(name).read_text() == text


def test_two_files_that_only_look_like_copies_are_two_tasks(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-001-first.md"
    other = path.read_text().replace("T-001", "T-009")
    path.with_name("T-001-first 2.md").write_text(other)
    assert "T-009" in tasks(repo)


def test_a_task_file_in_a_folder_is_found_and_said_where(repo: MissionRepo) -> None:
    folder = repo.path / "coordination" / "tasks"
    (folder / "done").mkdir()
    text = (folder / "T-001-first.md").read_text().replace("T-001", "T-050")
    (folder / "done" / "T-050-moved.md").write_text(text)
    assert run(repo, "set", "T-002", "depends_on=T-001").exit_code == 0
    path = folder / "T-002-second.md"
    path.write_text(path.read_text().replace("- T-001", "- T-050"))
    where = "coordination/tasks/done/T-050-moved.md"
    assert where in run(repo, "show", "T-050").stderr
    told = run(repo, "check").stdout
    assert f"depends on `T-050`, which is not read: `{where}`" in told
    assert "drops it" not in told
    assert f"--> {where}" in told
    assert run(repo, "add", "Next").stdout == "T-051\n"


def test_a_value_that_yaml_cuts_is_named_with_its_quoted_form(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-001-first.md"
    text = path.read_text().replace("title: First", 'title: Fix "login" #12')
    path.write_text(text.replace("status: todo", "status: todo # a comment"))
    told = [words for (code, _), words in findings(repo).items() if code == "VALUE_CUT"]
    assert len(told) == 1
    assert 'write `title: "Fix \\"login\\" #12"`' in told[0]


def test_ids_behind_a_hash_are_dependencies_and_never_left_over(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-003-third.md"
    text = path.read_text().replace("status: todo", "status: todo\ndepends_on: T-001, #T-002")
    path.write_text(text)
    assert tasks(repo)["T-003"]["depends_on"] == ["T-001", "T-002"]
    answer = run(repo, "set", "T-003", "depends_on-=T-002")
    assert answer.exit_code == 5
    assert "behind a `#`" in answer.stderr
    assert path.read_text() == text


def test_what_a_section_is_refused_for_is_named_with_file_and_line(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-001-first.md"
    path.write_text(path.read_text().rstrip("\n") + "\n\nx\n```sh\nnever closed\n")
    line = path.read_text().split("\n").index("```sh") + 1
    answer = run(repo, "block", "T-001", "--why", "no key")
    assert answer.exit_code == 5
    assert f"--> coordination/tasks/T-001-first.md:{line}\n" in answer.stderr
