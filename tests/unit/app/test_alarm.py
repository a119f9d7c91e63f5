"""Calling a person: what the command is given, and how often."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mosaic.machine.clock import utc_now
from mosaic.model import EndReason, RunStatus, Status
from mosaic.ports import EndCause
from mosaic.sessions.alarm import NAME, Alarm, Need, need_of
from mosaic.sessions.decide import Outcome
from mosaic.store.mission_file import load_mission
from mosaic.store.state import ensure_state_dir

pytestmark = pytest.mark.slow
WRITE = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


def name_notify(mission: Path, *command: str) -> None:
    values = json.loads(mission.read_text())
    mission.write_text(json.dumps({**values, "notify": list(command)}))


@pytest.fixture
def calls(mission: Path) -> Path:
    """The file to which the mission's command adds what it is given."""
    file = mission.with_name("calls")
    name_notify(mission, sys.executable, "-c", WRITE, str(file))
    ensure_state_dir(load_mission(mission).layout)
    return file


def heard(calls: Path) -> list[Any]:
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


def test_the_command_is_given_everything_that_it_needs(mission: Path, calls: Path) -> None:
    alarm = Alarm(load_mission(mission))
    assert alarm.call(Need.QUESTION, "which colour?", task_id="T-001", session_id="s1") is None
    (values,) = heard(calls)
    assert set(values.pop("waiting")) == {"review", "blocked"}
    assert values == {
        "mission": "Rules",
        "kind": "question",
        "task_id": "T-001",
        "session_id": "s1",
        "why": "which colour?",
    }


def test_the_same_is_said_once_and_again_when_time_has_passed(mission: Path, calls: Path) -> None:
    document = load_mission(mission)
    for task_id in ("T-001", "T-001", "T-002"):
        Alarm(document).call(Need.FAILED, "it broke", task_id=task_id)
    assert [each["task_id"] for each in heard(calls)] == ["T-001", "T-002"]
    path = document.layout.state_dir / NAME
    before = (utc_now() - timedelta(minutes=11)).timestamp()
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), before)))
    Alarm(document).call(Need.FAILED, "it broke", task_id="T-001")
    assert len(heard(calls)) == 3


def test_reviews_in_one_minute_are_one_call_and_questions_are_not(
    mission: Path, calls: Path
) -> None:
    alarm = Alarm(load_mission(mission))
    for number in range(3):
        alarm.call(Need.REVIEW, "finished", task_id=f"T-00{number}", session_id=f"s{number}")
        alarm.call(Need.QUESTION, "well?", task_id=f"T-00{number}", session_id=f"s{number}")
    assert [each["kind"] for each in heard(calls)].count("review") == 1
    assert [each["kind"] for each in heard(calls)].count("question") == 3


def test_a_broken_note_of_calls_keeps_nobody_uncalled(mission: Path, calls: Path) -> None:
    document = load_mission(mission)
    for broken in ("{", '{"budget None it": "x"}', f'{{"budget None it": {4e9}}}'):
        (document.layout.state_dir / NAME).write_text(broken)
        Alarm(document).call(Need.BUDGET, "it")
    assert len(heard(calls)) == 3


def test_a_command_that_is_named_later_is_not_run(mission: Path) -> None:
    alarm = Alarm(load_mission(mission))
    file = mission.with_name("called")
    name_notify(mission, "touch", str(file))
    assert alarm.call(Need.WAITING, "nothing is ready") is None
    assert not file.exists()


def test_a_command_that_cannot_be_called_is_told(mission: Path) -> None:
    name_notify(mission, "/no/such/program")
    problem = Alarm(load_mission(mission)).call(Need.WAITING, "nothing is ready")
    assert problem is not None
    assert problem.startswith("`/no/such/program` could not be called")


OK = EndCause.OK


@pytest.mark.parametrize(
    ("reason", "run_status", "cause", "status", "need"),
    [
        ("completed", "completed", OK, Status.REVIEW, Need.REVIEW),
        ("completed", "completed", OK, Status.DONE, None),
        ("completed", "completed", EndCause.INCOMPLETE, Status.IN_PROGRESS, Need.FAILED),
        ("completed", "completed", EndCause.LEFT, Status.IN_PROGRESS, None),
        ("blocked", "blocked", OK, Status.BLOCKED, Need.BLOCKED),
        ("blocked", "blocked", EndCause.NEEDS_HUMAN, Status.BLOCKED, Need.QUESTION),
        ("stopped", "failed", EndCause.CUT, Status.IN_PROGRESS, None),
        ("timeout", "failed", EndCause.CUT, Status.IN_PROGRESS, Need.FAILED),
        ("timeout", "completed", EndCause.CUT, Status.REVIEW, Need.REVIEW),
        ("crashed", "failed", EndCause.CUT, None, Need.FAILED),
    ],
)
def test_who_is_needed_after_a_session(
    reason: str, run_status: str, cause: EndCause, status: Status | None, need: Need | None
) -> None:
    outcome = Outcome(
        reason=EndReason(reason),
        run_status=RunStatus(run_status),
        task_status=None,
        summary="it ended",
        cause=cause,
    )
    assert need_of(outcome, status) is need
