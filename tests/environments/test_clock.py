"""The clock is stepped back while missions go on: what was is then in the future."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environments.conftest import Surroundings
from tests.support.mission import is_running, wait_for

DAY = 86400
CLOCK = """\
import datetime, time
real = time.time
def now():
    with open({shift!r}) as stream:
        return real() + float(stream.read())
class Stepped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now(), tz)
time.time = now
datetime.datetime = Stepped
"""
HEADLESS = ("--headless", "--runtime", "demo")


class Clock:
    """The clock of every process of a mission. Files get the kernel's time all the same."""

    def __init__(self, here: Surroundings, folder: Path) -> None:
        folder.mkdir()
        self._shift = folder / "shift"
        (folder / "sitecustomize.py").write_text(CLOCK.format(shift=str(self._shift)))
        here.repo.environ["PYTHONPATH"] = f"{folder}:{here.repo.environ['PYTHONPATH']}"
        self.step(0)

    def step(self, seconds: float) -> None:
        new = self._shift.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._shift)


@pytest.fixture
def clock(here: Surroundings, tmp_path: Path) -> Clock:
    return Clock(here, tmp_path / "clock")


@pytest.fixture
def long(here: Surroundings) -> Iterator[Surroundings]:
    """A mission whose first task takes long."""
    body = here.path / "body.md"
    body.write_text("```demo\nrun sleep 600\n```\n")
    assert here.run("add", "Long", "--body", "body.md").exit_code == 0
    assert here.run("set", "T-003", "priority=1").exit_code == 0
    yield here
    for record in here.repo.state.glob("runs/T-003/*/state.json"):
        state = json.loads(record.read_text())
        for pid in (state["supervisor_pid"], (state["agent"] or {"pid": None})["pid"]):
            if pid is not None and state["finished_at"] is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def ok(here: Surroundings, *arguments: str) -> str:
    answer = here.run(*arguments)
    assert answer.exit_code == 0, (arguments, answer)
    assert not re.search(r"(?<![\w-])-\d+(\.\d+)? ?[smhd]\b", answer.stdout), answer.stdout
    return answer.stdout


def sessions(here: Surroundings) -> list[Any]:
    found: list[Any] = json.loads(ok(here, "sessions", "--json"))["sessions"]
    assert all((each["duration_seconds"] or 0) >= 0 for each in found), found
    return found


def test_a_live_session_that_began_in_the_future_is_live(long: Surroundings, clock: Clock) -> None:
    ok(long, "next", *HEADLESS, "--detach")
    clock.step(-DAY)
    for looked in (["status"], ["sessions", "--live"], ["show", "T-003"]):
        ok(long, *looked)
    assert long.run("next", *HEADLESS).exit_code == 4
    ok(long, "stop")
    (session,) = sessions(long)
    assert session["ended_reason"] == "stopped"
    assert ok(long, "check") == "nothing is wrong\n"
    ok(long, "clean", "--older-than", "1d")
    assert list(long.repo.state.glob("runs/T-003/*/meta.json"))


def test_a_crash_in_the_future_is_found_by_its_process(long: Surroundings, clock: Clock) -> None:
    ok(long, "next", *HEADLESS, "--detach")
    state = wait_for(lambda: s if (s := long.repo.run_state()).get("agent") else None)
    clock.step(-DAY)
    pids = (state["supervisor_pid"], state["agent"]["pid"])
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(is_running, pids)))
    ok(long, "resume", *HEADLESS, "--detach")
    ok(long, "stop", "--now")
    crashed, stopped = sessions(long)
    assert (crashed["ended_reason"], stopped["ended_reason"]) == ("crashed", "stopped")
    assert crashed["ended_at"] >= crashed["started_at"]
    ok(long, "review", "T-003")
    assert ok(long, "check") == "nothing is wrong\n"


def test_files_of_another_time_are_read_as_they_are(here: Surroundings) -> None:
    seconds = 4e9
    place = here.repo.run("show", "T-002", "--json").json()["task"]["file"]
    path = here.path / place
    listed = ok(here, "list")
    for name in [here.path, *here.path.rglob("*")]:
        if ".git" not in name.parts and not name.is_symlink():
            status = name.stat()
            os.utime(name, (status.st_mtime + seconds, status.st_mtime + seconds))
    assert ok(here, "list") == listed
    before = path.stat()
    path.write_text(path.read_text().replace("Second", "Zecond"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "Zecond" in ok(here, "list")
    ok(here, "sync", "T-002", "--prefer", "file")
    assert ok(here, "check") == "nothing is wrong\n"


def test_a_task_that_was_changed_in_the_future_is_changed_now(here: Surroundings) -> None:
    place = here.repo.run("show", "T-001", "--json").json()["task"]["file"]
    path = here.path / place
    path.write_text(re.sub("updated_at:.*", "updated_at: 2199-01-01T00:00:00Z", path.read_text()))
    ok(here, "sync")
    assert ok(here, "list", "--sort", "updated").index("T-001") >= 0
    ok(here, "set", "T-001", "priority=1")
    assert "2199" not in path.read_text()
    assert ok(here, "check") == "nothing is wrong\n"
