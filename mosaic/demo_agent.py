"""The scripted agent: plays a task from the script that stands in the task's own file.

It reads its capsule, does what the script says, and fills the handoff, through the same
`mission` command that a real agent would call. A script is a fenced block in the task file:

    ```demo
    say I will write the greeting
    write hello.txt Hello, mission!
    run python3 -c "print(open('hello.txt').read())"
    wait-for go.txt
    crash-once
    block needs a human: which colour?
    ```

`crash-once` kills the agent on its first attempt; a resumed one goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

PACKAGE_PARENT = str(Path(__file__).resolve().parents[1])
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from mosaic.cli import main; main()"
SCRIPT = re.compile(r"^```demo\r?\n(.*?)^```", re.DOTALL | re.MULTILINE)
STEP_SECONDS = 0.05
TOKENS_A_STEP = 120
PRICE_A_STEP = 0.0004


class Player:
    """Plays one script."""

    def __init__(self, capsule: dict[str, Any], *, resumed: bool) -> None:
        self._capsule = capsule
        self._resumed = resumed
        self._project = Path(capsule["project_path"])
        self._task = str(capsule["next_task"])
        self._files: list[str] = []
        self._commands: list[str] = []
        self._said: list[str] = []
        self._steps = 0

    def play(self) -> None:
        """Play the script to its end."""
        script = self._script()
        if self._resumed and "crash-once" in script:
            script = script[script.index("crash-once") + 1 :]
            self._say(f"I go on with {self._task} where I was cut off.")
        for step in script:
            verb, _, rest = step.partition(" ")
            if verb == "block":
                self._mission("block", self._task, "--why", rest)
                break
            self._step(verb, rest)
        else:
            self._hand_over()
        _tell(
            type="usage",
            input_tokens=self._steps * TOKENS_A_STEP,
            output_tokens=self._steps * TOKENS_A_STEP // 4,
            cost_usd=round(self._steps * PRICE_A_STEP, 4),
        )

    def _script(self) -> list[str]:
        name = self._capsule["task"].get("file")
        text = (self._project / name).read_text(encoding="utf-8") if name else ""
        found = SCRIPT.search(text)
        if found is None:
            return ["say There is no script in this task, so there is nothing to do."]
        return [line.strip() for line in found[1].splitlines() if line.strip()]

    def _step(self, verb: str, rest: str) -> None:
        self._steps += 1
        time.sleep(STEP_SECONDS)  # a person who watches sees it work
        if verb == "say":
            self._say(rest)
        elif verb == "write":
            name, _, content = rest.partition(" ")
            path = self._project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = "update" if path.exists() else "add"
            _replace(path, content + "\n")
            self._files.append(name)
            _tell(type="file", path=name, kind=kind)
        elif verb == "run":
            done = subprocess.run(shlex.split(rest), cwd=self._project, check=False)
            self._commands.append(rest)
            _tell(type="command", command=rest, exit_code=done.returncode)
        elif verb == "wait-for":
            while not (self._project / rest).exists():
                time.sleep(STEP_SECONDS)
        elif verb == "crash-once":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            self._say(f"I do not know how to {verb}.")

    def _hand_over(self) -> None:
        """Fill the six sections of the task's file, and say finished."""
        name = self._capsule["task"].get("file")
        if name:
            path = self._project / name
            made = ", ".join(self._files) or "it"
            sections = {
                "files_changed": _listed(self._files),
                "commands_run": _listed(self._commands),
                "result": self._said[-1] if self._said else "Done as the script says.",
                "risks": "none",
                "next_handoff": f"{self._task} is in place; build on {made}.",
                "notes": "Played by the scripted agent.",
            }
            text = path.read_text(encoding="utf-8")
            for section, content in sections.items():
                empty = re.compile(rf"^## {section}\n(?=\s*(?:^## |\Z))", re.MULTILINE)
                if found := empty.search(text):
                    text = f"{text[: found.end()]}{content}\n{text[found.end() :]}"
            _replace(path, text)
        numbers = [str(each["number"]) for each in self._capsule["acceptance_criteria"]]
        if numbers:
            ticks = (argument for number in numbers for argument in ("--tick", number))
            self._mission("handoff", self._task, *ticks)
        self._mission("set", self._task, "status=review")

    def _mission(self, *arguments: str) -> None:
        """Call the command that launched this agent; MISSION_FILE leads it to the mission."""
        subprocess.run(
            [sys.executable, "-P", "-c", START, PACKAGE_PARENT, *arguments],
            cwd=self._project,
            stdout=subprocess.DEVNULL,
            check=False,
        )

    def _say(self, text: str) -> None:
        self._said.append(text)
        _tell(type="message", text=text)


def _replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _listed(items: list[str]) -> str:
    return "\n".join(f"- `{item}`" for item in items) or "none"


def _tell(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Be the agent: the capsule by name, the prompt by stdin."""
    parser = argparse.ArgumentParser(prog="mosaic.demo_agent", description=__doc__)
    parser.add_argument("--capsule", required=True, type=Path)
    parser.add_argument("--resume", default="")
    options = parser.parse_args()
    sys.stdin.buffer.read()
    _tell(type="conversation", id=options.resume or str(uuid.uuid4()))
    if not options.capsule.exists():
        sys.exit("the scripted agent plays tasks, and was given none")
    capsule = json.loads(options.capsule.read_text(encoding="utf-8"))
    Player(capsule, resumed=bool(options.resume)).play()


if __name__ == "__main__":
    main()
