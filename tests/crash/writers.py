"""The programs that `test_many_writers.py` sets upon one mission: one process a role.

    python -m tests.crash.writers ROLE SEED SECONDS JOURNAL

A program draws its moves from its seed until its time is up, and leaves in JOURNAL what it
knows: the value of every field that is its own, the ids that it was given, how its commands
ended, and every fault that it saw with its own eyes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.hand_edits import BodyEditor, TableEditor
from tests.support.in_process import Answer, call

SLOWEST_SECONDS = 60.0
"""No command may take longer, however many wait for the lock."""
OWN_FIELDS = ("labels", "priority", "assignee", "title", "milestone", "pr")
WORDS = ("low", "high", "P1", "x", "a, b", "über", "7", "a: b", "# no comment", "'quoted'")
MILESTONES = ("W1", "W2", "W3")
"""Those of the mission: an unknown one is refused."""
STATUS_MOVES = {
    "done": "done",
    "block": "blocked",
    "cancel": "cancelled",
    "reopen": "todo",
}


@dataclass
class Journal:
    """What a program knows when its time is up."""

    owned: list[str] = field(default_factory=list)
    """Ids of the tasks that nobody else changes by command."""
    values: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """By task and field what it may hold: one value, or two after a command that failed."""
    slots: dict[str, list[int]] = field(default_factory=dict)
    """By file what the line of a hand editor may hold."""
    overran: list[str] = field(default_factory=list)
    """Tasks whose change by command a hand editor overwrote itself: nobody's fault."""
    answers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def count(self, what: str) -> None:
        self.answers[what] = self.answers.get(what, 0) + 1


class Program:
    """One role: it has moves, and makes one after the other."""

    def __init__(self, journal: Journal, chance: random.Random, *, is_alone: bool) -> None:
        self.journal = journal
        self.chance = chance
        self.is_alone = is_alone
        """Whether nobody edits by hand: then no command may fail."""

    def move(self) -> None:
        raise NotImplementedError

    def command(
        self, *arguments: str, allowed: tuple[int, ...] = (0,), own_process: bool = False
    ) -> Answer:
        """Run a command, mostly in this process, now and then in one of its own."""
        begun = time.monotonic()
        if own_process or self.chance.random() < 0.06:
            answer = in_own_process(*arguments)
        else:
            answer = call(Path.cwd(), *arguments)
        taken = time.monotonic() - begun
        self.journal.slowest = max(self.journal.slowest, taken)
        self.journal.count(f"{arguments[0]} {answer.exit_code}")
        if not self.is_alone and answer.exit_code == 5:
            self.journal.count(f"refused {error_code(answer)}")
            return answer
        if answer.exit_code not in allowed or "Traceback" in answer.stderr:
            self.journal.faults.append(f"{arguments}: {answer}")
        if taken > SLOWEST_SECONDS:
            self.journal.faults.append(f"{arguments} took {taken:.1f} s")
        return answer

    def expect(self, task: str, name: str, value: Any, answer: Answer) -> None:
        """Note what a field holds now; a command that failed may have left either value."""
        known = self.journal.values.setdefault(task, {})
        known[name] = [value] if answer.exit_code == 0 else [*known.get(name, [None]), value]


class Owner(Program):
    """Adds tasks, and changes those that are its own."""

    def move(self) -> None:
        moves = (
            self.set_fields,
            self.set_fields,
            self.set_status,
            self.depend,
            self.note,
            self.add,
        )
        self.chance.choice(moves)()

    def set_fields(self) -> None:
        task = self.chance.choice(self.journal.owned)
        names = self.chance.sample(OWN_FIELDS, self.chance.randint(1, 3))
        changes = {name: f"{self.chance.choice(WORDS)} {self.chance.random()}" for name in names}
        if "milestone" in changes:
            changes["milestone"] = self.chance.choice(MILESTONES)
        answer = self.command("set", task, *(f"{k}={v}" for k, v in changes.items()))
        for name, text in changes.items():
            value: Any = text
            if name == "labels":
                value = [part.strip() for part in text.split(",")]
            self.expect(task, name, value, answer)

    def set_status(self) -> None:
        task = self.chance.choice(self.journal.owned)
        word = self.chance.choice(sorted(STATUS_MOVES))
        answer = self.command(word, task, "--why", f"because {self.chance.random()}")
        self.expect(task, "status", STATUS_MOVES[word], answer)

    def depend(self) -> None:
        """Depend on an own task that came earlier, or on none: never a cycle."""
        number = self.chance.randrange(len(self.journal.owned))
        task = self.journal.owned[number]
        on = self.chance.sample(self.journal.owned[:number], min(number, 2))
        answer = self.command("set", task, f"depends_on={','.join(on)}")
        self.expect(task, "depends_on", on, answer)

    def note(self) -> None:
        task = self.chance.choice(self.journal.owned)
        said = Path(f".said-{os.getpid()}")
        said.write_text(f"said {self.chance.random()}\n")
        self.command("handoff", task, "--append", f"notes={said}")

    def add(self) -> None:
        if len(self.journal.owned) >= 12:
            return
        title = f"Added {self.chance.random()}"
        answer = self.command("add", title)
        if answer.exit_code == 0:
            task = answer.stdout.strip()
            self.journal.owned.append(task)
            self.expect(task, "title", title, answer)
            self.expect(task, "status", "todo", answer)


