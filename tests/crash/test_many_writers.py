"""Many processes change one mission at random: nothing is lost, torn, given twice or stuck.

`MISSION_WRITERS_ROUNDS=60 MISSION_WRITERS_SECONDS=20 pytest tests/crash/test_many_writers.py -s`
is the long version, of twice twenty minutes. A round is named by its number, which is also the
seed of what each process does; what the scheduler makes of it differs each time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.crash.writers import MILESTONES, Journal
from tests.support.in_process import call
from tests.support.mission import MissionRepo, make_environ

ROUNDS = int(os.environ.get("MISSION_WRITERS_ROUNDS", "1"))
SECONDS = float(os.environ.get("MISSION_WRITERS_SECONDS", "7"))
KEPT = os.environ.get("MISSION_WRITERS_KEEP")
"""A folder for copies of missions that something is wrong with."""
GRACE_SECONDS = 90.0
"""How much longer a program may take, whose last command waits for all the others."""
AT_ONCE, SETS, TASKS = 8, 25, 200
OWNED = ("T-001 T-002 T-003", "T-004 T-005 T-006", "T-007 T-008 T-009")
SYNCED = ("title", "status", "milestone", "depends_on", "pr")
SHORT_AGENT = "import sys; print('begun'); sys.exit({})"


@dataclass
class Crew:
    """The programs of a mission, and what each knows from round to round."""

    repo: MissionRepo
    edited: bool
    journals: dict[str, Journal] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)

    def hire(self, name: str, owned: str = "") -> None:
        journal = Journal(owned=owned.split())
        for task in journal.owned:
            journal.values[task] = {"status": ["todo"], "title": [f"Task {task}"]}
        self.journals[name] = journal

    def work(self, seed: int) -> None:
        """Let all of them work for a while, and gather what they know."""
        places = {name: self.repo.state / f"{name}.journal" for name in self.journals}
        running: dict[str, subprocess.Popen[str]] = {}
        for number, (name, journal) in enumerate(self.journals.items()):
            journal.answers.clear()
            journal.overran.clear()
            places[name].write_text(json.dumps(asdict(journal)))
            role, _, part = name.partition("-")
            environ = {**self.repo.environ, "EDITS": part} | (
                {"EDITED": "1"} if self.edited else {}
            )
            argv = [sys.executable, "-m", "tests.crash.writers", role, str(seed * 100 + number)]
            running[name] = subprocess.Popen(
                [*argv, str(SECONDS), str(places[name])],
                cwd=self.repo.path,
                env=environ,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.repo.started.append(running[name])
        deadline = time.monotonic() + SECONDS + GRACE_SECONDS
        for name, process in running.items():
            _, errors = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
            assert process.returncode == 0, (name, errors)
        self.journals = {name: Journal(**json.loads(p.read_text())) for name, p in places.items()}
        for journal in self.journals.values():
            self.answers.update(journal.answers)

    def faults(self) -> list[str]:
        return [f"{name}: {it}" for name, j in self.journals.items() for it in j.faults]

    def overran(self) -> set[str]:
        return {task for journal in self.journals.values() for task in journal.overran}

    def expected(self) -> Iterator[tuple[str, str, list[Any]]]:
        for journal in self.journals.values():
            for task, values in journal.values.items():
                for name, allowed in values.items():
                    yield task, name, allowed

    def learn(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin the next round with the values that are there."""
        for journal in self.journals.values():
            for task, values in journal.values.items():
                for name in values:
                    values[name] = [told[task][name]]


