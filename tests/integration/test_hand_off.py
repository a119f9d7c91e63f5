"""Handing off: what is written, in which order, and what is undone."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.support.mission import MissionRepo, wait_for


def test_a_finished_session_is_recorded_and_its_lock_is_gone(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "quick", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert answer.json()["outcome"] == "completed"
    session = repo.session()
    assert re.fullmatch("sess-001-[b-z2-9]{4}", session["sessionId"])
    assert session["lastTaskId"] == "T-001"
    assert session["endedReason"] == "completed"
    assert session["endedAt"]
    assert session["durationSeconds"] >= 0
    assert not repo.lock.exists()
    assert repo.mission()["status"] == "active"
    assert repo.task_status("T-001") == "in-progress"
    assert repo.run_state()["status"] == "completed"


def test_a_failed_agent_makes_exit_code_1_and_its_words_are_told(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "fail")
    assert answer.exit_code == 1
    assert "it went wrong" in answer.stdout
    assert repo.session()["endedReason"] == "failed"
    assert not repo.lock.exists()


def test_an_agent_that_a_signal_ended_has_crashed(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "kill")
    assert answer.exit_code == 1
    assert repo.session()["endedReason"] == "crashed"
    assert "SIGKILL" in answer.stdout
    assert not repo.lock.exists()


def test_events_are_numbered_without_holes(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "quick")
    events = repo.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    run = repo.run_dir().name
    assert events[0]["event_id"] == f"{run}:event:0001"
    assert [event["type"] for event in events] == [
        "run_prepared",
        "worker_started",
        "worker_exited",
        "checkpoint_captured",
        "step_completed",
    ]
    assert repo.run_state()["last_event_seq"] == len(events)


def test_the_agents_output_is_kept_byte_for_byte(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "fail")
    assert (repo.run_dir() / "stdout.log").read_bytes() == b"begun\n"
    assert (repo.run_dir() / "stderr.log").read_bytes() == b"it went wrong\n"


def test_a_program_that_is_not_there_changes_nothing(repo: MissionRepo) -> None:
    before = {
        path: path.read_bytes()
        for path in (repo.path / "coordination").rglob("*")
        if path.is_file() and ".state" not in path.parts
    }
    answer = repo.run("next", "--runtime", "missing")
    assert answer.exit_code == 1
    assert "no-such-agent-anywhere" in answer.stderr
    assert "hint:" in answer.stderr
    after = {path: path.read_bytes() for path in before}
    assert after == before
    assert not repo.lock.exists()
    assert not list((repo.state / "runs").glob("*/*"))


def test_a_detached_program_that_is_not_there_changes_nothing(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "missing", "--detach")
    assert answer.exit_code == 1
    assert "no-such-agent-anywhere" in answer.stderr
    assert repo.mission()["sessions"] == []
    assert not repo.lock.exists()
    assert repo.git("status", "--short").strip() == ""


def test_print_writes_the_capsule_and_changes_nothing_else(repo: MissionRepo) -> None:
    repo.run("list")
    before = {path: path.read_bytes() for path in repo.path.rglob("*") if path.is_file()}
    answer = repo.run("next", "--print", "--runtime", "quick")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("# Task T-001: First\n")
    after = {path: path.read_bytes() for path in repo.path.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed - {"index"} == {"next-task.json"}  # that is a cache


def test_an_agent_keeps_its_capsule_whatever_is_looked_at_meanwhile(repo: MissionRepo) -> None:
    mission = repo.mission()
    program = (
        "import json, subprocess, sys; from pathlib import Path\n"
        "look = 'next --print --task T-002 --runtime quick'.split()\n"
        "subprocess.run([sys.executable, '-m', 'mosaic', *look], stdout=2, check=True)\n"
        "print(json.loads(Path(sys.argv[1]).read_text())['next_task'])\n"
    )
    command = [sys.executable, "-c", program, "{capsule}"]
    mission["runtimes"]["reader"] = {"command": command, "prompt": "stdin"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    assert repo.run("next", "--runtime", "reader").exit_code == 0
    assert (repo.run_dir() / "stdout.log").read_text() == "T-001\n"
    assert json.loads((repo.state / "next-task.json").read_text())["next_task"] == "T-002"


def test_the_capsule_has_the_keys_of_its_contract(repo: MissionRepo) -> None:
    repo.run("next", "--print", "--runtime", "quick")
    capsule = json.loads((repo.state / "next-task.json").read_text())
    wanted = (
        "generated_at runtime mission_id mission_name project_path quality_gates "
        "current_milestone next_task progress current_branch schema_version session_id run_id "
        "task depends_on write_scope acceptance_criteria previous_session checkpoint prompt_file "
        "decisions"
    ).split()
    assert sorted(capsule) == sorted(wanted)
    assert capsule["progress"] == {"tasks_done": 0, "tasks_total": 3, "pct": 0}
    assert capsule["current_milestone"] == {"id": "M1", "name": "One"}
    assert capsule["current_branch"] == "main"
    assert capsule["task"]["handoff_sections_missing"][0] == "files_changed"


def test_the_agent_is_told_where_it_is_and_not_who_called(repo: MissionRepo) -> None:
    answer = repo.run("next", "--runtime", "env", "--json", CLAUDECODE="1", CODEX_THREAD_ID="x")
    assert answer.exit_code == 0
    result = json.loads((repo.run_dir() / "result.json").read_text())
    environ = json.loads(result["answer"])
    assert environ["MISSION_TASK"] == "T-001"
    assert environ["MISSION_SESSION"] == repo.session_id()
    assert environ["MISSION_RUN_DIR"] == str(repo.run_dir())
    assert environ["MISSION_FILE"] == str(repo.path / "coordination" / "mission.json")
    assert "CLAUDECODE" not in environ
    assert "CODEX_THREAD_ID" not in environ


def test_a_long_prompt_reaches_the_agents_stdin_whole(repo: MissionRepo) -> None:
    task = next((repo.path / "coordination" / "tasks").glob("T-001*"))
    filler = "wörter und 字 " * 4000
    task.write_text(task.read_text().replace("## Goal\n", f"## Goal\n\n{filler}\n"))
    answer = repo.run("next", "--runtime", "stdin", "--json")
    assert answer.exit_code == 0, answer.stderr
    prompt = (repo.run_dir() / "prompt.md").read_text()
    assert len(prompt) > 48_000
    result = json.loads((repo.run_dir() / "result.json").read_text())
    assert result["answer"] == f"{len(prompt)} {prompt[-20:]!r}"


def test_records_are_for_the_users_eyes_alone(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "quick")
    for path in [repo.run_dir(), *repo.run_dir().rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_twenty_hand_offs_at_once_have_one_winner(repo: MissionRepo) -> None:
    processes = [repo.start("next", "--runtime", "wait", "--detach") for _ in range(20)]
    codes = sorted(process.wait(timeout=60) for process in processes)
    assert codes == [0] + [4] * 19
    assert len(repo.mission()["sessions"]) == 1
    assert len(list((repo.state / "runs").glob("*/*/meta.json"))) == 1
    assert repo.run("stop").exit_code == 0
    for process in processes:
        if process.returncode == 4:
            assert "sess-001" in (process.stderr.read() if process.stderr else "")


def test_a_second_hand_off_is_refused_and_names_the_first(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "wait", "--detach").exit_code == 0
    for command in (("next",), ("next", "--task", "T-002"), ("resume",)):
        answer = repo.run(*command, "--runtime", "quick")
        assert answer.exit_code == 4
        assert "sess-001" in answer.stderr
    assert repo.run("stop", "--now").exit_code == 0
    assert repo.run("next", "--runtime", "quick").exit_code == 0


def test_tasks_that_cannot_be_handed_off_are_refused_by_name(repo: MissionRepo) -> None:
    repo.run("done", "T-001")
    repo.run("cancel", "T-002", "--why", "no")
    repo.run("add", "Fourth", "-d", "T-003")
    for task, words in (
        ("T-001", "is done"),
        ("T-002", "is cancelled"),
        ("T-004", "waits on `T-003` (todo)"),
    ):
        answer = repo.run("next", "--task", task, "--runtime", "quick")
        assert answer.exit_code == 3
        assert task in answer.stderr
        assert words in answer.stderr
    assert repo.run("next", "--task", "T-999", "--runtime", "quick").exit_code == 2
    assert repo.run("next", "--task", "T-004", "--force", "--runtime", "quick").exit_code == 0


def test_the_next_prompt_says_how_the_last_session_ended(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "fail")
    prompt = repo.run("next", "--print", "--runtime", "quick").stdout
    assert "An earlier session worked on it, and it is not finished" in prompt
    assert "it went wrong" in prompt
    assert f"session {repo.session_id()} failed" in prompt


def test_resume_continues_the_runtimes_own_conversation(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "talk")
    assert repo.session()["runtimeSessionId"] == "talk-1"
    assert repo.session()["usage"]["costUsd"] == 0.25
    answer = repo.run("resume", "--json")
    assert answer.exit_code == 0, answer.stderr
    result = json.loads((repo.run_dir() / "result.json").read_text())
    assert result["answer"] == "again talk-1"
    assert any(event["type"] == "run_resumed" for event in repo.events())
    assert "# Task T-001: go on" in (repo.run_dir() / "prompt.md").read_text()


def test_resume_fresh_begins_a_new_conversation(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "talk")
    assert repo.run("resume", "--runtime", "talk", "--fresh").exit_code == 0
    result = json.loads((repo.run_dir() / "result.json").read_text())
    assert result["answer"] == "begun"
    assert "Setup" in (repo.run_dir() / "prompt.md").read_text()


def test_nothing_to_resume_says_so(repo: MissionRepo) -> None:
    answer = repo.run("resume")
    assert answer.exit_code == 3
    assert "no session to resume" in answer.stderr


def test_an_agents_done_asks_for_review(repo: MissionRepo) -> None:
    answer = repo.run("done", "T-001", MISSION_SESSION="sess-009")
    assert answer.exit_code == 0
    assert repo.task_status("T-001") == "review"


def test_a_mission_without_tasks_has_nothing_to_do(repo: MissionRepo) -> None:
    for path in (repo.path / "coordination" / "tasks").glob("*.md"):
        path.unlink()
    (repo.path / "coordination" / "TASKS.md").unlink()
    assert repo.run("list").exit_code == 0
    answer = repo.run("next", "--runtime", "quick")
    assert answer.exit_code == 3
    assert "there are no tasks" in answer.stderr


def test_a_background_run_is_recorded_when_nobody_waits(repo: MissionRepo) -> None:
    assert repo.run("next", "--runtime", "quick", "--detach").exit_code == 0
    wait_for(lambda: repo.session().get("endedAt"), "the end")
    wait_for(lambda: repo.run_state()["status"] == "completed", "the final state")
    assert not repo.lock.exists()


def test_the_agent_gets_the_terminal_when_there_is_one(repo: MissionRepo) -> None:
    socket = f"mission-test-{repo.path.parent.name}"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    command = " ".join(repo.argv("next", "--runtime", "quick"))
    start = [*tmux, "new-session", "-d", "-c", str(repo.path), "-x", "120", "-y", "40"]
    try:
        subprocess.run([*start, f"{command}; sleep 600"], env=repo.environ, check=True)
        wait_for(lambda: repo.session().get("endedAt"), "the end")
        screen = subprocess.run(
            [*tmux, "capture-pane", "-p"],
            env=repo.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "begun" in screen
        assert not (repo.run_dir() / "stdout.log").exists()
    finally:
        subprocess.run([*tmux, "kill-server"], env=repo.environ, capture_output=True, check=False)
