"""Kills a command at every call by which it changes the disk, and looks what is left.

    python -m tests.crash.points [NAME …] [--every N]     all points of all commands, or some

One process holds the program loaded. For each point a copy of a mission is made and a fork
runs the command in it; its calls are counted, and at one of them it is killed by SIGKILL:
before the call, after it, or, where bytes are written, after half of them. Then the mission
must be as it was or as it was to become, the next commands must settle what is left, and the
same command must do its work or refuse for a reason of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mosaic.machine import staging
from mosaic.store.state import KEPT
from tests.support.programs import NEEDS_EXTRA

KILLED = "killed"
LONGEST_SECONDS = 120
LOOKS_A_STATUS = 50
"""How often the lock of a session is looked for, until a command is asked to."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
NAMES_OF_OURS = re.compile(r"r\d{3}-[0-9a-f]{6}|mission-\d{8}|(?<=sess-\d{3}-)\w+")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
NUMBERS = re.compile(r'("(?:pid|durationSeconds)": )\d+')
BY_NATURE = ("HANDOFF_INCOMPLETE", "EVENTS_TORN")
"""What `check` says of a task without a word of handoff, and of an event that was cut off."""
KEPT_STATE = Path("checkpoints", "of-the-older-coordinator")
OTHER_STATE = (".gitignore", "checkpoints", "mission.lock.holder")


@dataclass(frozen=True)
class Case:
    """One command that changes something."""

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda _folder: None
    """Changes a copy of the mission before the command."""
    needs_git: bool = False
    is_session: bool = False
    """It hands off: what is left is a session that the next command ends."""
    own_refusals: tuple[int, ...] = ()
    """Exit codes with which the same command may refuse when it is run again."""


@dataclass
class Tally:
    """What was tried of one command."""

    points: int = 0
    faults: list[str] = field(default_factory=list)


class Counter:
    """Counts a process's calls that change the disk, and kills it at one of them."""

    def __init__(self, root: Path, stop_at: int) -> None:
        self.root = os.fsencode(root)
        self.stop_at = stop_at
        self.count = 0

    def step(self) -> bool:
        """Count one moment; tell whether it is the last."""
        self.count += 1
        return self.count == self.stop_at

    def moment(self) -> None:
        """Count one moment, and die if it is the last."""
        if self.step():
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the counter before and after every call that changes the disk."""
        for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "link", "symlink",
                     "fsync", "ftruncate", "truncate", "utime", "chmod", "fchmod"):  # fmt: skip
            setattr(os, name, self._around(getattr(os, name)))
        staging.rename_with = self._around(staging.rename_with)
        os.write = self._write(os.write)  # type: ignore[assignment]
        os.open = self._open(os.open)

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.moment()
            try:
                return call(*args, **kwargs)
            finally:
                self.moment()

        return counted

    def _write(self, call: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
        def counted(descriptor: int, data: bytes) -> int:
            if descriptor > 2 and os.path.isfile(f"/proc/self/fd/{descriptor}"):
                if self.step():
                    call(descriptor, data[: len(data) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                written = call(descriptor, data)
                self.moment()
                return written
            return call(descriptor, data)

        return counted

    def _open(self, call: Callable[..., int]) -> Callable[..., int]:
        def counted(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            makes = flags & (os.O_CREAT | os.O_TRUNC)
            descriptor = call(path, flags, *args, **kwargs)
            if makes:
                self.moment()
            return descriptor

        return counted


def has_ended(child: int, seconds: float) -> bool:
    """Wait so long for the end of a child, and tell whether it came."""
    descriptor = os.pidfd_open(child)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def run_here(argv: tuple[str, ...], folder: Path, counter: Counter | None = None) -> Any:
    """Run a command in a fork; return its exit code, or `KILLED`, with what it printed."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as counted:
        child = os.fork()
        if child == 0:
            _become(argv, folder, counter, said.fileno(), counted.fileno())
        if not has_ended(child, LONGEST_SECONDS):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hung", "", 0
        _, status = os.waitpid(child, 0)
        said.seek(0)
        counted.seek(0)
        text = said.read().decode("utf-8", "replace")
        number = int(counted.read() or b"0")
    code: Any = KILLED if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    return code, text, number