@pytest.fixture
def mission(tmp_path: Path) -> Iterator[MissionRepo]:
    """A repository with 16 tasks, each with a line that is edited by hand."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = MissionRepo(folder, make_environ(tmp_path))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    milestones = [word for name in MILESTONES for word in ("--milestone", f"{name}: {name}")]
    assert call(folder, "init", "--name", "Writers", *milestones).exit_code == 0
    body = folder / "body"
    body.write_text("hand: 0\n")
    for number in range(1, 17):
        assert call(folder, "add", f"Task T-{number:03}", "--body", str(body)).exit_code == 0
    body.unlink()
    table = folder / "coordination" / "TASKS.md"
    table.write_text(table.read_text() + "\nBelow the table.\n\nhand: 0\n")
    content = made.mission()
    content["runtimes"] = {
        name: {"command": [sys.executable, "-c", SHORT_AGENT.format(code)], "prompt": "file"}
        for name, code in (("quick", 0), ("fail", 3))
    }
    content["runtime"] = "quick"
    (folder / "coordination" / "mission.json").write_text(json.dumps(content, indent=2))
    made.git("add", "--all")
    made.git("commit", "-qm", "Plan")
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def tell(repo: MissionRepo) -> dict[str, dict[str, Any]]:
    """Return every task as the command tells it."""
    answer = call(repo.path, "list", "--all", "--json")
    assert answer.exit_code == 0, answer
    tasks = answer.json()["tasks"]
    assert len({task["id"] for task in tasks}) == len(tasks)
    return {task["id"]: task for task in tasks}


def rows_of(repo: MissionRepo) -> dict[str, list[str]]:
    """Return the table's rows, read without our reader."""
    lines = (repo.path / "coordination" / "TASKS.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    rows = {row[0]: row for row in cells[2:]}
    assert len(rows) == len(cells) - 2, "an id stands in two rows"
    return rows


def files_of(repo: MissionRepo) -> dict[str, dict[str, Any]]:
    """Return the front matter of every task file, read without our reader."""
    found = {}
    for path in (repo.path / "coordination" / "tasks").glob("*.md"):
        values = yaml.safe_load(path.read_text().split("---\n", 2)[1])
        assert values["task_id"] not in found, "an id stands in two files"
        assert "\n## notes\n" in path.read_text()
        found[str(values["task_id"])] = dict(values)
    return found


def assert_agree(repo: MissionRepo) -> None:
    """Rows and files say the same, and nothing that was begun is left."""
    rows, files = rows_of(repo), files_of(repo)
    for task, values in files.items():
        if task in rows:
            found = dict(zip(("id", "status", "milestone", "title"), rows[task], strict=False))
            for name in ("status", "milestone", "title"):
                assert found[name] == str(values.get(name, "")), (task, name)
    assert not list((repo.path / "coordination").rglob("*.mission-tmp"))
    assert not list(repo.state.glob("*intent*"))


def settle_undecided(crew: Crew) -> None:
    """Take the file's side where a hand editor put a row back to what git has.

    Whether that undoes a change, or is as old as it looks, nobody can tell: both are shown.
    """
    problems = call(crew.repo.path, "status", "--json").json()["problems"]
    shown = sorted({each["task_id"] for each in problems if each["code"] == "SYNC_CONFLICT"})
    assert set(shown) <= crew.overran(), problems
    if shown:
        answer = call(crew.repo.path, "sync", *shown, "--prefer", "file")
        assert answer.exit_code == 0, answer


def settle(crew: Crew, place: Path) -> dict[str, dict[str, Any]]:
    """Bring all in step after a round, and return what the command tells; or keep what is left."""
    try:
        assert crew.faults() == []
        settle_undecided(crew)
        for command in (("status",), ("sync",), ("check",)):
            answer = call(crew.repo.path, *command)
            assert answer.exit_code == 0, answer
        assert_agree(crew.repo)
        return tell(crew.repo)
    except AssertionError:
        if KEPT:
            shutil.copytree(crew.repo.path, Path(KEPT) / place.name, dirs_exist_ok=True)
        raise


def assert_nothing_lost(
    crew: Crew, told: Mapping[str, Mapping[str, Any]], *, excused: set[str]
) -> None:
    """Every field holds the last value whose writer was told that it succeeded."""
    lost = []
    for task, name, allowed in crew.expected():
        found = told[task][name]
        # What was set to nothing is told as nothing of its kind.
        known = [value or (value if found is None else type(found)()) for value in allowed]
        if found not in known and not (task in excused and name in SYNCED):
            lost.append(f"{name} of {task}: {found!r}, last set to {allowed}")
    assert lost == []


def report(crew: Crew, capsys: pytest.CaptureFixture[str]) -> None:
    slowest = max(journal.slowest for journal in crew.journals.values())
    with capsys.disabled():
        if ROUNDS > 1:
            print(f"\nslowest {slowest:.2f} s")
            for what, number in sorted(crew.answers.items()):
                print(f"  {number:7}  {what}")


def rounds_until(is_enough: Callable[[], bool]) -> Iterator[int]:
    """Count as many rounds as were asked for, and more where a slow machine did little in them."""
    number = 0
    while number < ROUNDS or not is_enough():
        yield number
        number += 1


def test_commands_at_once_lose_nothing(
    mission: MissionRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = Crew(mission, edited=False)
    for number, owned in enumerate(OWNED):
        crew.hire(f"owner-{number}", owned)
    crew.hire("runner", "T-010 T-011")
    for name in ("stopper", "reader-0", "reader-1", "watcher"):
        crew.hire(name)
    done = crew.answers

    def is_enough() -> bool:
        return done["set 0"] > 10 and done["looked"] > 0 and done["next 0"] + done["next 1"] > 0

    for seed in rounds_until(is_enough):
        crew.work(seed)
        told = settle(crew, tmp_path)
        assert_nothing_lost(crew, told, excused=set())
        ids = [task for journal in crew.journals.values() for task in journal.owned]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= rows_of(mission).keys() & files_of(mission).keys()
        crew.learn(told)
    report(crew, capsys)


def test_commands_never_write_over_a_hand_edit_that_they_did_not_read(
    mission: MissionRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = Crew(mission, edited=True)
    for number, owned in enumerate(OWNED):
        crew.hire(f"owner-{number}", owned)
    for name in ("reader-0", "editor-table", "editor-bodies"):
        crew.hire(name)

    def is_enough() -> bool:
        edits = [n for what, n in crew.answers.items() if what.startswith("hand edits by")]
        return sum(edits) > 100 and crew.answers["set 0"] > 10

    for seed in rounds_until(is_enough):
        crew.work(seed)
        told = settle(crew, tmp_path)
        assert_nothing_lost(crew, told, excused=crew.overran())
        crew.learn(told)
    report(crew, capsys)
