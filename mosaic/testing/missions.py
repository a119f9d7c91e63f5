"""A mission in a real git repository, and the real command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mosaic.machine.environment import child_environment
from mosaic.records import NamedTuple

PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
PATIENCE_SECONDS = 120.0
SCRIPT = re.compile(r"\n```demo\n.*?^```\n", re.DOTALL | re.MULTILINE)


class Answer(NamedTuple):
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Return what it printed as JSON."""
        return json.loads(self.stdout)


class MissionRepo:
    """A git repository with a mission in it."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.path = path
        self.environ = environ
        """All that commands are told of their surroundings."""
        self.started: list[subprocess.Popen[str]] = []

    @property
    def state(self) -> Path:
        """The folder of what is not for git."""
        return self.path / "coordination" / ".state"

    @property
    def lock(self) -> Path:
        """The session lock of the work tree."""
        return self.state / "session.lock"

    def argv(self, *arguments: str) -> list[str]:
        """Return what calls `mission`."""
        return [sys.executable, "-m", "mosaic", *arguments]

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Run a command to its end, with more variables of the environment."""
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
        """Start a command."""
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
        """Return what mission.json holds."""
        return json.loads((self.path / "coordination" / "mission.json").read_text())

    def session(self, number: int = -1) -> Any:
        """Return one entry of the sessions, the last one as a rule."""
        return self.mission()["sessions"][number]

    def session_id(self, number: int = -1) -> str:
        """Return the id of a session."""
        return str(self.session(number)["sessionId"])

    def task_status(self, task_id: str) -> str:
        """Return a task's status."""
        return str(self.run("show", task_id, "--json").json()["task"]["status"])

    def run_dir(self, number: int = -1) -> Path:
        """Return the folder of a run, the last one as a rule."""
        found = sorted(
            (self.state / "runs").glob("*/*/meta.json"), key=lambda meta: meta.stat().st_mtime_ns
        )
        return found[number].parent

    def run_state(self) -> Any:
        """Return the state of the last run."""
        return json.loads((self.run_dir() / "state.json").read_text())

    def events(self) -> list[Any]:
        """Return the events of the last run."""
        lines = (self.run_dir() / "worker.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def git(self, *arguments: str) -> str:
        """Call git and return what it printed."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=child_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def task_file(self, task_id: str) -> Path:
        """Return the file of a task."""
        (found,) = (self.path / "coordination" / "tasks").glob(f"{task_id}-*.md")
        return found

    def script(self, task_id: str, *steps: str) -> None:
        """Write into a task what the scripted agent does for it: see `mosaic.demo_agent`."""
        path = self.task_file(task_id)
        text = SCRIPT.sub("", path.read_text(encoding="utf-8"))
        block = "\n".join(("```demo", *steps, "```"))
        path.write_text(text.replace("\n## ", f"\n{block}\n\n## ", 1), encoding="utf-8")

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
    paths = (PACKAGE_PARENT, *os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return {
        **environ,
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, paths))),
    }


def make_mission(folder: Path, titles: Iterable[str]) -> MissionRepo:
    """Make a repository with a mission that has a milestone `M1: One` and some tasks in it.

    Nothing of it is committed yet.
    """
    made = MissionRepo(folder, make_environ(folder))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "Somebody")
    made.git("config", "user.email", "somebody@example.invalid")
    assert made.run("init", "--name", "Sessions", "--milestone", "M1: One").exit_code == 0
    for title in titles:
        assert made.run("add", title, "-m", "M1").exit_code == 0
    return made


def call(folder: Path, *arguments: str) -> Answer:
    """Run a command within this process, in a folder, and return what it said.

    The working directory is the process's: one call at a time.
    """
    from mosaic.cli import main
    from mosaic.store.own_settings import own_settings

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    before = os.getcwd()
    os.chdir(folder)
    own_settings.cache_clear()  # as in a process of its own
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        os.chdir(before)
    assert isinstance(code, int), code
    told = []
    for stream in (out, err):
        stream.flush()
        told.append(stream.buffer.getvalue().decode())
    answer = Answer(code, *told)
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer
