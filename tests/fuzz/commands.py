"""A fuzz target for whole commands over a mission in which one file is damaged."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from zlib import crc32

from mosaic.cli import main
from mosaic.errors import ExitCode
from tests.fuzz.scratch import scratch

COMMANDS = (
    ("list", "--json"), ("show", "T-001"), ("status",), ("status", "--json"), ("sessions",),
    ("logs", "T-001"), ("logs", "T-001", "--events"), ("logs", "T-001", "--transcript"),
    ("check",), ("panel", "list"), ("panel", "show", "panel-001"), ("clean", "--dry-run"),
    ("panel", "result", "panel-001"), ("handoff", "T-001"), ("review", "T-001"), ("graph",),
    ("checkpoint", "list", "T-001"), ("set", "T-001", "priority=p1"), ("sync",), ("add", "Another"),
    ("logs", "T-001", "--json"), ("show", "T-001", "--json"), ("review",), ("resume", "--help"),
)  # fmt: skip
FILES = (
    "tasks/T-001-one.md", "TASKS.md", "SCRATCHPAD.md", ".state/index", ".state/sync.json",
    ".state/session.lock", ".state/runs/T-001/r001-*/state.json",
    ".state/runs/T-001/r001-*/meta.json", ".state/runs/T-001/r001-*/result.json",
    ".state/runs/T-001/r*/worker.log", ".state/runs/T-001/r001-*/transcript.jsonl",
    ".state/runs/T-001/r001-*/output.index", ".state/runs/T-001/r001-*/stdout.log",
    ".state/runs/T-001/r*/checkpoints/*.json", ".state/runs/panel-001/panel.json",
    ".state/runs/panel-001/state.json", ".state/runs/panel-001/events.jsonl",
    ".state/runs/panel-001/mailbox-critic-1.jsonl", ".state/runs/panel-001/r001-*/result.json",
    ".state/runs/panel-001/r001-*/state.json", ".state/attempts.json", ".state/preview",
)  # fmt: skip
EACH = 4
"""How many of them are tried with one input."""
ANSWER = {"status": "completed", "summary": "all said", "claims": ["one"]}
AGENT = f"print({json.dumps({'type': 'message', 'text': json.dumps(ANSWER)})!r})"
TEMPLATE, COPY = "template", "copy"


def run(folder: Path, *arguments: str) -> object:
    """Run a command of `mission` in this process, and return its exit code."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    code, before = None, os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            main(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        os.chdir(before)
    return code


@cache
def template() -> Path:
    """Return a mission with a run of an agent, a step, a checkpoint and a panel that ended."""
    folder = scratch() / TEMPLATE
    folder.mkdir()
    for words in ("init -q -b main", "config user.name A", "config user.email a@example.invalid"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True)
    made = [run(folder, "init", "--name", "Damaged"), run(folder, "add", "One")]
    path = folder / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission["runtimes"] = {"mine": {"command": [sys.executable, "-c", AGENT], "prompt": "file"}}
    path.write_text(json.dumps(mission, indent=2))
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "-qm", "Plan"], cwd=folder, check=True)
    mission_command = [sys.executable, "-m", "mosaic"]
    for words in (
        "next --runtime mine --headless", "exec T-001 -- true", "checkpoint T-001",
        "panel start why --role critic --runtime mine --wait",
    ):  # fmt: skip
        done = subprocess.run(
            [*mission_command, *words.split()], cwd=folder, capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert made == [0, 0]
    return folder


def damaged_mission(data: bytes) -> None:
    """Whatever stands in one file of a mission, commands end as they say they do.

    The input's first line names one of `FILES`. None of them says what to run or where to
    write, and no command here removes anything: what is damaged is only looked at.
    """
    name, _, content = data.partition(b"\n")
    source, folder = template(), scratch() / COPY
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, symlinks=True)
    for path in sorted((folder / "coordination").glob(FILES[crc32(name) % len(FILES)])):
        path.write_bytes(content)
    first = crc32(data)
    for number in range(EACH):
        command = COMMANDS[(first + number * 7) % len(COMMANDS)]
        assert run(folder, *command) in list(ExitCode), command
