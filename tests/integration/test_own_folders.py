"""Mosaic's own folders, in the eyes of the tools of a project, and elsewhere."""

from __future__ import annotations

from tests.support.mission import MissionRepo
from tests.support.shell_agent import go, let_agent_do


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
