"""The journeys that use git, through a git that knows what 2.25 knew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments.conftest import Surroundings
from tests.environments.old_git import OldGit

HEADLESS = ("--headless", "--runtime", "demo")
WORKER = """\
import json, pathlib, sys
sys.stdin.read()
pathlib.Path("found.txt").write_text("found")
answer = {"role": "?", "label": "?", "status": "completed", "summary": "it holds", "claims": [],
          "objections": [], "openQuestions": [], "evidenceRefs": [], "error": None}
print(json.dumps({"type": "message", "text": json.dumps(answer)}))
"""


@pytest.fixture
def old(here: Surroundings, tmp_path: Path) -> Iterator[OldGit]:
    """The mission on a machine with an old git; nothing may ask it for what is newer."""
    git = OldGit(tmp_path / "old")
    here.repo.environ["PATH"] = f"{git.folder}:{here.repo.environ['PATH']}"
    yield git
    assert git.refused == []


def ok(surroundings: Surroundings, *arguments: str) -> str:
    answer = surroundings.run(*arguments)
    assert answer.exit_code == 0, (arguments, answer)
    return answer.stdout


def test_hand_off_review_and_restore(here: Surroundings, old: OldGit) -> None:
    assert "2.25.5" in ok(here, "doctor")
    ok(here, "next", *HEADLESS)
    assert "+Hello" in ok(here, "review", "T-001", "--diff")
    assert ok(here, "checkpoint", "T-001", "--note", "as it is").startswith("checkpoint")
    (here.path / "hello.txt").write_text("spoilt\n")
    listed = json.loads(ok(here, "checkpoint", "list", "T-001", "--json"))
    latest = str(listed["checkpoints"][-1]["seq"])
    elsewhere = here.path.parent / "rebuilt"
    ok(here, "checkpoint", "restore", "T-001", latest, "--into", str(elsewhere))
    assert (elsewhere / "hello.txt").read_text() == "Hello\n"
    (here.path / "hello.txt").unlink()
    here.repo.git("commit", "--quiet", "--all", "-m", "Handed in")
    ok(here, "checkpoint", "restore", "T-001", latest)
    assert (here.path / "hello.txt").read_text() == "Hello\n"
    ok(here, "review", "T-001", "--approve", "--commit", "--force")
    assert "status: done" in here.repo.git("show", "HEAD")
    assert {"read-tree", "diff", "commit", "add"} <= old.seen


def test_worktree_and_merge(here: Surroundings, old: OldGit) -> None:
    ok(here, "next", "--worktree", *HEADLESS)
    ok(here, "review", "T-001", "--approve", "--commit")
    ok(here, "merge", "T-001", "--squash")
    assert (here.path / "hello.txt").read_text() == "Hello\n"
    ok(here, "clean")
    assert {"worktree add", "worktree remove", "merge"} <= old.seen


def test_a_writable_panel(here: Surroundings, old: OldGit, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    mission = here.repo.mission()
    command = [sys.executable, str(tmp_path / "worker.py")]
    mission["runtimes"] = {"scripted": {"command": command, "prompt": "stdin"}}
    place = here.path / "coordination" / "mission.json"
    place.write_text(json.dumps(mission, indent=2))
    here.repo.git("commit", "-qam", "Name the worker")
    ok(here, "panel", "start", "Why?", "--role", "planner", "--runtime", "scripted",
       "--writable", "--wait")  # fmt: skip
    ok(here, "panel", "result", "last")
    ok(here, "panel", "merge", "last", "planner")
    assert (here.path / "found.txt").read_text() == "found"
    ok(here, "panel", "shutdown", "last")


def test_a_git_that_is_too_old_is_named(here: Surroundings, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    (folder / "git").write_text('#!/bin/sh\necho "git version 2.17.1"\n')
    (folder / "git").chmod(0o755)
    here.repo.environ["PATH"] = f"{folder}:{here.repo.environ['PATH']}"
    told = here.run("doctor")
    assert "2.17.1" in told.stdout
    assert "2.25 or newer is needed" in told.stdout


def test_what_is_newer_is_refused(here: Surroundings, tmp_path: Path) -> None:
    """Proves the other tests of this file able to fail."""
    git = OldGit(tmp_path / "old")
    here.repo.environ["PATH"] = f"{git.folder}:{here.repo.environ['PATH']}"
    program = git.folder / "git"
    program.write_text(program.read_text().replace("known='--porcelain'", "known=''"))
    here.run("next", "--worktree", *HEADLESS)
    assert "worktree list --porcelain" in git.refused
