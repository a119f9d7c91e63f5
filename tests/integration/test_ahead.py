"""A second process may look at the task files while the first is still being imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from mosaic.cli.hot import FORMS
from tests.integration.test_index import (
    CHANGES,
    add_a_file,
    edit_in_place_with_the_old_time,
    remove_a_file,
    task_file,
)
from tests.support.mission import Answer, MissionRepo, wait_for

PROGRAM = """\
import sys
from mosaic.machine import ahead, signature
ahead.MANY_BYTES = 1
take = ahead.take_ahead
def tell(descriptor):
    taken = take(descriptor)
    print("ahead" if taken else "alone", file=sys.stderr)
    return taken
ahead.take_ahead = tell
{more}
from mosaic.cli import main
main(sys.argv[1:])
"""
KILLED = """\
import os, signal
ahead._tell = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
HALF_TOLD = """\
import os
def half(question, folder):
    found = os.stat(folder)
    numbers = (found.st_dev, found.st_ino, 10, 40)
    os.write(question, b"".join(n.to_bytes(8, "little") for n in numbers) + b"T-001.md")
ahead._tell = half
"""
LOOKS = (
    ("list", "--all", "--json"), ("list", "--ready"), ("status", "--json"),
    ("show", "T-001", "--json"),
)  # fmt: skip


def look_ahead(repo: MissionRepo, *arguments: str, more: str = "", **environ: str) -> Answer:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(more=more), *arguments],
        cwd=repo.path,
        env={**repo.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def looked_at(repo: MissionRepo) -> MissionRepo:
    """A mission with an index that says how much it was made of."""

    def is_made() -> bool:
        repo.run("list")
        return b'"stamp":0,' not in (repo.state / "index").read_bytes()[:99]

    wait_for(is_made, "a settled index")
    return repo


@pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
def test_what_is_seen_ahead_is_what_is_there(
    looked_at: MissionRepo, arguments: tuple[str, ...]
) -> None:
    ahead = look_ahead(looked_at, *arguments)
    alone = looked_at.run(*arguments)
    assert (ahead.exit_code, ahead.stdout) == (alone.exit_code, alone.stdout)
    assert ahead.stderr.splitlines()[0] == "ahead"


def test_a_completion_looks_ahead_too(looked_at: MissionRepo) -> None:
    environ = {
        "_MISSION_COMPLETE": "complete_bash",
        "COMP_WORDS": "mission show",
        "COMP_CWORD": "2",
    }
    ahead = look_ahead(looked_at, **environ)
    assert ahead.stdout.split() == ["T-001", "T-002", "T-003"]
    assert ahead.stderr.split() == ["ahead"]


WAITING = ("switch_branches", "lead_a_symlink_elsewhere", "forget_what_was_agreed_on")
"""These wait for an index that is believed in this process."""


@pytest.mark.parametrize(
    "change",
    [change for change in CHANGES if change.__name__ not in WAITING],
    ids=lambda change: change.__name__,
)
def test_a_change_is_seen_at_once(
    looked_at: MissionRepo, change: Callable[[MissionRepo], None]
) -> None:
    if change.__name__ in (
        "switch_branches",
        "lead_a_symlink_elsewhere",
        "forget_what_was_agreed_on",
    ):
        pytest.skip("waits for an index that is believed in this process")
    change(looked_at)
    ahead = look_ahead(looked_at, "list", "--all", "--json")
    alone = looked_at.run("list", "--all", "--json")
    assert (ahead.exit_code, ahead.stdout) == (alone.exit_code, alone.stdout)


@pytest.mark.parametrize("more", [KILLED, HALF_TOLD])
@pytest.mark.parametrize(
    "change", [edit_in_place_with_the_old_time, add_a_file, remove_a_file, lambda _repo: None]
)
def test_who_looks_ahead_may_die(
    looked_at: MissionRepo, more: str, change: Callable[[MissionRepo], None]
) -> None:
    change(looked_at)
    ahead = look_ahead(looked_at, "list", "--all", "--json", more=more)
    alone = looked_at.run("list", "--all", "--json")
    assert (ahead.exit_code, ahead.stdout) == (alone.exit_code, alone.stdout)
    assert ahead.stderr.splitlines()[0] == "alone"


def test_another_folder_than_the_usual_one_is_looked_at_anew(looked_at: MissionRepo) -> None:
    mission = looked_at.mission()
    task_file(looked_at).parent.rename(looked_at.path / "elsewhere")
    (looked_at.path / "coordination" / "tasks").mkdir()
    mission["tasksDir"] = "elsewhere"
    (looked_at.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    ahead = look_ahead(looked_at, "list", "--json")
    assert [task["file"] for task in ahead.json()["tasks"]] == [
        f"elsewhere/{name}" for name in sorted(os.listdir(looked_at.path / "elsewhere"))
    ]
    assert ahead.stderr.split() == ["alone"]


def test_a_mission_that_is_named_is_looked_at_anew(looked_at: MissionRepo) -> None:
    named = str(looked_at.path / "coordination" / "mission.json")
    assert look_ahead(looked_at, "list", MISSION_FILE=named).stderr.split() == ["alone"]


def test_only_what_changes_nothing_looks_ahead(looked_at: MissionRepo) -> None:
    looking = {form.function for forms in FORMS.values() for form in forms if form.only_looks}
    assert looking == {"list_tasks", "show_status", "show_task", "print_next"}
    answer = look_ahead(looked_at, "set", "T-001", "pr=7")
    assert answer.exit_code == 0
    assert set(answer.stderr.split()) == {"alone"}
