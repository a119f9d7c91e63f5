"""Runs that are killed at any moment: the record is read by every command, and recovery settles it.

`MISSION_KILL_ROUNDS=200 pytest tests/crash/test_run_crash.py` is the long version; a round that
fails is named by its number, which is also the seed of its random moment.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.planned import planned, repo

__all__ = ["planned", "repo"]

ROUNDS = int(os.environ.get("MISSION_KILL_ROUNDS", "12"))
LONGEST_SECONDS = 1.3
"""From the command's start until a little after its normal end."""
VICTIMS = ("supervisor", "agent", "both", "tree")
READERS = (
    ("status",), ("list",), ("show", "T-001"), ("sessions",), ("sessions", "--live"),
    ("check",), ("doctor",), ("next", "--print", "--runtime", "quick"),
    ("checkpoint", "list", "T-001"), ("logs", "T-001"), ("logs", "T-001", "--events"),
)  # fmt: skip
AGENT = """\
import json, os, pathlib, subprocess, sys, time
run = pathlib.Path(os.environ["MISSION_RUN_DIR"])
print(json.dumps({"type": "conversation", "id": "talk-1"}), flush=True)
subprocess.Popen(["sleep", "600"], start_new_session=True)
for number in range(40):
    print(f"line {number}", flush=True)
    (pathlib.Path.cwd() / "work").write_text(f"{number}\\n" * 50)
    time.sleep(0.008)
print(json.dumps({"type": "usage", "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.25}))
if os.environ["MISSION_TASK"] == "T-001" and sys.argv[1] == "ends":
    subprocess.run([sys.executable, "-m", "mosaic", "set", "T-001", "status=review"])
"""


def marked(run_dir: Path) -> list[int]:
    """Return the processes that carry the mark of a run."""
    found = []
    wanted = f"MISSION_RUN_DIR={run_dir}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environ = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(each.startswith(wanted) for each in environ) and is_running(int(entry.name)):
                found.append(int(entry.name))
    return found


def is_unmarked(run: Path) -> bool:
    return not marked(run)


def kill(pid: int | None) -> None:
    if pid and is_running(pid):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(word) for word in listed.read_text().split()]
    except OSError:
        return []


def kill_tree(pid: int) -> None:
    below = children(pid)
    kill(pid)
    for child in below:
        kill_tree(child)


def locked(mission: MissionRepo) -> Any:
    try:
        return json.loads(mission.lock.read_text())
    except (OSError, ValueError):
        return {}


def strike(mission: MissionRepo, victim: str, command: int) -> None:
    lock = locked(mission)
    supervisor = lock.get("supervisor_pid") or command
    agent = lock.get("pid")
    if victim == "tree":
        kill_tree(supervisor)
        kill_tree(command)
    if victim in ("supervisor", "both"):
        kill(supervisor)
    if victim in ("agent", "both", "tree"):
        kill(agent)


def settle(mission: MissionRepo) -> None:
    """Wait until nothing works any more; a session that outlived its supervisor is stopped."""

    def is_settled() -> bool:
        live = mission.run("sessions", "--live", "--json").json()["sessions"]
        if not live:
            return not mission.lock.exists()
        if locked(mission).get("supervisor_pid") and not is_running(
            locked(mission)["supervisor_pid"]
        ):
            mission.run("stop", "--now")
        return False

    wait_for(is_settled, "the end of every session")


def check_record(run: Path) -> None:
    """A run's record tells a whole story, or none was begun."""
    state = json.loads((run / "state.json").read_text())
    assert state["status"] in ("completed", "failed", "blocked"), state
    result = json.loads((run / "result.json").read_text())
    assert result["outcome"] == state["status"]
    events = [json.loads(line) for line in (run / "worker.log").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"].startswith("step_")
    for event in events:
        assert event["event_id"] == f"{run.name}:event:{event['seq']:04d}"
    log = run / "stdout.log"
    said = re.findall(rb"^line (\d+)$", log.read_bytes() if log.exists() else b"", re.MULTILINE)
    assert [int(number) for number in said] == list(range(len(said)))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_run_killed_at_any_moment_is_settled_by_the_next_command(
    repo: MissionRepo, seed: int
) -> None:
    chance = random.Random(seed)
    mission = repo.mission()
    program = [sys.executable, "-c", AGENT, chance.choice(("ends", "stays")), "{prompt}"]
    mission["runtimes"]["worker"] = program
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("commit", "-qam", "Set a runtime")
    how = chance.choice(("--headless", "--detach"))
    started = repo.start("next", "--runtime", "worker", how)
    # The random moment is the point of this test: no event stands for it.
    time.sleep(chance.uniform(0.0, LONGEST_SECONDS))
    strike(repo, chance.choice(VICTIMS), started.pid)
    started.communicate(timeout=60)

    for command in chance.sample(READERS, 4):
        answer = repo.run(*command)
        assert answer.exit_code in (0, 1, 2, 3, 4), (command, answer)
    settle(repo)
    assert repo.run("status").exit_code == 0
    for command in READERS:
        assert repo.run(*command).exit_code in (0, 2, 3), command

    sessions = repo.mission().get("sessions", [])
    assert all(session.get("endedReason") for session in sessions), sessions
    runs = sorted((repo.state / "runs").glob("*/r*"))
    for run in runs:
        check_record(run) if sessions else None
        wait_for(partial(is_unmarked, run), "the end of every process of the run")
    assert len(runs) >= len(sessions)
    assert repo.run("check").exit_code == 0, repo.run("check").stdout
    assert repo.task_status("T-001") in ("todo", "in-progress", "review")
    changed = {line[3:] for line in repo.git("status", "--porcelain").splitlines()}
    allowed = re.compile(r"coordination/(mission\.json|TASKS\.md|SCRATCHPAD\.md|tasks/.*)|work")
    assert all(allowed.fullmatch(path) for path in changed), changed

    again = repo.run("next", "--runtime", "quick")
    assert again.exit_code == 0, again.stderr
    ids = [session["sessionId"] for session in repo.mission()["sessions"]]
    assert len(ids) == len(set(ids)) == len(sessions) + 1


def test_what_a_killed_writer_had_begun_is_swept_by_the_next_command(repo: MissionRepo) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    program = (
        "import os, sys; from pathlib import Path\n"
        "from mosaic.machine.lock import mission_lock\n"
        "from mosaic.machine.staging import temporary_beside\n"
        "with mission_lock(sys.argv[1], holder='a test'):\n"
        "    temporary_beside(Path(sys.argv[2]), in_set=True).write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    lock = repo.state / "mission.lock"
    argv = [sys.executable, "-c", program, str(lock), str(table)]
    assert subprocess.run(argv, env=repo.environ, check=False).returncode == -signal.SIGKILL
    assert list(table.parent.glob(".*-set.mission-tmp"))
    assert repo.run("status").exit_code == 0
    assert not list(table.parent.glob(".*-set.mission-tmp"))
    assert repo.git("status", "--porcelain") == ""
