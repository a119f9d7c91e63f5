"""Every row of the table: what is timed, against what, and the ratio to reach."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .missions import Mission, generate
from .peers import measure as measure_peers
from .processes import Contestant, Figure, environment, in_turn, ratio_figure, run, spread

HERE = Path(__file__).resolve().parent
STARTER = "import sys\nfrom mosaic.cli import main\nsys.exit(main())\n"
"""What an installed console script does."""
SETTLED_SECONDS = 0.3
"""How old files must be for their change times to say all (see `mosaic.store.index`)."""
MANY_RUNS = 10_000
MANY_SESSIONS = 5_000
AT_ONCE = 8
EACH = 25

LIMITS: dict[str, dict[int, float]] = {
    "answer": {100: 1.2, 1_000: 1.35, 10_000: 2.0},
    "first": {1_000: 1.4, 10_000: 1.2},
    "set": {100: 1.6, 1_000: 1.6, 10_000: 1.8},
    "completion": {100: 1.1, 1_000: 1.2, 10_000: 1.5},
}
MOST_MEMORY_MB = 120.0
MOST_START_MS = 80.0
MOST_KEPT = 1.1
MOST_AT_ONCE = 1.5


class Bench:
    """Missions of one size, and everything that is timed on them."""

    def __init__(self, folder: Path, tasks: int, rounds: int) -> None:
        self._folder = folder
        self._tasks = tasks
        self._rounds = rounds
        self._starter = folder / "mission"
        self._starter.write_text(STARTER)

    def _lay(self, name: str, *, sessions: int = 0, runs: int = 0) -> Mission:
        folder = self._folder / name
        folder.mkdir()
        made = generate(folder, self._tasks, sessions=sessions, runs=runs)
        time.sleep(SETTLED_SECONDS)
        self._quietly(made, "list")
        return made

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self._starter), *arguments]

    def _quietly(self, mission: Mission, *arguments: str) -> None:
        cost = run(self._argv(*arguments), mission.folder, {})
        if cost.exit_code:
            raise RuntimeError(f"mission {' '.join(arguments)}: exit code {cost.exit_code}")

    def _own(self, mission: Mission, *arguments: str, name: str | None = None) -> Contestant:
        return Contestant(
            name=name or " ".join(arguments), argv=self._argv(*arguments), cwd=mission.folder
        )

    def _limit(self, kind: str) -> float | None:
        return LIMITS[kind].get(self._tasks)

    def _readers(self, mission: Mission) -> list[Contestant]:
        return [
            self._own(mission, "next", "--print"),
            self._own(mission, "status"),
            self._own(mission, "list", "--ready"),
            self._own(mission, "show", mission.shown, name="show ID"),
        ]

    def answers(self) -> Iterator[Figure]:
        """Reading commands against a program that does nothing but import Typer."""
        mission = self._lay("answers")
        base = Contestant(
            name="import typer", argv=[sys.executable, "-c", "import typer"], cwd=mission.folder
        )
        readers = [*self._readers(mission), self._own(mission, "list")]
        completion = Contestant(
            name="completion of ids",
            argv=self._argv(),
            cwd=mission.folder,
            environ={
                "_MISSION_COMPLETE": "complete_bash",
                "COMP_WORDS": "mission\nshow\nT",
                "COMP_CWORD": "2",
            },
        )
        costs = in_turn([base, *readers, completion], self._rounds)
        for own in readers:
            yield ratio_figure(self._tasks, own, base, costs, self._limit("answer"))
        yield ratio_figure(self._tasks, completion, base, costs, self._limit("completion"))
        most = max(cost.memory_kb for own in readers for cost in costs[own.name]) / 1000
        limit = MOST_MEMORY_MB if self._tasks <= 10_000 else None
        yield Figure(self._tasks, "memory of these", "", limit, "MB", most, most, most)

    def first(self) -> Iterator[Figure]:
        """The same without an index, as after a clone."""
        mission = self._lay("first")
        base = Contestant(
            name="naive reader",
            argv=[sys.executable, str(HERE / "naive.py"), str(mission.folder)],
            cwd=mission.folder,
        )

        def forget() -> None:
            mission.index.unlink(missing_ok=True)

        own = [
            Contestant(name=f"first {reader.name}", argv=reader.argv, cwd=reader.cwd, before=forget)
            for reader in self._readers(mission)
        ]
        costs = in_turn([base, *own], self._rounds)
        for contestant in own:
            yield ratio_figure(self._tasks, contestant, base, costs, self._limit("first"))

    def changes(self) -> Iterator[Figure]:
        """A durable change of table and file, each time of another task."""
        mission = self._lay("changes")
        ids = itertools.cycle(mission.todo)
        words = itertools.chain(("done",) * len(mission.todo), itertools.cycle(("review", "done")))

        def settle() -> None:
            """Let the last change be past, and what is there now be looked at as before."""
            time.sleep(SETTLED_SECONDS)
            for _ in range(2):
                run(self._argv("next", "--print"), mission.folder, {})

        base = self._own(mission, "next", "--print")
        setting = Contestant(
            name="set ID status=done",
            argv=lambda: self._argv("set", next(ids), f"status={next(words)}"),
            cwd=mission.folder,
            before=settle,
        )
        base = Contestant(
            name=base.name, argv=base.argv, cwd=base.cwd, before=settle, expect=(0, 3)
        )
        costs = in_turn([base, setting], self._rounds)
        yield ratio_figure(self._tasks, setting, base, costs, self._limit("set"))

    def kept(self) -> Iterator[Figure]:
        """The same commands where many runs and sessions are kept, against none."""
        empty = self._lay("kept-none")
        full = self._lay("kept-many", sessions=MANY_SESSIONS, runs=MANY_RUNS)
        for bare, reader in zip(self._readers(empty), self._readers(full), strict=True):
            laden = Contestant(name=f"{reader.name}, much kept", argv=reader.argv, cwd=reader.cwd)
            costs = in_turn([bare, laden], self._rounds)
            yield ratio_figure(self._tasks, laden, bare, costs, MOST_KEPT)

    def start(self) -> Iterator[Figure]:
        """From `mission next` to the agent's exec, beyond what `--print` takes."""
        mission = self._lay("start")
        (mission.folder / ".gitignore").write_text("began\n")
        git = [
            "git",
            "-C",
            str(mission.folder),
            "-c",
            "user.name=B",
            "-c",
            "user.email=b@localhost",
        ]
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", "Begin"], check=True)
        time.sleep(SETTLED_SECONDS)
        printing = self._own(mission, "next", "--print")
        beyond = []
        for number in range(self._rounds + 1):
            printed = printing.turn().wall_ms
            begun = time.time_ns()
            run(self._argv("next", "--headless"), mission.folder, {"MISSION_TRUST": "all"})
            spent = (int((mission.folder / "began").read_text()) - begun) / 1e6
            (mission.folder / "began").unlink()
            if number:
                beyond.append(spent - printed)
        low, high = spread(beyond)
        limit = MOST_START_MS if self._tasks <= 1_000 else None
        value = statistics.median(beyond)
        yield Figure(self._tasks, "next, until exec", "next --print", limit, "ms", value, low, high)

    def at_once(self) -> Iterator[Figure]:
        """Changes by eight processes at once against the same changes in a row."""
        missions = [self._lay("in-a-row"), self._lay("at-once")]
        row, together = missions
        times = [self._set_all(row, at_once=False), self._set_all(together, at_once=True)]
        for mission in missions:
            self._check_all(mission)
        value = times[1] / times[0]
        work = f"{AT_ONCE} x {EACH} set at once"
        yield Figure(
            self._tasks,
            work,
            "in a row",
            MOST_AT_ONCE,
            "x",
            value,
            value,
            value,
            wall_ms=times[1] * 1e3,
            baseline_ms=times[0] * 1e3,
        )

    def _set_all(self, mission: Mission, *, at_once: bool) -> float:
        chosen = itertools.islice(itertools.cycle(mission.ids), AT_ONCE * EACH)
        commands = [self._argv("set", name, "priority=P7") for name in chosen]
        lanes = [commands[n::AT_ONCE] for n in range(AT_ONCE)] if at_once else [commands]
        begun = time.perf_counter()
        running = [(lane, self._start(lane.pop(0), mission)) for lane in lanes]
        while running:
            lane, process = running.pop(0)
            if process.poll() is None and at_once:
                running.append((lane, process))
                time.sleep(0.0005)
                continue
            if process.wait():
                raise RuntimeError("a change failed")
            if lane:
                running.append((lane, self._start(lane.pop(0), mission)))
        return time.perf_counter() - begun

    def peers(self) -> Iterator[Figure]:
        """Other programs' list, next and set, where they are installed, against ours."""
        mission = self._lay("peers")
        yield from measure_peers(self._folder / "of-peers", mission, self._own, self._rounds)

    def _start(self, argv: list[str], mission: Mission) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            argv, cwd=mission.folder, env=environment({}), stdin=quiet, stdout=quiet, stderr=quiet
        )

    def _check_all(self, mission: Mission) -> None:
        changed = set(itertools.islice(itertools.cycle(mission.ids), AT_ONCE * EACH))
        for path in (mission.folder / "coordination" / "tasks").iterdir():
            task_id = "-".join(path.name.split("-")[:2])
            if task_id in changed and "priority: P7" not in path.read_text():
                raise RuntimeError(f"the change of {task_id} is lost")


GROUPS = ("answers", "first", "changes", "kept", "start", "at_once")


def measure(folder: Path, tasks: int, rounds: int, groups: tuple[str, ...]) -> Iterator[Figure]:
    """Yield every figure of one size."""
    place = folder / str(tasks)
    os.makedirs(place)
    bench = Bench(place, tasks, rounds)
    for group in groups:
        yield from getattr(bench, group)()
