"""Changing the plan: remove, split, edit, milestones, pause; and what was deleted is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mosaic.app.change import Actor
from mosaic.app.milestones import finish_milestone
from mosaic.app.mission import pause_mission
from mosaic.app.order import move_task
from mosaic.app.remove import remove_tasks
from mosaic.errors import UsageError
from tests.integration.test_daily import ok, order, refused, table
from tests.support.in_process import call
from tests.support.mission import MissionRepo


def file_of(repo: MissionRepo, task_id: str) -> Path:
    return next((repo.path / "coordination" / "tasks").glob(f"{task_id}*.md"))


def task(repo: MissionRepo, task_id: str) -> Any:
    return ok(repo, "show", task_id, "--json").json()["task"]


def findings(repo: MissionRepo) -> dict[str, str]:
    """Return the hints of what was deleted, by code and task or path."""
    found = call(repo.path, "check", "--json").json()["findings"]
    gone = [each for each in found if each["code"].endswith("_GONE")]
    return {f"{each['code']} {each['message']}": each["hint"] for each in gone}


def test_a_task_is_removed_with_all_that_speaks_of_it_and_its_id_stays_reserved(
    repo: MissionRepo,
) -> None:
    ok(repo, "set", "2", "depends_on=1")
    ok(repo, "set", "3", "depends_on=1,2")
    repo.git("commit", "-qam", "more")
    file, rows = file_of(repo, "T-001"), table(repo).read_text().splitlines()
    assert "--yes" in refused(repo, "rm", "1")
    assert "T-404" in refused(repo, "rm", "1", "T-404", "--yes")
    gone = ok(repo, "rm", "t1", "--yes", "--json").json()["tasks"]
    assert [(each["id"], each["dependents"], each["kept"]) for each in gone] == [
        ("T-001", ["T-002", "T-003"], None)
    ]
    assert not file.exists()
    assert len(table(repo).read_text().splitlines()) == len(rows) - 1
    assert task(repo, "T-003")["depends_on"] == ["T-002"]
    assert "is gone: First" in refused(repo, "show", "T-001")
    assert findings(repo) == {}
    shutil.rmtree(repo.state)
    assert ok(repo, "add", "New").stdout == "T-004\n"
    ok(repo, "rm", "T-004", "--yes")
    shutil.rmtree(repo.state)
    assert ok(repo, "add", "Newer").stdout == "T-005\n"
    assert call(repo.path, "check").exit_code == 0


def test_what_git_does_not_have_of_a_removed_task_is_kept(repo: MissionRepo) -> None:
    ok(repo, "add", "Never committed")
    text = file_of(repo, "T-004").read_text()
    kept = ok(repo, "rm", "4", "--yes", "--json").json()["tasks"][0]["kept"]
    assert (repo.path / kept).read_text() == text
    assert order(repo) == ["T-001", "T-002", "T-003"]


def test_a_task_that_was_worked_on_is_not_removed_without_a_word(repo: MissionRepo) -> None:
    assert repo.run("next", "1", "--headless", "--runtime", "fail").exit_code == 1
    ok(repo, "handoff", "2", "--set", "result", "--text", "It is there.")
    assert "sessions worked on it" in refused(repo, "rm", "1", "--yes", code=3)
    said = refused(repo, "rm", "2", "--yes", code=3)
    assert "its handoff says something: result" in said
    assert "mission cancel T-002" in said
    sessions = repo.mission()["sessions"]
    ok(repo, "rm", "1", "2", "--yes", "--force")
    assert repo.mission()["sessions"] == sessions
    assert any((repo.state / "runs" / "T-001").iterdir())


def test_a_task_that_stands_in_two_tables_goes_from_both(repo: MissionRepo) -> None:
    text = table(repo).read_text()
    table(repo).write_text(f"{text}\n| id | status |\n| --- | --- |\n| T-001 | todo |")
    ok(repo, "rm", "T-001", "--yes")
    assert "T-001" not in table(repo).read_text()
    assert order(repo) == ["T-002", "T-003"]


def test_a_task_is_split_and_whatever_waits_for_it_waits_for_its_parts(repo: MissionRepo) -> None:
    ok(repo, "set", "2", "depends_on=1", "write_scope=src/**", "labels=x", "priority=high")
    ok(repo, "set", "3", "depends_on=2")
    ok(repo, "set", "2", "status=in-progress")
    parts = ok(repo, "split", "2", "First half", "Second half", "--json").json()["parts"]
    assert [each["id"] for each in parts] == ["T-004", "T-005"]
    assert order(repo) == ["T-001", "T-002", "T-004", "T-005", "T-003"]
    for part in parts:
        found = task(repo, part["id"])
        assert (found["depends_on"], found["milestone"]) == (["T-001"], "M1")
        assert (found["write_scope"], found["priority"]) == (["src/**"], "high")
        assert found["labels"] == ["x", "parent:T-002"]
    whole = task(repo, "2")
    assert (whole["status"], whole["depends_on"]) == ("todo", ["T-001", "T-004", "T-005"])
    assert "split into T-004, T-005" in ok(repo, "show", "2", "--section", "notes").stdout
    ok(repo, "done", "1", "4", "5")
    assert ok(repo, "next", "--explain", "--json").json()["ready"] == ["T-002"]
    assert "is done" in refused(repo, "split", "1", "A", "B", code=3)
    ok(repo, "add", "A row", "--table-only")
    ok(repo, "split", "6", "One", "Two")
    assert order(repo)[-3:] == ["T-006", "T-007", "T-008"]
    assert task(repo, "8")["file"] is None


def test_a_new_task_gets_goal_and_criteria_and_says_its_file(repo: MissionRepo) -> None:
    added = ok(repo, "add", "New one", "--goal", "It works.", "--ac", "a  b", "--ac", "`x` | y")
    assert added.stdout == "T-004\n"
    assert added.stderr == "coordination/tasks/T-004-new-one.md\n"
    criteria = ok(repo, "show", "4", "--json").json()["acceptance_criteria"]
    assert [each["text"] for each in criteria] == ["a b", "`x` | y"]
    assert "It works." in ok(repo, "show", "4", "--section", "Goal").stdout
    refused(repo, "add", "x", "--ac", "a", "--table-only")
    refused(repo, "add", "x", "--ac", "a", "--body", "-")


EDITOR = """\
import pathlib, sys
path = pathlib.Path(sys.argv[-1])
path.write_text(path.read_text().replace(sys.argv[1], sys.argv[2]))
"""


@pytest.fixture
def editor(repo: MissionRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what sets an editor that puts one text in the place of another."""
    script = tmp_path / "my editor.py"
    script.write_text(EDITOR)
    monkeypatch.delenv("VISUAL", raising=False)

    def use(old: str, new: str) -> None:
        monkeypatch.setenv("EDITOR", f"python3 '{script}' '{old}' '{new}'")

    return use


