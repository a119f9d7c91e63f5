"""Where mission.json is long, what is kept of it is what it says now, and nothing else."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from mosaic.model import Session, Sessions
from mosaic.store.mission_file import load_mission
from mosaic.store.mission_index import MANY_BYTES, IndexedSessions
from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo, wait_for

SETTLED_NS = 30_000_000
"""Some ticks of the kernel's clock, where it is a second elsewhere."""
MANY = 400
LOOKS = (
    ("sessions", "--json"), ("status", "--json"), ("show", "T-001", "--json"), ("list", "--json"),
    ("logs", "T-002", "--json"), ("next", "--print", "--json"),
)  # fmt: skip


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


def index_of(repo: MissionRepo) -> Path:
    return repo.state / "mission.index"


def write_mission(repo: MissionRepo, sessions: list[dict[str, Any]]) -> None:
    values = {**repo.mission(), "sessions": sessions}
    mission_file(repo).write_text(json.dumps(values, ensure_ascii=False, indent=2))


def is_believed(repo: MissionRepo) -> bool:
    return isinstance(load_mission(mission_file(repo)).mission.sessions, IndexedSessions)


@pytest.fixture
def kept(repo: MissionRepo, monkeypatch: pytest.MonkeyPatch) -> MissionRepo:
    """A mission with a long mission.json that is kept."""
    monkeypatch.setattr("mosaic.store.index.SETTLED_NS", SETTLED_NS)
    write_mission(repo, entries(random.Random(1)))
    assert mission_file(repo).stat().st_size > MANY_BYTES
    wait_for(lambda: is_believed(repo), "a settled index")
    return repo


def look(repo: MissionRepo) -> list[Answer]:
    return [call(repo.path, *arguments) for arguments in LOOKS]


def without_index(repo: MissionRepo) -> list[Answer]:
    """Return what is shown where nothing is kept, and put back what was."""
    aside = index_of(repo).read_bytes()
    index_of(repo).unlink()
    index_of(repo).mkdir()
    try:
        return look(repo)
    finally:
        index_of(repo).rmdir()
        index_of(repo).write_bytes(aside)


def plain(answers: list[Answer]) -> list[tuple[int, str]]:
    """Return answers without the moments that they were given at."""
    moment = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+")
    return [(each.exit_code, moment.sub("then", each.stdout)) for each in answers]


def test_what_is_kept_answers_as_mission_json_itself(kept: MissionRepo) -> None:
    assert is_believed(kept)
    assert plain(look(kept)) == plain(without_index(kept))


def test_each_question_has_the_answer_that_all_sessions_give(kept: MissionRepo) -> None:
    indexed = load_mission(mission_file(kept)).mission.sessions
    known = list(indexed)
    assert len(known) == len(indexed) == MANY - 1
    plainly = Sessions(known)
    assert indexed == plainly
    tasks = {each.last_task_id for each in known} - {None}
    assert len(tasks) > 5
    for task in [*tasks, "T-404", '"', "\n"]:
        assert indexed.of_task(str(task)) == plainly.of_task(str(task))
    assert indexed.without_end() == plainly.without_end() != []
    assert indexed.usage() == plainly.usage()
    assert indexed.last() == plainly.last() == known[-1]
    assert indexed[3:5] == plainly[3:5]
    assert known[7] in indexed


def edit_in_place_with_the_old_time(repo: MissionRepo) -> None:
    path = mission_file(repo)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(path.read_bytes().replace(b"sess-007", b"sess-seven"[:8]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def restore_a_backup(repo: MissionRepo) -> None:
    path = mission_file(repo)
    backup = path.with_name("backup.json")
    backup.write_bytes(path.read_bytes().replace(b'"sess-007"', b'"sess-SEV"'))
    os.utime(backup, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    backup.rename(path)


def end_a_session(repo: MissionRepo) -> None:
    sessions = repo.mission()["sessions"]
    next(each for each in sessions if not each["endedAt"])["endedAt"] = "2026-01-02T00:00:00Z"
    write_mission(repo, sessions)


def say_another_prefix(repo: MissionRepo) -> None:
    values = {**repo.mission(), "name": "Another"}
    mission_file(repo).write_text(json.dumps(values, indent=2))


def break_it(repo: MissionRepo) -> None:
    mission_file(repo).write_text("{")


def forget_most(repo: MissionRepo) -> None:
    write_mission(repo, repo.mission()["sessions"][:2])


@pytest.mark.parametrize(
    "change",
    [
        edit_in_place_with_the_old_time,
        restore_a_backup,
        end_a_session,
        say_another_prefix,
        break_it,
        forget_most,
    ],
    ids=lambda change: change.__name__,
)
def test_a_change_is_seen_at_once(kept: MissionRepo, change: Callable[[MissionRepo], None]) -> None:
    before = look(kept)
    change(kept)
    after = look(kept)
    assert [each.stdout for each in after[:2]] != [each.stdout for each in before[:2]]
    assert after[:4] == without_index(kept)[:4]


def test_a_damaged_or_foreign_index_is_as_good_as_none(kept: MissionRepo) -> None:
    before = plain(look(kept))
    data = index_of(kept).read_bytes()
    head = data.index(b"\n") + 1
    chance = random.Random(5)
    damaged = [
        b"", b"\0" * 99, b"{}\n", b"[]\n", data[:20], data[:head], data[:-1],
        data[: len(data) // 2], data + b"x\n", data[:head] + b"{}\n",
        data.replace(b'"head":', b'"head":-'),
        data.replace(b'"head":', b'"head":9999999999999999999'),
        data.replace(b'"sess-010"', b'"sess-011"'), data.replace(b'["T-001"', b'["T-002"'),
        data.replace(b'"version":"', b'"version":"0'),
    ]  # fmt: skip
    for _ in range(40):
        place = chance.randrange(len(data))
        damaged.append(
            data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        )
    for content in damaged:
        index_of(kept).write_bytes(content)
        assert plain(look(kept)) == before


def test_one_that_is_replaced_between_two_reads_is_not_mixed(kept: MissionRepo) -> None:
    sessions = load_mission(mission_file(kept)).mission.sessions
    assert isinstance(sessions, IndexedSessions)
    write_mission(kept, [entry(1, lastTaskId="T-002")] * 500)
    wait_for(lambda: is_believed(kept), "a settled index")
    of_task = sessions.of_task("T-002")
    assert [each.id for each in of_task] == ["sess-001"] * 500


def test_a_short_mission_is_not_kept_twice(repo: MissionRepo) -> None:
    call(repo.path, "list")
    assert not index_of(repo).exists()


def test_commands_go_on_from_what_is_kept(kept: MissionRepo) -> None:
    """A hand-off lists its session behind the others, and changes no byte of theirs."""
    before = mission_file(kept).read_text()
    assert kept.run("next", "--headless", "--runtime", "quick").exit_code in (0, 1)
    after = [line.rstrip(",") for line in mission_file(kept).read_text().splitlines()]
    changed = unified_diff([line.rstrip(",") for line in before.splitlines()], after, n=0)
    gone = [line for line in changed if line.startswith("-")]
    assert gone == ["--- \n", '-  "status": "inactive"']
    ids = [each["sessionId"] for each in kept.mission()["sessions"]]
    assert ids == [f"sess-{number:03}" for number in range(1, MANY + 1)]


def test_sessions_in_a_list_of_their_own_are_compared_by_what_they_say() -> None:
    assert Sessions() == Sessions()
    assert hash(Sessions()) == hash(Sessions())
    assert Sessions() != ()
    assert Sessions().last() is None
    assert Sessions().usage() is None
    assert list(Sessions()) == list[Session]()
