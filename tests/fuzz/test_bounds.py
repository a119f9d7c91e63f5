"""Hostile input costs little: bounded in time and memory, and told in our words.

Every child has a limit of processor time and of memory, so that what goes on for ever fails
the test and hurts nobody. Nothing here looks at a clock on the wall.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaic.errors import ExitCode
from tests.fuzz.bounded import run_mission, run_module
from tests.fuzz.templates import HOSTILE_TEMPLATES
from tests.fuzz.work import CASES

HUGE = 50_000_000
MUCH = re.compile("\0(.)")
"""Stands for so many of one character: every worker of pytest holds all parameters all along."""
HEAD = "---\ntask_id: T-001\ntitle: One\nstatus: todo\n"
SQUARE = 10
"""Four times the input makes a straight line four times as long, and a square sixteen times."""
LEAST_SECONDS = 0.003
"""What is quicker is not told apart from nothing."""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small mission in a repository."""
    folder = tmp_path_factory.mktemp("bounds") / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    for setting in ("user.name=A", "user.email=a@example.invalid"):
        subprocess.run(["git", "config", *setting.split("=")], cwd=folder, check=True)
    assert run_mission(folder, "init", "--name", "Bounds").exit_code == ExitCode.OK
    for title in ("One", "Two"):
        assert run_mission(folder, "add", title).exit_code == ExitCode.OK
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "-qm", "Plan"], cwd=folder, check=True)
    return folder


@pytest.fixture
def folder(planned: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    copy = tmp_path / "project"
    shutil.copytree(planned, copy)
    return copy


def task_file(folder: Path) -> Path:
    return folder / "coordination" / "tasks" / "T-001-one.md"


def whole(text: str) -> str:
    """Return a text in which what stands for much is written out."""
    return MUCH.sub(lambda found: found[1] * HUGE, text)


def told_by(module: str, cwd: Path) -> list[list[Any]]:
    """Return what a module tells line by line, once it has come to its end within the limits."""
    answer = run_module(module, cwd=cwd, seconds=240)
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    last = found[-1][0] if found else "none"
    assert answer.exit_code == 0, f"the last that ended: {last}\n{answer.stderr[-2000:]}"
    return found


def steep(found: list[list[Any]]) -> dict[str, list[Any]]:
    """Return those whose work grows faster than their input, by name."""
    slow = [each for each in found if each[-1] >= SQUARE * max(each[-2], LEAST_SECONDS)]
    return {each[0]: each[1:] for each in slow}


def always_steep(module: str, cwd: Path, found: list[list[Any]]) -> dict[str, list[Any]]:
    """Return those that are steep when they are measured again: others ran beside something else.

    A square is one each time.
    """
    slow = steep(found)
    again = steep(told_by(module, cwd)) if slow else {}
    return {name: slow[name] for name in slow.keys() & again.keys()}


def test_work_grows_as_its_input_does(tmp_path: Path) -> None:
    found = told_by("tests.fuzz.work", tmp_path)
    assert {name for name, *_ in found} == set(CASES)
    assert always_steep("tests.fuzz.work", tmp_path, found) == {}


def test_no_regular_expression_looks_back_for_long(tmp_path: Path) -> None:
    found = told_by("tests.fuzz.patterns", tmp_path)
    assert len(found) > 100
    assert always_steep("tests.fuzz.patterns", tmp_path, found) == {}


@pytest.mark.parametrize(
    "front_matter",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "a: &a {b: *a}\n",
        "a: " + "[" * 100_000 + "\n",
        "a: " + "{b: " * 100_000 + "\n",
        "a:\n  " + "- " * 100_000 + "x\n",
        "a:\n  " + "? " * 100_000 + "x\n",
        "".join(f"{' ' * n}a:\n" for n in range(2_000)),
        "a: !!python/object/apply:os.system [id]\n",
        "a: " + "9" * 1_000_000 + "\n",
        "a: 1" + ":59" * 300_000 + "\n",
        "a: '\0x'\n",
    ],
    ids=[
        "aliases", "recursion", "lists", "mappings", "items", "keys", "indents", "tag", "digits",
        "sixties", "huge",
    ],
)  # fmt: skip
def test_hostile_front_matter_is_refused_or_read(folder: Path, front_matter: str) -> None:
    task_file(folder).write_text(f"{HEAD}{whole(front_matter)}---\n\n# T-001\n")
    for command in (["show", "T-001"], ["set", "T-001", "status=done"]):
        run_mission(folder, *command)


