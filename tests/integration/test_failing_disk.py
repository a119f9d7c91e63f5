"""A disk that refuses one call: what the command says is what is so, at every such call."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.mission import Answer, MissionRepo

POINTS = [
    *(("fsync", "EIO", number) for number in range(1, 12)),
    *(("rename", "ENOSPC", number) for number in (1, 2)),
    *(("renameat2", "EIO", number) for number in (1, 2)),
    ("unlink", "EIO", 1),
]


def add_with_fault(repo: MissionRepo, call: str, error: str, number: int) -> Answer:
    """Add a task while the system refuses one call."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no strace to make calls fail")
    repo.run("list")  # what is noted of the repository once and for all is noted now
    fault = f"inject={call}:error={error}:when={number}"
    argv = [strace, "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", fault]
    done = subprocess.run(
        [*argv, *repo.argv("add", "New")],
        cwd=repo.path,
        env=repo.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr or "strace:" in done.stderr:
        pytest.skip("processes may not be traced here")
    return Answer(done.returncode, done.stdout, done.stderr)


def news(folder: Path) -> tuple[int, int]:
    """Return how many rows and files the new task has."""
    plan = folder / "coordination"
    rows = (plan / "TASKS.md").read_text().count("New")
    return rows, len(list((plan / "tasks").glob("*new*.md")))


@pytest.mark.parametrize(("call", "error", "number"), POINTS)
def test_a_refused_call_is_told_as_it_is(
    repo: MissionRepo, call: str, error: str, number: int
) -> None:
    answer = add_with_fault(repo, call, error, number)
    assert "Traceback" not in answer.stderr
    if answer.exit_code == 0:
        assert news(repo.path) == (1, 1)
    elif "nothing was changed" in answer.stderr:
        assert news(repo.path) == (0, 0)
    else:
        assert "do not run the same command again" in answer.stderr
    repaired = repo.run("sync")
    assert repaired.exit_code == 0, repaired.stderr
    there = "nothing was changed" not in answer.stderr
    assert news(repo.path) == (there, there)
    assert repo.run("check", "--json").json()["findings"] == []


def test_an_agreement_that_cannot_be_recorded_is_a_warning(repo: MissionRepo) -> None:
    answer = add_with_fault(repo, "rename", "ENOSPC", 2)
    assert answer.exit_code == 0
    assert answer.stdout.strip() == "T-004"
    assert "the change is written, but" in answer.stderr
    assert "sync.json" in answer.stderr
    assert repo.run("set", "T-004", "title=Newer").exit_code == 0
    assert news(repo.path) == (1, 1)