class Runner(Program):
    """Hands its own tasks to the scripted agent, and decides on what comes back."""

    def move(self) -> None:
        task = self.chance.choice(self.journal.owned)
        runtime = self.chance.choice(("demo", "quick", "fail"))
        # In a process of its own: whoever stops the session ends it.
        answer = self.command(
            "next", "--task", task, "--runtime", runtime, "--headless", "--json",
            allowed=(0, 1, 130), own_process=True,
        )  # fmt: skip
        told = json.loads(answer.stdout) if answer.stdout else {}
        self.journal.count(f"handed off: {told.get('outcome')}")
        if answer.exit_code != 5:
            self.expect(task, "status", told.get("task_status"), answer)
        if told.get("task_status") == "review":
            self.decide(task, "done", "review", task, "--approve", "--force")
        self.decide(task, "todo", "reopen", task)

    def decide(self, task: str, status: str, *arguments: str) -> None:
        answer = self.command(*arguments)
        self.expect(task, "status", status, answer)


class Stopper(Program):
    """Stops whatever session lives, when there is one."""

    def move(self) -> None:
        time.sleep(self.chance.uniform(0.0, 2.0))
        self.command("stop", *self.chance.choice(((), ("--now",))), allowed=(0, 2))


class Reader(Program):
    """Looks, and brings table and files in step."""

    def move(self) -> None:
        commands = (
            ("sync",), ("list", "--all"), ("status",), ("next", "--print"), ("next", "--explain"),
            ("check", "--fix"), ("graph",), ("list", "--ready"), ("show", "T-001"),
        )  # fmt: skip
        chosen = self.chance.choice(commands)
        # A file that an editor has just cut to nothing is rightly found wrong.
        finds = chosen[0] == "check" and not self.is_alone
        self.command(*chosen, allowed=(0, 1, 3) if finds else (0, 3))


class Watcher(Program):
    """Reads every file over and over: whenever it looks, each is whole."""

    def move(self) -> None:
        for path in (Path("coordination/TASKS.md"), *Path("coordination/tasks").glob("*.md")):
            self.look(path, path.read_bytes())
        self.look(Path("coordination/mission.json"), Path("coordination/mission.json").read_bytes())
        self.journal.count("looked")

    def look(self, path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            json.loads(data)
            return
        head = b"# Tasks of " if path.name == "TASKS.md" else b"---\ntask_id: "
        tail = b"\n" if path.name == "TASKS.md" else b""
        needed = b"| T-001 |" if path.name == "TASKS.md" else b"\n## notes\n"
        if not (data.startswith(head) and data.endswith(tail) and needed in data):
            self.journal.faults.append(f"{path} is torn: {data[-200:]!r}")


class HandEditor(Program):
    """Edits by hand, in ways that editors do; see `hand_edits`."""

    def __init__(self, journal: Journal, chance: random.Random, *, is_alone: bool) -> None:
        super().__init__(journal, chance, is_alone=is_alone)
        kind = {"table": TableEditor, "bodies": BodyEditor}[os.environ["EDITS"]]
        self.editor = kind(journal.slots, chance)

    def move(self) -> None:
        time.sleep(self.chance.uniform(0.0, 0.02))
        self.editor.edit()
        self.journal.faults += self.editor.lost
        self.editor.lost.clear()
        self.journal.overran += sorted(self.editor.overran)
        self.editor.overran.clear()
        for what, number in self.editor.counts.items():
            self.journal.answers[what] = number


ROLES: dict[str, type[Program]] = {
    "owner": Owner,
    "runner": Runner,
    "stopper": Stopper,
    "reader": Reader,
    "watcher": Watcher,
    "editor": HandEditor,
}


def in_own_process(*arguments: str) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", "mosaic", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SLOWEST_SECONDS,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def error_code(answer: Answer) -> str:
    """Return the first line of an error, without what differs each time."""
    lines = [line for line in answer.stderr.splitlines() if line.startswith(("error", "{"))]
    return Counter(lines).most_common(1)[0][0][:60] if lines else "?"


def main() -> None:
    role, seed, seconds, place = sys.argv[1:5]
    journal = Journal(**json.loads(Path(place).read_text()))
    is_alone = not os.environ.get("EDITED")
    program = ROLES[role](journal, random.Random(seed), is_alone=is_alone)
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until and len(journal.faults) < 5:
        program.move()
    Path(place).write_text(json.dumps(asdict(journal)))


if __name__ == "__main__":
    main()
