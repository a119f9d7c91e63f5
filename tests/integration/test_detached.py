"""Hand-offs whose terminal, output or signals were taken away before or while they work."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import PATIENCE_SECONDS, MissionRepo, hear_signals, is_running, wait_for


def ignored(pid: int) -> set[int]:
    """Return the signals that a process ignores, of those that ask it to end."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = int(next(line.split()[1] for line in lines if line.startswith("SigIgn:")), 16)
    ends = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    return {int(number) for number in ends if mask >> (number - 1) & 1}


@pytest.fixture
def jobs() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]], script: str
) -> subprocess.Popen[bytes]:
    """Run a shell's line; `$mission` in it is the command."""
    process = subprocess.Popen(
        ["bash", "-c", script.replace("$mission", shlex.join(repo.argv()))],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals,  # noqa: PLW1509 - there are no threads
    )
    jobs.append(process)
    return process


def shell(repo: MissionRepo, script: str) -> str:
    """Run a shell's line to its end, and return what it printed."""
    done = subprocess.run(
        ["bash", "-c", script.replace("$mission", shlex.join(repo.argv()))],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert "Traceback" not in done.stderr
    return done.stdout


def begun(repo: MissionRepo) -> dict[str, Any]:
    wait_for(lambda: repo.session()["pid"], "the session's entry")
    return dict(wait_for(lambda: s if (s := repo.run_state()).get("agent") else None))


@pytest.mark.parametrize(
    ("before", "numbers"),
    [
        ("trap '' HUP; exec", {signal.SIGHUP}),
        ("exec nohup", {signal.SIGHUP}),
        ("trap '' INT QUIT; exec", {signal.SIGINT, signal.SIGQUIT}),
        ("", {signal.SIGINT, signal.SIGQUIT}),
    ],
    ids=["trap", "nohup", "no job control", "background"],
)
def test_what_was_ignored_at_the_start_stays_ignored(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]], before: str, numbers: set[int]
) -> None:
    call = "$mission next --runtime wait --headless"
    start(repo, jobs, f"{before} {call}" if before else f"{call} & wait")
    state = begun(repo)
    supervisor, agent = state["supervisor_pid"], state["agent"]["pid"]
    assert numbers <= ignored(supervisor)
    assert ignored(agent) == numbers
    for number in numbers:
        os.kill(supervisor, number)
    assert repo.run("checkpoint", "T-001").exit_code == 0
    assert is_running(agent)
    assert not any(event["type"] == "stop_requested" for event in repo.events())
    assert repo.run("stop").exit_code == 0
    assert repo.session()["endedReason"] == "stopped"


def test_an_agent_gets_what_we_changed_for_us_as_it_was(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]]
) -> None:
    start(repo, jobs, "exec $mission next --runtime wait --headless")
    state = begun(repo)
    assert ignored(state["agent"]["pid"]) == set()
    assert repo.run("stop").exit_code == 0


def test_a_supervisor_that_ignores_being_terminated_can_be_stopped(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]]
) -> None:
    start(repo, jobs, "trap '' TERM; exec $mission next --runtime wait --headless")
    agent = begun(repo)["agent"]["pid"]
    assert repo.run("stop").exit_code == 0
    assert not is_running(agent)
    assert repo.session()["endedReason"] == "stopped"


def statuses(repo: MissionRepo) -> list[str]:
    return [each["endedReason"] for each in repo.mission()["sessions"]]


@pytest.mark.parametrize("how", ["--loop --max-sessions 3", "-j 2 --loop --max-sessions 3"])
def test_work_goes_on_when_nobody_reads_any_more(repo: MissionRepo, how: str) -> None:
    line = f"$mission next {how} --runtime quick 2>&1 | head -1; echo ${{PIPESTATUS[0]}}"
    first, *_, code = shell(repo, line).splitlines()
    assert first.startswith("T-00")
    assert code == "0", "the limit was met, as with a reader"
    assert statuses(repo) == ["completed"] * 3


@pytest.mark.parametrize(("runtime", "code"), [("quick", "0"), ("fail", "1")])
def test_a_hand_off_is_carried_to_its_end_when_nobody_reads(
    repo: MissionRepo, runtime: str, code: str
) -> None:
    call = f"$mission next --headless --runtime {runtime}"
    line = f"{{ {call} 2>&1; echo $? >code; }} | true; cat code"
    assert shell(repo, line).strip() == code
    assert statuses(repo) == ["completed" if code == "0" else "failed"]
    assert not repo.lock.exists()


def test_following_ends_when_nobody_reads_and_the_agent_does_not(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]]
) -> None:
    assert repo.run("next", "--runtime", "wait", "--headless", "--detach").exit_code == 0
    agent = repo.session()["pid"]
    following = start(repo, jobs, "$mission logs -f | head -1")
    output, _ = following.communicate(timeout=PATIENCE_SECONDS)
    assert output == b"begun\n"
    assert is_running(agent)
    assert repo.run("stop", "--now").exit_code == 0


def test_watching_ends_when_nobody_reads(
    repo: MissionRepo, jobs: list[subprocess.Popen[bytes]]
) -> None:
    watching = start(repo, jobs, "$mission status --watch | head -1")
    output, _ = watching.communicate(timeout=PATIENCE_SECONDS)
    assert output.count(b"\n") == 1
