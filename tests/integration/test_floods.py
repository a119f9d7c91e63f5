"""An agent that writes much: its session ends when it does, and what was not read is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import Answer, MissionRepo, wait_for

AGENT = """\
import json, os, pathlib, sys

def out(data):
    while data:
        data = data[os.write(1, data):]

def line(**event):
    return json.dumps(event).encode() + b"\\n"

sys.stdin.read()
(pathlib.Path.cwd() / "begun").write_text(str(os.getpid()))
kind, blocks = sys.argv[1], int(sys.argv[2])
small = {
    "events": line(type="x"),
    "mixed": line(type="x") + b"free text\\n",
    "text": b"free text\\n",
    "braces": b"{\\n",
    "zeros": b"\\0\\0\\0\\n",
    "bytes": b"{\\xff\\xfe\\x80\\n",
}[kind]
block = small * ((1 << 20) // len(small))
out(line(type="system", subtype="init", session_id="conv-1"))
for number in range(blocks):
    out(block)
    if number == blocks // 2:
        call = {"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "make all"}}
        done = {"type": "tool_result", "tool_use_id": "c", "is_error": False, "content": ""}
        out(line(type="assistant", message={"content": [call]}))
        out(line(type="user", message={"content": [done]}))
usage = {"input_tokens": 7, "output_tokens": 3}
out(line(type="result", session_id="conv-1", result="all said", usage=usage, total_cost_usd=0.5))
if kind != "text":
    out(small)
"""
KINDS = ("events", "mixed", "text", "braces", "zeros", "bytes")
BLOCKS = 4


@pytest.fixture
def flooding(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    """A mission whose `claude` is the agent above."""
    agent = tmp_path / "flood.py"
    agent.write_text(AGENT)
    set_runtime(repo, "claude", str(agent), "events", str(BLOCKS))
    return repo


def set_runtime(repo: MissionRepo, name: str, *arguments: str) -> None:
    path = repo.path / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission["runtimes"][name] = {"command": [sys.executable, *arguments], "prompt": "stdin"}
    path.write_text(json.dumps(mission, indent=2) + "\n")


def hand_off(repo: MissionRepo, runtime: str = "claude") -> Answer:
    return repo.run("next", "--headless", "--runtime", runtime)


def result(repo: MissionRepo) -> Any:
    return json.loads((repo.run_dir() / "result.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_what_counts_is_found_in_a_flood(flooding: MissionRepo, tmp_path: Path, kind: str) -> None:
    set_runtime(flooding, "claude", str(tmp_path / "flood.py"), kind, str(BLOCKS))
    handed = hand_off(flooding)
    assert handed.exit_code == 0, handed.stderr
    found = result(flooding)
    assert (found["answer"], found["runtime_session_id"]) == ("all said", "conv-1")
    assert found["usage"]["input_tokens"] == 7
    assert found["metrics"]["stdout_bytes_passed_over"] > (BLOCKS - 2) << 20
    assert found["metrics"]["transcript_bytes_missing"] == 0
    assert "too fast to be read along" in found["warnings"][0]
    (event,) = [event for event in flooding.events() if event["type"] == "output_unread"]
    assert event["data"]["passed_over_bytes"] == found["metrics"]["stdout_bytes_passed_over"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_transcript_holds_every_structured_line_once(
    flooding: MissionRepo, tmp_path: Path, kind: str
) -> None:
    set_runtime(flooding, "claude", str(tmp_path / "flood.py"), kind, str(BLOCKS))
    assert hand_off(flooding).exit_code == 0
    log = flooding.run_dir() / "stdout.log"
    transcript = flooding.run_dir() / "transcript.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    assert transcript.read_bytes() == b"".join(line for line in lines if line.startswith(b"{"))
    is_whole = kind in ("events", "braces", "bytes")
    assert os.path.samefile(log, transcript) is is_whole


def test_a_review_of_a_flood_names_the_commands_in_it(flooding: MissionRepo) -> None:
    assert hand_off(flooding).exit_code == 0
    ran = flooding.run("review", "T-001", "--json").json()["evidence"]["commands"]
    assert [each["command"] for each in ran] == ["make all"]


def test_a_review_stops_at_commands_without_number_and_says_so(
    repo: MissionRepo, tmp_path: Path
) -> None:
    agent = tmp_path / "many.py"
    agent.write_text(
        "import sys; sys.stdin.read()\n"
        'sys.stdout.write(\'{"type": "command", "command": "make", "exit_code": 0}\\n\' * 60_000)\n'
    )
    set_runtime(repo, "many", str(agent))
    assert hand_off(repo, "many").exit_code == 0
    evidence = repo.run("review", "T-001", "--json").json()["evidence"]
    assert any("too long: what it ran after 50000 events" in each for each in evidence["caveats"])


def test_an_agent_that_writes_for_ever_is_stopped(flooding: MissionRepo, tmp_path: Path) -> None:
    """It is held up by nothing but the disk, so little of what it writes may count."""
    set_runtime(flooding, "claude", str(tmp_path / "flood.py"), "events", "2000")
    supervisor = flooding.start("next", "--headless", "--runtime", "claude")
    wait_for(lambda: len(list(flooding.run_dir().glob("stdout.log"))) == 1, "a log")
    log = flooding.run_dir() / "stdout.log"
    wait_for(lambda: log.stat().st_size > 20 << 20, "much output")
    assert flooding.run("stop").exit_code == 0
    supervisor.communicate(timeout=60)
    assert flooding.session()["endedReason"] == "stopped"
    state = flooding.run_state()
    assert state["output_bytes"] == (flooding.run_dir() / "stdout.log").stat().st_size


def test_a_killed_supervisors_shared_log_is_read_and_left_whole(flooding: MissionRepo) -> None:
    """Recovery follows the log anew; a transcript that is the log must not be written to."""
    assert hand_off(flooding).exit_code == 0
    run = flooding.run_dir()
    before = (run / "stdout.log").read_bytes()
    code = (
        "import pathlib, sys\n"
        "from mosaic.runs.record import Run\n"
        "from mosaic.runtimes.claude_output import ClaudeReader\n"
        "from mosaic.sessions.output import OutputFollower\n"
        "follower = OutputFollower(Run(dir=pathlib.Path(sys.argv[1])), ClaudeReader())\n"
        "follower.read(limit_bytes=None); follower.finish(); follower.close()\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(run)], check=True, env=flooding.environ, cwd=flooding.path
    )
    assert (run / "stdout.log").read_bytes() == before
    assert os.path.samefile(run / "stdout.log", run / "transcript.jsonl")
