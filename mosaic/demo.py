"""`mission demo`: a mission of several tasks, carried to its end by the scripted agent.

Everything is done by the `mission` command itself, as a user would type it, in a git
repository in a temporary folder. It needs no network and no agent.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from mosaic.demo_agent import PACKAGE_PARENT, START
from mosaic.machine.environment import child_environment, outer_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPTS = {
    "greeting.txt": "say I write the greeting.\nwrite greeting.txt Hello, mission!",
    "count.py": (
        "say I write a small counter.\n"
        "write count.py print(len(open('greeting.txt').read().strip()))\n"
        "run python3 count.py\n"
        "crash-once\n"
        "say The counter counts; I ran it."
    ),
    "colour.txt": (
        "say I cannot choose this alone.\nblock needs a human: which colour shall it be?"
    ),
    "painted.txt": (
        "say I paint the greeting in the colour that was chosen.\n"
        "write painted.txt Hello, mission! in blue\n"
        "run git status --short"
    ),
}
"""What the agent does in each task, by the file that the task may write."""
PLAN = (
    (
        "Create a mission in a new git repository:",
        "init --name Greeting --gates 'cat greeting.txt' --milestone 'M1: Say hello' "
        "--milestone 'M2: In colour'",
    ),
    (
        "Plan four tasks that depend on each other:",
        "add 'Write a greeting' -m M1 --scope greeting.txt --body -",
    ),
    ("", "add 'Count its letters' -m M1 -d T-001 --scope count.py --body -"),
    ("", "add 'Choose a colour' -m M2 -d T-001 --scope colour.txt --body -"),
    ("", "add 'Paint the greeting' -m M2 -d T-002 -d T-003 --scope painted.txt --body -"),
    ("What waits for what:", "graph"),
)
HAND_OFF = "next --headless --runtime demo"
HAND_OFFS = (
    ("Hand the next task to the agent, which edits a file and hands over:", HAND_OFF),
    ("Look at what it claims, beside what happened:", "review T-001"),
    ("A person accepts it:", "review T-001 --approve"),
    ("The next one; this time the agent crashes:", HAND_OFF),
    (
        "Resume it: the same task, in the agent's own conversation:",
        "resume --headless --runtime demo",
    ),
    ("Accept it, and hand off the next, where the agent needs a human:", "done T-002"),
    ("", HAND_OFF),
    ("Why nothing is ready now:", "next --explain"),
    ("A person answers and settles it:", "done T-003 --why blue --force"),
    ("Now the last task is ready:", HAND_OFF),
    ("", "done T-004"),
    ("All sessions, each with how it ended:", "sessions"),
    ("Where the mission stands now:", "status"),
)


class Demo:
    """Plays the demo, step by step."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        self.folder = folder
        self.steps: list[dict[str, Any]] = []
        """Each command: what was shown above it, and its exit code."""
        self._show = show

    def play(self) -> bool:
        """Play it to the end, and tell whether the mission is finished."""
        self._git("init --quiet", "config user.name Demo", "config user.email demo@example.invalid")
        for say, command in PLAN:
            self._run(say, command)
        self._git("add --all", "commit --quiet -m 'Plan the mission'")
        output = ""
        for say, command in HAND_OFFS:
            output = self._run(say, command)
        return self.steps[-1]["exit_code"] == 0 and "4/4 done" in output

    def _run(self, say: str, command: str) -> str:
        arguments = tuple(shlex.split(command))
        if say:
            self._show(f"\n# {say}")
        shown = (f'"{part}"' if " " in part else part for part in arguments)
        self._show(f"$ mission {' '.join(shown)}")
        done = subprocess.run(
            [sys.executable, "-P", "-c", START, PACKAGE_PARENT, *arguments],
            cwd=self.folder,
            env={**outer_environment(), "PYTHONIOENCODING": "utf-8"},
            input=_body(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        for line in done.stdout.splitlines():
            self._show(f"  {line}")
        command_line = ["mission", *arguments]
        self.steps.append({"say": say, "command": command_line, "exit_code": done.returncode})
        return done.stdout

    def _git(self, *commands: str) -> None:
        for command in commands if shutil.which("git") else ():
            argv = ["git", *shlex.split(command)]
            environment = child_environment()
            subprocess.run(argv, cwd=self.folder, env=environment, check=True, capture_output=True)


def _body(arguments: tuple[str, ...]) -> str:
    """Return the text of a task that is being added, with its script."""
    if arguments[0] != "add":
        return ""
    title, file = arguments[1], arguments[arguments.index("--scope") + 1]
    return (
        f"## Goal\n\n{title}.\n\n## Acceptance criteria\n\n- [ ] `{file}` is there\n\n"
        f"## Script\n\n```demo\n{SCRIPTS[file]}\n```\n"
    )
