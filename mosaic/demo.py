"""`mission demo`: a mission of several tasks, carried to its end by the scripted agent.

Everything is done by the `mission` command itself, as a user would type it, in a git
repository in a temporary folder. It needs no network and no agent.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.demo_agent import PACKAGE_PARENT, START
from mosaic.machine.environment import child_environment, outer_environment
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoTask:
    """One task of the demo, with what the scripted agent does for it."""

    title: str
    script: str
    milestone: str
    depends_on: tuple[str, ...] = ()
    scope: str = "**"


TASKS = (
    DemoTask(
        title="Write a greeting",
        milestone="M1",
        scope="greeting.txt",
        script="say I write the greeting.\nwrite greeting.txt Hello, mission!",
    ),
    DemoTask(
        title="Count its letters",
        milestone="M1",
        depends_on=("T-001",),
        scope="count.py",
        script=(
            "say I write a small counter.\n"
            "write count.py print(len(open('greeting.txt').read().strip()))\n"
            "run python3 count.py\n"
            "crash-once\n"
            "say The counter counts; I ran it."
        ),
    ),
    DemoTask(
        title="Choose a colour",
        milestone="M2",
        depends_on=("T-001",),
        scope="colour.txt",
        script="say I cannot choose this alone.\nblock needs a human: which colour shall it be?",
    ),
    DemoTask(
        title="Paint the greeting",
        milestone="M2",
        depends_on=("T-002", "T-003"),
        scope="painted.txt",
        script=(
            "say I paint the greeting in the colour that was chosen.\n"
            "write painted.txt Hello, mission! in blue\n"
            "run git status --short"
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoStep:
    """One command of the demo: what is said about it, and how it ended."""

    say: str
    arguments: tuple[str, ...]
    exit_code: int


class Demo:
    """Plays the demo, step by step."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        self.folder = folder
        self.steps: list[DemoStep] = []
        self._show = show

    def play(self) -> bool:
        """Play it to the end, and tell whether the mission is finished."""
        self._prepare()
        self._plan()
        self._hand_offs()
        done = self._run("Where the mission stands now:", "status")
        return done == 0 and "4/4 done" in self._output("status")

    def _prepare(self) -> None:
        self._git("init", "--quiet")
        self._git("config", "user.name", "Demo")
        self._git("config", "user.email", "demo@example.invalid")
        self._run(
            "Lay a mission into a new git repository:",
            "init",
            "--name",
            "Greeting",
            "--gates",
            "cat greeting.txt",
            "--milestone",
            "M1: Say hello",
            "--milestone",
            "M2: In colour",
        )

    def _plan(self) -> None:
        for number, task in enumerate(TASKS, 1):
            dependencies = [part for name in task.depends_on for part in ("-d", name)]
            self._run(
                "Plan four tasks that depend on each other:" if number == 1 else "",
                "add",
                task.title,
                "-m",
                task.milestone,
                *dependencies,
                "--scope",
                task.scope,
                "--body",
                "-",
                text=_body(task),
            )
        self._run("What waits for what:", "graph")
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", "Plan the mission")

    def _hand_offs(self) -> None:
        hand = ("next", "--headless", "--runtime", "demo")
        self._run("Hand the next task to the agent, which edits a file and hands over:", *hand)
        self._run("Look at what it claims, beside what happened:", "review", "T-001")
        self._run("A person accepts it:", "review", "T-001", "--approve")
        self._run("The next one; this time the agent crashes:", *hand)
        self._run(
            "Resume it: the same task, in the agent's own conversation:",
            "resume",
            "--headless",
            "--runtime",
            "demo",
        )
        self._run(
            "Accept it, and hand off the next, where the agent needs a human:", "done", "T-002"
        )
        self._run("", *hand)
        self._run("Why nothing is ready now:", "next", "--explain")
        self._run("A person answers and settles it:", "done", "T-003", "--why", "blue")
        self._run("Now the last task is ready:", *hand)
        self._run("", "done", "T-004")
        self._run("All sessions, each with how it ended:", "sessions")

    def _run(self, say: str, *arguments: str, text: str = "") -> int:
        if say:
            self._show(f"\n# {say}")
        self._show(f"$ mission {' '.join(map(_quoted, arguments))}")
        done = self._call(arguments, text)
        for line in done.stdout.splitlines():
            self._show(f"  {line}")
        self.steps.append(DemoStep(say=say, arguments=arguments, exit_code=done.returncode))
        return done.returncode

    def _output(self, *arguments: str) -> str:
        return self._call(arguments).stdout

    def _call(self, arguments: tuple[str, ...], text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-c", START, PACKAGE_PARENT, *arguments],
            cwd=self.folder,
            env={**outer_environment(), "PYTHONIOENCODING": "utf-8"},
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def _git(self, *arguments: str) -> None:
        if shutil.which("git"):
            subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=child_environment(),
                check=True,
                capture_output=True,
            )


def new_folder() -> Path:
    """Return a new folder for a demo; it is left for a look."""
    return Path(tempfile.mkdtemp(prefix="mission-demo-"))


def _body(task: DemoTask) -> str:
    return (
        f"## Goal\n\n{task.title}.\n\n## Acceptance criteria\n\n"
        f"- [ ] `{task.scope}` is there\n\n## Script\n\n```demo\n{task.script}\n```\n"
    )


def _quoted(part: str) -> str:
    return f'"{part}"' if " " in part else part