@pytest.mark.parametrize(
    "body",
    [
        "> " * 100_000 + "a", "- " * 100_000 + "a", "> - " * 50_000, "`" * 100_000, "[" * 100_000,
        "## a" + " " * 500_000 + "b", "<div " * 100_000, "\n" * 100_000, "\0x",
        "## notes\n" * 5_000, "| a " * 100_000 + "|\n" + "|-" * 100_000 + "|\n",
    ],
    ids=[
        "quotes", "lists", "both", "ticks", "brackets", "heading", "tags", "lines", "huge",
        "sections", "table",
    ],
)  # fmt: skip
def test_hostile_markdown_is_refused_or_shown(folder: Path, body: str) -> None:
    task_file(folder).write_text(f"{HEAD}---\n\n# T-001\n\n## Summary\n\n{whole(body)}\n")
    for command in (["handoff", "T-001"], ["review", "T-001"]):
        run_mission(folder, *command)


@pytest.mark.parametrize(
    "table",
    [
        "| id | status |" + " a |" * 100_000 + "\n" + "| - " * 100_002 + "|\n",
        "| id | status |\n| - | - |\n" + "| a " * 100_000 + "|\n",
        "| id | status | depends_on |\n| - | - | - |\n| T-001 | todo | " + "a " * 100_000 + "|\n",
        "| id | status | depends_on |\n| - | - | - |\n| T-001 | todo | a" + " " * 900_000 + "x]|\n",
        "| id | status |\n| - | - |\n" + "| T-001 | todo |\n" * 20_000,
        "\0x",
    ],
    ids=["columns", "cells", "words", "blanks", "rows", "huge"],
)
def test_a_hostile_table_is_refused_or_read(folder: Path, table: str) -> None:
    (folder / "coordination" / "TASKS.md").write_text(f"# Tasks\n\n{whole(table)}")
    for command in (["list"], ["set", "T-001", "status=done"]):
        run_mission(folder, *command)


@pytest.mark.parametrize(
    "text",
    [
        '{"id": ' + "[" * 200_000, '{"a":' * 200_000, '{"id": "\0x"}', "\0[",
        '{"id": ' + "9" * 1_000_000 + "}", '{"a": "' + '\\"' * 1_000_000,
    ],
    ids=["lists", "objects", "huge", "brackets", "digits", "quotes"],
)  # fmt: skip
def test_a_hostile_mission_file_is_refused(folder: Path, text: str) -> None:
    (folder / "coordination" / "mission.json").write_text(whole(text))
    for command in (["list"], ["add", "Three"]):
        assert run_mission(folder, *command).exit_code == ExitCode.BROKEN


def test_very_many_broken_sessions_are_reported_and_hide_no_task(folder: Path) -> None:
    text = '{"sessions": [' + "{}," * 100_000 + "{}]}"
    (folder / "coordination" / "mission.json").write_text(text)
    for command, code in (("list", ExitCode.OK), ("sessions", ExitCode.BROKEN)):
        answer = run_mission(folder, command)
        assert answer.exit_code == code, answer.stderr[-500:]
    assert "a session has no `sessionId`" in answer.stderr


@pytest.mark.parametrize("names", [("index", "sync.json", "attempts.json"), ("session.lock",)])
@pytest.mark.parametrize("data", ["[" * 1_000_000, "\0x", "9" * 1_000_000])
def test_hostile_state_files_are_told_or_ignored(
    folder: Path, names: tuple[str, ...], data: str
) -> None:
    state = folder / "coordination" / ".state"
    state.mkdir(exist_ok=True)
    for name in names:
        (state / name).write_text(whole(data))
    for command in (["list"], ["check"]):
        run_mission(folder, *command)


