"""Running commands in a clone, and naming everything that they had no right to do.

Two witnesses: strace, where it is there, sees every program and every file; and the whole
lab is compared before and after, with programs on the PATH that note when they are called.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from tests.security.hostile_clones.forms import Call
from tests.security.hostile_clones.lab import STAND_INS, Lab
from tests.security.hostile_clones.repository import Arrival
from tests.security.hostile_clones.strace import (
    Deed,
    Kind,
    Trace,
    find_strace,
    read_trace,
    run_to_end,
    trace_argv,
)

DRIVER = Path(__file__).with_name("driver.py")
SECONDS_OF_A_CALL = 20
SECONDS_OF_ALL = 200
OWN = ("mission.json", "TASKS.md", "MISSION.md", "SCRATCHPAD.md", "tasks")
TEMPORARY = re.compile(r"\.[0-9a-f]+(?:-set)?\.mission-tmp")
OBJECT = re.compile(r"/\.git/objects/[0-9a-f]{2}(?:/(?:[0-9a-f]{38}|tmp_obj_\w+))?")
TERMINALS = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/ptmx", "/proc/self/")
NOTES = ("out", "trace", "ran", "author")
"""Where the witnesses write, and the author's own place."""
KNOWN_ENDS = range(6)
"""The exit codes that the command line promises, but for time-outs and interrupts."""


Look = dict[str, tuple[object, ...]]
"""By path, what stands there."""


@dataclass(frozen=True, kw_only=True)
class Leave:
    """What commands may do in a clone."""

    lab: Lab
    programs: frozenset[str]
    """What they may start."""
    look_places: tuple[Path, ...]
    """Where those that look may write and remove."""
    change_places: tuple[Path, ...]
    """The same for those that change the mission."""

    def permits(self, deed: Deed, call: Call, traced: Trace) -> bool:
        """Tell whether a call may do this."""
        if deed.kind is Kind.START:
            return self._permits_start(deed, call)
        if deed.kind is Kind.SIGNAL:
            own = {*traced.parents, *traced.parents.values()}
            return abs(int(deed.what)) in own
        return deed.kind is not Kind.CONNECT and self.permits_file(deed.what, changes=call.changes)

    def _permits_start(self, deed: Deed, call: Call) -> bool:
        program = os.path.normpath(deed.what)
        if deed.what == sys.executable:
            return deed.argv[1:2] == (str(self.lab.starter),)
        if call.argv[:1] == ("doctor",) and os.path.basename(program) in STAND_INS:
            return not program.startswith(str(self.lab.clone))
        return program in self.programs or program.startswith(_git_core())

    def permits_file(self, path: str, *, changes: bool) -> bool:
        """Tell whether a file may be written or removed.

        Args:
            path: absolute, or what is no file, such as a pipe.
            changes: whether by a command that may change the mission's own files.
        """
        if path.startswith(TERMINALS) or not path.startswith("/"):
            return True
        if path.startswith(f"{self.lab.clone}/") and OBJECT.fullmatch(
            path, len(str(self.lab.clone))
        ):
            return True  # to compare what is not committed, git stores it; nothing names it
        if "/__pycache__/" in path and not path.startswith(str(self.lab.root)):
            return True
        real = real_path(path)
        if changes and TEMPORARY.fullmatch(os.path.basename(real)):
            real = os.path.join(os.path.dirname(real), "mission.json")
        places = self.change_places if changes else self.look_places
        return any(Path(real).is_relative_to(place) for place in places)


