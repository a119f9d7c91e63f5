"""What a tree of processes takes, seen from outside: also of those that were detached, and ended.

    python tests/benchmarks/trees.py COMMAND…

The program becomes the parent of all that its command leaves behind, and ends when the last of that
has ended. So the processor time of everything below it is known: its own children's, as the kernel
counts them, and what still runs. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve()
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS = slice(11, 15)
"""Of /proc/PID/stat behind the name: own time in both modes, and that of ended children."""
ROLES = (
    ("ssh", ""),
    ("sshd", ""),
    ("git", ""),
    ("listener", "mosaic.reach"),
    ("supervisor", "mosaic.supervise"),
    ("log writer", "log_writer.py"),
    ("dask", "mosaic.there.cluster"),
    ("dask", "multiprocessing"),
    ("follower", "mosaic.there"),
    ("mission", "mosaic"),
)
"""What a process is for: the name of its program, or a word of its command; else the agent's."""


def under(command: list[str]) -> list[str]:
    """Return the command that runs another as the root of a tree."""
    return [sys.executable, "-S", "-E", str(HERE), *command]


@dataclass(frozen=True)
class Taken:
    """What processes have at one moment."""

    counts: Counter[str] = field(default_factory=Counter)
    memory_kb: Counter[str] = field(default_factory=Counter)
    """Proportional: a page that several share is divided among them. By role."""

    @property
    def megabytes(self) -> float:
        return self.memory_kb.total() / 1000


def cpu_seconds(roots: list[int]) -> float:
    """Return the processor time of trees since they began, to a hundredth of a second."""
    found = _table()
    return sum(sum(found[pid].cpu) for root in roots for pid in _below(root, found)) / _TICKS


def look_at(roots: list[int]) -> Taken:
    """Return what live processes below some roots have, without the roots themselves."""
    taken, found = Taken(), _table()
    for root in roots:
        for pid in _below(root, found):
            role = _role_of(pid) if pid != root else None
            if role is not None:
                taken.counts[role] += 1
                taken.memory_kb[role] += _proportional_kb(pid)
    return taken


@dataclass(frozen=True)
class _Process:
    parent: int
    cpu: list[int]


def _table() -> dict[int, _Process]:
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(name)] = _Process(int(fields[1]), [int(each) for each in fields[_CPU_FIELDS]])
    return found


def _below(root: int, found: dict[int, _Process]) -> Iterator[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for pid, process in found.items():
        children.setdefault(process.parent, []).append(pid)
    waiting = [root] if root in found else []
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _role_of(pid: int) -> str | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    if not command:  # it has ended, and nobody has looked yet
        return None
    program = os.path.basename(re.split("[\0: ]", command, maxsplit=1)[0])
    fits = (role for role, word in ROLES if (word in command if word else program == role))
    return next(fits, "agent")


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    """Run a command, and stay until everything that it left has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(sys.argv[1:])
    code = 0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            child.returncode = code
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
