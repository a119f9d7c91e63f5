"""Daily commands: several tasks at once, short names, options in front, the order of the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo


def ok(repo: MissionRepo, *arguments: str) -> Answer:
    answer = call(repo.path, *arguments)
    assert answer.exit_code == 0, answer
    return answer


def refused(repo: MissionRepo, *arguments: str, code: int = 2) -> str:
    """Call what is refused, and make sure that nothing changed."""
    before = repo.git("status", "--porcelain") + repo.git("diff")
    answer = call(repo.path, *arguments)
    assert answer.exit_code == code, answer
    assert repo.git("status", "--porcelain") + repo.git("diff") == before
    return answer.stderr


def table(repo: MissionRepo) -> Path:
    return repo.path / "coordination" / "TASKS.md"


def order(repo: MissionRepo) -> list[str]:
    found = ok(repo, "list", "--all", "--json").json()["tasks"]
    return [each["id"] for each in found]


def statuses(repo: MissionRepo) -> list[str]:
    found = ok(repo, "list", "--all", "--json").json()["tasks"]
    return [each["status"] for each in found]


def test_several_tasks_change_together_or_not_at_all(repo: MissionRepo) -> None:
    assert "T-404" in refused(repo, "done", "T-001", "T-404")
    assert "one title" in refused(repo, "set", "T-001", "T-002", "priority=high", "title=Same")
    assert "T-002" in refused(repo, "set", "1", "2", "depends_on+=2")
    ok(repo, "add", "Only a row", "--table-only")
    done = ok(repo, "done", "t1", "2", "T-001", "--json").json()
    assert done["kind"] == "tasks.changed"
    assert [each["task"]["id"] for each in done["tasks"]] == ["T-001", "T-002"]
    assert ok(repo, "block", "3", "4", "--why", "no key").stdout.count("todo → blocked") == 2
    assert statuses(repo) == ["done", "done", "blocked", "blocked"]
    ok(repo, "reopen", "3", "4", "--why", "it came")
    ok(repo, "cancel", "3", "4", "--why", "not needed")
    assert statuses(repo) == ["done", "done", "cancelled", "cancelled"]
    said = ok(repo, "set", "1", "3", "status=todo", "labels+=x").stdout
    assert said.count("labels: nothing → x") == 2
    assert ok(repo, "set", "1", "labels+=x").stdout == "T-001  already so\n"


def test_a_short_id_is_taken_wherever_a_task_is(repo: MissionRepo) -> None:
    ok(repo, "set", "t3", "depends_on+=1,t-2")
    shown = ok(repo, "show", "3", "--json").json()
    assert shown["task"]["depends_on"] == ["T-001", "T-002"]
    ok(repo, "set", "3", "depends_on-=t1")
    ok(repo, "add", "Fourth", "-d", "T-001,2", "-d", "t3")
    assert ok(repo, "show", "4", "--json").json()["task"]["depends_on"] == [
        "T-001", "T-002", "T-003",
    ]  # fmt: skip
    ok(repo, "handoff", "1", "--append", "notes", "--text", "said")
    assert "said" in ok(repo, "show", "T1", "--section", "notes").stdout
    for command in (("review", "1"), ("sync", "1"), ("checkpoint", "list", "1"), ("gates", "404")):
        assert "no task matches `1`" not in call(repo.path, *command).stderr
    assert "closest: `T-004`" in refused(repo, "show", "T-0044")
    path = repo.path / "coordination" / "tasks" / "A-1.md"
    path.write_text("---\ntask_id: A-1\ntitle: Another\nstatus: todo\n---\n")
    assert "`T-001`, `A-1`" in refused(repo, "done", "1")
    ok(repo, "show", "a1")
    path.write_text("---\ntask_id: A-7\n---\n")
    assert "A-1.md:2" in refused(repo, "done", "7", code=5)


@pytest.mark.parametrize(
    "way", [("T-002",), ("2",), ("--task", "t2"), ("t-2", "--json")], ids=" ".join
)
def test_next_takes_the_task_as_an_operand(repo: MissionRepo, way: tuple[str, ...]) -> None:
    options = ("--runtime", "quick") if "--task" in way else ()
    mission = repo.path / "coordination" / "mission.json"
    mission.write_text(mission.read_text().replace('"runtimes"', '"runtime": "quick", "runtimes"'))
    capsule = repo.state / "next-task.json"
    ok(repo, "next", "--print", *way, *options)
    assert json.loads(capsule.read_text())["next_task"] == "T-002"
    assert "two tasks are named" in refused(repo, "next", "T-001", "--task", "T-002")


def test_options_may_stand_before_the_command(repo: MissionRepo, tmp_path: Path) -> None:
    path, beside = str(repo.path), tmp_path / "beside"
    beside.mkdir()
    for front in (("--mission", path), (f"--mission={path}",)):
        found = call(beside, *front, "list")
        assert (found.exit_code, "First" in found.stdout) == (0, True)
        assert call(beside, *front, "--json", "show", "1").json()["task"]["id"] == "T-001"
    step = call(beside, "--mission", path, "exec", "T-001", "-q", "--", "echo", "--mission")
    assert step.exit_code == 0
    assert call(beside, "--mission", str(beside), "list").exit_code == 2
    assert "--mission" in call(beside, "--help").stdout


def test_sessions_of_one_task(repo: MissionRepo) -> None:
    for task_id in ("T-001", "T-002"):
        assert repo.run("next", task_id, "--headless", "--runtime", "fail").exit_code == 1
    every = ok(repo, "sessions", "--json").json()["sessions"]
    one = ok(repo, "sessions", "2", "--json").json()["sessions"]
    assert [each["last_task_id"] for each in one] == ["T-002"]
    session_id = one[0]["id"]
    for name in (session_id, session_id.rpartition("-")[0]):
        assert ok(repo, "sessions", name, "--json").json()["sessions"] == [every[1]]
    assert session_id in refused(repo, "sessions", f"{session_id[:-1]}")
    assert "closest" in refused(repo, "sessions", f"{session_id[:-1]}")


def test_a_field_that_is_misspelled_names_the_nearest(repo: MissionRepo) -> None:
    assert "nearest: `status`" in refused(repo, "set", "1", "stauts=done")
    assert "nearest: `M1`" in refused(repo, "set", "1", "milestone=M11")
    assert "nearest: `M1`" in refused(repo, "add", "New", "-m", "M11")
    assert "nearest: `M1`" in refused(repo, "list", "-m", "M11")
    assert "nearest: `M1`" in refused(repo, "next", "--explain", "-m", "M11")
    ok(repo, "add", "New", "-m", "one")
    assert ok(repo, "list", "-m", "One", "--json").json()["tasks"][-1]["milestone"] == "M1"


def test_a_row_moves_and_nothing_else(repo: MissionRepo) -> None:
    before = table(repo).read_text()
    rows = before.splitlines(keepends=True)
    ok(repo, "mv", "3", "--before", "t1")
    assert order(repo) == ["T-003", "T-001", "T-002"]
    assert repo.git("diff", "--numstat").split()[:3] == ["1", "1", "coordination/TASKS.md"]
    assert sorted(table(repo).read_text().splitlines(keepends=True)) == sorted(rows)
    assert ok(repo, "mv", "T-003", "--before", "T-001", "--json").json()["changed"] is False
    ok(repo, "mv", "T-003", "--after", "T-002")
    assert table(repo).read_text() == before
    for wrong in ((), ("--before", "1", "--after", "2"), ("--before", "3"), ("--after", "T-404")):
        refused(repo, "mv", "T-003", *wrong)


def test_a_row_without_a_newline_and_a_task_without_a_row_find_their_place(
    repo: MissionRepo,
) -> None:
    file = repo.path / "coordination" / "tasks" / "T-004.md"
    file.write_text("---\ntask_id: T-004\ntitle: Alone\nstatus: done\nmilestone: M1\n---\n")
    table(repo).write_text(table(repo).read_text().rstrip("\n").replace("\n", "\r\n"))
    assert "has no row" in refused(repo, "mv", "1", "--before", "T-004")
    moved = ok(repo, "mv", "T-004", "--after", "T-001", "--json").json()
    assert (moved["row_added"], moved["task"]["status"]) == (True, "done")
    ok(repo, "mv", "T-001", "--after", "T-003")
    assert order(repo) == ["T-004", "T-002", "T-003", "T-001"]
    data = table(repo).read_bytes()
    assert not data.endswith(b"\n")
    assert data.count(b"\r\n") == data.count(b"\n")


def test_a_row_goes_to_another_table_where_nothing_is_lost(repo: MissionRepo) -> None:
    text = "## M1\n\n| id | status | title |\n|---|---|---|\n| A-1 | todo | One |\n"
    table(repo).write_text(
        f"{text}\n## M2\n\n| id | status | title |\n|---|---|---|\n| A-2 | todo | Two |\n"
        "\n| id | state |\n|---|---|\n| A-3 | todo |\n"
    )
    mission = repo.path / "coordination" / "mission.json"
    declared = mission.read_text().replace(
        '"name": "One"', '"name": "One"}, {"id": "M2", "name": "Two"'
    )
    mission.write_text(declared)
    moved = ok(repo, "mv", "A-1", "--after", "A-2", "--json").json()
    assert (moved["milestone_before"], moved["task"]["milestone"]) == ("M1", "M2")
    refusal = refused(repo, "mv", "A-1", "--before", "A-3", code=5)
    assert "tables with other columns" in refusal
    assert "`title` would be lost" in refusal


def test_a_row_that_moves_to_other_columns_takes_along_what_both_have(repo: MissionRepo) -> None:
    head = (
        "# Tasks\n\n## M1\n\n| id | status | title | depends_on | owner |\n|---|---|---|---|---|\n"
    )
    row = "| T-003 | todo | Third | T-001 |  |\n"
    tail = (
        "| T-001 | todo | First |  | a\\|b |\n\n## Later\n\n"
        "| title | milestone | id | status |\n|---|---|---|---|\n| Second | M1 | T-002 | todo |\n"
    )
    ok(repo, "set", "T-003", "depends_on=T-001")
    table(repo).write_text(head + row + tail)
    ok(repo, "sync")
    moved = repo.run("mv", "T-003", "--before", "T-002")
    assert "`T-003` has no `depends_on` in that table; its file has it" in moved.stderr
    above, below = tail.rsplit("|---|---|---|---|\n", 1)
    line = "| Third | M1 | T-003 | todo |\n"
    assert table(repo).read_text() == f"{head}{above}|---|---|---|---|\n{line}{below}"
    third = repo.run("show", "T-003", "--json").json()["task"]
    assert (third["depends_on"], third["milestone"]) == (["T-001"], "M1")
    assert ok(repo, "check").exit_code == 0
    before = table(repo).read_bytes()
    refusal = refused(repo, "mv", "T-001", "--after", "T-002", code=5)
    assert "`owner` would be lost" in refusal
    assert table(repo).read_bytes() == before
    ok(repo, "mv", "T-003", "--after", "T-001")
    assert table(repo).read_text() == (head + tail).replace("a\\|b |\n", f"a\\|b |\n{row}")