def real_path(path: str) -> str:
    """Return where a file really is; the last part may be a link, and stays one."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def leave_of(arrival: Arrival) -> Leave:
    """Return what commands may do in a clone."""
    lab = arrival.lab
    # A link within the clone is a person's way to arrange it; those in the folder are not.
    home = (lab.clone / "coordination").resolve()
    if not home.is_relative_to(lab.clone):
        home = lab.clone / "coordination"
    look = [lab.home / ".local" / "state"]
    if not arrival.has_foreign_state:
        look.append(home / ".state")
    git = shutil.which("git") or "git"
    return Leave(
        lab=lab,
        programs=frozenset({git, *arrival.allowed}),
        look_places=tuple(look),
        change_places=(*look, *(home / name for name in OWN), lab.clone / "new"),
    )


def watch(arrival: Arrival, calls: Sequence[Call], *, fresh: bool = False) -> list[str]:
    """Run commands in the clone and return, in words, what they did that they may not do.

    Args:
        arrival: the clone.
        calls: the commands, run one after the other.
        fresh: whether each is a Python of its own, as people call it; much slower.
    """
    lab, leave = arrival.lab, leave_of(arrival)
    number = len(list(lab.root.glob("out*")))
    out = lab.root / f"out{number}"
    out.mkdir()
    order = {
        "cwd": str(arrival.cwd),
        "out": str(out),
        "seconds": SECONDS_OF_A_CALL,
        "starter": str(lab.starter) if fresh else None,
        "calls": [
            {"argv": call.argv, "environ": {**arrival.environ, **call.environ}} for call in calls
        ],
    }
    (out / "order.json").write_text(json.dumps(order))
    before = look_of(lab)
    traced = None if find_strace() is None else lab.root / f"trace{number}"
    argv = [] if traced is None else trace_argv(traced)
    argv += [sys.executable, str(DRIVER), str(out / "order.json")]
    run_to_end(argv, cwd=lab.root, environ=lab.environ(lab.home), seconds=SECONDS_OF_ALL)
    ended = json.loads((out / "ended.json").read_text())
    found = [*_bad_ends(calls, ended, out)]
    if traced is not None:
        found += _bad_deeds(calls, ended, read_trace(traced, lab.root), leave)
    found += [f"something ran `{path.name}`: {path.read_text()}" for path in lab.ran.iterdir()]
    changes = any(call.changes for call in calls)
    found += bad_changes(before, look_of(lab), leave, changes=changes)
    return [each.replace(str(lab.root), "LAB") for each in dict.fromkeys(found)]


def answer(lab: Lab, number: int) -> str:
    """Return what the call of this number printed."""
    out = lab.root / "out0"
    return (out / f"{number}.out").read_text() + (out / f"{number}.err").read_text()


def _bad_ends(calls: Sequence[Call], ended: Sequence[list[int]], out: Path) -> Iterator[str]:
    for number, (call, (_, status)) in enumerate(zip(calls, ended, strict=True)):
        complaint = (out / f"{number}.err").read_text("utf-8", "replace")
        code = os.waitstatus_to_exitcode(status)
        if code not in KNOWN_ENDS:
            yield f"{call} ended with {code}: {complaint[-300:]}"
        elif "Traceback" in complaint:
            yield f"{call} ended with a traceback: {complaint[-300:]}"


def _bad_deeds(
    calls: Sequence[Call], ended: Sequence[list[int]], trace: Trace, leave: Leave
) -> list[str]:
    numbers = {pid: number for number, (pid, _) in enumerate(ended)}
    found: list[tuple[int, str]] = []
    for deed in trace.deeds:
        number = next((numbers[p] for p in trace.ancestors(deed.pid) if p in numbers), None)
        if number is None or leave.permits(deed, calls[number], trace):  # none: the driver itself
            continue
        words = f" as `{' '.join(deed.argv)}`" if deed.argv else ""
        what = real_path(deed.what) if deed.kind in (Kind.WRITE, Kind.REMOVE) else deed.what
        found.append((number, f"{calls[number]} {deed.kind} {what}{words}"))
    return [each for _, each in sorted(found, key=itemgetter(0))]


def look_of(lab: Lab) -> Look:
    """Return what stands in the lab, but for the witnesses' own notes."""
    found: Look = {}
    for folder, names, files in os.walk(lab.root):
        if folder == str(lab.root):
            names[:] = [name for name in names if not name.startswith(NOTES)]
        for name in (*names, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            facts: tuple[object, ...] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode))
            if stat.S_ISLNK(status.st_mode):
                facts += (os.readlink(path),)
            elif stat.S_ISREG(status.st_mode):
                facts += (status.st_size, hashlib.sha256(Path(path).read_bytes()).hexdigest())
            found[path] = facts
    return found


def bad_changes(before: Look, after: Look, leave: Leave, *, changes: bool = False) -> Iterator[str]:
    """Name what stands in the lab otherwise than before, outside of where that is allowed."""
    for path in sorted({*before, *after}):
        if before.get(path) == after.get(path) or leave.permits_file(path, changes=changes):
            continue
        what = "gone" if path not in after else "new" if path not in before else "changed"
        yield f"{what} afterwards: {path}"


def _git_core() -> str:
    done = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    return f"{done.stdout.strip()}/git"