def test_an_edited_task_is_looked_at_and_its_row_follows(repo: MissionRepo, editor: Any) -> None:
    editor("title: First", "title: The first # one")
    done = ok(repo, "edit", "1", "--json").json()
    assert [(each["field"], each["to"]) for each in done["carried"]] == [("title", "table")]
    editor("title: The first # one", "title: Better")
    assert "title: Better → table" in ok(repo, "edit", "1").stdout
    assert "| Better |" in table(repo).read_text()
    assert "is as it was" in ok(repo, "edit", "1").stdout
    editor("title: New", "title: Newer")
    ok(repo, "add", "New", "--edit")
    assert task(repo, "4")["title"] == "Newer"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title: First", "title: a: b", ":3"),
        ("status: todo", "state: todo", "has no `status`"),
        ("task_id: T-001", "task_id: T-009", "file of `T-009` now"),
        ("status: todo", "status: in\x01", "T-001"),
    ],
)
def test_an_edit_that_breaks_a_task_says_where_and_the_way_back(
    repo: MissionRepo, editor: Any, old: str, new: str, words: str
) -> None:
    before = file_of(repo, "T-001").read_bytes()
    editor(old, new)
    wrong = call(repo.path, "edit", "T-001")
    assert wrong.exit_code == 5, wrong
    assert words in wrong.stderr
    assert "coordination/tasks/T-001-first.md:" in wrong.stderr
    assert "mission edit T-001 --undo" in wrong.stdout
    ok(repo, "edit", "T-001", "--undo")
    assert file_of(repo, "T-001").read_bytes() == before
    assert repo.git("status", "--porcelain") == ""


def test_milestones_are_added_renamed_moved_and_finished(repo: MissionRepo) -> None:
    before = (repo.path / "coordination" / "mission.json").read_text()
    ok(repo, "milestone", "add", "M3: Ship it")
    assert ok(repo, "milestone", "add", "Then more", "--before", "ship it", "--json").json()[
        "milestone"
    ]["id"] == "M4"  # fmt: skip
    assert [each["id"] for each in repo.mission()["milestones"]] == ["M1", "M4", "M3"]
    assert "already" in refused(repo, "milestone", "add", "m3: Other")
    assert "nearest: `M3`" in refused(repo, "milestone", "mv", "Ship iit", "--before", "M1")
    ok(repo, "milestone", "mv", "Ship it", "--before", "one")
    ok(repo, "milestone", "rename", "M1", "Runs locally")
    after = (repo.path / "coordination" / "mission.json").read_text()
    named = [(each["id"], each["name"]) for each in repo.mission()["milestones"]]
    assert named == [("M3", "Ship it"), ("M1", "Runs locally"), ("M4", "Then more")]
    kept = [line for line in before.splitlines() if '"name": "One"' not in line]
    assert set(kept) <= {*after.splitlines(), "    }", "    },"}
    found = ok(repo, "milestone", "list", "--json").json()["milestones"]
    assert [each["id"] for each in found if each["current"]] == ["M1"]
    assert "T-001" in refused(repo, "milestone", "done", "M1", code=3)
    ok(repo, "add", "Later", "-m", "then more")
    ok(repo, "done", "1", "2", "3")
    found = ok(repo, "status", "--json").json()["milestones"]
    states = {each["id"]: (each["finished"], each["current"]) for each in found}
    assert states == {"M3": (False, False), "M1": (True, False), "M4": (False, True)}
    assert "finished" in ok(repo, "status").stdout
    ok(repo, "milestone", "done", "M4", "--force")
    assert "MILESTONE_FINISHED" in ok(repo, "show", "4", "--json").stdout
    ok(repo, "milestone", "reopen", "M4")
    assert ok(repo, "next", "--explain", "--json").json()["chosen"] == "T-004"


