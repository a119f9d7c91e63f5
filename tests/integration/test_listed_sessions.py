"""Sessions of mission.json: made when they are asked for; one that is broken hides no other."""

from __future__ import annotations

import json
import random
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from mosaic.model import Session, Sessions
from mosaic.store.mission_file import load_mission
from tests.support.in_process import call
from tests.support.mission import MissionRepo

MANY = 400


def entry(number: int, **values: Any) -> dict[str, Any]:
    return {
        "sessionId": f"sess-{number:03}",
        "runtime": "claude",
        "pid": number,
        "host": "elsewhere",
        "startedAt": "2026-01-01T00:00:00Z",
        "endedAt": "2026-01-01T00:10:00Z",
        "endedReason": "completed",
        "durationSeconds": 600,
        "lastTaskId": f"T-{1 + number % 3:03}",
        "runId": f"r{number:03}-abcdef",
        "usage": {"inputTokens": number, "outputTokens": 2, "costUsd": 0.5},
        **values,
    }


def entries(chance: random.Random) -> list[dict[str, Any]]:
    """Return sessions of every kind that mission.json may list."""
    made = [entry(number, remark="\n[" + "words " * 20) for number in range(1, MANY)]
    for each in chance.sample(made, 60):
        del each[chance.choice(("usage", "lastTaskId", "runId", "durationSeconds", "pid"))]
    for each in chance.sample(made, 9):
        each |= {"endedAt": None, "endedReason": None}
    for each in chance.sample(made, 9):
        each["lastTaskId"] = chance.choice(("任务-1", 'T-"1', "T-1\n", "t-001"))
    made[-1]["started_at"] = made[-1].pop("startedAt")
    return made


def mission_file(repo: MissionRepo) -> Path:
    return repo.path / "coordination" / "mission.json"


def write_mission(repo: MissionRepo, sessions: list[Any]) -> str:
    values = {**repo.mission(), "sessions": sessions}
    text = json.dumps(values, ensure_ascii=False, indent=2)
    mission_file(repo).write_text(text)
    return text


def line_of(text: str, found: str) -> int:
    assert text.count(found) == 1
    return text[: text.index(found)].count("\n") + 1


def test_each_question_has_the_answer_that_all_sessions_give(repo: MissionRepo) -> None:
    write_mission(repo, entries(random.Random(1)))
    listed = load_mission(mission_file(repo)).mission.sessions
    known = list(listed)
    assert len(known) == len(listed) == MANY - 1
    plainly = Sessions(known)
    assert listed == plainly
    tasks = {each.last_task_id for each in known} - {None}
    assert len(tasks) > 5
    for task in [*tasks, "T-404", '"', "\n"]:
        assert listed.of_task(str(task)) == plainly.of_task(str(task))
    assert listed.without_end() == plainly.without_end() != []
    assert listed.last() == plainly.last() == known[-1]
    assert listed.ids() == plainly.ids()
    assert listed.find("sess-007") == plainly.find("sess-007") == known[6]
    assert listed.find("sess-999") is None
    assert listed[3:5] == plainly[3:5]
    assert known[7] in listed
    assert list(listed.problems()) == []


def test_a_hand_off_lists_its_session_behind_the_others(repo: MissionRepo) -> None:
    """It changes no byte of theirs."""
    write_mission(repo, entries(random.Random(1)))
    before = mission_file(repo).read_text()
    assert repo.run("next", "--headless", "--runtime", "quick").exit_code in (0, 1)
    after = [line.rstrip(",") for line in mission_file(repo).read_text().splitlines()]
    changed = unified_diff([line.rstrip(",") for line in before.splitlines()], after, n=0)
    gone = [line for line in changed if line.startswith("-")]
    assert gone == ["--- \n", '-  "status": "inactive"']
    ids = [each["sessionId"] for each in repo.mission()["sessions"]]
    assert ids[:-1] == [f"sess-{number:03}" for number in range(1, MANY)]
    assert ids[-1].startswith(f"sess-{MANY:03}-")


BAD = {
    "an unknown reason": (entry(2, endedReason="bored"), '"endedReason": "bored"'),
    "no start": ({"sessionId": "sess-002", "runtime": "no start"}, '"sessionId": "sess-002"'),
    "a time that is none": (entry(2, endedAt="yesterday"), '"endedAt": "yesterday"'),
    "a cost beyond all numbers": (entry(2, usage={"costUsd": 10**40}), '"costUsd": 1000'),
    "a pid in words": (entry(2, pid="two"), '"pid": "two"'),
    "not an object": ("sess-two", '"sess-two"'),
}


@pytest.mark.parametrize(("bad", "place"), BAD.values(), ids=BAD)
def test_a_bad_session_is_reported_at_its_line_kept_and_skipped(
    repo: MissionRepo, bad: Any, place: str
) -> None:
    text = write_mission(repo, [entry(1), bad, entry(3)])
    # An object without a key is named by its own line.
    line = line_of(text, place) - ("sess-002" in place)
    for command in ("check", "status", "sessions"):
        answer = call(repo.path, command, "--json")
        data = json.loads(answer.stdout)
        problems = data["findings"] if command == "check" else data["problems"]
        (problem,) = [each for each in problems if each["code"] == "MISSION_FILE_INVALID"]
        assert (problem["path"].endswith("mission.json"), problem["line"]) == (True, line)
        assert answer.exit_code != 0
    listed = json.loads(call(repo.path, "sessions", "--json").stdout)["sessions"]
    assert [each["id"] for each in listed] == ["sess-001", "sess-003"]
    assert call(repo.path, "list").exit_code == 0
    assert call(repo.path, "set", "T-001", "priority=high").exit_code == 0
    assert mission_file(repo).read_text() == text


def test_a_bad_session_stays_as_it_is_when_the_next_one_is_listed(repo: MissionRepo) -> None:
    write_mission(repo, [entry(1), entry(2, endedReason="bored")])
    assert repo.run("next", "--headless", "--runtime", "quick").exit_code in (0, 1)
    listed = repo.mission()["sessions"]
    assert listed[1] == entry(2, endedReason="bored")
    assert [each["sessionId"][:8] for each in listed] == ["sess-001", "sess-002", "sess-003"]


def test_a_wrong_setting_is_named_at_its_own_line(repo: MissionRepo) -> None:
    """The same key stands elsewhere before it."""
    values = {**repo.mission(), "budget": {"gates": "x", "prompt": "y"}}
    values |= {"runtimes": {"a": {"prompt": "stdin"}, "b": {"prompt": "shout"}}}
    text = json.dumps(values, indent=2)
    mission_file(repo).write_text(text)
    answer = call(repo.path, "list", "--json")
    error = json.loads(answer.stderr)
    assert (error["code"], error["line"]) == (
        "MISSION_FILE_INVALID",
        line_of(text, '"prompt": "shout"'),
    )


def test_sessions_in_a_list_of_their_own_are_compared_by_what_they_say() -> None:
    assert Sessions() == Sessions()
    assert hash(Sessions()) == hash(Sessions())
    assert Sessions() != ()
    assert Sessions().last() is None
    assert list(Sessions()) == list[Session]()
