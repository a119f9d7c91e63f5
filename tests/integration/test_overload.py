"""A loop through an hour in which the model server serves nobody; the hour is simulated."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo
from tests.support.workers import AGENT, give_agent

HOUR = 3600.0
AGENT_DOES = """\
overload = here.parent / "overload"
if overload.exists():
    words, status = overload.read_text(), 429 if "limit" in overload.read_text() else 529
    event = {"is_error": True, "api_error_status": status, "result": words}
else:
    finish()
    event = {"is_error": False, "result": "all done"}
print(json.dumps({"type": "system", "subtype": "init", "session_id": "one"}))
print(json.dumps({"type": "assistant", "message": {"content": []}}))
print(json.dumps({"type": "result", "subtype": "success", **event}), flush=True)
sys.exit(event["is_error"])
"""
LOOP = """\
import json, sys
from datetime import timedelta
from pathlib import Path

from mosaic.app.hand_off import Face
from mosaic.app.loop import run_loop
from mosaic.machine.clock import Clock
from mosaic.plan.pace import Limits
from mosaic.sessions.choice import HandOffRequest

project, overload_seconds, max_seconds = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]

class SimulatedClock(Clock):
    passed = 0.0

    def now(self):
        return super().now() + timedelta(seconds=self.passed)

    def seconds(self):
        return super().seconds() + self.passed

    def sleep(self, seconds):
        self.passed += seconds
        if self.passed >= overload_seconds:
            (project.parent / "overload").unlink(missing_ok=True)

class Listener(Face):
    heard, rings = [], 0

    def say(self, text):
        self.heard.append([clock.passed, text])

    def ring(self):
        Listener.rings += 1

clock = SimulatedClock()
limits = Limits(max_seconds=float(max_seconds) if max_seconds else None)
mission = project / "coordination" / "mission.json"
report = run_loop(mission, HandOffRequest(), limits, Listener(), clock)
told = {**report.json_values(), "usage": None, "heard": Listener.heard, "rings": Listener.rings}
print(json.dumps(told))
"""


@pytest.fixture
def busy(repo: MissionRepo) -> MissionRepo:
    """A mission whose agents finish their tasks as soon as the server serves them."""
    repo.environ["AGENT_DOES"] = AGENT_DOES
    command = [sys.executable, "-c", AGENT, "{prompt_file}"]
    return give_agent(
        repo,
        runtime="claude",
        runtimes={"claude": {"command": command}},
        qualityGates=["true"],
        review={"greenIsDone": True},
    )


def loop(repo: MissionRepo, server_says: str, max_seconds: str = "") -> Any:
    """Run a loop through an hour of overload, and return its report with what it said when."""
    (repo.path.parent / "overload").write_text(server_says)
    done = subprocess.run(
        [sys.executable, "-c", LOOP, str(repo.path), str(HOUR), max_seconds],
        cwd=repo.path,
        env=repo.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def statuses(repo: MissionRepo) -> list[str]:
    listed = repo.run("list", "--all", "--json").json()["tasks"]
    return [task["status"] for task in listed]


def causes(repo: MissionRepo) -> Counter[str]:
    return Counter(session["endedCause"] for session in repo.mission()["sessions"])


def test_an_hour_of_overload_is_waited_out_and_nobody_s_task_pays(busy: MissionRepo) -> None:
    report = loop(busy, "API Error: 529 Overloaded")
    assert report["why"].startswith("nothing is ready"), report
    assert statuses(busy) == ["done"] * 3
    assert (report["gave_up"], report["needs_person"], report["rings"]) == ([], False, 0)
    assert report["elapsed_seconds"] >= HOUR
    moments = [at for at, words in report["heard"] if "again in" in words]
    waits = [after - before for before, after in pairwise(moments)]
    assert waits[:7] == sorted(waits[:7]), "each is longer than the one before, up to the longest"
    assert max(waits) <= 900 + 30, waits
    seen = causes(busy)
    assert seen["ok"] == 3
    assert 8 <= seen["overloaded"] <= 11, seen
    assert len(seen) == 2, seen


def test_where_the_server_names_the_time_it_is_asked_once(busy: MissionRepo) -> None:
    report = loop(busy, "You've hit your session limit, try again in 60 minutes")
    assert report["why"].startswith("nothing is ready"), report
    assert statuses(busy) == ["done"] * 3
    assert causes(busy) == {"plan_limit": 1, "ok": 3}
    assert HOUR <= report["elapsed_seconds"] < HOUR + 300


def test_a_loop_waits_no_longer_than_it_may(busy: MissionRepo) -> None:
    report = loop(busy, "API Error: 529 Overloaded", max_seconds="1800")
    assert report["why"].startswith("limit met: the time is up"), report
    assert statuses(busy) == ["in-progress", "todo", "todo"]
    assert report["gave_up"] == []
    assert 900 < report["elapsed_seconds"] < 1800
    assert Path(busy.path.parent / "overload").exists()
