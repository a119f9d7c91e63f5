"""Agents and supervisors that a signal, a terminal or a debugger holds."""

from __future__ import annotations

import ctypes
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import (
    PATIENCE_SECONDS,
    MissionRepo,
    hear_signals,
    is_running,
    wait_for,
)

PTRACE_ATTACH = 16
PTRACE_DETACH = 17
TALKER = """\
import os, signal, sys
if sys.argv[1] == "quit":
    signal.signal(signal.SIGQUIT, lambda *_: os.write(1, b"heard\\n"))
print("begun", flush=True)
if sys.argv[1] == "suspend":
    os.kill(os.getpid(), signal.SIGSTOP)
sys.stdin.readline()
print("after", flush=True)
"""


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def working(repo: MissionRepo) -> Iterator[dict[str, Any]]:
    """The run state of an agent that waits, carried in the background."""
    assert repo.run("next", "--runtime", "wait", "--headless", "--detach").exit_code == 0
    state = repo.run_state()
    yield state
    for pid in (state["supervisor_pid"], state["agent"]["pid"]):
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def live(repo: MissionRepo) -> Any:
    (found,) = repo.run("status", "--json").json()["live_sessions"]
    return found


def assert_stopped(repo: MissionRepo, working: dict[str, Any]) -> None:
    stopped = repo.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert repo.session()["endedReason"] == "stopped"
    assert not is_running(working["agent"]["pid"])
    assert not repo.lock.exists()


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_stopped_agent_is_shown_and_ends_when_it_is_asked_to(
    repo: MissionRepo, working: dict[str, Any], *, whole_group: bool
) -> None:
    pid = working["agent"]["pid"]
    (os.killpg if whole_group else os.kill)(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T", "the stop")
    found = live(repo)
    assert (found["life"], found["stopped"]) == ("alive", True)
    assert f"`kill -CONT {pid}`" in repo.run("status").stdout
    assert "is stopped" in repo.run("sessions", "--live").stdout
    assert_stopped(repo, working)
    exited = next(event for event in repo.events() if event["type"] == "worker_exited")
    assert exited["data"]["exit_code"] != -signal.SIGKILL, "it could act on what it was asked"


def test_a_stopped_supervisor_is_shown_and_continued(
    repo: MissionRepo, working: dict[str, Any]
) -> None:
    pid = working["supervisor_pid"]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T", "the stop")
    assert live(repo)["stopped"] is True
    assert_stopped(repo, working)


def test_a_stopped_agent_without_supervisor_ends_when_it_is_asked_to(
    repo: MissionRepo, working: dict[str, Any]
) -> None:
    supervisor, agent = working["supervisor_pid"], working["agent"]["pid"]
    os.kill(agent, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not is_running(supervisor), "the supervisor's end")
    assert live(repo)["stopped"] is True
    assert_stopped(repo, working)


def test_a_supervisor_that_cannot_be_continued_is_gone_around(
    repo: MissionRepo, working: dict[str, Any]
) -> None:
    supervisor = working["supervisor_pid"]
    if sys.platform != "linux":
        pytest.skip("processes are held by ptrace here")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, supervisor, None, None) != 0:
        pytest.skip("this user may not trace the process")
    try:
        wait_for(lambda: state_of(supervisor) == "t", "the debugger's hold")
        assert live(repo)["stopped"] is True
        assert_stopped(repo, working)
        assert state_of(supervisor) in ("Z", "X"), "a killed tracee waits for its tracer"
    finally:
        libc.ptrace(PTRACE_DETACH, supervisor, None, None)


