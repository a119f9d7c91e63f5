"""Agents that do what a test tells them, in a worktree or wherever they are started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.mission import MissionRepo

AGENT = """\
import json, os, pathlib, signal, subprocess, sys, time

SECTIONS = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
here = pathlib.Path.cwd()
task = os.environ["MISSION_TASK"]
run_dir = pathlib.Path(os.environ["MISSION_RUN_DIR"])

def mission(*arguments):
    subprocess.run([sys.executable, "-m", "mosaic", *arguments], check=True, stdout=2)

def git(*arguments):
    subprocess.run(["git", *arguments], check=True, stdout=2)

def write(path, text):
    place = here / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)

def commit(message="work"):
    git("add", "--all")
    git("commit", "-qm", message)

def own_copy():
    (found,) = (here / "coordination" / "tasks").glob(task + "*.md")
    return found

def by_hand(**sections):
    text = own_copy().read_text()
    for name, words in sections.items():
        text = text.replace("## " + name + "\\n", "## " + name + "\\n\\n" + words + "\\n", 1)
    own_copy().write_text(text)

def handoff(**sections):
    said = run_dir / "artifacts" / "said"
    for name, words in sections.items():
        said.write_text(words)
        mission("handoff", task, "--set", name + "=" + str(said))

def finish():
    said = run_dir / "artifacts" / "said"
    said.write_text("all is well")
    mission("handoff", task, *("--set=" + name + "=" + str(said) for name in SECTIONS))
    mission("set", task, "status=review")

def say(text):
    print(json.dumps({"type": "message", "text": text}), flush=True)

def wait_for(path, there=True):
    until = time.monotonic() + 120
    while os.path.lexists(path) is not there and time.monotonic() < until:
        time.sleep(0.02)

(run_dir / "artifacts").mkdir(exist_ok=True)
(run_dir / "artifacts" / "begun").write_text(str(os.getpid()))
exec(os.environ["AGENT_DOES"])
"""


def give_agent(repo: MissionRepo, **settings: Any) -> MissionRepo:
    """Make the told agent the mission's runtime, with settings of mission.json, and commit it."""
    mission = repo.mission()
    call = [sys.executable, "-c", AGENT]
    mission["runtimes"]["told"] = {
        "command": [*call, "{prompt_file}"],
        "resume": [*call, "{prompt_file}"],
    }
    mission["runtime"] = "told"
    mission |= {"parallelWithoutScope": True, **settings}
    write_mission(repo, mission)
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Settings")
    return repo


def write_mission(repo: MissionRepo, mission: Any) -> None:
    """Write mission.json."""
    path = repo.path / "coordination" / "mission.json"
    path.write_text(json.dumps(mission, indent=2) + "\n")


def worktree_of(repo: MissionRepo, task_id: str = "T-001") -> Path:
    """Return where the worktree of a task is."""
    return repo.state / "worktrees" / task_id


def sections_of(repo: MissionRepo, task_id: str = "T-001") -> dict[str, str]:
    """Return the handoff of a task as the mission has it."""
    found: dict[str, str] = repo.run("handoff", task_id, "--json").json()["sections"]
    return found


def begun(repo: MissionRepo, task_id: str = "T-001") -> list[int]:
    """Return the pids of the agents that have begun with a task."""
    found = sorted((repo.state / "runs" / task_id).glob("*/artifacts/begun"))
    return [int(path.read_text()) for path in found]
