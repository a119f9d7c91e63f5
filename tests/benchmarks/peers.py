"""Other programs at the same work, where they are installed: beside us, in turn with us.

Each gets the same tasks in the form that it keeps them in, written straight to disk (or, where
it has one, by its own import), then lists the open ones, says what comes next, and sets one
done. Looked for on the PATH: `task` (Taskwarrior), `backlog` (Backlog.md), `stm`
(simple-task-master). A program that has no command for what comes next is asked for its list.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .missions import Mission
from .processes import Contestant, Figure, in_turn, ratio_figure

NOW = "20260101T000000Z"


@dataclass(frozen=True)
class Peer:
    """A program, how its tasks are laid, and how it is called."""

    name: str
    program: str
    lay: Callable[[Path, int], None]
    listing: Sequence[str]
    coming: Sequence[str]
    setting: Callable[[int], Sequence[str]]
    """The call that sets the task of a number done."""
    environ: Mapping[str, str] = field(default_factory=dict)


def measure(
    folder: Path, mission: Mission, own: Callable[..., Contestant], rounds: int
) -> Iterator[Figure]:
    """Time list, next and set of every peer that is installed, against ours.

    Args:
        folder: where their tasks are laid; made here.
        mission: ours, of the same size.
        own: makes a contestant of a mission and arguments of ours.
        rounds: how often each takes its turn.
    """
    tasks = len(mission.ids)
    for peer in PEERS:
        if shutil.which(peer.program) is None:
            continue
        place = folder / peer.program
        place.mkdir(parents=True)
        peer.lay(place, tasks)
        yield from _compare(peer, place, mission, own, rounds)


def _compare(
    peer: Peer, place: Path, mission: Mission, own: Callable[..., Contestant], rounds: int
) -> Iterator[Figure]:
    environ = {name: value.format(place=place) for name, value in peer.environ.items()}
    numbers, ids = itertools.count(1), iter(mission.todo)
    path = {"PATH": os.environ["PATH"]}

    def of_peer(word: str, argv: Callable[[], Sequence[str]]) -> Contestant:
        return Contestant(
            name=f"{peer.name} {word}", argv=argv, cwd=place, environ={**path, **environ},
            expect=(0, 1),
        )  # fmt: skip

    def setting() -> Sequence[str]:
        return [peer.program, *peer.setting(next(numbers))]

    def own_setting() -> Sequence[str]:
        done = own(mission, "set", next(ids), "status=done")
        assert not callable(done.argv)
        return done.argv

    pairs = (
        (of_peer("list", lambda: [peer.program, *peer.listing]), own(mission, "list")),
        (of_peer("next", lambda: [peer.program, *peer.coming]), own(mission, "next", "--print")),
        (
            of_peer("set", setting),
            Contestant(name="set ID status=done", argv=own_setting, cwd=mission.folder),
        ),
    )
    for theirs, ours in pairs:
        costs = in_turn([ours, theirs], rounds)
        yield ratio_figure(len(mission.ids), theirs, ours, costs, None)


def _lay_taskwarrior(place: Path, tasks: int) -> None:
    values = [
        {
            "uuid": f"00000000-0000-4000-8000-{number:012}",
            "description": f"Task {number}",
            "status": "pending",
            "entry": NOW,
            "priority": "HML"[number % 3],
            **(
                {"depends": [f"00000000-0000-4000-8000-{number - 1:012}"]}
                if number % 2 and number > 1
                else {}
            ),
        }
        for number in range(1, tasks + 1)
    ]
    (place / "tasks.json").write_text(json.dumps(values))
    (place / "rc").write_text(f"data.location={place}/data\nconfirmation=off\nverbose=nothing\n")
    (place / "data").mkdir()
    environ = {**os.environ, "TASKRC": str(place / "rc")}
    subprocess.run(
        ["task", "import", str(place / "tasks.json")], env=environ, check=True, capture_output=True
    )


def _lay_backlog(place: Path, tasks: int) -> None:
    for command in (
        ["git", "init", "-q", "."],
        ["backlog", "init", "measured", "--defaults", "--integration-mode", "none"],
    ):
        subprocess.run(command, cwd=place, check=True, capture_output=True)
    folder = place / "backlog" / "tasks"
    for number in range(1, tasks + 1):
        depends = f"\n  - TASK-{number - 1}" if number % 2 and number > 1 else " []"
        (folder / f"task-{number} - Task-{number}.md").write_text(
            f"---\nid: TASK-{number}\ntitle: Task {number}\nstatus: To Do\nassignee: []\n"
            f"created_date: '2026-01-01 00:00'\nlabels: []\ndependencies:{depends}\n"
            f"ordinal: {number * 1000}\n---\n\n## Description\n\nSomething is to be done.\n"
        )


def _lay_stm(place: Path, tasks: int) -> None:
    subprocess.run(["stm", "init"], cwd=place, check=True, capture_output=True)
    folder = place / ".simple-task-master" / "tasks"
    for number in range(1, tasks + 1):
        depends = f"\n  - {number - 1}" if number % 2 and number > 1 else " []"
        (folder / f"{number}-task-{number}.md").write_text(
            f"---\nschema: 1\nid: {number}\ntitle: Task {number}\nstatus: pending\n"
            'created: "2026-01-01T00:00:00.000Z"\nupdated: "2026-01-01T00:00:00.000Z"\n'
            f"tags: []\ndependencies:{depends}\n---\nSomething is to be done.\n"
        )


PEERS = (
    Peer(
        name="Taskwarrior",
        program="task",
        lay=_lay_taskwarrior,
        listing=("list",),
        coming=("next", "limit:1"),
        setting=lambda number: (f"00000000-0000-4000-8000-{number:012}", "done"),
        environ={"TASKRC": "{place}/rc"},
    ),
    Peer(
        name="Backlog.md",
        program="backlog",
        lay=_lay_backlog,
        listing=("task", "list", "--plain"),
        coming=("task", "list", "--plain", "-s", "To Do"),
        setting=lambda number: ("task", "edit", str(number), "-s", "Done", "--plain"),
    ),
    Peer(
        name="simple-task-master",
        program="stm",
        lay=_lay_stm,
        listing=("list",),
        coming=("list", "--status", "pending"),
        setting=lambda number: ("update", str(number), "status=done"),
    ),
)
