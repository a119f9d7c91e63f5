"""What the installed `claude` and `codex` did, beside what they claim; and a loop over them."""

from __future__ import annotations

import json
from threading import Thread

import pytest

from tests.agents.model_server import Reply
from tests.integration.test_real_agents import HAND_OVER, Agent, agent, program, server
from tests.support.mission import wait_for

__all__ = ["agent", "program", "server"]
pytestmark = pytest.mark.real_agent

CLAIMS = """\
printf -- '- `hello.txt` (new)\\n- `never.py`\\n' > "$MISSION_RUN_DIR/artifacts/files"
printf -- '- `%s`\\n' 'test -f hello.txt' 'grep absent hello.txt' 'ls nope.txt' 'pytest -q' \
  > "$MISSION_RUN_DIR/artifacts/commands"
echo none > "$MISSION_RUN_DIR/artifacts/none"
cd "$MISSION_RUN_DIR/artifacts" && {command} handoff T-001 --set files_changed=files \
  --set commands_run=commands --set result=none --set risks=none --set next_handoff=none \
  --set notes=none && {command} set T-001 status=review
"""


def test_lies_of_a_real_agent_are_told_from_what_it_did(agent: Agent) -> None:
    agent.server.script.say(
        agent.shell("echo hello > hello.txt"),
        agent.shell("test -f hello.txt"),
        agent.shell("grep absent hello.txt"),
        agent.shell("ls nope.txt"),
        agent.shell(CLAIMS.replace("{command}", agent.command)),
        Reply(text="all done"),
    )
    answer = agent.next("--json")
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    found = agent.repo.run("review", "T-001", "--json").json()
    assert {each["path"]: each["standing"] for each in found["claims"]["files"]} == {
        "hello.txt": "confirmed",
        "never.py": "contradicted",
    }
    commands = {each["command"]: each for each in found["claims"]["commands"]}
    assert commands["test -f hello.txt"]["standing"] == "confirmed"
    assert "answered no" in commands["grep absent hello.txt"]["why"]
    assert commands["ls nope.txt"]["why"].startswith("ran and failed")
    assert commands["pytest -q"]["why"] == "no such command ran"
    assert found["evidence"]["knows_all_commands"] is True
    refused = agent.repo.run("review", "T-001", "--approve")
    assert "3 claims are contradicted" in refused.stderr


def test_what_a_person_says_reaches_a_real_agent_that_goes_on_or_begins_anew(agent: Agent) -> None:
    finish = f"{HAND_OVER}{agent.command} set T-001 status=review"
    agent.server.script.say(agent.shell(f"echo hi > hello.txt; {finish}"), Reply(text="done"))
    assert agent.next().exit_code == 0
    sent_back = ["--reject", "--why", "Greet politely.", "--remark", "hello.txt:1", "Not hi."]
    assert agent.repo.run("review", "T-001", *sent_back).exit_code == 0
    asking = f"{agent.command} block T-001 --why 'needs a human: in which language?'"
    agent.server.script.say(agent.shell(asking), Reply(text="I wait."))
    assert agent.repo.run("resume", "T-001", "--headless").exit_code == 1
    resumed = agent.server.script.asked_for()
    assert "Greet politely." in resumed
    assert "Not hi." in resumed
    assert "in which language?" in agent.repo.run("status").stdout
    assert agent.repo.run("answer", "T-001", "In Greek.").exit_code == 0
    agent.server.script.say(agent.shell(f"echo kalimera > hello.txt; {finish}"), Reply(text="done"))
    before = len(agent.server.script.requests)
    assert agent.next().exit_code == 0
    anew = json.dumps(agent.server.script.requests[before:])
    assert "In Greek." in anew
    assert "Not hi." in anew
    decided = agent.repo.run("show", "T-001", "--json").json()["decisions"]
    assert [each["kind"] for each in decided] == ["remarked", "rejected", "answered"]


def set_budget(agent: Agent) -> None:
    mission = agent.repo.mission()
    mission["budget"] = {"retryDelay": "1s", "maxAttempts": 3}
    (agent.repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))


@pytest.mark.parametrize("failure", [Reply(status=429), Reply(status=529), Reply(drop=True)])
def test_a_loop_tries_again_what_may_pass_by_itself(agent: Agent, failure: Reply) -> None:
    set_budget(agent)
    finish = agent.shell(
        "echo none > none; for s in files_changed commands_run result risks next_handoff notes; "
        f"do {agent.command} handoff $MISSION_TASK --set $s=none; done; "
        f"{agent.command} set $MISSION_TASK status=review"
    )
    agent.server.script.say(failure, finish, Reply(text="all done"))
    answer = agent.repo.run(
        "next", "--loop", "--runtime", agent.name, "--max-sessions", "2", "--json"
    )
    report = answer.json()
    assert report["moved"] == {"T-001": {"from": "todo", "to": "review"}}, answer.stdout
    assert [s["endedReason"] for s in agent.repo.mission()["sessions"]] == ["failed", "completed"]


def test_a_bad_login_ends_the_loop_for_a_person(agent: Agent) -> None:
    set_budget(agent)
    agent.server.script.say(Reply(status=401))
    answer = agent.repo.run("next", "--loop", "--runtime", agent.name, "--json")
    assert answer.exit_code == 1
    report = answer.json()
    assert report["needs_person"] is True
    assert "not logged in, or its key is refused" in report["why"]
    assert len(report["sessions"]) == 1
    assert agent.repo.task_status("T-001") == "in-progress"


def test_a_persons_edit_beside_a_real_agent_is_not_its_change(agent: Agent) -> None:
    repo = agent.repo
    (repo.path / "README.md").write_text("read me\n")
    repo.run("set", "T-001", "write_scope=src/**")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Plan")
    begun, edited = repo.path.parent / "begun", repo.path.parent / "edited"

    def edit() -> None:
        wait_for(begun.exists, "the agent's call")
        (repo.path / "README.md").write_text("a person was here\n")
        edited.write_text("")

    agent.server.script.say(
        agent.shell(
            f"mkdir src; echo x > src/a; touch {begun}; until [ -e {edited} ]; do sleep 0.05; done"
        ),
        agent.shell("cat README.md"),
        agent.shell(
            "cd $MISSION_RUN_DIR/artifacts; echo none > none; "
            "for s in files_changed commands_run result risks next_handoff notes; "
            f"do {agent.command} handoff $MISSION_TASK --set $s=none; done; "
            f"{agent.command} set $MISSION_TASK status=review"
        ),
        Reply(text="all done"),
    )
    person = Thread(target=edit)
    person.start()
    answer = agent.next("--json")
    person.join()
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    found = repo.run("review", "T-001", "--json").json()
    assert found["evidence"]["beside"] == ["README.md"]
    assert found["out_of_scope"] == []
    assert "src/a" in [each["path"] for each in found["evidence"]["files"]]
