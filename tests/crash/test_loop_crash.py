"""Loops that are killed at any moment and started again: nothing is done or paid for twice.

`MISSION_LOOP_ROUNDS=50 pytest tests/crash/test_loop_crash.py` is the long version.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from tests.integration.test_loop import looping, plan, statuses, tries
from tests.support.mission import MissionRepo
from tests.support.planned import planned, repo

__all__ = ["looping", "planned", "repo"]

ROUNDS = int(os.environ.get("MISSION_LOOP_ROUNDS", "3"))
LONGEST_SECONDS = 2.5


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_loop_killed_at_any_moment_goes_on_without_doing_anything_twice(
    looping: MissionRepo, seed: int
) -> None:
    chance = random.Random(seed)
    plan(looping, T_002=["no-handoff", "finish"])
    for _ in range(3):
        process = looping.start("next", "--loop")
        # The random moment is the point of this test: no event stands for it.
        time.sleep(chance.uniform(0.1, LONGEST_SECONDS))
        process.kill()
        process.communicate()
        looping.run("status")
        done = {
            session["lastTaskId"]
            for session in looping.mission()["sessions"]
            if session.get("endedReason") == "completed"
        }
        before = Counter(tries(looping))
        looping.run("next", "--loop", "--max-sessions", "1")
        after = Counter(tries(looping))
        assert all(after[task] == before[task] for task in done), (done, before, after)
    process = looping.start("next", "--loop")
    process.communicate(timeout=120)
    assert set(statuses(looping).values()) <= {"review", "blocked"}
    sessions = looping.mission()["sessions"]
    assert all(session["endedReason"] for session in sessions)
    costs = [(session.get("usage") or {}).get("costUsd") or 0.0 for session in sessions]
    assert all(cost in (0.0, 0.5) for cost in costs), costs
    assert Counter(session["lastTaskId"] for session in sessions) >= Counter(tries(looping))
    assert looping.run("check").exit_code == 0
    assert not looping.lock.exists()
