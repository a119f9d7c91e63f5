"""A mission in a real git repository, and the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.documents import check_document

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Return the document on stdout; every one that a test reads fits its schema."""
        found = json.loads(self.stdout)
        check_document(found)
        return found


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

    def session_id(self, number: int = -1) -> str:
        return str(self.session(number)["sessionId"])

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

    def kept_refs(self) -> list[str]:
        """Return the refs of the checkpoints that are kept beside the repository."""
        store = self.path / ".git" / "mosaic" / "checkpoints.git"
        asked = (f"--git-dir={store}", "for-each-ref", "--format=%(refname)")
        return self.git(*asked).splitlines() if store.exists() else []


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
    }
