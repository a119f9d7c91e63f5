"""A mission in a real git repository, the real command, and an agent made of a few lines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0

AGENT = """\
import json, os, pathlib, signal, subprocess, sys, time

here = pathlib.Path(os.environ["MISSION_RUN_DIR"])
mode = sys.argv[1]
print("begun", flush=True)
(pathlib.Path.cwd() / "begun").write_text(str(os.getpid()))
if mode == "quick":
    pass
elif mode == "fail":
    print("it went wrong", file=sys.stderr)
    sys.exit(3)
elif mode == "wait":
    time.sleep(600)
elif mode == "deaf":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    (pathlib.Path.cwd() / "deaf").write_text("")
    time.sleep(600)
elif mode == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif mode == "stray":
    stray = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (pathlib.Path.cwd() / "stray").write_text(str(stray.pid))
elif mode == "env":
    print(json.dumps({"type": "message", "text": json.dumps(dict(os.environ))}))
elif mode == "stdin":
    text = sys.stdin.read()
    print(json.dumps({"type": "message", "text": f"{len(text)} {text[-20:]!r}"}))
elif mode == "talk":
    print(json.dumps({"type": "conversation", "id": "talk-1"}))
    print(json.dumps({"type": "usage", "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25}))
    print(json.dumps({"type": "message", "text": " ".join(sys.argv[2:])}))
"""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class MissionRepo:
    """A git repository with a mission in it."""

    path: Path
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.path / "coordination" / ".state"

    @property
    def lock(self) -> Path:
        return self.state / "session.lock"

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mosaic", *arguments]

    def run(self, *arguments: str, **environ: str) -> Answer:
        done = subprocess.run(
            self.argv(*arguments),
            cwd=self.path,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.argv(*arguments),
            cwd=self.path,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_signals,  # noqa: PLW1509 - there are no threads
        )
        self.started.append(process)
        return process

    def mission(self) -> Any:
        return json.loads((self.path / "coordination" / "mission.json").read_text())

    def session(self, number: int = -1) -> Any:
        return self.mission()["sessions"][number]

    def task_status(self, task_id: str) -> str:
        return str(self.run("show", task_id, "--json").json()["task"]["status"])

    def run_dir(self, number: int = -1) -> Path:
        found = sorted(
            (self.state / "runs").glob("*/*/meta.json"), key=lambda meta: meta.stat().st_mtime_ns
        )
        return found[number].parent

    def run_state(self) -> Any:
        return json.loads((self.run_dir() / "state.json").read_text())

    def events(self) -> list[Any]:
        lines = (self.run_dir() / "worker.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout


def wait_for(done: Callable[[], Any], what: str = "it") -> Any:
    """Wait until something is true, and return it; fail when it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if found := done():
                return found
        except (OSError, ValueError, KeyError, IndexError):
            pass
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen in {PATIENCE_SECONDS:g} s")


def hear_signals() -> None:
    """Undo what the runner of the tests ignores: a command leaves that as it finds it."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def make_environ(home: Path) -> dict[str, str]:
    """Return all that a command is told of its surroundings."""
    keep = ("PATH", "LANG", "LC_ALL", "TMPDIR", "XDG_STATE_HOME")
    environ = {key: os.environ[key] for key in keep if key in os.environ}
    return {
        **environ,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission with three tasks and one runtime for each way an agent can behave."""
    folder = tmp_path_factory.mktemp("planned")
    agent = tmp_path_factory.mktemp("agent") / "agent.py"
    agent.write_text(AGENT)
    made = MissionRepo(folder, make_environ(folder))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    assert made.run("init", "--name", "Sessions", "--milestone", "M1: One").exit_code == 0
    for title in ("First", "Second", "Third"):
        assert made.run("add", title, "-m", "M1").exit_code == 0
    mission = made.mission()
    modes = ("quick", "fail", "wait", "deaf", "kill", "stray", "env", "talk")
    call = [sys.executable, str(agent)]
    mission["runtimes"] = {mode: {"command": [*call, mode], "prompt": "file"} for mode in modes}
    mission["runtimes"]["stdin"] = {"command": [*call, "stdin"], "prompt": "stdin"}
    mission["runtimes"]["talk"]["resume"] = [*call, "talk", "again", "{runtime_session_id}"]
    mission["runtimes"]["missing"] = ["no-such-agent-anywhere", "{prompt}"]
    (folder / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2) + "\n")
    made.git("add", "--all")
    made.git("commit", "-qm", "Plan")
    return folder


@pytest.fixture
def repo(planned: Path, tmp_path: Path) -> Iterator[MissionRepo]:
    """A copy of the planned mission, for one test."""
    folder = tmp_path / "project"
    shutil.copytree(planned, folder, symlinks=True)
    made = MissionRepo(folder, make_environ(tmp_path))
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    pid = folder / "begun"
    if pid.exists() and is_running(int(pid.read_text())):
        os.kill(int(pid.read_text()), 9)
