"""Writes the pictures of the board in `docs/`: `python -m tests.pictures`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from mosaic.board.app import BoardApp
from tests.integration.test_board import Screen
from tests.support.mission import MissionRepo, make_environ

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZE = (120, 28)
FONTS = re.compile(r"@font-face\s*\{[^}]*\}\s*")
AGENT = """\
import os, pathlib, subprocess, sys
task, said = os.environ["MISSION_TASK"], pathlib.Path(os.environ["MISSION_RUN_DIR"]) / "said"
pathlib.Path("src").mkdir(exist_ok=True)
pathlib.Path("src/logs.py").write_text(
    "def tail(path, lines):\\n"
    "    with open(path) as file:\\n"
    "        return file.readlines()[-lines:]\\n"
)
for name, text in {
    "files_changed": "- `src/logs.py` (new)", "commands_run": "none",
    "result": "- the last lines of a log can be read", "risks": "- reads the whole file",
    "next_handoff": "- follow the file as it grows", "notes": "none",
}.items():
    said.write_text(text)
    subprocess.run([sys.executable, "-m", "mosaic", "handoff", task, f"--set={name}={said}"])
subprocess.run([sys.executable, "-m", "mosaic", "set", task, "status=review"])
"""
TASKS = (
    ("Keep logs on disk", "M1"),
    ("Show the end of a log", "M1", "-d", "T-001"),
    ("Follow a log from a second terminal", "M1", "-d", "T-002"),
    ("Stop a run and what it started", "M1"),
    ("Say how a run ended", "M2", "-d", "T-004"),
    ("Clean up old runs", "M2"),
    ("Page of all runs", "M2", "-d", "T-005"),
)


def main() -> None:
    """Make a mission, and take the pictures."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        os.environ["XDG_STATE_HOME"] = place  # for the commands, and for the board in here
        repo = make_mission(Path(place) / "runner")
        asyncio.run(take(repo))


def make_mission(folder: Path) -> MissionRepo:
    """Return a mission with something in every column."""
    folder.mkdir()
    repo = MissionRepo(folder, make_environ(folder.parent))
    repo.git("init", "-q", "-b", "main")
    repo.git("config", "user.name", "Ann")
    repo.git("config", "user.email", "ann@example.invalid")
    repo.run("init", "--name", "Worker runner", "--milestone", "M1: Runs here",
             "--milestone", "M2: Runs for long")  # fmt: skip
    for title, milestone, *options in TASKS:
        repo.run("add", title, "-m", milestone, *options)
    mission = repo.mission()
    mission["runtimes"]["agent"] = {"command": [sys.executable, "-c", AGENT], "prompt": "stdin"}
    path = folder / "coordination" / "mission.json"
    path.write_text(json.dumps(mission, indent=2) + "\n")
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Plan")
    repo.run("done", "T-001")
    repo.run("next", "--task", "T-002", "--runtime", "agent", "--headless")
    repo.run("block", "T-004", "--why", "SIGTERM first, or kill at once?")
    return repo


async def take(repo: MissionRepo) -> None:
    """Take each picture."""
    app = BoardApp(repo.path / "coordination" / "mission.json")
    async with app.run_test(size=SIZE) as pilot:
        screen = Screen(app, pilot)
        await screen.sees("inbox 2")
        await screen.press("2")
        await screen.sees("done 1")
        keep(app, "board-columns")
        await screen.press("1", "down", "enter", "3")
        await screen.sees("src/logs.py  +3 -0")
        rows = screen.rows()
        rows.go_to(next(n for n, row in enumerate(rows.entries) if row.about == "src/logs.py:3"))
        await screen.press("c")
        await screen.sees("remark on src/logs.py:3")
        await screen.write("Read from the end")
        await screen.press("enter")
        await screen.sees("remark 1 by Ann", "c Remark")
        keep(app, "board-changes")


def keep(app: BoardApp, name: str) -> None:
    """Write what is seen, without what would be loaded from elsewhere."""
    picture = FONTS.sub("", app.export_screenshot(title="mission board", simplify=True))
    picture = picture.replace("Fira Code", "monospace")
    (DOCS / f"{name}.svg").write_text(f"{picture.strip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
