"""Killed or failing at any moment, files are old or new, and agree once settled.

The writers run in programs of their own. A real SIGKILL hits them at random moments;
and an audit hook, which Python calls before each open, rename and removal, ends or
fails them at every single step in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mosaic
from mosaic.machine.staging import sweep_temporaries
from mosaic.machine.transaction import finish_intent

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDS = 100

KILLED_AT_RANDOM = """
import json, os, random, signal, sys, time
from pathlib import Path
from mosaic.machine.disk import read_bytes, write_atomic
from mosaic.machine.transaction import Change, finish_intent, write_together
import hashlib

kind, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
root = Path.cwd()
one, other, intent = root / "one", root / "other", root / "intent.json"

def content(number):
    return f"{number:08}\\n".encode() * 10_000

def write(number):
    if kind == "atomic":
        write_atomic(one, content(number), root=root)
    else:
        changes = [Change(path=path, data=content(number)) for path in (one, other)]
        write_together(changes, intent=intent, root=root)

chance = random.Random(seed)
number = 0
write(number)
for _ in range(rounds):
    child = os.fork()
    if child == 0:
        while True:
            number += 1
            write(number)
    time.sleep(chance.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    outcomes = finish_intent(intent, root=root, is_own_file=lambda _: True)
    settled = list(outcomes.values())
    files = [one] if kind == "atomic" else [one, other]
    lines = [read_bytes(path).split(b"\\n") for path in files]
    number = int(lines[0][0])
    whole = all(b"\\n".join(each) == content(int(each[0])) for each in lines)
    numbers = [int(each[0]) for each in lines]
    print(json.dumps({"numbers": numbers, "whole": whole, "settled": settled}))
"""

STOPPED_AT_A_STEP = """
import os, sys
from pathlib import Path
from mosaic.errors import MissionError
from mosaic.machine.disk import write_atomic
from mosaic.machine.transaction import Change, write_together
import hashlib

act, way, stop_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
root = Path.cwd()
step = 0

def watch(event, args):
    global step
    if event not in ("open", "os.rename", "os.remove") or not args:
        return
    if not isinstance(args[0], str | bytes | Path) or not str(args[0]).startswith(str(root)):
        return
    step += 1
    if way == "exit" and step == stop_at:
        os._exit(9)
    if way == "fail-once" and step == stop_at or way == "fail-on" and step >= stop_at:
        raise OSError(5, "Input/output error")

sys.addaudithook(watch)
try:
    if act == "atomic":
        write_atomic(root / "table", b"new", root=root)
    else:
        write_together(
            [
                Change(path=root / "table", data=b"new"),
                Change(path=root / "tasks" / "old", data=None),
                Change(path=root / "tasks" / "new", data=b"new", expect=None),
            ],
            intent=root / "state" / "intent.json",
            root=root,
        )
except MissionError as error:
    sys.exit(8 if step >= stop_at else 1)
sys.exit(7 if step >= stop_at else 0)
"""
EXITED, TOLD, FAILED_UNSEEN, UNDISTURBED = 9, 8, 7, 0

OLD = {"table": b"old", "tasks/old": b"old"}
NEW = {"table": b"new", "tasks/new": b"new"}


def run_program(source: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(mosaic.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def lay(root: Path) -> None:
    for folder in ("tasks", "state"):
        (root / folder).mkdir(parents=True)
    for name, data in OLD.items():
        (root / name).write_bytes(data)


def contents(root: Path) -> Mapping[str, bytes]:
    """Return every file of a mission but the note, leftovers included."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != "state"
    }


@pytest.mark.parametrize("kind", ["atomic", "together"])
def test_files_are_whole_and_agree_whenever_the_writer_is_killed(tmp_path: Path, kind: str) -> None:
    seed = int.from_bytes(os.urandom(4))
    answer = run_program(KILLED_AT_RANDOM, tmp_path, kind, str(ROUNDS), str(seed))
    assert answer.returncode == 0, f"seed {seed}: {answer.stderr}"
    rounds = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(rounds) == ROUNDS
    for each in rounds:
        assert each["whole"], f"seed {seed}"
        assert len(set(each["numbers"])) == 1, f"seed {seed}: {each}"
        assert not {"left-edited", "lost", "note-unreadable"} & set(each["settled"])
    if kind == "together":
        assert any(each["settled"] for each in rounds), "no kill ever fell between two renames"
    # Each kill leaves two temporary files at most, and sweeping takes them all.
    sweep_temporaries(tmp_path, intent=tmp_path / "intent.json")
    for name in os.listdir(tmp_path):
        os.utime(tmp_path / name, (0, 0))
    sweep_temporaries(tmp_path)
    assert set(os.listdir(tmp_path)) <= {"one", "other"}


def each_step(tmp_path: Path, act: str, way: str) -> list[tuple[Path, int]]:
    """Run a writer again and again, stopped one step later each time, until it gets through."""
    runs: list[tuple[Path, int]] = []
    for step in range(1, 60):
        root = tmp_path / str(step)
        lay(root)
        answer = run_program(STOPPED_AT_A_STEP, root, act, way, str(step))
        assert answer.returncode in (EXITED, TOLD, FAILED_UNSEEN, UNDISTURBED), answer.stderr
        runs.append((root, answer.returncode))
        if answer.returncode == UNDISTURBED:
            return runs
    pytest.fail("the writer never got through")


def test_a_set_killed_at_any_step_is_all_old_or_all_new_once_settled(tmp_path: Path) -> None:
    seen = set()
    for root, code in each_step(tmp_path, "together", "exit"):
        intent = root / "state" / "intent.json"
        outcomes = finish_intent(intent, root=root, is_own_file=lambda _: True)
        settled = set(outcomes.values())
        seen |= settled
        sweep_temporaries(root, intent=intent)
        sweep_temporaries(root / "tasks", intent=intent)
        now = contents(root)
        assert now in (OLD, NEW), f"step {root.name}: {now}"
        assert code == EXITED or now == NEW
        assert not intent.exists()
    assert {"written", "already-written"} <= seen


@pytest.mark.parametrize("way", ["fail-once", "fail-on"])
def test_a_set_that_fails_at_any_step_is_undone_or_carried_through(
    tmp_path: Path, way: str
) -> None:
    for root, code in each_step(tmp_path, "together", way):
        intent = root / "state" / "intent.json"
        is_waiting = intent.exists()
        now = contents(root)
        if code == UNDISTURBED:
            assert now == NEW
        if not is_waiting and way == "fail-once":
            kept = {name: data for name, data in now.items() if "mission-tmp" not in name}
            assert kept in (OLD, NEW), f"step {root.name}: {kept}"
        finish_intent(intent, root=root, is_own_file=lambda _: True)
        sweep_temporaries(root, intent=intent)
        sweep_temporaries(root / "tasks", intent=intent)
        now = contents(root)
        assert now in (OLD, NEW), f"step {root.name}: {now}"
        assert not intent.exists()


@pytest.mark.parametrize("way", ["exit", "fail-once", "fail-on"])
def test_one_file_stopped_at_any_step_is_old_or_new(tmp_path: Path, way: str) -> None:
    runs = each_step(tmp_path, "atomic", way)
    assert len(runs) > 3
    for root, code in runs:
        now = (root / "table").read_bytes()
        assert now in (b"old", b"new")
        leftovers = [name for name in os.listdir(root) if "mission-tmp" in name]
        assert way != "fail-once" or leftovers == []
        assert code != UNDISTURBED or now == b"new"