def _become(
    argv: tuple[str, ...], folder: Path, counter: Counter | None, said: int, counted: int
) -> None:
    """Be the command, in a fork; never returns."""
    write = os.write
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(folder)
        from mosaic.cli import main

        if counter is not None:
            counter.install()
        try:
            main(argv)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        if counter is not None:
            write(counted, str(counter.count).encode())
    finally:
        os._exit(code)


def must(argv: tuple[str, ...], folder: Path) -> str:
    """Run a command that has to work."""
    code, text, _ = run_here(argv, folder)
    if code != 0:
        raise SystemExit(f"{' '.join(argv)}: {code}\n{text}")
    return str(text)


def git(folder: Path, *arguments: str) -> None:
    """Run git quietly."""
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", *arguments]
    if os.spawnvp(os.P_WAIT, "git", [*command[:1], "-C", str(folder), *command[1:]]):
        raise SystemExit(f"git {arguments} failed")


def tracked(folder: Path) -> dict[str, str]:
    """Return every file of a mission that git would track, with times and ids made equal."""
    found = {}
    roots = (folder / "coordination", folder / ".mosaic")
    for path in sorted(path for root in roots for path in root.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == KEPT_STATE.name:  # wherever the state is, it is not lost
            found[str(KEPT_STATE)] = path.read_text()
        of_state = {*KEPT, *OTHER_STATE}.intersection(name.split("/")[2:3])
        is_state = name.startswith(".mosaic/") and bool(of_state)
        if path.is_file() and "/.state/" not in f"/{name}" and not is_state:
            text = path.read_bytes().decode("utf-8", "replace")
            for pattern, word in ((MOMENT, "T"), (NAMES_OF_OURS, "R"), (DATE, "D")):
                text = pattern.sub(word, text)
            found[name] = NUMBERS.sub(r"\1N", text)
    return found


def live_sessions(folder: Path) -> list[str]:
    """Return the ids of the sessions that live, as the command line lists them."""
    _, live, _ = run_here(("sessions", "--live", "--json"), folder)
    return [str(session["id"]) for session in json.loads(live or "{}").get("sessions", [])]


def session_locks(folder: Path) -> list[Path]:
    """Return the locks of sessions, in the mission's work tree and in worktrees."""
    state = folder / "coordination" / ".state"
    return [*state.glob("session.lock"), *state.glob("sessions/*.lock")]


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return the names of the files that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


class Harness:
    """Tries every point of a case in copies of one mission."""

    def __init__(self, work: Path, template: Path) -> None:
        self._work = work
        self._template = template
        self._number = 0

    def copy(self, case: Case) -> Path:
        """Return a fresh copy of the mission, prepared for a case."""
        self._number += 1
        folder = self._work / f"p{self._number}" / "project"
        shutil.copytree(self._template, folder, symlinks=True)
        case.prepare(folder)
        return folder

    def points_of(self, case: Case, *, every: int = 1, first: int = 1) -> Tally:
        """Kill a command at each of its points, or at every so many, and judge what is left."""
        before = tracked(self.copy(case))
        whole = self.copy(case)
        code, text, total = run_here(case.argv, whole, Counter(whole, 0))
        if code != 0:
            raise SystemExit(f"{case.name} does not work by itself: {code}\n{text}")
        once = tracked(whole)
        again_code, again_text, _ = run_here(case.argv, whole)
        if again_code not in (0, *case.own_refusals):
            raise SystemExit(f"{case.name} run twice: {again_code}\n{again_text}")
        allowed = [before, once, tracked(whole)]
        tally = Tally()
        for point in range(first, total + 1, every):
            folder = self.copy(case)
            code, text, _ = run_here(case.argv, folder, Counter(folder, point))
            tally.points += 1
            judge = self._judge_session if case.is_session else self._judge
            for fault in judge(case, folder, allowed, code):
                tally.faults.append(f"{case.name}, point {point} of {total}: {fault}")
            shutil.rmtree(folder.parent, ignore_errors=True)
        return tally

    def _judge(
        self, case: Case, folder: Path, allowed: list[dict[str, str]], code: Any
    ) -> Iterator[str]:
        if code not in (KILLED, 0):
            yield f"it ended with {code} though it was to be killed"
        yield from self._settle(folder)
        after = tracked(folder)
        if after not in allowed and (folder / "coordination" / "mission.json").exists():
            nearest = min((differing(after, one) for one in allowed), key=len)
            yield f"neither old nor new: {', '.join(nearest)}"
        again, text, _ = run_here(case.argv, folder)
        if again not in (0, *case.own_refusals):
            yield f"the same command again: {again}: {text.strip()[-300:]}"
        final = tracked(folder)
        if final not in allowed[1:]:
            nearest = min((differing(final, one) for one in allowed[1:]), key=len)
            yield f"run again it comes to something else: {', '.join(nearest)}"
        yield from self._look(folder)

    def _judge_session(
        self, case: Case, folder: Path, allowed: list[dict[str, str]], code: Any
    ) -> Iterator[str]:
        del allowed, code
        yield from self._settle(folder)
        for session_id in live_sessions(folder):
            stopped, text, _ = run_here(("stop", session_id, "--now"), folder)
            # One whose launcher was killed may have ended by itself in this moment.
            if stopped != 0 and session_id in live_sessions(folder):
                yield f"a live session cannot be stopped: {text.strip()[-300:]}"
        mission = json.loads((folder / "coordination" / "mission.json").read_text())
        for session in mission["sessions"]:
            if not session.get("endedReason"):
                yield f"{session['sessionId']} has no end"
        for lock in session_locks(folder):
            yield f"{lock.name} is left"
        again, text, _ = run_here(case.argv, folder)
        if again not in (0, *case.own_refusals):
            yield f"the same command again: {again}: {text.strip()[-300:]}"
        until = time.monotonic() + LONGEST_SECONDS
        looks = 0
        while session_locks(folder):
            looks += 1
            if looks % LOOKS_A_STATUS:
                time.sleep(0.01)
            else:  # it may have died
                run_here(("status",), folder)
            if time.monotonic() > until:
                yield "the session that was begun again does not end"
                break
        run_here(("clean",), folder)  # a worktree that was never made to its end
        yield from self._look(folder)

    def _settle(self, folder: Path) -> Iterator[str]:
        """Run a command that changes something else: it settles what a killed one left."""
        if not any(folder.glob("coordination/mission.json")) and not any(
            folder.glob(".mosaic/*/mission.json")
        ):
            return  # only the same command can go on
        code, text, _ = run_here(("check", "--fix", "--json"), folder)
        if code not in (0, 1):
            yield f"check --fix: {code}: {text.strip()[-300:]}"

    def _look(self, folder: Path) -> Iterator[str]:
        code, text, _ = run_here(("check", "--json"), folder)
        if code not in (0, 1):
            yield f"check: {code}: {text.strip()[-300:]}"
            return
        with contextlib.suppress(ValueError):
            for finding in json.loads(text)["findings"]:
                if finding["code"] not in BY_NATURE:
                    yield f"check says {finding['code']}: {finding['message']}"
        strange = [
            path.name
            for path in (folder / "coordination").rglob("*")
            if "/.state/" not in f"/{path.relative_to(folder).as_posix()}/"
            and path.is_file()
            and not path.name.endswith((".md", ".json"))
        ]
        if strange:
            yield f"left behind: {', '.join(strange)}"


def make_template(place: Path) -> Path:
    """Make the mission that every point begins with."""
    folder = place / "project"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    must(("init", "--name", "Points 中文", "--milestone", "M1: One"), folder)
    for title in ("First", "Zweitens — größer", "第三"):
        must(("add", title, "--milestone", "M1"), folder)
    must(("add", "In the table alone", "--table-only"), folder)
    second = next((folder / "coordination" / "tasks").glob("T-002-*"))
    second.write_bytes(second.read_bytes().replace(b"\n", b"\r\n"))
    mission = folder / "coordination" / "mission.json"
    values = json.loads(mission.read_text())
    call = f'"{sys.executable}" -m mosaic'
    names = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
    said = "$MISSION_RUN_DIR/said"
    finish = (
        f"echo none >{said}; "
        f"{call} handoff $MISSION_TASK {' '.join(f'--set {name}={said}' for name in names)}; "
        f"{call} set $MISSION_TASK status=review"
    )
    answer = json.dumps({"status": "completed", "summary": "it holds"})
    said = json.dumps({"type": "message", "text": answer})
    values["runtimes"] = {
        "answer": {"command": ["printf", "%s\\n", said], "prompt": "file"},
        "quick": {"command": ["sh", "-c", "echo working"], "prompt": "file"},
        "finish": {
            "command": ["sh", "-c", finish],
            "prompt": "file",
            "env": {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        },
    }
    values["runtime"] = "quick"
    mission.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    must(("exec", "T-001", "--step", "old", "--", "true"), folder)
    must(("sync",), folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Plan")
    return folder


def _edit_file(folder: Path, old: str, new: str) -> None:
    path = next((folder / "coordination" / "tasks").glob("T-001-*"))
    path.write_text(path.read_text().replace(old, new))


def _drift(folder: Path) -> None:
    _edit_file(folder, "status: todo", "status: in-progress")


def _conflict(folder: Path) -> None:
    _drift(folder)
    table = folder / "coordination" / "TASKS.md"
    table.write_text(table.read_text().replace("| T-001 | todo", "| T-001 | blocked"))


def _merging(folder: Path) -> None:
    """Leave table and file as git leaves a conflict."""
    for path in (folder / "coordination" / "TASKS.md", *folder.glob("coordination/tasks/T-001-*")):
        lines = path.read_text().split("\n")
        at = next(n for n, line in enumerate(lines) if "todo" in line and "T-00" not in line[7:])
        theirs = lines[at].replace("todo", "blocked")
        lines[at : at + 1] = ["<<<<<<< HEAD", lines[at], "=======", theirs, ">>>>>>> other"]
        path.write_text("\n".join(lines))


def _in_review(folder: Path) -> None:
    must(("set", "T-001", "status=review"), folder)


def _is_done(folder: Path) -> None:
    must(("done", "T-001"), folder)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder / "coordination")
    # What git's last commit still has would be found missing.
    git(folder, "commit", "-qam", "No mission yet")


def _older(folder: Path) -> None:
    mission = json.loads((folder / "coordination" / "mission.json").read_text())
    mission["mission_id"] = mission.pop("id")
    (folder / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2) + "\n")


def _older_place(folder: Path) -> None:
    old = folder / ".mosaic" / "orchestrator"
    old.mkdir(parents=True)
    (folder / "coordination" / "mission.json").rename(old / "mission.json")


def _older_state(folder: Path) -> None:
    """Put the state beside an older mission.json, as the older coordinator had it."""
    _older_place(folder)
    old = folder / ".mosaic" / "orchestrator"
    mission = json.loads((old / "mission.json").read_text())
    mission["orchestratorDir"] = ".mosaic/orchestrator"
    (old / "mission.json").write_text(json.dumps(mission, indent=2) + "\n")
    for path in (folder / "coordination" / ".state").iterdir():
        if path.name != ".gitignore":
            path.rename(old / path.name)
    shutil.rmtree(folder / "coordination" / ".state")
    (old / KEPT_STATE).parent.mkdir()
    (old / KEPT_STATE).write_text("kept")


def _crashed(folder: Path) -> None:
    must(("next", "--headless"), folder)


CASES = (
    Case("add", ("add", "New task", "--milestone", "M1", "--depends-on", "T-001")),
    Case("add to the table", ("add", "Row", "--table-only")),
    Case("set both", ("set", "T-001", "status=in-progress", "priority=high")),
    Case("set with CRLF", ("set", "T-002", "title=Anders", "labels+=x")),
    Case("set in the table", ("set", "T-004", "title=Other")),
    Case("done", ("done", "T-002", "T-003")),
    Case("rm", ("rm", "T-001", "--yes"), own_refusals=(2,)),
    Case("split", ("split", "T-002", "One part", "Another part")),
    Case("block", ("block", "T-001", "--why", "stuck")),
    Case("cancel", ("cancel", "T-003", "--why", "no")),
    Case("reopen", ("reopen", "T-001"), prepare=_is_done),
    Case("sync", ("sync",), prepare=_drift),
    Case("sync --prefer", ("sync", "--prefer", "file"), prepare=_conflict),
    Case("check --fix", ("check", "--fix"), prepare=_drift),
    Case("renumber", ("renumber", "T-001", "T-050", "--write"), own_refusals=(2,)),
    Case("resolve", ("resolve", "--theirs"), prepare=_merging),
    Case("handoff", ("handoff", "T-001", "--set", "result", "--text", "it works")),
    Case("approve", ("review", "T-001", "--approve", "--force"), prepare=_in_review,
         own_refusals=(3,)),
    Case("reject", ("review", "T-001", "--reject", "--why", "no"), prepare=_in_review,
         own_refusals=(3,)),
    Case("init", ("init", "--name", "Points", "--prefix", "X"), prepare=_empty,
         own_refusals=(2,)),
    Case("migrate", ("migrate",), prepare=_older),
    Case("migrate to today's place", ("migrate",), prepare=_older_place),
    Case("migrate with the state", ("migrate",), prepare=_older_state),
    Case("next --print", ("next", "--print")),
    Case("checkpoint", ("checkpoint", "T-001", "--note", "now")),
    Case("exec", ("exec", "T-001", "--step", "try", "--", "true")),
    Case("clean", ("clean", "--older-than", "0d"), prepare=_is_done),
    Case("next", ("next", "--headless"), is_session=True, own_refusals=(3,)),
    Case("next that finishes", ("next", "--headless", "--runtime", "finish"), is_session=True,
         own_refusals=(3,)),
    Case("next in a worktree", ("next", "--worktree", "--headless"), is_session=True,
         own_refusals=(3,)),
    Case("next in the background", ("next", "--detach"), is_session=True, own_refusals=(3, 4)),
    Case("resume", ("resume", "--headless"), prepare=_crashed, is_session=True,
         own_refusals=(3,)),
    Case("panel", ("panel", "start", "What?", "--role", "critic=answer", "--wait"),
         is_session=True, own_refusals=(1,)),
)  # fmt: skip


def load_everything() -> None:
    """Import what commands import, so that no fork has to."""
    import pkgutil
    from importlib import import_module

    import mosaic

    for module in pkgutil.walk_packages(mosaic.__path__, "mosaic."):
        needs_extra = module.name.startswith(NEEDS_EXTRA)
        if not (needs_extra or module.name.endswith(("__main__", "log_writer", "demo_agent"))):
            import_module(module.name)
    for name in ("ctypes", "jinja2", "mistune", "yaml", "subprocess"):
        import_module(name)


def run_cases(names: list[str], *, every: int, first: int = 1) -> dict[str, Tally]:
    """Try the points of some cases, or of all; return what was found, by name."""
    load_everything()
    with tempfile.TemporaryDirectory(prefix="points-", ignore_cleanup_errors=True) as place:
        harness = Harness(Path(place), make_template(Path(place) / "template"))
        chosen = [case for case in CASES if not names or case.name in names]
        return {case.name: harness.points_of(case, every=every, first=first) for case in chosen}


def main() -> None:
    """Try points from the command line, and print how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="cases; all where none is named")
    parser.add_argument("--every", type=int, default=1, help="only every so many points")
    parser.add_argument("--first", type=int, default=1, help="begin with this point")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = run_cases(asked.names, every=asked.every, first=asked.first)
    if asked.json:
        print(json.dumps({n: {"points": t.points, "faults": t.faults} for n, t in found.items()}))
    else:
        for name, tally in found.items():
            print(f"{tally.points:6d} points  {len(tally.faults):4d} faults  {name}")
            for fault in tally.faults[:20]:
                print(f"        {fault}")
        print(f"{sum(tally.points for tally in found.values()):6d} points in all")
    sys.exit(1 if any(tally.faults for tally in found.values()) else 0)


if __name__ == "__main__":
    main()
