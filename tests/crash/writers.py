"""Many writers on one mission, and what each of them was told.

    python -m tests.crash.writers --seconds 60 [--seed N]

Each writer is a process that runs commands at random and keeps a diary of what it was told.
Fields have one owner each, so a value that its owner was told is written must stand there
until the owner changes it; people's editors take no lock, and append a line that must stay.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .points import load_everything, make_template, run_here

SHARED = ("T-001", "T-002", "T-003")
KINDS = ("setter", "setter", "setter", "adder", "stater", "editor", "syncer", "agent")


@dataclass
class Findings:
    """What came of it."""

    commands: int = 0
    faults: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def write_for_a_while(kind: str, number: int, folder: Path, seconds: float, seed: int) -> Any:
    """Be one writer; return its diary."""
    chance = random.Random(f"{seed}-{number}")
    until = time.monotonic() + seconds
    diary: dict[str, Any] = {
        "kind": kind, "number": number, "commands": 0, "labels": {}, "ids": [], "lines": [],
        "status": None, "codes": {}, "bad": [],
    }  # fmt: skip
    while time.monotonic() < until:
        if kind == "editor":
            _edit_by_hand(folder, number, diary, chance)
            continue
        argv, done = _command(kind, number, diary, chance)
        code, text, _ = run_here(argv, folder)
        diary["commands"] += 1
        diary["codes"][str(code)] = diary["codes"].get(str(code), 0) + 1
        if code == 0:
            done(text)
        elif code not in (1, 2, 3, 4, 5) or "Traceback" in text:
            diary["bad"].append(f"{' '.join(argv)}: {code}: {text.strip()[-200:]}")
    return diary


def _command(kind: str, number: int, diary: dict[str, Any], chance: random.Random) -> Any:
    """Return a command of a writer, and what it notes when it was told that it is done."""
    count = diary["commands"]
    if kind == "setter":
        task = chance.choice(SHARED)
        new, old = f"w{number}-{count}", diary["labels"].get(task)
        changes = [f"labels+={new}", *([f"labels-={old}"] if old else [])]
        return ("set", task, *changes), lambda _: diary["labels"].update({task: new})
    if kind == "adder":
        title = f"writer {number} number {count}"
        more = ["--table-only"] if count % 3 == 0 else []

        def note_id(text: str) -> None:
            diary["ids"] += re.findall(r"^T-\d+", text, re.MULTILINE)

        return ("add", title, *more), note_id
    if kind == "stater":
        word = chance.choice(("blocked", "todo", "cancelled"))

        def note_status(_: str) -> None:
            diary["status"] = word

        return ("set", "T-004", f"status={word}"), note_status
    if kind == "agent":
        asked = chance.choice((("next", "--headless"), ("stop", "--now"), ("resume", "--headless")))
        return asked, lambda _: None
    calm = chance.choice((("sync",), ("check", "--fix"), ("status",), ("list", "--json")))
    return calm, lambda _: None


def _edit_by_hand(folder: Path, number: int, diary: dict[str, Any], chance: random.Random) -> None:
    """Append a line to the text of a task file, as a person's editor or a script does."""
    task = chance.choice(SHARED)
    path = next((folder / "coordination" / "tasks").glob(f"{task}*.md"))
    line = f"- by hand {number}-{len(diary['lines'])}"
    ending = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
    with open(path, "ab", buffering=0) as file:
        file.write(f"{line}{ending}".encode())
    diary["lines"].append((task, line))
    time.sleep(chance.random() * 0.05)


def run_writers(seconds: float, seed: int, kinds: tuple[str, ...] = KINDS) -> Findings:
    """Let writers loose on one mission, and compare it with what they were told."""
    load_everything()
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="writers-") as place:
        folder = make_template(Path(place) / "template")
        diaries = _all_at_once(kinds, folder, Path(place), seconds, seed)
        run_here(("stop", "--now"), folder)
        _judge(folder, diaries, found)
    return found


def _all_at_once(
    kinds: tuple[str, ...], folder: Path, place: Path, seconds: float, seed: int
) -> list[Any]:
    children = []
    for number, kind in enumerate(kinds):
        child = os.fork()
        if child == 0:
            try:
                diary = write_for_a_while(kind, number, folder, seconds, seed)
                (place / f"diary-{number}.json").write_text(json.dumps(diary))
            finally:  # without a diary the parent says so
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [json.loads((place / f"diary-{n}.json").read_text()) for n in range(len(kinds))]


def _judge(folder: Path, diaries: list[Any], found: Findings) -> None:
    code, text, _ = run_here(("check", "--fix", "--json"), folder)
    if code not in (0, 1):
        found.faults.append(f"check: {code}: {text.strip()[-300:]}")
        return
    for finding in json.loads(text)["findings"]:
        found.faults.append(f"check says {finding['code']}: {finding['message']}")
    _, listed, _ = run_here(("list", "--all", "--json"), folder)
    tasks = {task["id"]: task for task in json.loads(listed)["tasks"]}
    ids = [task_id for diary in diaries for task_id in diary["ids"]]
    found.faults += [f"{name} was given twice" for name, n in Counter(ids).items() if n > 1]
    found.faults += [f"{name} is lost" for name in ids if name not in tasks]
    for diary in diaries:
        found.commands += diary["commands"]
        found.refused.update(diary["codes"])
        found.faults += diary["bad"]
        for task, label in diary["labels"].items():
            own = [
                each for each in tasks[task]["labels"] if each.startswith(f"w{diary['number']}-")
            ]
            if own != [label]:
                found.faults.append(f"{task} has {own}, and its owner wrote {label}")
        if diary["status"] and tasks["T-004"]["status"] != diary["status"]:
            found.faults.append(f"T-004 is {tasks['T-004']['status']}, not {diary['status']}")
        for task, line in diary["lines"]:
            path = next((folder / "coordination" / "tasks").glob(f"{task}*.md"))
            if line not in path.read_text().splitlines():
                found.faults.append(f"{task} lost `{line}`")


def main() -> None:
    """Let writers loose from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = run_writers(asked.seconds, asked.seed)
    if asked.json:
        values = {"commands": found.commands, "faults": found.faults, "codes": found.refused}
        print(json.dumps(values))
    else:
        print(f"{found.commands} commands, exit codes {dict(found.refused)}")
        for fault in found.faults:
            print(f"  {fault}")
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
