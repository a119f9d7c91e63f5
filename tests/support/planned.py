"""A planned mission, copied for each test, and an agent made of a few lines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.testing.missions import make_mission
from tests.support.in_process import QuickRepo
from tests.support.mission import MissionRepo, is_running, make_environ

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


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission with three tasks and one runtime for each way an agent can behave."""
    folder = tmp_path_factory.mktemp("planned")
    agent = tmp_path_factory.mktemp("agent") / "agent.py"
    agent.write_text(AGENT)
    made = make_mission(folder, ("First", "Second", "Third"))
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
def repo(planned: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MissionRepo]:
    """A copy of the planned mission, for one test."""
    folder = tmp_path / "project"
    shutil.copytree(planned, folder, symlinks=True)
    is_quick = request.node.get_closest_marker("quick_commands") is not None
    made = (QuickRepo if is_quick else MissionRepo)(folder, make_environ(tmp_path))
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    pid = folder / "begun"
    if pid.exists() and is_running(int(pid.read_text())):
        os.kill(int(pid.read_text()), 9)
