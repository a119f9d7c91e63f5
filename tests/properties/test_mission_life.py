"""A mission's life at random: commands and hand edits, beside a model of what must be so."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.in_process import call

STATUSES = ("todo", "in-progress", "review", "blocked", "done", "cancelled")
WORDS = {"todo": "pending", "in-progress": "WIP", "review": "needs review", "done": "✅ done"}
NO_LETTERS = "|\\`*_<>&~!\"'[]{}#"
TITLES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters=NO_LETTERS),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() == text and not text.startswith(tuple("-@%:?")))
PROSE_BEFORE, PROSE_AFTER = "A word of ours  \nbefore it.\n", "\nAnd one behind, with a | in it.\n"
EXAMPLES = int(os.environ.get("MISSION_LIFE_EXAMPLES", "12"))


class MissionLife(RuleBasedStateMachine):
    """What may happen to a mission, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.tasks: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, str] = {}
        self.edited: set[str] = set()
        """Tasks with a hand edit that no changing command has carried yet."""

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def table(self) -> Path:
        return self.folder / "coordination" / "TASKS.md"

    def file_of(self, task: str) -> Path | None:
        return next((self.folder / "coordination" / "tasks").glob(f"{task}*.md"), None)

    def do(self, *arguments: str) -> str:
        answer = call(self.folder, *arguments)
        assert answer.exit_code == 0, (arguments, answer)
        return answer.stdout

    @initialize()
    def lay(self) -> None:
        self.do("init", "--name", "Life", "--milestone", "M1: One", "--milestone", "M2: Two")
        text = self.table.read_text()
        self.table.write_text(PROSE_BEFORE + text + PROSE_AFTER)

    @rule(title=TITLES, in_table=st.booleans(), data=st.data())
    def add(self, title: str, in_table: bool, data: st.DataObject) -> None:
        waits_on = data.draw(st.lists(st.sampled_from(sorted(self.tasks)), max_size=2, unique=True)
                             if self.tasks else st.just([]))  # fmt: skip
        options = [part for name in waits_on for part in ("--depends-on", name)]
        more = ["--table-only"] if in_table else []
        said = self.do("add", *options, *more, "--json", "--", title)
        task = json.loads(said)["task"]["id"]
        assert task not in self.tasks, "an id was given twice"
        self.tasks[task] = {"title": title, "status": "todo", "depends_on": waits_on}
        file = self.file_of(task)
        assert (file is None) == in_table
        if file is not None:
            self.bodies[task] = file.read_text().split("---\n", 2)[2]

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def set_status(self, data: st.DataObject, status: str) -> None:
        task = data.draw(st.sampled_from(sorted(self.tasks)))
        self.do("set", task, f"status={WORDS.get(status, status)}")
        self.tasks[task]["status"] = status
        self.edited.discard(task)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), title=TITLES)
    def set_title(self, data: st.DataObject, title: str) -> None:
        task = data.draw(st.sampled_from(sorted(self.tasks)))
        self.do("set", task, f"title={title}")
        self.tasks[task]["title"] = title
        self.edited.discard(task)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def edit_the_table(self, data: st.DataObject, status: str) -> None:
        task = data.draw(st.sampled_from(sorted(self.tasks)))
        if task in self.edited:
            self.do("sync", task)
        text = self.table.read_text()
        new = re.sub(
            rf"^(\| {task} \| )[^|]*?( \|)", rf"\g<1>{status}\g<2>", text, flags=re.MULTILINE
        )
        self.table.write_text(new)
        self.tasks[task]["status"] = status
        self.edited.add(task)

    @precondition(lambda self: self.bodies)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def edit_the_file(self, data: st.DataObject, status: str) -> None:
        task = data.draw(st.sampled_from(sorted(self.bodies)))
        if task in self.edited:
            self.do("sync", task)
        file = self.file_of(task)
        assert file is not None
        file.write_text(
            re.sub(r"^status:.*$", f"status: {status}", file.read_text(), flags=re.MULTILINE)
        )
        self.tasks[task]["status"] = status
        self.edited.add(task)

    @precondition(lambda self: len(self.tasks) > 1)
    @rule(data=st.data())
    def move_a_row_up(self, data: st.DataObject) -> None:
        order = list(self.tasks)
        task = data.draw(st.sampled_from(order[1:]))
        above = order[order.index(task) - 1]
        lines = self.table.read_text().splitlines(keepends=True)
        here = next(n for n, line in enumerate(lines) if line.startswith(f"| {task} |"))
        there = next(n for n, line in enumerate(lines) if line.startswith(f"| {above} |"))
        lines[here], lines[there] = lines[there], lines[here]
        self.table.write_text("".join(lines))
        place = order.index(task)
        order[place - 1], order[place] = task, above
        self.tasks = {name: self.tasks[name] for name in order}

    @rule()
    def sync(self) -> None:
        self.do("sync")
        self.edited.clear()

    @rule()
    def mend(self) -> None:
        call(self.folder, "check", "--fix")
        self.edited.clear()

    @precondition(lambda self: self.tasks)
    @rule()
    def all_surfaces_agree_on_what_is_next(self) -> None:
        ready = json.loads(self.do("list", "--ready", "--json"))["tasks"]
        chosen = ready[0]["id"] if ready else None
        explained = call(self.folder, "next", "--explain", "--json")
        assert explained.exit_code in (0, 3)
        assert explained.json()["chosen"] == chosen
        status = json.loads(self.do("status", "--json"))
        assert (status["next_task"] or {}).get("id") == chosen
        shown = call(self.folder, "next", "--print", "--runtime", "demo", "--json")
        assert shown.exit_code == (0 if chosen else 3)
        if chosen:
            assert shown.json()["task"]["id"] == chosen

    @invariant()
    def what_is_listed_is_what_was_done(self) -> None:
        if not self.table.exists():
            return
        listed = json.loads(self.do("list", "--all", "--json"))["tasks"]
        told = {
            task["id"]: {
                "title": task["title"],
                "status": task["status"],
                "depends_on": list(task["depends_on"]),
            }
            for task in listed
        }
        assert told == self.tasks
        assert list(told) == list(self.tasks)

    @invariant()
    def nothing_else_was_touched(self) -> None:
        if not self.table.exists():
            return
        text = self.table.read_text()
        assert text.startswith(PROSE_BEFORE)
        assert text.endswith(PROSE_AFTER)
        for task, body in self.bodies.items():
            file = self.file_of(task)
            assert file is not None
            assert file.read_text().split("---\n", 2)[2] == body


MissionLife.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMissionLife = MissionLife.TestCase
