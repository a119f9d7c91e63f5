"""A system without /proc: with a `ps` that answers, and with none."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments.conftest import OWN_MOUNTS, Surroundings, needs_own_mounts
from tests.support.mission import Answer, is_running, wait_for

NO_PROC = "mount -t tmpfs none /proc"
PS = """\
#!{python} -IS
import os, sys, time
names = os.listdir("{proc}") if "-A" in sys.argv else [sys.argv[sys.argv.index("-p") + 1]]
ticks = os.sysconf("SC_CLK_TCK")
booted = next(int(l.split()[1]) for l in open("{proc}/stat") if l.startswith("btime"))
for name in filter(str.isdecimal, names):
    try:
        stat = open("{proc}/" + name + "/stat").read()
    except OSError:
        continue
    rest = stat.rpartition(")")[2].split()
    print(name, rest[1], rest[2], rest[0], time.ctime(booted + int(rest[19]) / ticks))
"""


class Machine:
    """The mission on a machine without /proc."""

    def __init__(self, here: Surroundings, before: str) -> None:
        self.repo = here.repo
        self._here, self._before = here, before

    def run(self, *arguments: str) -> Answer:
        return self._here.run(*arguments, before=self._before, prefix=OWN_MOUNTS)

    def hand_off(self) -> list[int]:
        """Hand off a task that takes long; return the supervisor and its agent."""
        body = self.repo.path / "body.md"
        body.write_text("```demo\nrun sleep 600\n```\n")
        assert self.run("add", "Long", "--body", "body.md").exit_code == 0
        done = self.run("next", "--task", "T-003", "--headless", "--detach", "--runtime", "demo")
        assert done.exit_code == 0, done.stderr
        state = wait_for(lambda: s if (s := self.repo.run_state()).get("agent") else None)
        return [state["supervisor_pid"], state["agent"]["pid"]]


def kill_group(pid: int) -> None:
    """Kill a supervisor or agent with what it started: each has a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Processes that are killed at the end of a test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        kill_group(pid)


@pytest.fixture
def with_ps(here: Surroundings, tmp_path: Path) -> Machine:
    needs_own_mounts()
    folder = tmp_path / "programs"
    (folder / "proc").mkdir(parents=True)
    (folder / "ps").write_text(PS.format(python=sys.executable, proc=folder / "proc"))
    (folder / "sysctl").write_text("#!/bin/sh\necho one-boot\n")
    for name in ("ps", "sysctl"):
        (folder / name).chmod(0o755)
    here.repo.environ["PATH"] = f"{folder}:{here.repo.environ['PATH']}"
    return Machine(here, f"mount --bind /proc '{folder}/proc' && {NO_PROC}")


@pytest.fixture
def without_ps(here: Surroundings) -> Machine:
    needs_own_mounts()
    return Machine(here, NO_PROC)  # the `ps` of Linux needs /proc itself


def test_a_session_is_seen_guarded_and_stopped_through_ps(
    with_ps: Machine, started: list[int]
) -> None:
    assert "told apart by ps" in with_ps.run("doctor").stdout
    started += with_ps.hand_off()
    assert with_ps.run("next", "--headless", "--runtime", "demo").exit_code == 4
    stopped = with_ps.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert with_ps.repo.session()["endedReason"] == "stopped"
    supervisor, agent = started
    assert not is_running(agent)
    # It has recorded the end, which is what `stop` waits for, and goes.
    wait_for(lambda: not is_running(supervisor))


def test_a_crash_is_seen_through_ps(with_ps: Machine, started: list[int]) -> None:
    started += with_ps.hand_off()
    os.kill(started[0], signal.SIGKILL)
    wait_for(lambda: not is_running(started[0]))
    refused = with_ps.run("resume", "--headless", "--runtime", "demo")
    assert refused.exit_code == 4, "the agent lives on"
    kill_group(started[1])
    wait_for(lambda: not is_running(started[1]))
    assert with_ps.run("status").exit_code == 0
    assert with_ps.repo.session()["endedReason"] == "crashed"


def test_without_ps_a_session_goes_to_its_end(without_ps: Machine) -> None:
    assert without_ps.run("next", "--headless", "--runtime", "demo").exit_code == 0
    assert without_ps.repo.task_status("T-001") == "review"
    assert without_ps.run("check").stdout == "nothing is wrong\n"


def test_without_ps_a_session_is_guarded_and_nothing_is_signalled(
    without_ps: Machine, started: list[int]
) -> None:
    assert "neither /proc nor `ps` shows any" in without_ps.run("doctor").stdout
    started += without_ps.hand_off()
    assert "sess-001" in without_ps.run("sessions", "--live").stdout
    assert without_ps.run("next", "--headless", "--runtime", "demo").exit_code == 4
    answer = without_ps.run("stop")
    assert answer.exit_code == 1
    assert f"`kill {started[0]}` by hand" in answer.stderr
    assert all(is_running(pid) for pid in started)
