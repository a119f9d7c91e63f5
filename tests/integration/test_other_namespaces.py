"""Sessions of another pid namespace: their pids mean other processes here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for

UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*UNSHARE, "--mount-proc", "true"], capture_output=True, check=False)
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not can_unshare(), reason="user and pid namespaces are not permitted here"
)


def processes_of(repo: MissionRepo) -> list[int]:
    """Return the pids, as seen from here, of what carries the mark of the repository's runs."""
    mark = f"MISSION_RUN_DIR={repo.path}".encode()
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if mark in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


@pytest.fixture(params=["--mount-proc", "--mount"], ids=["own proc", "proc of the outer one"])
def inside(repo: MissionRepo, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A session that was handed off in a pid namespace of its own, and works in it."""
    call = repo.argv("next", "--runtime", "wait", "--headless", "--detach")
    script = '"$@" || exit; exec sleep 600'
    process = subprocess.Popen(
        [*UNSHARE, request.param, "sh", "-c", script, "sh", *call],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: repo.session()["pid"] and (repo.path / "begun").read_text(), "its start")
    yield process
    process.kill()
    process.wait()


def supervisor_of(repo: MissionRepo) -> int:
    """Return its pid as seen from here: the parent of the agent."""
    (agent,) = processes_of(repo)
    return int(Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[1])


def live(repo: MissionRepo) -> list[Any]:
    found = repo.run("status", "--json").json()
    assert found["recovered_sessions"] == []
    return list(found["live_sessions"])


def test_a_look_from_outside_ends_nothing(
    repo: MissionRepo, inside: subprocess.Popen[bytes]
) -> None:
    del inside
    assert [found["life"] for found in live(repo)] == ["alive"]
    os.kill(supervisor_of(repo), signal.SIGKILL)
    (agent,) = processes_of(repo)
    for command in ("status", "sessions", "list", "check"):
        assert repo.run(command).exit_code == 0
    assert is_running(agent)
    assert repo.session().get("endedReason") is None
    assert [found["life"] for found in live(repo)] == ["alive"]
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 4


def test_stop_from_outside_ends_the_agent_and_nobody_of_the_same_pid(
    repo: MissionRepo, inside: subprocess.Popen[bytes]
) -> None:
    (agent,) = processes_of(repo)
    supervisor = supervisor_of(repo)
    stopped = repo.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert not is_running(agent)
    wait_for(lambda: not is_running(supervisor), "the supervisor's end")
    assert repo.session()["endedReason"] == "stopped"
    assert inside.poll() is None


def test_an_agent_without_supervisor_can_be_stopped_from_outside(
    repo: MissionRepo, inside: subprocess.Popen[bytes]
) -> None:
    del inside
    os.kill(supervisor_of(repo), signal.SIGKILL)
    (agent,) = processes_of(repo)
    stopped = repo.run("stop", "--now")
    assert stopped.exit_code == 0, stopped.stderr
    assert not is_running(agent)
    assert repo.session()["endedReason"] == "stopped"


def test_where_nobody_is_seen_the_heartbeat_decides(
    repo: MissionRepo, inside: subprocess.Popen[bytes]
) -> None:
    supervisor = supervisor_of(repo)
    inside.kill()
    inside.wait()
    wait_for(lambda: not is_running(supervisor), "the end of the namespace")
    (found,) = live(repo)
    assert found["life"] == "unknown"
    assert str(repo.lock) in repo.run("status").stdout, "what a person can do"
    long_ago = repo.lock.stat().st_mtime - 3600
    os.utime(repo.lock, (long_ago, long_ago))
    assert repo.run("status").exit_code == 0
    assert repo.session()["endedReason"] == "crashed"


def test_a_lock_of_an_older_version_is_judged_as_before(repo: MissionRepo) -> None:
    done = repo.run("next", "--runtime", "wait", "--headless", "--detach", "--json")
    agent = done.json()["session"]["pid"]
    lock = json.loads(repo.lock.read_text())
    assert lock.pop("namespace")
    repo.lock.write_text(json.dumps(lock))
    os.kill(lock["supervisor_pid"], signal.SIGKILL)
    wait_for(lambda: not is_running(lock["supervisor_pid"]), "the supervisor's end")
    assert [found["life"] for found in live(repo)] == ["alive"]
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: not is_running(agent), "the agent's end")
    repo.run("status")
    assert repo.session()["endedReason"] == "crashed"
