"""What people and an agent on another machine change in the mission meanwhile, put together.

The other machine is an `sshd` on loopback; see `tests.support.machines`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine, add_machine, machine
from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def away(repo: MissionRepo, box: Machine) -> MissionRepo:
    """A mission with a scripted agent and that machine."""
    let_agent_do(repo, parallelWithoutScope=True)
    add_machine(repo, box, env=ENV)
    return repo


def ok(repo: MissionRepo, *words: str) -> str:
    answer = repo.run(*words)
    assert answer.exit_code == 0, answer
    return answer.stdout


def begin(repo: MissionRepo, does: str) -> None:
    """Hand a task to an agent there, and wait until it says that it waits."""
    ok_to_go = repo.run("next", "--on", "box", DOES=does)
    assert ok_to_go.exit_code == 0, ok_to_go.stderr
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def until_told(repo: MissionRepo) -> str:
    return f'until_told "{repo.path.parent}/go"; '


def end(repo: MissionRepo) -> None:
    """Let the agent go on, and wait until its session's end is recorded."""
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: repo.session().get("endedAt"), "the session's end")
    wait_for(lambda: not [*(repo.state / "sessions").glob("*.lock")], "the lock's end")


def text_of(repo: MissionRepo, task_id: str) -> str:
    return next((repo.path / "coordination/tasks").glob(f"{task_id}-*.md")).read_text()


def test_both_change_the_mission_meanwhile(away: MissionRepo, box: Machine) -> None:
    criteria = "## acceptance criteria\n- [ ] one\n- [ ] two\n\n## notes\n"
    two = next((away.path / "coordination/tasks").glob("T-002-*.md"))
    two.write_text(two.read_text().replace("## notes\n", criteria))
    away.git("commit", "-qam", "Criteria")
    done = away.path.parent / "done"
    does = (
        'mission add "From there" -d T-002; mission add "And more" -d T-004; '
        'sed -i "s/^- ... two/- [x] two/" "$(dirname "$MISSION_FILE")"/tasks/T-002-*; '
        'mission set T-003 status=blocked title="Third, of there" labels+=there; '
        'mission milestone add "M9: Far away"; '
        'echo "word of there" >>"$(dirname "$MISSION_FILE")/SCRATCHPAD.md"; '
        f'mission set T-001 labels+=mine; touch "{done}"; {until_told(away)}'
    )
    begin(away, does)
    wait_for(done.exists, "what the agent changes")
    ok(away, "add", "From here")
    ok(away, "set", "T-003", "title=Third, of here", "labels+=here")
    two.write_text(two.read_text().replace("- [ ] one", "- [x] one"))
    scratchpad = away.path / "coordination/SCRATCHPAD.md"
    scratchpad.write_text(scratchpad.read_text() + "word of here\n")
    end(away)
    tasks = {each["id"]: each for each in away.run("list", "--all", "--json").json()["tasks"]}
    titles = {name: each["title"] for name, each in tasks.items()}
    assert titles["T-004"] == "From here"
    assert (titles["T-005"], titles["T-006"]) == ("And more", "From there"), titles
    assert tasks["T-006"]["depends_on"] == ["T-002"]
    assert tasks["T-005"]["depends_on"] == ["T-006"]
    assert "task_id: T-006" in text_of(away, "T-006")
    assert titles["T-003"] == "Third, of here"
    assert (tasks["T-003"]["status"], tasks["T-001"]["status"]) == ("blocked", "review")
    assert {"here", "there"} <= set(tasks["T-003"]["labels"])
    assert "mine" in tasks["T-001"]["labels"]
    assert "- [x] one\n- [x] two\n" in text_of(away, "T-002")
    assert "M9" in [each["id"] for each in away.mission()["milestones"]]
    words = scratchpad.read_text()
    assert words.count("word of here") == words.count("word of there") == 1
    assert words.count(f" {away.session_id()} ") == 1
    assert len(away.mission()["sessions"]) == 1
    assert away.run("check").exit_code == 0, away.run("check").stdout
    events = (away.run_dir() / "worker.log").read_text()
    united = [json.loads(line) for line in events.splitlines() if '"plan_united"' in line]
    said = json.dumps([each["message"] for each in united])
    assert "Third, of there" in said
    assert "T-004" in said
    assert "T-003.status" not in said
    assert "T-003.title" in away.session()["endedDetail"]
    kept = [*(away.run_dir() / "artifacts/elsewhere").iterdir()]
    assert any("Third, of there" in each.read_text() for each in kept)
