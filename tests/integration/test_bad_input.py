"""Bad input: named with file and line, nothing written, nothing else hidden."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo

pytestmark = pytest.mark.quick_commands
HEAD = "---\ntask_id: T-009\ntitle: Ninth\nstatus: todo\n---\n"


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".state" not in path.parts and ".git" not in path.parts
    }


def refused(repo: MissionRepo, *arguments: str) -> str:
    """Run a command that must be refused with 5 and change nothing; return what it said."""
    before = digests(repo.path)
    answer = repo.run(*arguments)
    assert answer.exit_code == 5, answer.stdout + answer.stderr
    assert digests(repo.path) == before
    return answer.stderr


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no front matter"),
        ("# only a heading\n", 1, "no front matter"),
        ("---\n- a\n- b\n---\n", 2, "not a mapping"),
        ("---\njust text\n---\n", 2, "not a mapping"),
        ("---\ntask_id: T-009\ntitle: Login: second\nstatus: todo\n---\n", 3, "unquoted colon"),
        ("---\ntask_id: T-009\ntitle: 'don't'\nstatus: todo\n---\n", 3, "apostrophe"),
        ("---\ntask_id: T-009\ntitle: a\ntitle: b\nstatus: todo\n---\n", 4, "is there twice"),
        ("---\ntask_id: T-009\ntitle: &x a\nstatus: *x\n---\n", 3, "anchors"),
        ("---\ntask_id: T-009\n<<: {a: 1}\n---\n", 3, "merge"),
        ("---\ntask_id: T-009\ntitle: !!python/object:os.system x\n---\n", 3, "tag"),
        ("---\ntask_id: T-009\ntitle: x\nstatus: todo\n", 1, "never closed"),
        ("---\ntask_id: T-009\nstatus: todo\n---\n", 2, "no `title`"),
        ("---\ntask_id: T-009\ntitle: x\n---\n", 2, "no `status`"),
        ("---\ntitle: x\nstatus: todo\n---\n", 1, "no `task_id`"),
        ("---\ntask_id: T-009\ntitle: x\x01\nstatus: todo\n---\n", 3, "control character"),
        ("---\ntask_id: T-009\nx: " + "[" * 40_000 + "\n---\n", 3, "nested"),
        ("---\ntask_id: T-009\ntitle: x\nstatus: todo\ndepends_on: {a: b}\n---\n", 5, "list"),
        ("---\ntask_id: T 009\ntitle: x\nstatus: todo\n---\n", 2, "cannot be a task id"),
        ("---\ntask_id: a/b\ntitle: x\nstatus: todo\n---\n", 2, "cannot be a task id"),
        ("---\ntask_id: ../x\ntitle: x\nstatus: todo\n---\n", 2, "cannot be a task id"),
        ("---\ntask_id: 任务-1\ntitle: x\nstatus: todo\n---\n", 2, "cannot be a task id"),
        ("---\ntask_id: t-001\ntitle: x\nstatus: todo\n---\n", 2, "stands in 2 places"),
        ("---\ntask_id: T-001\ntitle: x\nstatus: todo\n---\n", 2, "stands in 2 places"),
    ],
)
def test_a_broken_task_file_is_named_and_hides_no_other(
    repo: MissionRepo, text: str, line: int, words: str
) -> None:
    path = repo.path / "coordination" / "tasks" / "T-009-broken.md"
    path.write_text(text)
    before = digests(repo.path)
    answer = repo.run("list")
    assert answer.exit_code == 5
    assert digests(repo.path) == before
    assert words in answer.stderr
    assert f"T-009-broken.md:{line}" in answer.stderr
    assert "T-002" in answer.stdout
    assert "T-003" in answer.stdout
    checked = repo.run("check", "--json")
    assert checked.exit_code == 1
    assert any("T-009-broken.md" in str(f) for f in checked.json()["findings"])


def test_a_broken_task_does_not_hold_up_the_others(repo: MissionRepo) -> None:
    (repo.path / "coordination" / "tasks" / "T-009-broken.md").write_text("---\n- a\n---\n")
    answer = repo.run("next", "--runtime", "quick")
    assert answer.exit_code == 0
    refused(repo, "next", "--task", "T-009", "--runtime", "quick")
    assert repo.run("add", "Another").stdout.strip() == "T-010"


@pytest.mark.parametrize(
    ("name", "front"),
    [
        ("login.md", "task_id: T-001\ntitle: a: b\nstatus: done\n"),
        ("t-001-first.md", "title: a: b\nstatus: done\n"),
        ("t-001.md", ""),
        ("T-001_first.md", 'id: "T-001"\nstatus: [\n'),
    ],
)
def test_a_broken_file_holds_its_row_whatever_its_name(
    repo: MissionRepo, name: str, front: str
) -> None:
    folder = repo.path / "coordination" / "tasks"
    next(folder.glob("T-001*")).unlink()
    (folder / name).write_text(f"---\n{front}---\n")
    refused(repo, "set", "T-001", "priority=high")
    refused(repo, "set", "T-001", "status=done")
    verdict = next(
        each for each in repo.run("list", "--json").json()["tasks"] if each["id"] == "T-001"
    )
    assert verdict["reason"] == "BROKEN"


def test_bytes_that_are_no_utf8_are_named_with_their_line(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-009-latin.md"
    path.write_bytes(HEAD.encode() + b"\ncaf\xe9\n")
    said = refused(repo, "list")
    assert "T-009-latin.md:7" in said
    assert "UTF-8" in said


def test_a_fifo_or_folder_in_a_files_place_does_not_hang(repo: MissionRepo) -> None:
    os.mkfifo(repo.path / "coordination" / "tasks" / "T-009-fifo.md")
    (repo.path / "coordination" / "tasks" / "T-010-folder.md").mkdir()
    answer = repo.run("list")
    assert answer.exit_code == 5
    assert "T-009-fifo.md" in answer.stderr
    assert "T-010-folder.md" in answer.stderr
    assert "T-001" in answer.stdout


def test_a_huge_task_file_is_read_and_a_monstrous_one_refused(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "tasks" / "T-009-big.md"
    path.write_text(HEAD + "a line of text\n" * 700_000)
    assert repo.run("list").exit_code == 0
    assert repo.run("set", "T-009", "status=done").exit_code == 0
    path.write_text(HEAD + "x" * (70 << 20))
    assert "T-009-big.md" in refused(repo, "list")


TABLE = "| id | status | title |\n| --- | --- | --- |\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("| id | owner |\n| --- | --- |\n| T-001 | x |\n", 1, "no `status` column"),
        (TABLE + "| T-001 | todo | First |\n| T-001 | todo | First |\n", 3, "2 places"),
        (TABLE + "| a b | todo | x |\n", 3, "cannot be a task id"),
        (TABLE + "| T-001 | done | Other title |\n", 3, "disagree"),
        ("x" * (2 << 20) + "\n" + TABLE, 1, "longer than"),
        (TABLE + "| T-1 | todo |" + " x |" * 3000 + "\n", 3, "more than"),
    ],
)
def test_a_broken_table_is_named(repo: MissionRepo, text: str, line: int, words: str) -> None:
    (repo.state / "sync.json").unlink()
    (repo.path / "coordination" / "TASKS.md").write_text(text)
    (file,) = (repo.path / "coordination" / "tasks").glob("T-001*")  # git sees both edited
    file.write_text(file.read_text().replace("title: First", "title: Yet another"))
    before = digests(repo.path)
    answer = repo.run("list")
    assert answer.exit_code == 5
    assert words in answer.stderr
    assert f"TASKS.md:{line}" in answer.stderr
    assert digests(repo.path) == before


@pytest.mark.parametrize("content", [b"", b"nothing of the kind\n", b"\x00\x01\x02"])
def test_a_table_file_without_a_table_means_no_rows(repo: MissionRepo, content: bytes) -> None:
    (repo.path / "coordination" / "TASKS.md").write_bytes(content)
    answer = repo.run("list")
    assert answer.exit_code == 0
    assert "T-001" in answer.stdout


def test_a_conflict_shows_both_values_and_lines_and_is_settled_by_choice(
    repo: MissionRepo,
) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    table.write_text(table.read_text().replace("| T-001 | todo |", "| T-001 | done |"))
    task = next((repo.path / "coordination" / "tasks").glob("T-001*"))
    task.write_text(task.read_text().replace("status: todo", "status: blocked"))
    said = refused(repo, "set", "T-001", "priority=high")
    assert "`done` at coordination/TASKS.md:" in said
    assert f"`blocked` at coordination/tasks/{task.name}:4" in said
    assert "--prefer" in said
    refused(repo, "next", "--task", "T-001", "--runtime", "quick")
    assert repo.run("sync", "--prefer", "table").exit_code == 0
    assert repo.task_status("T-001") == "done"
    assert "status: done" in task.read_text()


def test_a_change_by_hand_on_one_side_is_carried_to_the_other(repo: MissionRepo) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    table.write_text(table.read_text().replace("| T-001 | todo |", "| T-001 | done |"))
    assert repo.task_status("T-001") == "done"
    answer = repo.run("sync")
    assert answer.exit_code == 0
    assert "T-001  status: done → file" in answer.stdout
    task = next((repo.path / "coordination" / "tasks").glob("T-001*"))
    assert "status: done" in task.read_text()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "not JSON"),
        ("{", 1, "not JSON"),
        ("[]", 1, "not a JSON object"),
        ('{\n "a": 1,\n}', 2, "remove the comma before the closing bracket"),
        ('{"a": [1,\n 2,\n\n]}', 2, "column 3, a comma before the closing bracket"),
        ('{"name": "x",\n "name": "y"}', 2, "is there twice"),
        ('{"name": NaN}', None, "not a JSON number"),
        ('{"name": "x",\n "sessions": {}}', 2, "`sessions`"),
        ('{"name": "x",\n "milestones": [1]}', 2, "`milestones`"),
        ('{"name": 7}', 1, "`name`"),
        ('{"name": "x",\n "status": "sleeping"}', 2, "`status`"),
        ('{"name": "x",\n "schemaVersion": 99}', 2, "schema version"),
        ('{"name": "x",\n "runtimes": {\n "r": "cmd"}}', 3, "`r`"),
        ('{"name": "x",\n "statuses": {"shipped": "nowhere"}}', 2, "shipped"),
        ('{"name": "x",\n "tasksFile": "a\\u0000b"}', 2, "`tasksFile` holds a control"),
        ('{"name": "x",\n "tasks_dir": "\\u0000"}', 2, "`tasksDir` holds a control"),
        ('{"a":' * 200 + "1" + "}" * 200, 1, "nested"),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["next", "--runtime", "quick"], ["add", "x"]])
def test_a_broken_mission_file_is_named(
    repo: MissionRepo, text: str, line: int | None, words: str, command: list[str]
) -> None:
    (repo.path / "coordination" / "mission.json").write_text(text)
    said = refused(repo, *command)
    assert words in said
    assert f"mission.json:{line}" in said if line else "mission.json" in said


def test_unknown_keys_and_layout_of_mission_json_survive_a_session(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "mission.json"
    text = path.read_text().replace(
        '"name": "Sessions",', '"x_own" : [1,2,   3], "name":"Sessions",'
    )
    path.write_text(text)
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    assert '"x_own" : [1,2,   3], "name":"Sessions",' in path.read_text()
    assert json.loads(path.read_text())["sessions"]


def test_errors_as_json_hold_the_same_facts(repo: MissionRepo) -> None:
    (repo.path / "coordination" / "mission.json").write_text("{")
    answer = repo.run("list", "--json")
    assert answer.stdout == ""
    error = json.loads(answer.stderr)
    assert error["kind"] == "error"
    assert error["code"] == "MISSION_FILE_INVALID"
    assert error["line"] == 1
    assert error["path"].endswith("mission.json")


def test_a_task_file_that_leads_out_of_the_project_is_not_written(
    repo: MissionRepo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(HEAD)
    (repo.path / "coordination" / "tasks" / "T-009-link.md").symlink_to(outside)
    assert "leads out" in refused(repo, "set", "T-009", "status=done")
    assert outside.read_text() == HEAD


def test_no_mission_here_says_how_to_lay_one(repo: MissionRepo, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    answer = MissionRepo(empty, repo.environ).run("list")
    assert answer.exit_code == 2
    assert "mission init" in answer.stderr


def test_a_state_folder_that_cannot_be_made_is_told(repo: MissionRepo, tmp_path: Path) -> None:
    os.rename(repo.state, tmp_path / "gone")
    repo.state.write_text("in the way")
    assert repo.run("list").exit_code == 0
    said = refused(repo, "set", "T-001", "status=done")
    assert ".state" in said


def test_a_task_file_whose_name_is_no_utf8_is_handed_off(repo: MissionRepo) -> None:
    tasks = repo.path / "coordination" / "tasks"
    (file,) = tasks.glob("T-001-*.md")
    try:
        os.rename(file, os.fsencode(tasks) + b"/caf\xe9.md")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    handed = repo.run("next", "--runtime", "quick", "--headless")
    assert handed.exit_code == 0, handed.stderr
    capsule = json.loads((repo.run_dir() / "capsule.json").read_text())
    assert os.fsdecode(b"caf\xe9.md") in json.dumps(capsule, ensure_ascii=False)
    for command in ("list", "status", "check", "show T-001", "review T-001"):
        assert "Traceback" not in repo.run(*command.split()).stderr
