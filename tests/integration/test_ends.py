"""Every way a session can end, each recorded, with nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for


def agent_pid(repo: MissionRepo) -> int:
    return int(wait_for((repo.path / "begun").read_text, "the agent's start"))


def assert_ended(repo: MissionRepo, reason: str) -> None:
    session = repo.session()
    assert session["endedReason"] == reason
    assert session["endedAt"]
    assert "durationSeconds" in session
    assert not repo.lock.exists()
    assert repo.run_state()["status"] in ("completed", "failed", "blocked")


def test_a_time_limit_ends_the_agent_with_124(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "wait", "--timeout", "1s")
    assert answer.exit_code == 124
    assert_ended(repo, "timeout")
    assert not is_running(agent_pid(repo))


def test_an_agent_that_hears_nothing_is_killed(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "deaf", "--detach").exit_code == 0
    wait_for((repo.path / "deaf").exists, "the agent's start")
    pid = agent_pid(repo)
    assert repo.run("stop", "--now").exit_code == 0
    assert not is_running(pid)
    assert_ended(repo, "stopped")


def test_stop_goes_from_asking_to_killing(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "deaf", "--detach").exit_code == 0
    wait_for((repo.path / "deaf").exists, "the agent's start")
    pid = agent_pid(repo)
    assert repo.run("stop").exit_code == 0
    assert not is_running(pid)
    assert_ended(repo, "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_stops_the_agent(repo: MissionRepo, number: int) -> None:
    process = repo.start("next", "--runtime", "wait")
    pid = agent_pid(repo)
    wait_for(lambda: repo.session()["pid"] == pid, "the session's entry")
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    assert not is_running(pid)
    assert_ended(repo, "stopped")


def test_killing_the_agent_is_recorded(repo: MissionRepo) -> None:
    process = repo.start("next", "--runtime", "wait")
    pid = agent_pid(repo)
    wait_for(lambda: repo.session()["pid"] == pid, "the session's entry")
    os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    assert_ended(repo, "crashed")


def test_what_an_agent_leaves_behind_is_ended(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "stray").exit_code == 0
    stray = int((repo.path / "stray").read_text())
    assert not is_running(stray)
    exited = next(event for event in repo.events() if event["type"] == "worker_exited")
    assert exited["data"]["swept"] == 1


def kill_supervisor(repo: MissionRepo) -> int:
    """Kill the supervisor of a waiting agent, and return the agent's pid."""
    process = repo.start("next", "--runtime", "wait")
    pid = agent_pid(repo)
    wait_for(lambda: repo.session()["pid"] == pid, "the session's entry")
    process.kill()
    process.wait(timeout=60)
    return pid


def test_an_agent_that_outlives_its_supervisor_is_seen_alive(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    status = repo.run("status")
    assert "without a supervisor" in status.stdout
    for command in ("next", "resume"):
        answer = repo.run(command, "--runtime", "quick")
        assert answer.exit_code == 4
        assert "sess-001" in answer.stderr
    assert repo.run("stop").exit_code == 0
    assert not is_running(pid)
    assert_ended(repo, "stopped")


@pytest.mark.parametrize("command", ["status", "next", "resume", "sessions"])
def test_a_dead_session_is_found_by_the_next_command(repo: MissionRepo, command: str) -> None:
    pid = kill_supervisor(repo)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the agent's end")
    arguments = [command, "--runtime", "quick"] if command in ("next", "resume") else [command]
    answer = repo.run(*arguments)
    assert answer.exit_code == 0, answer.stderr
    first = repo.session(0)
    assert first["endedReason"] == "crashed"
    assert first["endedAt"] >= first["startedAt"]
    assert not repo.lock.exists()
    assert repo.task_status("T-001") == "in-progress"
    states = [
        json.loads(path.read_text())["status"]
        for path in (repo.state / "runs").glob("*/*/state.json")
    ]
    assert "running" not in states


def test_what_a_crashed_run_left_behind_is_ended(repo: MissionRepo) -> None:
    process = repo.start("next", "--runtime", "wait")
    pid = agent_pid(repo)
    wait_for(lambda: repo.session()["pid"] == pid, "the session's entry")
    process.kill()
    process.wait(timeout=60)
    environ = {**repo.environ, "MISSION_RUN_DIR": str(repo.run_dir())}
    import subprocess

    stray = subprocess.Popen(["sleep", "600"], env=environ, start_new_session=True)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the agent's end")
    repo.run("status")
    assert stray.wait(timeout=60) == -signal.SIGKILL


def test_a_lock_of_a_reused_pid_is_dead(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the agent's end")
    lock = json.loads(repo.lock.read_text())
    lock.update(pid=os.getpid(), pid_started_at="1")
    repo.lock.write_text(json.dumps(lock))
    assert repo.run("status").exit_code == 0
    assert repo.session()["endedReason"] == "crashed"


def test_a_lock_of_another_boot_is_dead(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    lock = json.loads(repo.lock.read_text())
    lock.update(boot_id="another")
    repo.lock.write_text(json.dumps(lock))
    repo.run("status")
    assert repo.session()["endedReason"] == "crashed"
    os.kill(pid, signal.SIGKILL)


def test_a_lock_of_another_host_is_judged_by_its_heartbeat(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    lock = json.loads(repo.lock.read_text())
    lock.update(host="elsewhere")
    repo.lock.write_text(json.dumps(lock))
    answer = repo.run("next", "--runtime", "quick")
    assert answer.exit_code == 4
    assert "elsewhere" in answer.stderr
    long_ago = repo.lock.stat().st_mtime - 3600
    os.utime(repo.lock, (long_ago, long_ago))
    repo.run("status")
    assert repo.session(0)["endedReason"] == "crashed"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("garbage", ["", "{", '{"pid": 1}', "not json", "[]", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_reported_and_kept(repo: MissionRepo, garbage: str) -> None:
    repo.lock.write_text(garbage)
    for command in (["next", "--runtime", "quick"], ["status"], ["resume"]):
        answer = repo.run(*command)
        assert answer.exit_code == 5
        assert "session.lock" in answer.stderr
    assert repo.lock.read_text() == garbage
    assert repo.mission()["sessions"] == []


def test_a_session_whose_lock_was_removed_is_ended(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the agent's end")
    repo.lock.unlink()
    assert any(
        finding["code"] == "SESSION_OPEN"
        for finding in repo.run("check", "--json").json()["findings"]
    )
    repo.run("status")
    assert repo.session()["endedReason"] == "crashed"


def test_a_torn_event_is_dropped_and_the_numbers_go_on(repo: MissionRepo) -> None:
    pid = kill_supervisor(repo)
    log = repo.run_dir() / "worker.log"
    with log.open("ab") as stream:
        stream.write(b'{"seq": 99, "type": "wor')
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "the agent's end")
    repo.run("status")
    events = repo.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_stop_without_a_live_session_says_so(repo: MissionRepo) -> None:
    answer = repo.run("stop")
    assert answer.exit_code == 2
    assert "no session is live" in answer.stderr


def test_a_removed_state_folder_loses_no_task(repo: MissionRepo, tmp_path: Path) -> None:
    repo.run("next", "--runtime", "quick")
    os.rename(repo.state, tmp_path / "gone")
    assert repo.task_status("T-001") == "in-progress"
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    assert len(repo.mission()["sessions"]) == 2
