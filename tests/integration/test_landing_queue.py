"""`mission merge` without an id: all done branches come home in order, each tested first."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import Answer, MissionRepo, make_environ, wait_for
from tests.support.workers import write_mission

GATE = "test ! -e red.txt && ! grep -qs one two.txt"
LAST = "mine.txt"


def make_task(repo: MissionRepo, title: str, **fields: str) -> str:
    task_id = repo.run("add", title, "-m", "M1").stdout.strip()
    for name, value in fields.items():
        assert repo.run("set", task_id, f"{name}={value}").exit_code == 0
    return task_id


@pytest.fixture(scope="session")
def built(planned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission whose agent writes what the environment says, with two tasks that are done."""
    import shutil

    folder = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(planned, folder, symlinks=True)
    repo = MissionRepo(folder, make_environ(folder.parent))
    mission = repo.mission()
    mission["runtimes"] = {"writer": {"command": ["sh", "-c", 'eval "$WRITES"'], "prompt": "file"}}
    mission["runtime"] = "writer"
    mission["qualityGates"] = [{"name": "whole", "command": GATE}]
    mission["review"] = {"gates": "never"}
    write_mission(repo, mission)
    (folder / "shared.txt").write_text("begin\n")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Settings")
    for task_id in ("T-001", "T-002"):
        work(repo, task_id, f"echo {task_id} > {task_id}.txt")
    return folder


@pytest.fixture
def built_repo(built: Path, tmp_path: Path) -> Iterator[MissionRepo]:
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(built, folder, symlinks=True)
    made = MissionRepo(folder, make_environ(tmp_path))
    # git keeps where its worktrees are as whole paths.
    made.git("worktree", "repair", *map(str, (made.state / "worktrees").glob("T-*")))
    yield made


def work(repo: MissionRepo, task_id: str, does: str) -> None:
    """Have a task worked on in its worktree, its work committed, and the task approved."""
    writes = f"{does}; git add --all; git commit -qm '{task_id}'"
    ended = repo.run("next", "--worktree", "--headless", "--task", task_id, WRITES=writes)
    assert ended.exit_code in (0, 1), ended
    assert repo.run("done", task_id, "--force").exit_code == 0
    assert repo.task_status(task_id) == "done"


def outcomes(answer: Answer) -> dict[str, str]:
    return {each["task_id"]: each["outcome"] for each in answer.json()["tasks"]}
