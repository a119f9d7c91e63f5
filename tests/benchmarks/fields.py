"""A mission with a scripted agent, and the places that its tasks are handed to.

Here        a worktree of this machine, by a supervisor in the background
ssh         one or more `sshd`s of ours on loopback, see `tests.support.machines`
namespaces  the same, each in a network namespace of its own
dask        workers of a fleet on Dask on this machine, as `mission fleet local` starts them

The agent writes down when it began and when it ended. It calls `mission` once, to say that its task
is finished; what else it does takes hardly any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.testing.missions import MissionRepo, call, make_environ, make_mission, wait_for
from tests.support.fleets import NAME, Fleet, add_fleet
from tests.support.machines import Machine, add_machine, machine
from tests.support.shell_agent import change_mission

from .processes import ROOT, environment
from .trees import cpu_seconds, under

AGENT = """\
cat >/dev/null
now() { date +%s%N >"$STAMPS/$MISSION_TASK.new"; mv "$STAMPS/$MISSION_TASK.new" "$STAMPS/$1"; }
now "$MISSION_TASK.began"
echo "it begins"
[ -p "$STAMPS/hold" ] && cat "$STAMPS/hold" >/dev/null
mkdir -p made; echo made >"made/$MISSION_TASK"
sed -i 's/^## [a-z_]*$/&\\n\\n- nothing/' coordination/tasks/"$MISSION_TASK"-*.md
PYTHONPATH="{root}" "{python}" -m mosaic set "$MISSION_TASK" status=review
now "$MISSION_TASK.ended"
"""
HERE, DASK = "here", "dask"


@dataclass
class Place:
    """Where the tasks of a mission are handed to."""

    name: str
    single: list[str]
    """What `mission next` is given for one of them, in the background."""
    many: list[str]
    """The same with `-j`."""
    machines: list[Machine] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    """The processes below which everything there is."""

    def connections(self) -> int:
        """Return how often somebody has logged in there."""
        logs = ((each.folder / "sshd.log").read_text() for each in self.machines)
        return sum(text.count("Accepted publickey") for text in logs)


@dataclass(frozen=True)
class Spent:
    """What was measured of one call."""

    wall: float
    cpu_here: float
    cpu_there: float
    connections: int

    def found(self, tasks: int) -> dict[str, float]:
        """Return what each of some tasks took."""
        return {
            "CPU here": self.cpu_here / tasks * 1e3,
            "CPU there": self.cpu_there / tasks * 1e3,
            "CPU in all": (self.cpu_here + self.cpu_there) / tasks * 1e3,
            "connections": self.connections / tasks,
        }


class Field:
    """One mission, whose tasks are handed to one place or another."""

    def __init__(self, folder: Path, tasks: int) -> None:
        """Make it with so many tasks, all of them ready."""
        self.stamps = folder / "stamps"
        self.stamps.mkdir(parents=True)
        agent = folder / "agent.sh"
        text = AGENT.replace("{root}", str(ROOT)).replace("{python}", sys.executable)
        agent.write_text(text)
        project = folder / "project"
        project.mkdir()
        self.repo = make_mission(project, ())
        self.repo.git("config", "gc.auto", "0")  # it comes when it likes
        for number in range(tasks):
            call(project, "add", f"Task number {number}", "-m", "M1")
        doing = {"command": ["sh", str(agent)], "prompt": "stdin"}
        settings = {"runtime": "doing", "runtimes": {"doing": doing}, "parallelWithoutScope": True}
        change_mission(self.repo, **settings)
        self.repo.git("add", ".")
        self.repo.git("commit", "-qm", "Begin")
        more = {"STAMPS": str(self.stamps), "MISSION_TRUST": "all"}
        self._environ = {**environment(self.repo.environ), **more}
        self.here = Place(HERE, ["--headless", "--detach", "--worktree"], [])

    def add(self, name: str, machines: list[Machine]) -> Place:
        """Write machines into the mission, and return them as a place."""
        for each in machines:
            add_machine(self.repo, each, env=["STAMPS"])
        return self.place_of(name, machines)

    @staticmethod
    def place_of(name: str, machines: list[Machine]) -> Place:
        """Return machines that the mission knows as a place."""
        words = [word for each in machines for word in ("--on", each.name)]
        return Place(name, words, words, machines, [each.processes[-1].pid for each in machines])

    @contextmanager
    def fleet(self, folder: Path, workers: int) -> Iterator[Place]:
        """Start a fleet on Dask with so many workers on this machine, and give it as a place."""
        home = folder / "home"
        home.mkdir(parents=True)
        settings = {"MISSION_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}
        made = Fleet(MissionRepo(home, {**make_environ(home), **settings}))
        starting = made.person.argv("fleet", "local", str(workers), "--name", NAME)
        with open(folder / "fleet.log", "wb") as log:
            root = subprocess.Popen(
                under(starting), env=made.person.environ, cwd=folder, stdout=log, stderr=log
            )
        try:
            wait_for(made.scheduler.exists, "the fleet's start")
            add_fleet(self.repo, made, env=["STAMPS"])
            yield Place(DASK, ["--on", NAME], ["--on", NAME], roots=[root.pid])
        finally:
            made.stop()
            root.wait()

    def call(
        self, place: Place, *words: str, meanwhile: Callable[[int], None] | None = None
    ) -> Spent:
        """Run `mission next` until all that it left here has ended, and return what that took.

        `meanwhile` is called with the process below which all of it is. RuntimeError: it failed.
        """
        there, logins = cpu_seconds(place.roots), place.connections()
        begun = time.monotonic()
        with open(self.stamps / "said", "wb") as said:
            process = subprocess.Popen(
                under(self.repo.argv("next", *words)),
                cwd=self.repo.path,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            if meanwhile is not None:
                meanwhile(process.pid)
        finally:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError((self.stamps / "said").read_text()[-2000:])
        return Spent(
            wall=time.monotonic() - begun,
            cpu_here=used.ru_utime + used.ru_stime,
            cpu_there=cpu_seconds(place.roots) - there,
            connections=place.connections() - logins,
        )

    def refuse_failed(self, root: int) -> None:
        """Raise a RuntimeError where a call that goes on has failed already."""
        ended = os.waitid(os.P_PID, root, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None and ended.si_status:
            raise RuntimeError((self.stamps / "said").read_text()[-2000:])

    def stamp(self, task_id: str, what: str) -> float:
        """Return when an agent began or ended, by the clock of the day."""
        path = self.stamps / f"{task_id}.{what}"
        return int(wait_for(path.read_text, f"that {task_id} has {what}")) / 1e9

    def count(self, what: str) -> int:
        """Return how many agents have begun or ended."""
        return len(list(self.stamps.glob(f"*.{what}")))

    def last(self) -> str:
        """Return the task whose agent ended last."""
        return max(self.stamps.glob("*.ended"), key=lambda path: path.stat().st_mtime_ns).stem

    def locks(self) -> list[Path]:
        """Return the locks of sessions that are not over."""
        return list((self.repo.state / "sessions").glob("*.lock"))

    def is_locked(self) -> bool:
        """Tell whether somebody changes the mission, so that nobody else can."""
        return (self.repo.state / "mission.lock.holder").exists()

    def has_output(self) -> bool:
        """Tell whether a live session has said something that is on record here."""
        for lock in self.locks():
            with contextlib.suppress(OSError, ValueError, KeyError):
                facts = json.loads(lock.read_text())
                run = self.repo.state / "runs" / facts["task_id"] / facts["run_id"]
                if (run / "stdout.log").stat().st_size:
                    return True
        return False

    def ended_well(self) -> int:
        """Return how many sessions are on record as completed."""
        return sum(
            each.get("endedReason") == "completed" for each in self.repo.mission()["sessions"]
        )

    def pretend(self, place: Place, before: int, records: int) -> None:
        """Keep so many records of earlier runs, here and in the repositories there.

        They are copies of one that was carried there; `before` of them are there already.
        """
        model = max((self.repo.state / "runs").glob("T-*/*/host.json")).parent
        for number in range(before, records):
            task = model.parent.parent / f"X-{number // 10:05}"
            shutil.copytree(model, task / f"r{number % 10 + 1:03}-{number:06x}")
        path = self.repo.path / "coordination" / "mission.json"
        mission = json.loads(path.read_text())
        last = mission["sessions"][-1]
        known = [{**last, "sessionId": f"sess-9{number:05}"} for number in range(before, records)]
        mission["sessions"] = [*known, *mission["sessions"]]
        path.write_text(json.dumps(mission, indent=2) + "\n")
        for each in place.machines:
            for repo in each.works.glob("missions/*/repo.git"):
                _fill_refs(repo, before, records)


def _fill_refs(repo: Path, before: int, records: int) -> None:
    """Write the refs that ended runs leave in a repository there."""
    command = ["git", f"--git-dir={repo}"]
    asked = [*command, "for-each-ref", "--format=%(objectname)", "refs/mosaic/runs"]
    commits = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    lines = "".join(
        f"create refs/mosaic/runs/r9{number:05}-{number:06x}/{name} {commits[0]}\n"
        for number in range(before, records)
        for name in ("branch", "head")
    )
    asked = [*command, "update-ref", "--stdin"]
    subprocess.run(asked, check=True, input=lines, text=True, stdout=subprocess.DEVNULL)


@contextmanager
def on_loopback(folder: Path, count: int, name: str) -> Iterator[list[Machine]]:
    """Start some machines on this one."""
    with ExitStack() as stack:
        root = tuple(under([]))
        yield [
            stack.enter_context(machine(folder, f"{name}{number}", under=root))
            for number in range(count)
        ]


@contextmanager
def in_namespaces(folder: Path, count: int) -> Iterator[list[Machine]]:
    """Start some machines, each in a network namespace of its own.

    RuntimeError: there can be none here.
    """
    with ExitStack() as stack:
        made = []
        for number in range(count):
            name = f"mb{os.getpid() % 100_000}n{number}"
            address = stack.enter_context(
                _namespace(name, f"10.{213 + number}.{os.getpid() % 250}")
            )
            root = ("ip", "netns", "exec", name, *under([]))
            there = machine(folder, f"ns{number}", under=root, address=address)
            made.append(stack.enter_context(there))
        yield made


@contextmanager
def _namespace(name: str, net: str) -> Iterator[str]:
    """Make a namespace and a link to it; return the address over there."""
    inside = ["ip", "netns", "exec", name, "ip"]
    commands = (
        ["ip", "netns", "add", name],
        ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name],
        ["ip", "address", "add", f"{net}.1/24", "dev", name],
        ["ip", "link", "set", name, "up"],
        [*inside, "address", "add", f"{net}.2/24", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "link", "set", "lo", "up"],
    )
    try:
        for command in commands:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"`{' '.join(command)}`: {done.stderr.strip()}")
        yield f"{net}.2"
    finally:
        for command in (["ip", "link", "del", name], ["ip", "netns", "del", name]):
            subprocess.run(command, check=False, capture_output=True)
