"""Links that lead to themselves, or to names too long: named, and everything else goes on."""

from __future__ import annotations

import os

import pytest

from tests.support.mission import MissionRepo

LOOKING = ("list", "status", "next --explain", "graph", "check", "sync")
ANY = ("show T-001", "set T-002 priority=1", "sessions", "clean", "review T-001", "handoff T-001")
LONG = "x" * 300


@pytest.mark.parametrize(("target", "words"), [("T-950.md", "circle"), (LONG, "too long")])
def test_a_task_file_that_cannot_be_looked_at_is_named_and_passed_over(
    repo: MissionRepo, target: str, words: str
) -> None:
    os.symlink(target, repo.path / "coordination" / "tasks" / "T-950.md")
    for look in LOOKING:
        answer = repo.run(*look.split())
        said = answer.stdout + answer.stderr
        assert "T-950.md" in said, (look, answer)
        assert words in said, (look, answer)
    assert "T-001" in repo.run("list").stdout
    for command in (*ANY, "add Another", "next --print --runtime quick"):
        assert repo.run(*command.split()).exit_code == 0, command
    assert repo.run("next", "--headless", "--runtime", "quick").exit_code == 0


@pytest.mark.parametrize("name", ["TASKS.md", "SCRATCHPAD.md", "MISSION.md", "mission.json"])
def test_each_other_file_that_leads_to_itself_is_an_error_that_names_it(
    repo: MissionRepo, name: str
) -> None:
    path = repo.path / "coordination" / name
    path.unlink()
    path.symlink_to(name)
    for command in (*LOOKING, *ANY, "add Another", "next --headless --runtime quick"):
        answer = repo.run(*command.split())
        assert answer.exit_code in (0, 1, 5), (command, answer)
        if answer.exit_code == 5:
            assert name in answer.stderr + answer.stdout, (command, answer)


def test_a_template_that_leads_to_itself_is_named(repo: MissionRepo) -> None:
    folder = repo.path / "templates"
    folder.mkdir(exist_ok=True)
    (folder / "continuation.md.j2").symlink_to("continuation.md.j2")
    answer = repo.run("next", "--print", "--runtime", "quick")
    assert answer.exit_code == 5
    assert "continuation.md.j2" in answer.stderr
    assert "circle" in answer.stderr
