"""What work on other machines costs against work here, and how that grows.

    python -m tests.benchmarks.fleet [--parts one,rate,live,records,hosts] [--rounds 5]
        [--workers 4,8,16,32,64] [--records 0,1000,5000] [--hosts 1,2,4,8] [--json OUT] [--quick]
    python -m tests.benchmarks.fleet --from OUT --page docs/scale-of-fleets.md

one      one task at a time, in each place in turn: how soon the agent begins, how soon its end is
         on record, what all that costs, and how often somebody logs in
rate     `mission next -j WORKERS --loop` with agents that end at once
live     agents that wait: the processes and the memory of each, and what they do while nothing is
records  as `one`, with the records of many earlier runs kept here, and their refs there
hosts    as `rate` with eight workers, on more and more machines

The machines are `sshd`s of ours on this one and share its cores: what is done there takes time from
what is done here, so the processor time says more than the clock. The second form writes the tables
of a page anew.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from tests.support.machines import Machine, why_not

from .fields import DASK, Field, Place, in_namespaces, on_loopback
from .fleet_tables import SSH, Figure, page_with, tables
from .report import machine as facts_of_machine
from .trees import Taken, cpu_seconds, look_at

FORMAT_VERSION = 1
PARTS = ("one", "rate", "live", "records", "hosts")
NAMESPACES, SHARED = "ssh to namespaces", "ssh, connection shared"
MACHINES, WORKERS_ON_HOSTS = 4, 8
LOOK_SECONDS = 0.003
IDLE_SECONDS, SETTLED_SECONDS, PATIENCE_SECONDS = 8.0, 2.0, 600.0
SHARE = "Host *\n  ControlMaster auto\n  ControlPath {}/%C\n  ControlPersist 20\n"
Found = dict[str, float]
UNITS = {"hand-offs": "/s", "memory": "MB", "processes": "", "connections": "", "idle": "ms/s"}
"""The unit of a value by the first word of its name; of others milliseconds."""


class Bench:
    """All parts, below one folder."""

    def __init__(self, folder: Path, asked: argparse.Namespace, stack: ExitStack) -> None:
        self._folder = folder
        self._asked = asked
        self._stack = stack
        self.not_run: list[str] = []

    def one(self) -> Iterator[Figure]:
        """Hand tasks to all places in turn."""
        rounds = self._asked.rounds
        field = self._field("one", 5 * (rounds + 1))
        places = [field.here, field.add(SSH, self._machines("one", 1))]
        if not self._asked.quick:
            places += self._more_places(field)
        yield from self._in_turn("one", 0, field, places, hand_off_one)

    def _more_places(self, field: Field) -> Iterator[Place]:
        """Return a machine whose connection is shared, and one in a namespace."""
        shared = self._machines("shared", 1, "share")
        for each in shared:
            path = each.folder / "ssh_config"
            path.write_text(SHARE.format(self._folder) + path.read_text())
        yield field.add(SHARED, shared)
        try:
            far = self._stack.enter_context(in_namespaces(self._folder / "far", 1))
        except RuntimeError as error:
            self.not_run.append(f"{NAMESPACES}: {error}")
        else:
            yield field.add(NAMESPACES, far)
        yield from self._fleets(field, "one", 1)

    def _fleets(self, field: Field, part: str, workers: int) -> Iterator[Place]:
        """Return a fleet with so many workers, where Dask is installed."""
        if find_spec("distributed") is None:
            self.not_run.append(f"{DASK} in `{part}`: the extra `fleet` is not installed")
            return
        folder = self._folder / f"fleet of {part}"
        yield self._stack.enter_context(field.fleet(folder, workers))

    def rate(self) -> Iterator[Figure]:
        """Let pools work off tasks, here and on several machines."""
        sizes: list[int] = self._asked.workers
        counts = [2 * each if each < 2 * WORKERS_ON_HOSTS else each for each in sizes]
        field = self._field("rate", 3 * sum(counts) * self._asked.pools)
        places = [field.here, field.add(SSH, self._machines("rate", min(MACHINES, sizes[0])))]
        if not self._asked.quick:
            places += self._fleets(field, "rate", max(sizes))
        for workers, tasks in zip(sizes, counts, strict=True):

            def work_off(field: Field, place: Place, size: int = workers, of: int = tasks) -> Found:
                return work_off_by_pool(field, place, size, of)

            yield from self._in_turn("rate", workers, field, places, work_off, pools=True)

    def live(self) -> Iterator[Figure]:
        """Look at agents that wait."""
        sizes: list[int] = self._asked.workers
        field = self._field("live", 3 * sum(sizes))
        places = [field.here, field.add(SSH, self._machines("live", min(MACHINES, sizes[0])))]
        if not self._asked.quick:
            places += self._fleets(field, "live", max(sizes))
        for workers in sizes:
            for place in places:
                found = look_at_waiting(field, place, workers)
                yield from _figures("live", place.name, workers, [found])

    def records(self) -> Iterator[Figure]:
        """Hand tasks to both places while more and more is kept."""
        sizes: list[int] = self._asked.records
        field = self._field("records", (2 * self._asked.rounds + 2) * len(sizes) + 1)
        there = field.add(SSH, self._machines("records", 1))
        hand_off_one(field, there)
        kept = 0
        for records in sizes:
            field.pretend(there, kept, records)
            kept = records
            yield from self._in_turn("records", records, field, [field.here, there], hand_off_one)

    def hosts(self) -> Iterator[Figure]:
        """Let a pool work off tasks on more and more machines."""
        sizes: list[int] = self._asked.hosts
        tasks = 2 * WORKERS_ON_HOSTS
        field = self._field("hosts", tasks * len(sizes) * self._asked.pools + max(sizes))
        machines = self._machines("hosts", max(sizes))
        for each in field.add(SSH, machines).machines:
            hand_off_one(field, field.place_of(SSH, [each]))
        for count in sizes:
            place = field.place_of(SSH, machines[:count])

            def work_off(field: Field, place: Place) -> Found:
                return work_off_by_pool(field, place, WORKERS_ON_HOSTS, tasks)

            yield from self._in_turn("hosts", count, field, [place], work_off, pools=True)

    def _field(self, name: str, tasks: int) -> Field:
        return Field(self._folder / name, tasks)

    def _machines(self, part: str, count: int, name: str = "box") -> list[Machine]:
        place = self._folder / f"machines of {part}"
        return self._stack.enter_context(on_loopback(place, count, name))

    def _in_turn(
        self,
        part: str,
        size: int,
        field: Field,
        places: list[Place],
        measure: Callable[[Field, Place], Found],
        *,
        pools: bool = False,
    ) -> Iterator[Figure]:
        """Measure places round by round; for single tasks a first round is not counted."""
        is_first_counted = pools or self._asked.quick
        rounds = self._asked.pools if pools else self._asked.rounds
        found: dict[str, list[Found]] = {place.name: [] for place in places}
        for number in range(rounds + (not is_first_counted)):
            for place in places:
                values = measure(field, place)
                if number or is_first_counted:
                    found[place.name].append(values)
        for name, measured in found.items():
            yield from _figures(part, name, size, measured)


def _figures(part: str, place: str, size: int, rounds: list[Found]) -> Iterator[Figure]:
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        unit = UNITS.get(name.split()[0], "ms")
        middle = statistics.median(values)
        yield Figure(part, place, size, name, unit, middle, min(values), max(values))


def hand_off_one(field: Field, place: Place) -> Found:
    """Hand one task off, stay until its end is on record, and return what that took."""
    before, seen = field.count("ended"), {}
    begun = time.time()

    def watch(root: int) -> None:
        looked, seen["locked"] = time.time(), 0.0
        while field.count("ended") == before or field.locks():
            if "line" not in seen and field.has_output():
                seen["line"] = time.time()
            time.sleep(LOOK_SECONDS)
            is_locked, now = field.is_locked(), time.time()
            seen["locked"] += now - looked if is_locked else 0.0
            looked = now
            _check(field, root, begun)
        seen["home"] = time.time()

    spent = field.call(place, *place.single, meanwhile=watch)
    began, ended = (field.stamp(field.last(), what) for what in ("began", "ended"))
    return {
        "until the agent begins": (began - begun) * 1e3,
        "until its first line is here": (seen.get("line", seen["home"]) - begun) * 1e3,
        "from its end until that is on record": (seen["home"] - ended) * 1e3,
        "mission locked": seen["locked"] * 1e3,
        **spent.found(1),
    }


def work_off_by_pool(field: Field, place: Place, workers: int, tasks: int) -> Found:
    """Let a pool work off some tasks, and return what one of them took.

    RuntimeError: not all of them ended well.
    """
    before = field.ended_well()
    options = ("-j", str(workers), "--loop", "--max-sessions", str(tasks))
    spent = field.call(place, *options, *place.many)
    if (done := field.ended_well() - before) != tasks:
        raise RuntimeError(f"{place.name}: {done} of {tasks} sessions ended well")
    return {"hand-offs": tasks / spent.wall, **spent.found(tasks)}


def look_at_waiting(field: Field, place: Place, workers: int) -> Found:
    """Return what so many agents at work take while they wait, for each of them."""
    hold, before, begun = field.stamps / "hold", field.count("began"), time.time()
    ended, seen = field.count("ended"), {}
    os.mkfifo(hold)

    def watch(root: int) -> None:
        while field.count("began") < before + workers:
            _check(field, root, begun)
            time.sleep(0.02)
        seen["until all work"] = (time.time() - begun) * 1e3
        time.sleep(SETTLED_SECONDS)
        for where, roots in (("here", [root]), ("there", place.roots)):
            seen.update(_shares(look_at(roots), where, workers))
            seen[f"idle CPU {where}"] = cpu_seconds(roots)
        time.sleep(IDLE_SECONDS)
        for where, roots in (("here", [root]), ("there", place.roots)):
            spent = cpu_seconds(roots) - seen[f"idle CPU {where}"]
            seen[f"idle CPU {where}"] = spent * 1e3 / IDLE_SECONDS / workers
        os.close(os.open(hold, os.O_WRONLY))
        while field.count("ended") < ended + workers or field.locks():
            _check(field, root, begun)
            time.sleep(0.02)

    field.call(place, "-j", str(workers), "--detach", *place.many, meanwhile=watch)
    hold.unlink()
    return seen


def _shares(taken: Taken, where: str, workers: int) -> Found:
    roles = {
        f"memory of {role} {where}": kb / 1e3 / workers for role, kb in taken.memory_kb.items()
    }
    processes = taken.counts.total() / workers
    memory = taken.megabytes / workers
    return {f"processes {where}": processes, f"memory {where}": memory, **roles}


def _check(field: Field, root: int, begun: float) -> None:
    field.refuse_failed(root)
    if time.time() > begun + PATIENCE_SECONDS:
        raise RuntimeError("the sessions did not end")


def main() -> None:
    """Measure what is asked for and print it, or write what was measured into a page."""
    asked = _parse()
    if asked.source:
        figures = [Figure(**each) for each in json.loads(asked.source.read_text())["figures"]]
        asked.page.write_text(page_with(asked.page.read_text(), figures))
        return
    if why := why_not():
        print(f"not run: {why}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # machines are ended as well
    facts = facts_of_machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    figures = []
    with tempfile.TemporaryDirectory(prefix="mission-fleet-") as made, ExitStack() as stack:
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(made, "compiled"))
        os.environ["XDG_STATE_HOME"] = str(Path(made, "person"))
        os.environ["XDG_CONFIG_HOME"] = str(Path(made, "settings"))
        bench = Bench(Path(made), asked, stack)
        for part in asked.parts:
            try:
                found = list(getattr(bench, part)())
            except RuntimeError as error:
                sys.exit(f"{part}: {error}")
            figures += found
            print("\n".join(["", *tables(found)]), flush=True)
    for words in bench.not_run:
        print(f"not run: {words}")
    if asked.json:
        document = {"version": FORMAT_VERSION, "machine": facts, "not_run": bench.not_run}
        document["figures"] = [asdict(each) for each in figures]
        asked.json.write_text(json.dumps(document, indent=2) + "\n")


def _parse() -> argparse.Namespace:
    def sizes(text: str) -> list[int]:
        return [int(each) for each in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet")
    parser.add_argument("--parts", type=lambda text: text.split(","))
    parser.add_argument("--rounds", type=int, default=5, help="of single tasks")
    parser.add_argument("--pools", type=int, default=2, help="rounds of whole pools")
    parser.add_argument("--workers", type=sizes, default=[4, 8, 16, 32, 64])
    parser.add_argument("--records", type=sizes, default=[0, 1000, 5000])
    parser.add_argument("--hosts", type=sizes, default=[1, 2, 4, 8])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--quick", action="store_true", help="all of it once and small")
    parser.add_argument("--from", dest="source", type=Path, help="figures that were written")
    parser.add_argument("--page", type=Path, help="the page whose tables they go into")
    asked = parser.parse_args()
    if (asked.source is None) != (asked.page is None):
        parser.error("`--from` and `--page` go together")
    asked.parts = asked.parts or (PARTS[:3] if asked.quick else PARTS)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if asked.quick:
        asked.rounds, asked.pools, asked.workers = 1, 1, [2]
    return asked


if __name__ == "__main__":
    main()
