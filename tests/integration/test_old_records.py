"""Records of older layouts are read for ever: frozen under tests/data/vN, never edited."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo

OLD = sorted((Path(__file__).resolve().parents[1] / "data").glob("v[0-9]*"))


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.name)
def test_records_of_an_older_layout_are_read_by_every_command(repo: MissionRepo, old: Path) -> None:
    shutil.copytree(old / "runs", repo.state / "runs", dirs_exist_ok=True)
    mission = repo.mission()
    frozen = json.loads((old / "mission.json").read_text())
    mission["sessions"] = frozen["sessions"]
    mission["runtimes"].update(frozen["runtimes"])
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    known = [session["runId"] for session in frozen["sessions"]]
    shown = repo.run("show", "T-001", "--json").json()
    assert [run["run_id"] for run in shown["runs"]] == known
    assert all(run["status"] == "completed" for run in shown["runs"])
    for command in (
        ["check"],
        ["status"],
        ["sessions"],
        ["doctor"],
        ["checkpoint", "list", "T-001"],
    ):
        assert repo.run(*command).exit_code == 0, command
    assert repo.run("logs", known[0]).stdout.startswith("working\n")
    assert repo.run("resume", "T-001", "--runtime", "quick").exit_code == 0
    meta = json.loads((repo.run_dir() / "meta.json").read_text())
    assert meta["attempt"] == len(known) + 1
    removed = repo.run("clean", "--older-than", "0", "--json").json()["removed"]
    assert [run["run_id"] for run in removed] == known
