"""Mosaic's own folders, in the eyes of the tools of a project, and elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.machine.person import person_dir
from tests.support.mission import MissionRepo
from tests.support.shell_agent import change_mission, go, let_agent_do


@pytest.fixture
def outside(repo: MissionRepo) -> Iterator[MissionRepo]:
    """Return a mission that keeps its runs and worktrees outside."""
    yield let_agent_do(repo, stateFolders="outside")
    # All missions of the tests are copies of one: a later one would be taken for this, moved.
    shutil.rmtree(person_dir(repo.environ) / "work", ignore_errors=True)


def folder_of(repo: MissionRepo) -> Path:
    notes = (person_dir(repo.environ) / "work").glob("*/mission")
    (found,) = (note.parent for note in notes if f"{repo.path}/" in note.read_text())
    return found


def findings(repo: MissionRepo) -> list[str]:
    return [each["code"] for each in repo.run("check", "--json").json()["findings"]]


def test_a_gate_that_fails_by_our_own_folder_says_so(repo: MissionRepo) -> None:
    gates = [
        {"name": "marks", "command": "! grep -rl BROKEN --include=stdout.log ."},
        {"name": "else", "command": "echo BROKEN; exit 1"},
    ]
    let_agent_do(repo, qualityGates=gates)
    done = go(repo, "echo BROKEN")
    words = "its output names files in `coordination/.state`, Mosaic's own"
    assert words in done.stdout
    told = {each["name"]: each for each in repo.run("gates", "T-001", "--json").json()["gates"]}
    assert words in told["marks"]["words"]
    assert told["else"]["words"] == "failed with exit code 1"


def test_no_tool_of_the_project_finds_runs_and_worktrees_that_are_kept_outside(
    outside: MissionRepo,
) -> None:
    change_mission(outside, qualityGates="! grep -rl BRO[K]EN .")
    outside.run("trust", "--yes")
    outside.git("commit", "-qam", "A gate")
    first = go(outside, "echo BROKEN; echo BROKEN >b.txt", "--worktree", NOFINISH="1")
    assert f"worktree {folder_of(outside)}/worktrees/T-001" in first.stdout
    done = go(outside, "echo BROKEN; mission show T-002 >/dev/null", "--task", "T-002", "--force")
    assert "T-002 is review" in done.stdout, done.stdout + done.stderr
    assert outside.run("gates", "T-002").exit_code == 0
    assert not {"runs", "worktrees"} & {path.name for path in outside.state.iterdir()}
    assert findings(outside) == []
    inside = MissionRepo(folder_of(outside) / "worktrees" / "T-001", outside.environ)
    assert inside.run("set", "T-002", "priority=high").exit_code == 0
    assert outside.run("show", "T-002", "--json").json()["task"]["priority"] == "high"


def test_work_that_was_done_outside_comes_home_and_is_cleaned_away(outside: MissionRepo) -> None:
    go(outside, "echo x >b.txt", "--worktree")
    place = folder_of(outside)
    assert outside.run("review", "T-001", "--approve").exit_code == 0
    assert outside.run("merge", "T-001").exit_code == 0
    assert (outside.path / "b.txt").exists()
    assert outside.run("clean", "--older-than", "0s").exit_code == 0
    assert not (place / "worktrees").exists()
    assert list((place / "runs").glob("*/*/meta.json")) == []
    assert outside.git("worktree", "list").count("\n") == 1


def test_folders_stay_where_they_are_when_the_setting_changes(repo: MissionRepo) -> None:
    let_agent_do(repo)
    go(repo, "echo x >b.txt", "--worktree", NOFINISH="1")
    change_mission(repo, stateFolders="outside")
    assert go(repo, "echo y >>b.txt", "--task", "T-001").exit_code == 0
    assert (repo.state / "worktrees" / "T-001" / "b.txt").read_text() == "x\ny\n"
    assert findings(repo) == []


def test_folders_outside_that_are_not_seen_any_more_are_named(outside: MissionRepo) -> None:
    go(outside, "echo x >b.txt", "--worktree", NOFINISH="1")
    change_mission(outside, stateFolders="inside")
    assert findings(outside).count("FOLDERS_OUTSIDE") == 2
    change_mission(outside, stateFolders="elsewhere")
    assert "use `outside` or `inside`" in outside.run("status").stderr
    change_mission(outside, stateFolders="outside")
    moved = MissionRepo(outside.path.with_name("moved"), outside.environ)
    outside.path.rename(moved.path)
    found = moved.run("check", "--json").json()["findings"]
    (hint,) = [each["hint"] for each in found if each["code"] == "FOLDERS_OUTSIDE"]
    _, old, new = hint.split("`")[1].split()
    Path(old).rename(new)
    moved.run("check", "--fix")
    assert "FOLDERS_OUTSIDE" not in findings(moved)
    assert go(moved, "echo y >>b.txt", "--task", "T-001").exit_code == 0
    assert (Path(new) / "worktrees" / "T-001" / "b.txt").read_text() == "x\ny\n"
