"""Recorded steps: the same record around any command."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tests.support.mission import MissionRepo, is_running, wait_for

RESULT_KEYS = {
    "ok", "outcome", "summary", "needs_human", "blocked", "task_id", "step_id", "run_id",
    "attempt", "worker_kind", "started_at", "finished_at", "duration_ms", "artifacts",
    "suggested_followup", "metrics", "usage",
}  # fmt: skip
REPORT = """\
import json, os, pathlib
left = pathlib.Path(os.environ["MISSION_RUN_DIR"]) / "artifacts"
(left / "plan.md").write_text("the plan")
(left / "report.json").write_text(json.dumps({
    "summary": "which database",
    "needs_human": True,
    "artifacts": [
        {"path": "artifacts/plan.md", "name": "plan", "kind": "document", "description": "ours"},
        {"path": "stdout.log", "name": "talk", "kind": "log", "description": "what I said"},
    ],
    "suggested_followup": [
        {"step_name": "migrate", "step_kind": "shell", "reason": "the schema is old"},
    ],
}))
"""


def only_run(repo: MissionRepo) -> Path:
    (found,) = (repo.state / "runs" / "T-001").iterdir()
    return found


def result_of(run: Path) -> dict[str, object]:
    values: dict[str, object] = json.loads((run / "result.json").read_text())
    return values


def test_a_step_shows_what_its_command_writes_and_records_it_byte_for_byte(
    repo: MissionRepo,
) -> None:
    answer = repo.run(
        "exec", "T-001", "--step", "talk", "--", "sh", "-c", "printf 'out\\033[1m'; echo err >&2"
    )
    assert answer.exit_code == 0
    assert answer.stdout == "out\x1b[1m"
    assert answer.stderr.startswith("err\n")
    assert "step talk completed" in answer.stderr
    run = only_run(repo)
    assert (run / "stdout.log").read_bytes() == b"out\x1b[1m"
    assert (run / "stderr.log").read_bytes() == b"err\n"


def test_a_step_result_holds_every_field_of_the_contract(repo: MissionRepo) -> None:
    answer = repo.run(
        "exec", "T-001", "--step", "t", "--kind", "review", "--json", "--", "sh", "-c", "exit 7"
    )
    assert answer.exit_code == 1
    result = result_of(only_run(repo))
    assert set(result) >= RESULT_KEYS
    assert answer.json().items() >= result.items()
    assert (result["ok"], result["outcome"], result["exit_code"]) == (False, "failed", 7)
    assert (result["worker_kind"], result["step_id"]) == ("review", "t")
    metrics = result["metrics"]
    assert isinstance(metrics, dict)
    assert set(metrics) >= {
        "duration_ms", "lifecycle_event_count", "stdout_bytes", "stderr_bytes", "checkpoint_count"
    }  # fmt: skip
    lines = (only_run(repo) / "worker.log").read_text().splitlines()
    assert metrics["lifecycle_event_count"] == len(lines)
    events = {event["type"]: event for event in map(json.loads, lines)}
    assert events["worker_exited"]["level"] == events["step_failed"]["level"] == "error"
    step = {"step": "t", "kind": "review", "attempt": 1, "run_dir": str(only_run(repo))}
    for kind in ("run_prepared", "worker_started", "step_failed"):
        assert events[kind]["data"].items() >= step.items()
    assert events["step_failed"]["data"].items() >= {"exit_code": 7, "outcome": "failed"}.items()


def test_attempts_are_counted_for_each_step(repo: MissionRepo) -> None:
    for step in ("build", "test", "build"):
        repo.run("exec", "T-001", "--step", step, "--", "true")
    runs = sorted((repo.state / "runs" / "T-001").iterdir())
    metas = [json.loads((run / "meta.json").read_text()) for run in runs]
    assert [(m["step_id"], m["attempt"]) for m in metas] == [
        ("build", 1),
        ("test", 1),
        ("build", 2),
    ]


def test_a_step_that_takes_too_long_is_stopped(repo: MissionRepo) -> None:
    answer = repo.run("exec", "T-001", "--timeout", "1s", "--", "sleep", "600")
    assert answer.exit_code == 124
    run = only_run(repo)
    assert result_of(run)["reason"] == "timeout"
    triggers = [
        json.loads(path.read_text())["trigger"] for path in sorted(run.glob("checkpoints/*.json"))
    ]
    assert triggers == ["timeout", "end"]


def test_a_prepared_step_is_started_later_and_once(repo: MissionRepo) -> None:
    laid_out = repo.run("exec", "T-001", "--prepare", "--json", "--", "echo", "later").json()
    run = only_run(repo)
    assert laid_out["outcome"] == "prepared"
    assert json.loads((run / "state.json").read_text())["status"] == "prepared"
    assert "step_prepared" in (run / "worker.log").read_text()
    assert not (run / "stdout.log").exists()
    assert repo.run("exec", "--start", run.name).stdout == "later\n"
    assert json.loads((run / "state.json").read_text())["status"] == "completed"
    again = repo.run("exec", "--start", run.name)
    assert again.exit_code == 4
    assert "was started already" in again.stderr


def test_what_a_step_reports_is_shown_listed_and_told_to_the_next_agent(repo: MissionRepo) -> None:
    answer = repo.run("exec", "T-001", "--step", "plan", "--", sys.executable, "-c", REPORT)
    assert answer.exit_code == 1
    assert "needs a human: which database" in answer.stderr
    assert "suggested: migrate (shell): the schema is old" in answer.stderr
    result = result_of(only_run(repo))
    assert (result["outcome"], result["blocked"], result["needs_human"]) == ("blocked", False, True)
    artifacts = result["artifacts"]
    assert isinstance(artifacts, list)
    by_path = {entry["path"]: entry for entry in artifacts}
    assert len(by_path) == len(artifacts)
    assert set(by_path) >= {
        "meta.json", "state.json", "worker.log", "stdout.log", "stderr.log", "checkpoints",
        "artifacts", "artifacts/plan.md", "artifacts/report.json",
    }  # fmt: skip
    assert by_path["artifacts/plan.md"]["description"] == "ours"
    assert by_path["stdout.log"]["description"] == "what I said"
    prompt = repo.run("next", "--task", "T-001", "--runtime", "quick", "--print").stdout
    assert "plan: which database" in prompt
    assert "migrate (shell): the schema is old" in prompt


def test_an_agent_that_asks_for_a_human_by_its_report_blocks_its_task(repo: MissionRepo) -> None:
    mission = repo.mission()
    mission["runtimes"]["asks"] = [sys.executable, "-c", REPORT, "{prompt}"]
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    answer = repo.run("next", "--runtime", "asks", "--headless")
    assert "needs a human: which database" in answer.stdout
    assert "migrate" in answer.stdout
    assert repo.task_status("T-001") == "blocked"
    assert "needs a human: which database" in repo.run("show", "T-001").stdout
    assert repo.session()["endedReason"] == "blocked"


def test_a_report_that_is_no_json_is_a_warning(repo: MissionRepo) -> None:
    script = 'echo "{" > "$MISSION_RUN_DIR/artifacts/report.json"'
    answer = repo.run("exec", "T-001", "--", "sh", "-c", script)
    assert answer.exit_code == 0
    assert "warning: `artifacts/report.json` cannot be read" in answer.stderr


def test_a_step_of_a_killed_mission_is_told_as_crashed_and_mended(repo: MissionRepo) -> None:
    process = repo.start("exec", "T-001", "--", "sh", "-c", "echo begun; exec sleep 600")
    run = wait_for(lambda: only_run(repo))
    state = wait_for(lambda: json.loads((run / "state.json").read_text())["agent"] and run)
    wait_for(lambda: (state / "stdout.log").read_bytes() == b"begun\n")
    agent = json.loads((run / "state.json").read_text())["agent"]["pid"]
    process.kill()
    process.wait()
    assert "running" in repo.run("show", "T-001").stdout
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: not is_running(agent))
    assert "crashed" in repo.run("show", "T-001").stdout
    assert "STEP_DEAD" in repo.run("check", "--json").stdout
    assert repo.run("check", "--fix").exit_code == 0
    assert json.loads((run / "state.json").read_text())["status"] == "failed"
    assert result_of(run)["answer"] == "begun"


def test_commands_that_cannot_be_run_leave_no_record(repo: MissionRepo) -> None:
    missing = repo.run("exec", "T-001", "--", "no-such-program")
    assert missing.exit_code == 1
    assert "it is not on the PATH" in missing.stderr
    assert list((repo.state / "runs" / "T-001").iterdir()) == []
    for wrong in (
        ("exec", "T-001", "--step", "../x", "--", "true"),
        ("exec", "T-001", "--kind", "nothing", "--", "true"),
        ("exec", "T-001"),
        ("exec", "--", "true"),
        ("exec", "T-099", "--", "true"),
        ("exec", "--start", "../../x"),
        ("exec", "T-001", "--prepare", "--", "curl", "--token", "abc"),
    ):
        assert repo.run(*wrong).exit_code == 2, wrong


def test_a_step_runs_beside_a_live_session(repo: MissionRepo) -> None:
    repo.run("next", "--runtime", "wait", "--detach")
    wait_for((repo.path / "begun").exists)
    assert repo.run("exec", "T-001", "--step", "look", "--", "true").exit_code == 0
    assert repo.run("stop", "--now").exit_code == 0
    assert repo.session()["endedReason"] == "stopped"
