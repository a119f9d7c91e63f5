"""Missions of any size, the same ones for the same seed.

They look like missions that people have: ten milestones, four of ten tasks done, some in
review, blocked or in progress, dependencies on tasks shortly before, write scopes, labels,
a body, and the six handoff sections, filled in where a task is done.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mosaic.store.state import mark_state

SEED = 20
WORDS = (
    "reader writer index table cache parser lock queue report budget signal terminal "
    "session record schema export import filter search layout prompt review"
).split()
STATUSES = ("done",) * 40 + ("todo",) * 52 + ("review",) * 4 + ("blocked",) * 3 + ("cancelled",)
SECTIONS = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")


class Row(NamedTuple):
    """What a task is made of."""

    task_id: str
    title: str
    status: str
    milestone: str
    depends: list[str]


@dataclass(frozen=True)
class Mission:
    """A generated mission."""

    folder: Path
    ids: tuple[str, ...]
    todo: tuple[str, ...]
    """Those that may be set done one after the other."""

    @property
    def index(self) -> Path:
        return self.folder / "coordination" / ".state" / "index"

    @property
    def shown(self) -> str:
        """A task that is not the first one looked at."""
        return self.ids[len(self.ids) // 2]


def generate(
    folder: Path, tasks: int, *, seed: int = SEED, sessions: int = 0, runs: int = 0
) -> Mission:
    """Lay a mission into an empty folder, with no index yet.

    Args:
        folder: where to.
        tasks: how many.
        seed: of the dice.
        sessions: ended sessions in mission.json.
        runs: run records under `.state/runs`.
    """
    dice = random.Random(seed)
    coordination = folder / "coordination"
    (coordination / "tasks").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    width = max(3, len(str(tasks)))
    ids = tuple(f"T-{number:0{width}}" for number in range(1, tasks + 1))
    rows = ["| id | status | milestone | title | depends_on | pr | notes |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    todo = []
    for number, task_id in enumerate(ids):
        status = dice.choice(STATUSES)
        if status == "todo":
            todo.append(task_id)
        title = f"{' '.join(dice.sample(WORDS, 4)).capitalize()} {number}"
        milestone = f"M{1 + number * 10 // tasks}"
        near = ids[max(0, number - 20) : number]
        depends = sorted(dice.sample(near, min(len(near), dice.choice((0, 0, 1, 1, 2)))))
        rows.append(
            f"| {task_id} | {status} | {milestone} | {title} | {', '.join(depends)} |  |  |"
        )
        text = task_text(dice, Row(task_id, title, status, milestone, depends))
        name = f"{task_id}-{title.lower().replace(' ', '-')}.md"
        (coordination / "tasks" / name).write_text(text)
    (coordination / "TASKS.md").write_text(
        "# Tasks\n\nRow order is plan order.\n\n" + "\n".join(rows) + "\n"
    )
    (coordination / "mission.json").write_text(
        json.dumps(mission_values(ids, sessions), indent=2) + "\n"
    )
    mark_state(coordination / ".state", coordination / "mission.json", is_made_here=True)
    (coordination / ".state" / ".gitignore").write_text("*\n")
    write_runs(coordination / ".state" / "runs", ids, runs)
    return Mission(folder=folder, ids=ids, todo=tuple(todo))


def task_text(dice: random.Random, row: Row) -> str:
    """Return a task file."""
    task_id, title, status, milestone, depends = row
    lines = ["---", f"task_id: {task_id}", f"title: {title}", f"status: {status}"]
    lines += [f"milestone: {milestone}", f"priority: {dice.choice(('high', 'medium', 'low'))}"]
    if depends:
        lines += ["depends_on:", *[f"  - {name}" for name in depends]]
    scope = f"src/{dice.choice(WORDS)}/{task_id.lower()}/**"
    lines += [f"write_scope: [{scope}]", f"labels: [{', '.join(dice.sample(WORDS, 2))}]"]
    lines += ["updated_at: 2026-01-01T00:00:00+00:00", "---", "", f"# {task_id} {title}", ""]
    lines += ["## Goal", "", sentence(dice, 40), "", "## Acceptance criteria", ""]
    lines += [f"- [ ] {sentence(dice, 8)}" for _ in range(3)]
    for name in SECTIONS:
        lines += ["", f"## {name}"]
        if status in ("done", "review"):
            lines += ["", f"- {sentence(dice, 12)}"]
    return "\n".join(lines) + "\n"


def sentence(dice: random.Random, words: int) -> str:
    """Return so many words."""
    return " ".join(dice.choices(WORDS, k=words)).capitalize() + "."


def mission_values(ids: tuple[str, ...], sessions: int) -> dict[str, object]:
    """Return mission.json."""
    return {
        "schemaVersion": 1,
        "id": "mission-20260101",
        "name": "A generated mission",
        "description": "Made to be timed.",
        "projectPath": ".",
        "status": "active",
        "createdAt": "2026-01-01T00:00:00Z",
        "taskPrefix": "T",
        "runtime": "stamp",
        "qualityGates": "",
        "milestones": [
            {"id": f"M{number}", "name": f"Milestone {number}", "status": "in-progress"}
            for number in range(1, 11)
        ],
        "runtimes": {"stamp": {"command": ["sh", "-c", "date +%s%N >began"], "prompt": "stdin"}},
        "sessions": [session_values(ids, number) for number in range(1, sessions + 1)],
    }


def session_values(ids: tuple[str, ...], number: int) -> dict[str, object]:
    """Return one ended session."""
    return {
        "sessionId": f"sess-{number:03}",
        "runtime": "stamp",
        "pid": 100 + number,
        "host": "elsewhere",
        "startedAt": "2026-01-01T00:00:00Z",
        "endedAt": "2026-01-01T00:10:00Z",
        "endedReason": "completed",
        "durationSeconds": 600,
        "milestoneId": "M1",
        "lastTaskId": ids[number % len(ids)],
        "runId": f"r{1 + number // len(ids):03}-{number:06x}",
        "runtimeSessionId": f"conversation-{number}",
        "usage": {"inputTokens": 1000, "outputTokens": 100, "costUsd": 0.1},
    }


def write_runs(folder: Path, ids: tuple[str, ...], runs: int) -> None:
    """Write run records, as many for each task."""
    for number in range(runs):
        name = f"r{1 + number // len(ids):03}-{number:06x}"
        place = folder / ids[number % len(ids)] / name
        os.makedirs(place, mode=0o700)
        (place / "state.json").write_text('{"schema_version": 1, "status": "completed"}\n')
        (place / "events.jsonl").write_text("")
