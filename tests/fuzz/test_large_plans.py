"""Plans of thousands of tasks: every command that looks ends within its limits, in few words."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.bounded import run_mission

MANY = 10_000
HEAD = "# Tasks\n\n| ID | Title | Status | Depends on |\n| --- | --- | --- | --- |\n"
LOOKS = (
    ("next", "--explain"), ("next", "--explain", "--json"), ("next", "--print"), ("check",),
    ("graph",), ("graph", "--json"), ("graph", "--dot"), ("graph", "--mermaid"), ("status",),
    ("list", "--json"), ("next", "--print", "--force", "--task", "T-5"),
)  # fmt: skip


def name(number: int) -> str:
    return f"T-{number}"


def cycle(number: int) -> str:
    return name((number + 1) % MANY)


def chain(number: int) -> str:
    return name(number + 1) if number < MANY - 1 else ""


def pairs(number: int) -> str:
    return name(number ^ 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission whose table a test writes."""
    folder = tmp_path_factory.mktemp("plans")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    assert run_mission(folder, "init", "--name", "Plans").exit_code == 0
    return folder


@pytest.mark.parametrize("waits_for", [cycle, chain, pairs])
def test_a_plan_that_waits_for_itself_is_shown_within_bounds(
    folder: Path, waits_for: Callable[[int], str]
) -> None:
    rows = (f"| {name(n)} | x | todo | {waits_for(n)} |" for n in range(MANY))
    (folder / "coordination" / "TASKS.md").write_text(HEAD + "\n".join(rows) + "\n")
    for command in LOOKS:
        answer = run_mission(folder, *command)
        assert len(answer.stdout) + len(answer.stderr) < 1_000 * MANY, command


def test_scopes_of_many_tasks_in_progress_are_compared(folder: Path) -> None:
    (folder / "coordination" / "TASKS.md").write_text(HEAD)
    tasks = folder / "coordination" / "tasks"
    for number in range(1_500):
        globs = [f"src/m{number // 2}/part{part}/**" for part in range(20)]
        text = (
            f"---\ntask_id: {name(number)}\ntitle: x\nstatus: in-progress\nwrite_scope: {globs}\n"
        )
        (tasks / f"{name(number)}.md").write_text(f"{text}---\n\n# x\n")
    answer = run_mission(folder, "check")
    assert "`T-0` and `T-1` are in progress on the same files" in answer.stdout
    assert "and 650 more pairs of tasks" in answer.stdout
