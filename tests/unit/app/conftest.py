"""A mission in a git repository, made without a command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mosaic.app.change import add_task
from mosaic.app.mission import init_mission
from mosaic.store.create import NewMission, NewTask


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    """The mission.json of a mission with two tasks."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "config", "user.name", "Somebody")
    git(folder, "config", "user.email", "somebody@example.invalid")
    new = NewMission(name="Rules", milestones=(("M1", "One"),))
    created = init_mission(folder, new, adopt=False, agents=False)
    for title in ("First", "Second"):
        add_task(created.mission_file, NewTask(title=title, milestone="M1"))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Plan")
    return created.mission_file