def test_a_milestone_that_is_called_by_its_name_is_the_same_and_follows(repo: MissionRepo) -> None:
    file = file_of(repo, "T-001")
    file.write_text(file.read_text().replace("milestone: M1", "milestone: One"))
    table(repo).write_text(
        table(repo).read_text().replace("| T-001 | todo | M1 |", "| T-001 | todo | One |")
        + "\n## One and all\n\n| id | status | title |\n| -- | -- | -- |\n| X-1 | todo | Y |\n"
    )
    assert task(repo, "T-001")["milestone"] == task(repo, "X-1")["milestone"] == "M1"
    ok(repo, "milestone", "rename", "One", "Two")
    assert "milestone: M1" in file.read_text()
    assert "\n## Two and all\n" in table(repo).read_text()
    assert task(repo, "T-001")["milestone"] == task(repo, "X-1")["milestone"] == "M1"


def test_a_paused_mission_hands_nothing_off_and_says_so_everywhere(repo: MissionRepo) -> None:
    ok(repo, "pause")
    assert repo.mission()["status"] == "paused"
    for command in (("next", "--headless"), ("next", "1", "--print"), ("resume", "1")):
        assert "paused" in refused(repo, *command, code=3)
    explained = call(repo.path, "next", "--explain")
    assert (explained.exit_code, "the mission is paused" in explained.stdout) == (3, True)
    assert "the mission is paused" in ok(repo, "status").stdout
    assert ok(repo, "status", "--json").json()["next_task"] is None
    assert ok(repo, "list", "--ready", "--json").json()["tasks"] == []
    ok(repo, "set", "1", "labels=x")
    ok(repo, "unpause")
    assert repo.mission()["status"] == "active"
    assert ok(repo, "next", "--explain", "--json").json()["chosen"] == "T-001"
    assert "as before" in ok(repo, "unpause").stdout


def test_an_agent_neither_removes_nor_reorders_nor_pauses(repo: MissionRepo) -> None:
    mission = repo.path / "coordination" / "mission.json"
    before = repo.git("status", "--porcelain")
    for act in (
        lambda: remove_tasks(mission, ["T-001"], write=True, actor=Actor.AGENT),
        lambda: move_task(mission, "T-001", after="T-002", actor=Actor.AGENT),
        lambda: pause_mission(mission, Actor.AGENT),
        lambda: finish_milestone(mission, "M1", force=True, actor=Actor.AGENT),
    ):
        with pytest.raises(UsageError, match="an agent cannot"):
            act()
    assert repo.git("status", "--porcelain") == before


def test_what_was_deleted_is_found_with_the_way_back(repo: MissionRepo) -> None:
    ok(repo, "sync")
    lines = table(repo).read_text().splitlines(keepends=True)
    table(repo).write_text(
        "".join(line for line in lines if not {"T-001", "T-003"} & {*line.split()})
    )
    file_of(repo, "T-002").unlink()
    file_of(repo, "T-003").unlink()
    found = findings(repo)
    assert [*found] == [
        "ROW_GONE the row of `T-001` is gone from the table",
        "FILE_GONE the file of `T-002` is gone",
        "TASK_GONE `T-003` is gone",
    ]
    row, file, _ = found.values()
    assert "git checkout HEAD -- coordination/TASKS.md" in row
    assert "git checkout HEAD -- coordination/tasks/T-002-second.md" in file
    ok(repo, "sync", "T-001")
    repo.git("commit", "-qam", "Deleted")
    *_, whole = findings(repo).values()
    assert "git checkout COMMIT^ -- coordination/tasks/T-003-third.md" in whole
    ok(repo, "sync", "T-002")
    ok(repo, "rm", "T-003", "--yes")
    assert findings(repo) == {}
    repo.git("commit", "-qam", "Removed")
    table(repo).unlink()
    assert next(iter(findings(repo))) == "TABLE_GONE the tasks table is gone"
    repo.git("checkout", "HEAD", "--", "coordination/TASKS.md")
    ok(repo, "renumber", "T-001", "X-7", "--write")
    assert findings(repo) == {}
    assert json.loads((repo.path / "coordination/mission.json").read_text())["removedTasks"]


def test_a_task_of_another_branch_is_not_gone(repo: MissionRepo) -> None:
    repo.git("checkout", "-qb", "topic")
    ok(repo, "add", "Only here")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "topic")
    repo.git("checkout", "-q", "main")
    assert findings(repo) == {}
