"""A fleet of this machine, as `mission fleet local` starts it, with a state folder of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.mission import MissionRepo, is_running, make_environ, wait_for
from tests.support.shell_agent import change_mission

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]
NAME = "pool"


@dataclass
class Fleet:
    """One fleet."""

    person: MissionRepo
    """Whose it is: a folder without a mission, and the variables of that person."""

    @property
    def folder(self) -> Path:
        return Path(self.person.environ["MISSION_STATE_HOME"]) / "fleets" / NAME

    @property
    def scheduler(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def works(self) -> Path:
        """Where its workers keep everything of ours."""
        return self.folder / "work"

    def start(self, agents: int = 2) -> None:
        answer = self.person.run("fleet", "local", str(agents), "--name", NAME, "--json")
        assert answer.exit_code == 0, answer.stderr
        assert answer.json()["agents"] == agents

    def stop(self) -> None:
        assert self.person.run("fleet", "stop", NAME, "--json").json()["was_running"]

    def listed(self) -> Any:
        """Return what `fleet list` says of it."""
        (found,) = self.person.run("fleet", "list", "--json").json()["fleets"]
        return found

    def pid(self) -> int:
        return int(json.loads((self.folder / "process.json").read_text())["pid"])

    def worker_pids(self) -> list[int]:
        """Return the processes of its workers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == self.pid() and b"spawn_main" in words:
                found.append(int(pid))
        return found

    def kill(self) -> None:
        """End scheduler and workers at once, as a machine that is switched off does."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid), "the fleet's end")

    def attempts(self) -> list[Path]:
        """Return what is kept of attempts there."""
        return sorted(self.works.glob("missions/*/runs/*"))


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """Start a fleet for two agents."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home of me"
    home.mkdir()
    environ = {
        **make_environ(home),
        "MISSION_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    made = Fleet(MissionRepo(home, environ))
    made.start()
    try:
        yield made
    finally:
        made.person.run("fleet", "stop", NAME)


def add_fleet(repo: MissionRepo, there: Fleet, **settings: object) -> None:
    """Write a fleet into mission.json, and commit that."""
    hosts = dict(repo.mission().get("hosts") or {})
    hosts[NAME] = {
        "scheduler": str(there.scheduler),
        "folder": str(there.works),
        "env": ENV,
        **settings,
    }
    change_mission(repo, hosts=hosts)
    repo.git("commit", "-qam", "A fleet")
