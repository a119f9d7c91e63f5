"""Whether a session's process lives: the judgement as tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mosaic.model import ProcessIdentity, SessionLock
from mosaic.sessions.liveness import (
    STALE_HEARTBEAT_SECONDS,
    STARTING,
    Judgement,
    Life,
    Signs,
    judge_session,
)
from mosaic.sessions.supervisor import Silence

ALIVE, DEAD, UNKNOWN = Life.ALIVE, Life.DEAD, Life.UNKNOWN
STALE = STALE_HEARTBEAT_SECONDS + 60
AWAY: dict[str, Any] = {"own_namespace": False, "process_lives": None}


def judged(pid: int = 42, **changes: Any) -> Judgement:
    given: dict[str, Any] = {
        "own_host": True,
        "own_boot": True,
        "supervisor_holds_run": False,
        "process_lives": False,
        "heartbeat_age_seconds": 0.0,
        **changes,
    }
    process = ProcessIdentity(pid=pid, started_at="1", boot_id="b", host="elsewhere")
    lock = SessionLock(
        session_id="sess-001",
        runtime="claude",
        process=process,
        supervisor_pid=41,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        project_path="/p",
        task_id="T-001",
        run_id="r001-abcdef",
    )
    return judge_session(lock, Signs(**given))


@pytest.mark.parametrize(
    ("changes", "life", "because"),
    [
        # the surest sign first: the supervisor's lock on its run
        ({"supervisor_holds_run": True}, ALIVE, "its supervisor holds the run"),
        ({"supervisor_holds_run": True, **AWAY}, ALIVE, "its supervisor holds the run"),
        ({"supervisor_holds_run": True, "own_boot": False}, DEAD, "started again"),
        # then the process, by pid, start and boot
        ({"process_lives": True}, ALIVE, "its agent still runs as pid 42"),
        ({"process_lives": False}, DEAD, "its process is gone"),
        ({"process_lives": None}, UNKNOWN, "cannot be looked at"),
        ({"process_lives": None, "is_own": True}, ALIVE, "this command was started by its agent"),
        ({"process_lives": True, "pid": 0}, ALIVE, STARTING),
        ({"process_lives": False, "pid": 0}, DEAD, "its process is gone"),
        # a process of another pid namespace is never judged by its pid
        ({**AWAY, "seen_as": 77}, ALIVE, "seen here as pid 77"),
        ({**AWAY, "is_own": True}, ALIVE, "this command was started by its agent"),
        ({**AWAY, "namespace_lives": True, "heartbeat_age_seconds": STALE}, UNKNOWN, "namespace"),
        ({**AWAY, "heartbeat_age_seconds": 5.0}, UNKNOWN, "another pid namespace"),
        ({**AWAY, "heartbeat_age_seconds": STALE}, DEAD, "for 11m"),
        # on another host there is only the heartbeat
        ({"own_host": False, "heartbeat_age_seconds": STALE}, DEAD, "from `elsewhere` for 11m"),
        ({"own_host": False, "process_lives": None}, ALIVE, "it runs on `elsewhere`"),
        ({"own_host": False, "own_boot": False}, ALIVE, "it runs on `elsewhere`"),
    ],
)
def test_a_locked_session_is_judged_by_its_surest_sign(
    changes: dict[str, Any], life: Life, because: str
) -> None:
    judgement = judged(**changes)
    assert judgement.life is life
    assert because in judgement.because


@pytest.mark.parametrize(
    "changes",
    [
        {"process_lives": True, "stopped_pid": 42},
        {"supervisor_holds_run": True, "stopped_pid": 41},
        {**AWAY, "seen_as": 77, "stopped_pid": 77},
    ],
)
def test_a_stopped_session_lives_and_says_how_to_continue_it(changes: dict[str, Any]) -> None:
    judgement = judged(**changes)
    assert judgement.life is ALIVE
    assert judgement.is_stopped
    assert f"`kill -CONT {changes['stopped_pid']}`" in judgement.because


def test_nothing_that_cannot_be_seen_is_called_dead_while_its_heart_beats() -> None:
    for own_host in (True, False):
        for holds in (True, False):
            for namespace in (True, False):
                judgement = judged(
                    own_host=own_host,
                    supervisor_holds_run=holds,
                    own_namespace=namespace,
                    process_lives=None,
                    heartbeat_age_seconds=1.0,
                )
                assert judgement.life is not DEAD


def test_each_long_silence_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    silence = Silence()

    def at(seconds: float, output_bytes: int) -> int | None:
        now[0] = seconds
        return silence.grown_long(output_bytes, 10.0)

    assert [at(5, 0), at(11, 0), at(30, 0)] == [None, 11, None]
    assert [at(31, 7), at(40, 7), at(42, 7), at(50, 7)] == [None, None, 11, None]
