"""An agent cannot change what its work is judged by: gates, review rules, write scope, commands."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import (
    by_hand,
    change_mission,
    go,
    go_behind,
    let_agent_do,
    setting,
    tell,
    widening,
)

WORK = "mkdir -p src; echo x >>src/a"


def scoped(repo: MissionRepo, **settings: Any) -> MissionRepo:
    """A mission whose first task may change `src` alone."""
    repo.run("set", "T-001", "write_scope=src/**")
    return let_agent_do(repo, **settings)


def objections(repo: MissionRepo, task_id: str = "T-001") -> str:
    return "\n".join(repo.run("review", task_id, "--json").json()["objections"])


def test_the_gates_of_the_claim_are_run_and_the_agents_own_are_not(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="exit 1", review={"greenIsDone": True})
    answer = repo.run(
        "next", "--loop", "--max-sessions", "1",
        DOES=f"{WORK}; {setting(repo, qualityGates='touch pwned')}",
    )  # fmt: skip
    assert "gate `exit` failed with exit code 1" in answer.stderr
    assert "changed while it worked: `qualityGates`" in answer.stderr
    assert not (repo.path / "pwned").exists()
    assert repo.task_status("T-001") == "in-progress"
    words = f"changed from `exit 1` to `touch pwned` while `{repo.session_id()}` worked"
    assert f"`qualityGates` {words}" in objections(repo)
    (log,) = (repo.state / "runs" / "T-001").glob("r001*/worker.log")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    event = next(each for each in events if each["type"] == "rules_changed")
    assert event["data"]["changes"] == [
        {"key": "qualityGates", "before": "exit 1", "after": "touch pwned"}
    ]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"review": {"greenIsDone": True}}, "review.greenIsDone"),
        ({"review": {"gates": "never"}}, "review.gates"),
        ({"review": {"allowOutOfScope": True}}, "review.allowOutOfScope"),
        ({"notify": ["touch", "pwned"]}, "notify"),
        ({"worktrees": {"setup": "touch pwned"}}, "worktrees.setup"),
        ({"statuses": {"ok": "done"}}, "statuses.ok"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_rule_is_named_and_speaks_against_approval(
    repo: MissionRepo, settings: dict[str, Any], key: str
) -> None:
    scoped(repo, qualityGates="true")
    answer = go(repo, f"{WORK}; {setting(repo, **settings)}")
    assert f"changed while it worked: `{key}`" in answer.stdout
    assert repo.task_status("T-001") == "review"
    assert f"`{key}` changed" in objections(repo)
    assert f"`{key}`" in (repo.path / "coordination" / "SCRATCHPAD.md").read_text()
    refused = repo.run("review", "T-001", "--approve")
    assert refused.exit_code == 1
    assert f"`{key}` changed" in refused.stderr
    assert repo.run("review", "T-001", "--approve", "--force").exit_code == 0
    assert repo.task_status("T-001") == "done"


def test_moving_the_missions_own_files_is_named_too(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="exit 1")
    moved = setting(repo, orchestratorDir="coordination/other", qualityGates="true")
    answer = go(repo, f"{WORK}; {moved}")
    assert answer.exit_code == 1
    assert "gate `exit` failed" in answer.stdout
    assert "`orchestratorDir`" in answer.stdout
    assert f"the record of `{repo.session_id()}` is not here" in repo.run("review", "T-001").stdout
    change_mission(repo, orchestratorDir="coordination/.state")
    assert "`qualityGates` changed from `exit 1` to `true`" in objections(repo)


def test_green_is_done_is_not_for_an_agent_to_set_up(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true")
    does = f"{WORK}; {setting(repo, review={'greenIsDone': True})}"
    answer = repo.run("next", "--loop", "--max-sessions", "2", DOES=does)
    assert repo.task_status("T-001") == "review"
    # Nor for another task: the rules are not what they were when the loop began.
    assert repo.task_status("T-002") == "review"
    assert "waits for review: `review.greenIsDone` changed" in answer.stderr
    # And a loop that is started later does not take them for the person's either.
    repo.run("next", "--loop", "--max-sessions", "1", DOES=WORK)
    assert repo.task_status("T-003") == "review"
    assert repo.run("review", "T-003", "--approve", "--force").exit_code == 0


def test_green_suffices_where_nobody_touched_the_rules(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true", review={"greenIsDone": True})
    repo.run("next", "--loop", "--max-sessions", "1", DOES=WORK)
    assert repo.task_status("T-001") == "done"


@pytest.mark.parametrize("way", ["mission", "file", "hidden"])
def test_the_write_scope_of_the_claim_counts(repo: MissionRepo, way: str) -> None:
    scoped(repo)
    widen = {
        "mission": "mission set T-001 'write_scope=**'",
        "file": widening(repo, "**"),
        "hidden": "(unset MISSION_SESSION MISSION_RUN; mission set T-001 'write_scope=**')",
    }[way]
    answer = go(repo, f"{widen}; {WORK}; echo y >outside")
    assert answer.exit_code == 1
    assert "outside of its write scope: `outside`" in answer.stdout
    assert '`write_scope` changed from `["src/**"]` to `["**"]`' in objections(repo)
    # The next session is not judged by what this one left either.
    again = go(repo, WORK, "--task", "T-001")
    assert "outside of its write scope: `outside`" in again.stdout
    repo.run("set", "T-001", "write_scope=src/**")
    assert "write_scope" not in objections(repo)


def test_a_scope_that_a_person_sets_while_it_works_counts(repo: MissionRepo) -> None:
    scoped(repo)
    go_behind(repo, f"{WORK}; echo y >outside")
    assert repo.run("set", "T-001", "write_scope+=outside").exit_code == 0
    assert tell(repo)["endedReason"] == "completed"
    assert repo.run("review", "T-001", "--json").json()["objections"] == []


def test_a_scope_that_a_person_widens_later_lets_the_next_session_finish(
    repo: MissionRepo,
) -> None:
    scoped(repo)
    assert go(repo, f"{WORK}; echo y >outside").exit_code == 1
    repo.run("set", "T-001", "write_scope+=outside")
    assert go(repo, WORK, "--task", "T-001").exit_code == 0
    assert repo.task_status("T-001") == "review"


def test_a_person_allows_afterwards_what_the_agent_set(repo: MissionRepo) -> None:
    scoped(repo)
    assert go(repo, f"mission set T-001 'write_scope=**'; {WORK}; echo y >outside").exit_code == 1
    repo.run("set", "T-001", "write_scope=**")
    assert "write_scope" not in objections(repo)
    assert go(repo, WORK, "--task", "T-001").exit_code == 0


def test_a_violation_that_was_put_back_counts_no_more(repo: MissionRepo) -> None:
    scoped(repo)
    assert go(repo, f"{WORK}; echo y >outside").exit_code == 1
    assert repo.run("review", "T-001", "--json").json()["out_of_scope"] == ["outside"]
    (repo.path / "outside").unlink()
    assert repo.run("review", "T-001", "--json").json()["out_of_scope"] == []
    assert go(repo, WORK, "--task", "T-001").exit_code == 0


def test_a_rule_that_was_put_back_counts_no_more(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true")
    go(repo, f"{WORK}; {setting(repo, qualityGates='exit 0')}")
    assert "qualityGates" in objections(repo)
    change_mission(repo, qualityGates="true")
    assert objections(repo) == ""


def test_a_change_that_is_put_back_before_the_end_is_none(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true")
    go(repo, f"{setting(repo, qualityGates='exit 0')}; {WORK}; git checkout -q coordination")
    assert objections(repo) == ""


def test_sending_it_back_is_a_decision_about_the_rules_too(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true")
    go(repo, f"{WORK}; {setting(repo, qualityGates='exit 0')}")
    repo.run("review", "T-001", "--reject", "--why", "once more")
    assert go(repo, WORK, "--task", "T-001").exit_code == 4  # a gate that nobody allowed
    assert repo.run("trust").exit_code == 0
    assert go(repo, WORK, "--task", "T-001").exit_code == 0
    assert objections(repo) == ""


@pytest.mark.parametrize("hidden", ["", "unset MISSION_SESSION MISSION_RUN; "])
def test_an_agent_cannot_forgive_itself(repo: MissionRepo, hidden: str) -> None:
    scoped(repo, qualityGates="true")
    go(
        repo,
        f"{WORK}; {setting(repo, qualityGates='exit 0')}; "
        f"({hidden}mission reopen T-001; mission review T-001 --reject --why x)",
    )
    assert "qualityGates" in objections(repo)


def test_commands_for_the_next_session_are_named(repo: MissionRepo) -> None:
    scoped(repo)
    code = (
        "path = pathlib.Path('coordination/mission.json'); known = json.loads(path.read_text())\n"
        "known['runtimes']['doing']['env'] = {'TOKEN': 'swordfish'}\n"
        "known['runtimes']['other'] = {'command': ['touch', 'pwned']}; known['runtime'] = 'other'\n"
        "path.write_text(json.dumps(known))"
    )
    go(repo, f"{WORK}; {by_hand(repo, code)}")
    found = objections(repo)
    assert "`runtime` changed from `doing` to `other`" in found
    assert "`runtimes.other.command` changed from nothing" in found
    assert "`runtimes.doing.env.TOKEN` changed from nothing" in found
    assert "swordfish" not in found + (repo.run_dir() / "worker.log").read_text()
    record = json.loads((repo.state / "changed-rules.json").read_text())
    assert (record["before"]["runtime"], record["after"]["runtime"]) == ("doing", "other")


def test_the_loop_alerts_with_the_command_it_began_with(repo: MissionRepo) -> None:
    scoped(repo, notify=["touch", "alerted"])
    notify = setting(repo, notify=["touch", "pwned"])
    does = f"{notify}; mission block T-001 --why 'a question'"
    repo.run("next", "--loop", "--max-sessions", "1", DOES=does, NOFINISH="1")
    assert (repo.path / "alerted").exists()
    assert not (repo.path / "pwned").exists()


@pytest.mark.parametrize("gone", ["rules.json", "meta.json", "."])
def test_an_agent_cannot_write_its_runs_record(repo: MissionRepo, gone: str) -> None:
    scoped(repo, qualityGates="exit 1")
    does = f'rm -rf "$MISSION_RUN_DIR/{gone}"' if gone != "." else 'rm -rf "$MISSION_RUN_DIR"'
    say = 'echo "{\\"type\\": \\"message\\", \\"text\\": \\"hello\\"}"'
    answer = go(repo, f"{WORK}; {setting(repo, qualityGates='true')}; {does}; {say}")
    assert answer.exit_code == 1
    assert repo.session()["endedReason"] == "failed"
    assert "qualityGates" in objections(repo)


def test_a_record_that_was_forged_is_put_right(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="exit 1")
    forge = by_hand(
        repo,
        "import os, hashlib; run = pathlib.Path(os.environ['MISSION_RUN_DIR'])\n"
        "rules = json.loads((run / 'rules.json').read_text())\n"
        "rules['settings']['qualityGates'] = 'true'; data = json.dumps(rules).encode()\n"
        "(run / 'rules.json').write_bytes(data)\n"
        "meta = json.loads((run / 'meta.json').read_text())\n"
        "meta['rules_sha256'] = hashlib.sha256(data).hexdigest()\n"
        "(run / 'meta.json').write_text(json.dumps(meta))",
    )
    go(repo, f"{WORK}; {setting(repo, qualityGates='true')}; {forge}")
    found = objections(repo)
    assert "gate `exit` failed" in found
    assert "`qualityGates` changed from `exit 1` to `true`" in found


def test_a_task_without_its_file_is_not_finished(repo: MissionRepo) -> None:
    scoped(repo)
    answer = go(
        repo, f"{WORK}; rm coordination/tasks/T-001*; mission set T-001 status=review", NOFINISH="1"
    )
    assert answer.exit_code == 1
    assert "its task file is gone" in answer.stdout


def test_gates_are_held_where_the_supervisor_was_killed(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="exit 1")
    go_behind(repo, f"{WORK}; {setting(repo, qualityGates=[])}")
    os.kill(repo.run_state()["supervisor_pid"], signal.SIGKILL)
    (repo.path.parent / "go").write_text("")
    wait_for(
        lambda: (
            "status: review"
            in next((repo.path / "coordination" / "tasks").glob("T-001*")).read_text()
        ),
        "review",
    )
    wait_for(lambda: repo.run("sessions", "--json") and repo.session().get("endedAt"), "the end")
    assert repo.task_status("T-001") == "in-progress"
    assert "qualityGates" in objections(repo)