class Shell:
    """A shell with job control, on a terminal of its own."""

    def __init__(self, repo: MissionRepo) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            hear_signals()
            os.chdir(repo.path)
            environ = {**repo.environ, "PS1": "$ ", "TERM": "dumb"}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environ)
        self._heard = b""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, words: str) -> str:
        """Read until something is printed; return what came before it, and forget that."""
        until = time.monotonic() + PATIENCE_SECONDS
        while words.encode() not in self._heard:
            ready, _, _ = select.select([self._terminal], [], [], 0.2)
            if ready:
                self._heard += os.read(self._terminal, 65536)
            assert time.monotonic() < until, f"no {words!r} in {self._heard!r}"
        before, _, self._heard = self._heard.partition(words.encode())
        return before.decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(repo: MissionRepo, tmp_path: Path) -> Iterator[Shell]:
    agent = tmp_path / "talker.py"
    agent.write_text(TALKER)
    place = repo.path / "coordination" / "mission.json"
    text = place.read_text()
    for mode in ("suspend", "quit", "plain"):
        command = f'["{sys.executable}", "{agent}", "{mode}"]'
        text = text.replace('"runtimes": {', f'"runtimes": {{"{mode}": {{"command": {command}}},')
    place.write_text(text)
    made = Shell(repo)
    made.wait_for("$ ")
    yield made
    made.close()


def hand_off(shell: Shell, repo: MissionRepo, runtime: str) -> None:
    shell.type(" ".join(repo.argv("next", "--runtime", runtime)) + "\n")
    shell.wait_for("begun")


def assert_goes_on(shell: Shell, repo: MissionRepo) -> None:
    """Continue a suspended hand-off, and see it to its recorded end."""
    shell.wait_for("Stopped")
    assert live(repo)["stopped"] is True
    shell.type("fg\n")
    wait_for(lambda: live(repo)["stopped"] is False, "going on")
    shell.type("on\n")
    shell.wait_for("after")
    shell.wait_for("next:")
    assert repo.session()["endedReason"] == "completed"


def test_ctrl_z_suspends_a_hand_off_and_fg_continues_it(shell: Shell, repo: MissionRepo) -> None:
    hand_off(shell, repo, "plain")
    wait_for(lambda: repo.session()["pid"], "the session's entry")
    shell.type("\x1a")
    assert_goes_on(shell, repo)


def test_an_agent_that_suspends_itself_gives_the_terminal_back(
    shell: Shell, repo: MissionRepo
) -> None:
    hand_off(shell, repo, "suspend")
    assert_goes_on(shell, repo)


def test_ctrl_backslash_is_the_agents_to_understand(shell: Shell, repo: MissionRepo) -> None:
    hand_off(shell, repo, "quit")
    wait_for(lambda: repo.session()["pid"], "the session's entry")
    shell.type("\x1c")
    shell.wait_for("heard")
    shell.type("on\n")
    shell.wait_for("next:")
    assert repo.session()["endedReason"] == "completed"


def test_ctrl_backslash_kills_an_agent_that_does_not_share_the_terminal(
    shell: Shell, repo: MissionRepo
) -> None:
    shell.type(" ".join(repo.argv("next", "--runtime", "wait", "--headless")) + "\n")
    pid = wait_for(lambda: repo.session()["pid"], "the session's entry")
    shell.type("\x1c")
    shell.wait_for("next:")
    assert repo.session()["endedReason"] == "stopped"
    assert not is_running(pid)


@pytest.mark.parametrize("runtime", ["piped", "demo"])
def test_a_runtime_that_takes_its_prompt_by_stdin_runs_headless(
    shell: Shell, repo: MissionRepo, runtime: str
) -> None:
    place = repo.path / "coordination" / "mission.json"
    place.write_text(
        place.read_text().replace(
            '"runtimes": {', '"runtimes": {"piped": {"command": ["cat"], "prompt": "stdin"},', 1
        )
    )
    shell.type(" ".join(repo.argv("next", "--runtime", runtime)) + "\n")
    shell.wait_for("takes its prompt by stdin, so it runs headless")
    shell.wait_for("next:")
    assert repo.session()["endedReason"] == "completed"
    assert (repo.run_dir() / "stdout.log").stat().st_size > 0