def test_hostile_templates_are_refused(tmp_path: Path) -> None:
    found = dict(told_by("tests.fuzz.templates", tmp_path))
    assert found.keys() == HOSTILE_TEMPLATES.keys()
    assert [name for name in found if not found[name].startswith(("a temp", "the temp"))] == []


@pytest.mark.parametrize("name", ["ranges", "text", "macro", "class", "parentheses", "huge"])
def test_a_projects_hostile_template_makes_no_task(folder: Path, name: str) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "task.md.j2").write_text(HOSTILE_TEMPLATES[name])
    answer = run_mission(folder, "add", "Three")
    assert answer.exit_code == ExitCode.BROKEN, answer.stdout
    assert "task.md.j2" in answer.stderr
    assert "T-003" not in (folder / "coordination" / "TASKS.md").read_text()


AGENT = """\
import os, sys
line = b"x" * (1 << 20)
for head in (b"", b'{"type": "item.completed", "text": "'):
    os.write(1, head)
    for _ in range(50):
        os.write(1, line)
    os.write(1, b"\\n")
os.write(1, b'{"type": "result", "result": ' + b"[" * 5_000_000 + b"\\n")
os.write(1, b'{"type": "result", "total_cost_usd": 1e999}\\n')
os.write(1, sys.argv[1].encode() + b"\\n")
"""
LAST_WORDS: dict[str, list[dict[str, Any]]] = {
    "loud": [{"type": "message", "text": "all said"}],
    "claude": [{"type": "result", "subtype": "success", "result": "all said"}],
    "codex": [
        {"type": "item.completed", "item": {"type": "agent_message", "text": "all said"}},
        {"type": "turn.completed", "usage": {"output_tokens": 1}},
    ],
}


def add_runtime(folder: Path, name: str, *command: str) -> None:
    path = folder / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission["runtimes"] = {name: {"command": [sys.executable, *command], "prompt": "file"}}
    path.write_text(json.dumps(mission, indent=2))


@pytest.mark.parametrize("runtime", LAST_WORDS)
def test_an_agents_lines_of_50_mb_are_kept_and_shown(folder: Path, runtime: str) -> None:
    words = "\n".join(json.dumps(event) for event in LAST_WORDS[runtime])
    add_runtime(folder, runtime, "-c", AGENT, words)
    handed = run_mission(folder, "next", "--runtime", runtime, "--headless")
    assert handed.exit_code == ExitCode.OK, handed.stderr
    (run,) = (folder / "coordination" / ".state" / "runs" / "T-001").glob("r001-*")
    assert (run / "stdout.log").stat().st_size > 100 * (1 << 20)
    assert json.loads((run / "result.json").read_text())["answer"] == "all said"
    for command in (["logs", "T-001", "--json"], ["logs", "T-001", "--transcript"], ["status"]):
        assert run_mission(folder, *command).exit_code == ExitCode.OK
    run_mission(folder, "review", "T-001")


def test_a_hostile_write_scope_holds_up_no_hand_off(folder: Path) -> None:
    scope = json.dumps(["*a" * 60 + "b", "**/a/" * 60 + "b", "a" * 5_000, "[" * 900, "x\\"])
    task_file(folder).write_text(f"{HEAD}write_scope: {scope}\n---\n\n# T-001\n")
    agent = 'open(\'a\' * 200, \'w\').close(); print(\'{"type": "message", "text": "done"}\')'
    add_runtime(folder, "quick", "-c", agent)
    handed = run_mission(folder, "next", "--runtime", "quick", "--headless")
    assert handed.exit_code == ExitCode.OK, handed.stderr
    assert "SCOPE_INVALID" in run_mission(folder, "check", "--json").stdout
    run_mission(folder, "review", "T-001")
