"""A mission in the older layout: its lock, what git sees of it, and the move to today's place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo
from tests.support.shell_agent import go, let_agent_do

OLD = Path(".mosaic") / "orchestrator"
DEAD = 2**22 + 1
"""No process has this number."""


@pytest.fixture
def older(repo: MissionRepo) -> MissionRepo:
    """The planned mission as the older coordinator keeps one, committed."""
    let_agent_do(repo)
    mission = repo.mission()
    (repo.path / OLD).mkdir(parents=True)
    shutil.rmtree(repo.state)
    (repo.path / "coordination" / "mission.json").unlink()
    mission["mission_id"] = mission.pop("id")
    mission["created_at"] = mission.pop("createdAt")
    mission["projectPath"] = str(repo.path)
    mission["orchestrator_dir"] = str(OLD)
    write(repo, mission)
    repo.git("add", "--all")
    repo.git("commit", "-qm", "As it was")
    assert repo.run("trust").exit_code == 0
    return repo


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def write(repo: MissionRepo, mission: Any) -> None:
    (repo.path / OLD / "mission.json").write_text(json.dumps(mission, indent=2) + "\n")


def read(repo: MissionRepo) -> Any:
    return json.loads((repo.path / OLD / "mission.json").read_text())


def lock(repo: MissionRepo, pid: int, session_id: str = "sess-007") -> Path:
    """Write a lock with the six fields of the older coordinator."""
    path = repo.path / OLD / "session.lock"
    values = {
        "session_id": session_id, "runtime": "claude", "pid": pid,
        "started_at": "2026-01-01T00:00:00.000Z", "project_path": str(repo.path),
        "milestone_id": "M1",
    }  # fmt: skip
    path.write_text(json.dumps(values))
    return path


def test_a_dead_session_of_an_old_lock_is_ended_and_work_goes_on(older: MissionRepo) -> None:
    path = lock(older, DEAD)
    assert "session sess-007 crashed" in older.run("status").stdout
    assert not path.exists()
    (session,) = read(older)["sessions"]
    assert (session["sessionId"], session["endedReason"]) == ("sess-007", "crashed")
    assert session["endedAt"]
    assert go(older, "true").exit_code == 0
    assert [each["sessionId"][:8] for each in read(older)["sessions"]] == ["sess-007", "sess-008"]
    assert older.run("check").exit_code == 0


def test_the_end_of_a_listed_session_keeps_its_task(older: MissionRepo) -> None:
    entry = {"session_id": "sess-003", "runtime": "claude", "started_at": "2026-01-01T00:00:00Z",
             "last_task_id": "T-002"}  # fmt: skip
    write(older, {**read(older), "sessions": [entry]})
    lock(older, DEAD, "sess-003")
    assert older.run("status").exit_code == 0
    (session,) = read(older)["sessions"]
    assert (session["session_id"], session["last_task_id"]) == ("sess-003", "T-002")
    assert session["endedReason"] == "crashed"
    assert "sess-003 T-002 todo" in (older.path / "coordination" / "SCRATCHPAD.md").read_text()


def test_words_of_the_older_coordinator_for_an_end_are_read(older: MissionRepo) -> None:
    ends = {"sess-001": "killed", "sess-002": "paused", "sess-003": "unknown"}
    listed = [
        {"session_id": name, "runtime": "codex", "started_at": "2026-01-01T00:00:00Z",
         "ended_at": "2026-01-01T00:01:00Z", "ended_reason": word}
        for name, word in ends.items()
    ]  # fmt: skip
    write(older, {**read(older), "sessions": listed})
    found = older.run("sessions", "--json").json()["sessions"]
    assert [each["ended_reason"] for each in found] == ["stopped", "stopped", "crashed"]
    assert older.run("add", "More").exit_code == 0
    assert read(older)["sessions"] == listed


def test_a_living_session_of_an_old_lock_is_left_alone(
    older: MissionRepo, sleeper: subprocess.Popen[bytes]
) -> None:
    path = lock(older, sleeper.pid)
    before = read(older)
    for command in (
        ("next", "--headless"),
        ("next", "--task", "T-002", "--headless"),
        ("migrate",),
        ("stop",),
    ):
        answer = older.run(*command)
        assert answer.exit_code in (1, 4), command
        assert "sess-007" in answer.stderr
        assert f"end pid {sleeper.pid}" in answer.stderr
    (found,) = older.run("status", "--json").json()["live_sessions"]
    assert found["session_id"] == "sess-007"
    assert sleeper.poll() is None
    assert (path.exists(), read(older)) == (True, before)


def test_an_old_lock_that_came_with_a_clone_or_a_copy_says_nothing(
    older: MissionRepo, sleeper: subprocess.Popen[bytes]
) -> None:
    lock(older, sleeper.pid)
    copy = MissionRepo(older.path.parent / "copy", older.environ)
    shutil.copytree(older.path, copy.path, symlinks=True)
    assert copy.run("status", "--json").json()["live_sessions"] == []
    older.git("add", "--force", str(OLD / "session.lock"))
    older.git("commit", "-qm", "The lock too")
    clone = MissionRepo(older.path.parent / "clone", older.environ)
    older.git("clone", "-q", str(older.path), str(clone.path))
    assert clone.run("status", "--json").json()["live_sessions"] == []
    assert "STATE_NOT_OURS" in clone.run("add", "More", "--json").stderr


def test_git_sees_the_plan_and_not_the_state(older: MissionRepo) -> None:
    (older.path / OLD / "next-task.json").write_text("{}\n")
    assert go(older, "true").exit_code == 0
    changed = {line[3:] for line in older.git("status", "--porcelain", "-uall").splitlines()}
    assert str(OLD / "mission.json") in changed
    assert not [name for name in changed if name.startswith(str(OLD)) and "mission" not in name]
    answer = older.run("check")
    assert (answer.exit_code, "git rm" in answer.stdout) == (0, False)


def test_tracked_state_is_named_alone(older: MissionRepo) -> None:
    assert older.run("add", "More").exit_code == 0
    (older.path / OLD / "sync.json").touch()
    older.git("add", "--force", str(OLD / "sync.json"))
    words = older.run("add", "Once more").stderr
    assert f"`git rm -r --cached {older.path / OLD / 'sync.json'}`" in words


def snapshot_of(repo: MissionRepo) -> Any:
    logs = repo.run("logs", "T-001", "--raw").stdout
    shown = repo.run("checkpoint", "list", "T-001", "--json").json()["checkpoints"]
    listed = repo.run("sessions", "--json").json()["sessions"]
    seqs = [(each["run_id"], each["seq"]) for each in shown]
    return logs, seqs, listed, repo.run("show", "T-001", "--json").json()["task"]["status"]


def test_a_migration_moves_all_and_can_be_undone_until_it_is_committed(
    older: MissionRepo,
) -> None:
    assert go(older, "echo hello; echo x >a.txt").exit_code == 0
    assert go(older, "echo x >b.txt", "--task", "T-002", "--worktree").exit_code == 0
    assert (older.path / OLD / "runs").is_dir()
    older.git("commit", "-qam", "Two sessions")
    before, files = snapshot_of(older), read(older)
    original = (older.path / OLD / "mission.json").read_bytes()
    assert before[1]

    dry = older.run("migrate", "--dry-run").stdout
    for words in ("`mission_id` becomes `id`", "state moves to `coordination/.state`", "`runs`"):
        assert words in dry
    assert (older.path / OLD / "mission.json").read_bytes() == original
    answer = older.run("migrate")
    assert answer.exit_code == 0, answer.stderr
    assert sorted(path.name for path in (older.path / OLD).iterdir()) == ["mission.json.migrated"]
    assert "mission_id" not in older.mission()
    assert older.mission()["projectPath"] == "."
    assert (older.state / "next-task.json").is_file()
    assert snapshot_of(older) == before
    ids = [session["sessionId"] for session in files["sessions"]]
    lines = (older.path / "coordination" / "mission.json").read_text().splitlines()
    assert len([line for line in lines if "sessionId" in line]) == len(ids)
    status = older.git("status", "--porcelain", "-uall")
    assert ".state" not in status
    assert older.run("check").exit_code == 0, older.run("check").stdout
    listed = older.git("worktree", "list", "--porcelain")
    assert str(older.state / "worktrees" / "T-002") in listed
    assert "prunable" not in listed

    # What ran since is kept; what was edited by hand since is not thrown away.
    assert go(older, "true", "--task", "T-003").exit_code == 0
    edited = older.path / "coordination" / "mission.json"
    text = edited.read_text()
    edited.write_text(text.replace('"name": "Sessions"', '"name": "Other"'))
    assert "was edited since" in older.run("migrate", "--undo").stderr
    edited.write_text(text)
    undone = older.run("migrate", "--undo")
    assert undone.exit_code == 0, undone.stderr
    assert not edited.exists()
    assert not older.state.exists()
    back = read(older)
    assert back["mission_id"] == files["mission_id"]
    assert [each["sessionId"] for each in back["sessions"]][:2] == ids
    assert len(back["sessions"]) == 3
    assert snapshot_of(older)[:2] == before[:2]
    assert older.run("check").exit_code == 0
    assert "no migration to undo" in older.run("migrate", "--undo").stderr

    assert older.run("migrate").exit_code == 0
    older.git("add", "--all")
    older.git("commit", "-qm", "Today's layout")
    refused = older.run("migrate", "--undo")
    assert (refused.exit_code, "is committed" in refused.stderr) == (2, True)
    assert older.run("migrate").stdout.strip() == "nothing to migrate"


def test_an_edit_between_a_kill_and_the_next_command_is_kept(older: MissionRepo) -> None:
    assert older.run("migrate").exit_code == 0
    note = json.loads((older.state / "migration.json").read_text())
    # As a kill right behind the note leaves it.
    (older.path / "coordination" / "mission.json").unlink()
    (older.path / OLD / "mission.json.migrated").rename(older.path / OLD / "mission.json")
    (older.state / "migration.json").write_text(json.dumps({**note, "is_done": False}))
    write(older, {**read(older), "name": "Edited meanwhile"})
    assert older.run("list").exit_code == 0
    assert older.mission()["name"] == "Edited meanwhile"
    assert not (older.path / OLD / "mission.json").exists()
    assert older.run("check").exit_code == 0


def test_a_session_that_git_took_out_moves_along(older: MissionRepo) -> None:
    assert go(older, "true").exit_code == 0
    (ran,) = read(older)["sessions"]
    older.git("checkout", "-q", "--", str(OLD))
    assert older.run("migrate").exit_code == 0
    assert older.mission()["sessions"] == [ran]
    older.git("stash", "-q", "--include-untracked")
    older.git("stash", "pop", "-q")
    assert [each["id"] for each in older.run("sessions", "--json").json()["sessions"]] == [
        ran["sessionId"]
    ]


def test_keys_that_are_renamed_in_place_can_be_taken_back(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "mission.json"
    text = path.read_text().replace('"taskPrefix"', '"task_prefix"')
    path.write_text(text)
    assert repo.run("migrate").exit_code == 0
    assert '"taskPrefix"' in path.read_text()
    assert repo.run("migrate", "--undo").exit_code == 0
    assert path.read_text() == text


def test_a_clone_never_works_in_the_repository_that_its_project_path_names(
    older: MissionRepo,
) -> None:
    clone = MissionRepo(older.path.parent / "clone", older.environ)
    older.git("clone", "-q", str(older.path), str(clone.path))
    before = older.git("status", "--porcelain", "-uall")
    answer = clone.run("add", "In the clone", "--mission", str(clone.path))
    assert answer.exit_code == 0, answer.stderr
    assert f"`projectPath` names another place, `{older.path}`" in answer.stderr
    assert "In the clone" in clone.run("list").stdout
    assert older.git("status", "--porcelain", "-uall") == before
    assert "In the clone" not in older.run("list").stdout
    found = clone.run("check", "--json").json()["findings"]
    (stray,) = [each for each in found if each["code"] == "PROJECT_PATH_ELSEWHERE"]
    assert stray["line"] == 1 + (clone.path / OLD / "mission.json").read_text()[
        : (clone.path / OLD / "mission.json").read_text().index("projectPath")
    ].count("\n")
    assert clone.run("migrate").exit_code == 0
    assert clone.mission()["projectPath"] == "."
    assert clone.run("check").exit_code == 0


def test_a_clone_without_task_files_gets_its_folder_when_it_needs_one(
    repo: MissionRepo, tmp_path: Path
) -> None:
    folder = repo.path / "coordination"
    shutil.rmtree(folder / "tasks")
    (folder / "TASKS.md").write_text("| id | status | title |\n|---|---|---|\n")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "No tasks yet")
    clone = MissionRepo(tmp_path / "clone", repo.environ)
    repo.git("clone", "-q", str(repo.path), str(clone.path))
    assert not (clone.path / "coordination" / "tasks").exists()
    answer = clone.run("add", "First of all")
    assert answer.exit_code == 0, answer.stderr
    assert os.listdir(clone.path / "coordination" / "tasks")
