"""Sessions whose record is gone, came with a copy, or is of another place: none is called dead.

What lives is found by what its processes carry; what cannot be known is left alone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for


def until_done(remove: Callable[[], object]) -> None:
    """Remove something again where a supervisor wrote into it at the same moment."""

    def is_done() -> bool:
        try:
            remove()
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    wait_for(is_done, "the removal")


def lose_state(repo: MissionRepo) -> None:
    until_done(lambda: shutil.rmtree(repo.state))


def lose_all_ignored(repo: MissionRepo) -> None:
    until_done(lambda: repo.git("clean", "-ffdxq"))


def lose_all_changes(repo: MissionRepo) -> None:
    lose_all_ignored(repo)
    repo.git("reset", "-q", "--hard")


def lose_locks(repo: MissionRepo) -> None:
    for lock in (repo.lock, *(repo.state / "sessions").glob("*.lock")):
        lock.unlink(missing_ok=True)


def lose_runs(repo: MissionRepo) -> None:
    until_done(lambda: shutil.rmtree(repo.state / "runs"))


LOSSES = [lose_state, lose_all_ignored, lose_all_changes, lose_locks, lose_runs]


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """Processes that are ended when the test is over."""
    started: list[int] = []
    yield started
    for pid in started:
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def hand_off(repo: MissionRepo, pids: list[int], *options: str) -> int:
    """Hand a task to an agent that waits, in the background; return the agent's pid."""
    done = repo.run("next", "--runtime", "wait", "--headless", "--detach", "--json", *options)
    assert done.exit_code == 0, done.stderr
    pid = int(done.json()["session"]["pid"])
    pids.append(pid)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "its end")


def live(repo: MissionRepo) -> list[Any]:
    answer = repo.run("status", "--json")
    assert answer.exit_code == 0, answer.stderr
    found = answer.json()
    assert found["recovered_sessions"] == []
    return list(found["live_sessions"])


def reasons(repo: MissionRepo) -> list[str | None]:
    return [session.get("endedReason") for session in repo.mission()["sessions"]]


def edit_session(repo: MissionRepo, **changes: Any) -> None:
    """Let a session be another than the one that ran here, of which the journal knows.

    Older missions list the machine as well.
    """
    shutil.rmtree(repo.path / ".git" / "mosaic" / "sessions")
    mission = repo.mission()
    mission["sessions"][-1]["host"] = os.uname().nodename
    mission["sessions"][-1].update(changes)
    for name in [name for name, value in changes.items() if value is None]:
        del mission["sessions"][-1][name]
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))


@pytest.mark.parametrize("lose", LOSSES)
def test_an_agent_whose_record_is_gone_is_alive_and_can_be_stopped(
    repo: MissionRepo, pids: list[int], lose: Callable[[MissionRepo], None]
) -> None:
    agent = hand_off(repo, pids)
    lose(repo)
    (found,) = live(repo)
    assert found["session_id"].startswith("sess-001-")
    assert (found["task_id"], found["life"]) == ("T-001", "alive")
    assert "sess-001" in repo.run("sessions", "--live").stdout
    for again in (["next"], ["resume"], ["next", "--task", "T-001", "--worktree"]):
        refused = repo.run(*again, "--runtime", "quick", "--headless")
        assert refused.exit_code == 4, refused.stderr
        assert "sess-001" in refused.stderr
    assert is_running(agent)
    stopped = repo.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert not is_running(agent)
    assert reasons(repo) == ["stopped"]
    assert live(repo) == []
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 0


@pytest.mark.parametrize("lose", [lose_state, lose_all_ignored])
def test_an_agent_without_record_and_supervisor_is_alive_and_can_be_stopped(
    repo: MissionRepo, pids: list[int], lose: Callable[[MissionRepo], None]
) -> None:
    agent = hand_off(repo, pids)
    supervisor = repo.run_state()["supervisor_pid"]
    kill(supervisor)
    lose(repo)
    assert [found["life"] for found in live(repo)] == ["alive"]
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 4
    assert repo.run("stop", "sess-001").exit_code == 0
    assert not is_running(agent)
    assert reasons(repo) == ["stopped"]


def test_what_another_agent_cleans_away_hands_no_task_out_twice(
    repo: MissionRepo, pids: list[int]
) -> None:
    agent = hand_off(repo, pids, "--task", "T-003", "--worktree")
    lose_all_ignored(repo)  # takes its worktree away too
    (found,) = live(repo)
    assert (found["task_id"], found["life"]) == ("T-003", "alive")
    chosen = repo.run("next", "--runtime", "quick", "--worktree", "--headless", "--json")
    assert chosen.exit_code == 0, chosen.stderr
    assert chosen.json()["task"]["id"] == "T-001"
    assert repo.run("next", "--task", "T-003", "--headless").exit_code == 4
    assert is_running(agent)
    assert repo.run("stop", "T-003").exit_code == 0
    assert not is_running(agent)


