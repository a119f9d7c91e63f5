"""An agent that has given its last answer and does not leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.integration.test_suspended import Shell
from tests.support.mission import MissionRepo

TALKER = """\
import json, sys, time
def say(**event):
    print(json.dumps(event), flush=True)
say(type="system", subtype="init", session_id="5d1c5e9e-6a3f-4b5e-9b0a-0a8d5e0f3c11")
say(type="assistant", message={"content": [{"type": "text", "text": "all done"}]})
for line in json.loads(sys.argv[1]):
    say(**line)
say(type="result", subtype="success", is_error=False, result="all done", usage={})
for line in json.loads(sys.argv[2]):
    say(**line)
time.sleep(600)
"""
TASKS = {"type": "system", "subtype": "background_tasks_changed", "tasks": [{"task_id": "b1"}]}
ANOTHER_TURN = {"type": "assistant", "message": {"content": []}}


def configure(
    repo: MissionRepo, tmp_path: Path, before: list[object], after: list[object], **runs: str
) -> None:
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    mission = repo.mission()
    command = [sys.executable, str(program), json.dumps(before), json.dumps(after)]
    mission["runtimes"]["claude"] = {"command": command}
    mission["runs"] = {"afterResult": "1s", **runs}
    place = repo.path / "coordination" / "mission.json"
    place.write_text(json.dumps(mission, indent=2))


def test_it_is_ended_and_its_answer_counts(repo: MissionRepo, tmp_path: Path) -> None:
    configure(repo, tmp_path, [], [])
    answer = repo.run("next", "--runtime", "claude", "--headless", "--json")
    assert answer.exit_code == 0, answer.stdout
    assert answer.json()["cause"] == "ok"
    assert repo.session()["endedReason"] == "completed"
    assert "ended_after_result" in [event["type"] for event in repo.events()]


def test_what_it_left_in_the_background_has_longer(repo: MissionRepo, tmp_path: Path) -> None:
    configure(repo, tmp_path, [TASKS], [], background="2s")
    answer = repo.run("next", "--runtime", "claude", "--headless", "--json")
    assert answer.exit_code == 0, answer.stdout
    (words,) = [e["message"] for e in repo.events() if e["type"] == "ended_after_result"]
    assert "1 s" not in words


@pytest.mark.parametrize("after", [[ANOTHER_TURN], [TASKS]], ids=["in a turn", "with tasks"])
def test_one_that_goes_on_is_left_alone(
    repo: MissionRepo, tmp_path: Path, after: list[object]
) -> None:
    configure(repo, tmp_path, [], after)
    answer = repo.run("next", "--runtime", "claude", "--headless", "--timeout", "4s")
    in_turn = after == [ANOTHER_TURN]
    assert answer.exit_code == (124 if in_turn else 0), answer.stdout
    assert repo.session()["endedReason"] == ("timeout" if in_turn else "completed")


def test_a_terminal_shows_the_transcript_and_raw_the_stream(
    repo: MissionRepo, tmp_path: Path
) -> None:
    configure(repo, tmp_path, [], [])
    assert repo.run("next", "--runtime", "claude", "--headless").exit_code == 0
    shell = Shell(repo)
    shell.wait_for("$ ")
    try:
        shell.type(" ".join(repo.argv("logs", "T-001")) + "; echo over-\n")
        shell.wait_for("over-")  # what was typed
        assert '"type"' not in shell.wait_for("over-")
        shell.type(" ".join(repo.argv("logs", "T-001", "--raw")) + "\n")
        shell.wait_for('"type": "result"')
    finally:
        shell.close()
