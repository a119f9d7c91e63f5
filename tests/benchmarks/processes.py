"""One process measured from outside, and several of them in turn.

A figure of one process means little where other work shares the machine: so everything that
is compared runs in turn, round by round, and the ratio is taken within a round.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_ms: float
    cpu_ms: float
    memory_kb: int
    exit_code: int


@dataclass(frozen=True)
class Contestant:
    """A command that takes its turn."""

    name: str
    argv: Callable[[], Sequence[str]] | Sequence[str]
    cwd: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    """Done before each turn, not timed."""
    expect: tuple[int, ...] = (0,)

    def turn(self) -> Cost:
        """Run once.

        Raises:
            RuntimeError: its exit code is none of those expected.
        """
        if self.before is not None:
            self.before()
        argv = self.argv() if callable(self.argv) else self.argv
        cost = run(argv, self.cwd, self.environ)
        if cost.exit_code not in self.expect:
            raise RuntimeError(f"{self.name}: exit code {cost.exit_code} of {' '.join(argv)}")
        return cost


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a timed process: this checkout's code, nothing of a mission.

    Compiled modules are kept, as they are where a package is installed.
    """
    plain = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("MISSION_") and key != "PYTHONDONTWRITEBYTECODE"
    }
    return {**plain, "PYTHONPATH": str(ROOT), **more}


def run(argv: Sequence[str], cwd: Path, more: Mapping[str, str]) -> Cost:
    """Run a program with its output thrown away."""
    nothing = os.open(os.devnull, os.O_RDWR)
    # A child inherits the working directory; there is no other way with posix_spawn.
    here = os.getcwd()
    os.chdir(cwd)
    try:
        begun = time.perf_counter()
        child = os.posix_spawnp(
            argv[0],
            list(argv),
            environment(more),
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing, stream) for stream in (0, 1, 2)],
        )
        _, status, used = os.wait4(child, 0)
        wall = time.perf_counter() - begun
    finally:
        os.chdir(here)
        os.close(nothing)
    return Cost(
        wall_ms=wall * 1e3,
        cpu_ms=(used.ru_utime + used.ru_stime) * 1e3,
        memory_kb=used.ru_maxrss if sys.platform != "darwin" else used.ru_maxrss // 1024,
        exit_code=os.waitstatus_to_exitcode(status),
    )


def in_turn(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[Cost]]:
    """Let contestants run one after the other, again and again; a first round is not counted."""
    costs: dict[str, list[Cost]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant in contestants:
            cost = contestant.turn()
            if number:
                costs[contestant.name].append(cost)
    return costs


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    tasks: int
    work: str
    baseline: str
    limit: float | None
    unit: str
    """`x`: a ratio to the baseline; `ms` and `MB` are absolute."""
    value: float
    low: float
    high: float
    """A tenth of the rounds lies below `low`, a tenth above `high`."""
    wall_ms: float | None = None
    cpu_ms: float | None = None
    baseline_ms: float | None = None
    cpu_value: float | None = None
    """The same ratio of processor time, which other work on the machine disturbs less."""
    memory_mb: float | None = None


def ratio_figure(
    tasks: int,
    own: Contestant,
    base: Contestant,
    costs: Mapping[str, list[Cost]],
    limit: float | None,
) -> Figure:
    """Return how a contestant compares with the baseline, round by round."""
    mine, theirs = costs[own.name], costs[base.name]
    walls = [a.wall_ms / b.wall_ms for a, b in zip(mine, theirs, strict=True)]
    cpus = [a.cpu_ms / b.cpu_ms for a, b in zip(mine, theirs, strict=True) if b.cpu_ms]
    low, high = spread(walls)
    return Figure(
        tasks=tasks,
        work=own.name,
        baseline=base.name,
        limit=limit,
        unit="x",
        value=statistics.median(walls),
        low=low,
        high=high,
        wall_ms=statistics.median(cost.wall_ms for cost in mine),
        cpu_ms=statistics.median(cost.cpu_ms for cost in mine),
        baseline_ms=statistics.median(cost.wall_ms for cost in theirs),
        cpu_value=statistics.median(cpus) if cpus else None,
        memory_mb=max(cost.memory_kb for cost in mine) / 1000,
    )


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the tenth and the ninetieth percentile."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(last * 0.1)], ordered[round(last * 0.9)]