def test_one_session_without_lock_does_not_hide_another_with_one(
    repo: MissionRepo, pids: list[int]
) -> None:
    first = hand_off(repo, pids, "--task", "T-001", "--worktree")
    lose_locks(repo)
    second = hand_off(repo, pids, "--task", "T-002", "--worktree")
    assert {found["task_id"]: found["on_record"] for found in live(repo)} == {
        "T-001": False,
        "T-002": True,
    }
    assert repo.run("stop", "sess-001").exit_code == 0
    assert not is_running(first)
    assert is_running(second)


def test_a_session_of_which_nothing_lives_is_ended(repo: MissionRepo, pids: list[int]) -> None:
    agent = hand_off(repo, pids)
    supervisor = repo.run_state()["supervisor_pid"]
    kill(supervisor)
    kill(agent)
    lose_state(repo)
    assert repo.run("status").exit_code == 0
    assert reasons(repo) == ["crashed"]


def test_a_pid_that_is_another_process_by_now_keeps_nothing(
    repo: MissionRepo, pids: list[int]
) -> None:
    agent = hand_off(repo, pids)
    supervisor = repo.run_state()["supervisor_pid"]
    kill(supervisor)
    kill(agent)
    lose_state(repo)
    edit_session(repo, pid=os.getpid())
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 0
    assert reasons(repo)[0] == "crashed"


def test_what_cannot_be_known_is_unknown_until_a_person_says_so(
    repo: MissionRepo, pids: list[int]
) -> None:
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 0
    lose_state(repo)
    with subprocess.Popen(["sleep", "600"], env={}) as nameless:
        pids.append(nameless.pid)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        edit_session(repo, pid=nameless.pid, startedAt=now, endedAt=None, endedReason=None)
        (found,) = live(repo)
        assert found["life"] == "unknown"
        refused = repo.run("next", "--runtime", "quick", "--headless")
        assert refused.exit_code == 4
        assert "`mission reopen T-001`" in refused.stderr
        assert repo.run("stop").exit_code == 1
        assert nameless.poll() is None
        assert reasons(repo) == [None]
        assert repo.run("reopen", "T-001").exit_code == 0
        assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 0
        nameless.kill()


def test_a_session_of_another_machine_without_lock_keeps_its_task_only(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "quick", "--headless").exit_code == 0
    edit_session(repo, host="elsewhere", endedAt=None, endedReason=None)
    (found,) = live(repo)
    assert (found["life"], "`elsewhere`" in found["because"]) == ("unknown", True)
    assert repo.run("next", "--task", "T-001", "--headless").exit_code == 4
    other = repo.run("next", "--runtime", "quick", "--headless", "--json")
    assert other.json()["task"]["id"] == "T-002"
    assert reasons(repo)[0] is None


def copied(repo: MissionRepo, to: Path) -> MissionRepo:
    # What is just being written may be gone when it is copied.
    shutil.copytree(repo.path, to, symlinks=True, ignore=shutil.ignore_patterns("*.mission-tmp"))
    return MissionRepo(to, repo.environ)


@pytest.mark.parametrize("options", [(), ("--worktree",)])
def test_a_copy_never_ends_the_agent_of_the_original(
    repo: MissionRepo, pids: list[int], tmp_path: Path, options: tuple[str, ...]
) -> None:
    agent = hand_off(repo, pids, *options)
    copy = copied(repo, tmp_path / "copy")
    status = copy.run("status", "--json").json()
    assert status["live_sessions"] == status["recovered_sessions"] == []
    assert [each["session_id"] for each in status["sessions_elsewhere"]] == [repo.session_id()]
    assert str(repo.path) in copy.run("status").stdout
    assert copy.run("stop").exit_code == 2
    assert copy.run("stop", "sess-001").exit_code == 2
    assert is_running(agent)
    assert reasons(copy) == [None]
    begun = copy.run("next", "--task", "T-002", "--runtime", "quick", "--headless")
    assert begun.exit_code == 0, begun.stderr
    copy.run("clean", "--older-than", "0s")
    copy.run("check", "--fix")
    assert is_running(agent)
    assert [found["life"] for found in live(repo)] == ["alive"]


def test_a_copy_knows_nothing_of_the_original_when_the_lock_is_gone_too(
    repo: MissionRepo, pids: list[int], tmp_path: Path
) -> None:
    agent = hand_off(repo, pids)
    supervisor = repo.run_state()["supervisor_pid"]
    kill(supervisor)
    copy = copied(repo, tmp_path / "copy")
    copy.lock.unlink()
    assert copy.run("status", "--json").json()["live_sessions"] == []
    assert copy.run("stop").exit_code == 2
    assert copy.run("resume", "--runtime", "quick", "--headless").exit_code == 0
    assert is_running(agent)


def test_a_project_that_was_moved_keeps_its_session(
    repo: MissionRepo, pids: list[int], tmp_path: Path
) -> None:
    agent = hand_off(repo, pids)
    os.rename(repo.path, tmp_path / "moved")
    moved = MissionRepo(tmp_path / "moved", repo.environ)
    assert [found["life"] for found in live(moved)] == ["alive"]
    assert moved.run("next", "--runtime", "quick", "--headless").exit_code == 4
    answer = moved.run("stop")
    assert not is_running(agent), answer
    assert not repo.path.exists()
