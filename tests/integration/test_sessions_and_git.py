"""Whatever git does to mission.json: no session is lost, and no id is given twice."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.mission import MissionRepo
from tests.support.shell_agent import change_mission, go, go_behind, let_agent_do, tell

MISSION = "coordination/mission.json"


def listed(repo: MissionRepo) -> list[str]:
    return [session["sessionId"] for session in repo.mission()["sessions"]]


def shown(repo: MissionRepo) -> dict[str, str]:
    found = json.loads(repo.run("sessions", "--json").stdout)["sessions"]
    return {session["id"]: session["ended_reason"] for session in found}


@pytest.mark.parametrize(
    "words",
    [
        ("stash", "-q"),
        ("reset", "-q", "--hard"),
        ("checkout", "-q", "--", "."),
        ("checkout", "-q", "-f", "-b", "older", "HEAD"),
        ("clean", "-ffdxq"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_session_that_git_took_out_is_shown_and_put_back(
    repo: MissionRepo, words: tuple[str, ...]
) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    before = repo.mission()["sessions"]
    assert len(before) == 1
    repo.git(*words)
    assert shown(repo) == {before[0]["sessionId"]: "completed"}
    assert repo.run("add", "Another").exit_code == 0
    assert repo.mission()["sessions"] == before
    assert repo.run("add", "And one more").exit_code == 0
    assert repo.mission()["sessions"] == before
    assert repo.run("check").exit_code == 0


def test_no_id_is_given_twice_and_the_order_is_that_of_time(repo: MissionRepo) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    first = listed(repo)
    repo.git("stash", "-q")
    assert go(repo, "true", "--task", "T-003").exit_code == 0
    both = listed(repo)
    assert both[:1] == first
    assert [each[:9] for each in both] == ["sess-001-", "sess-002-"]


def test_the_end_of_a_session_that_was_committed_while_it_ran_is_kept(repo: MissionRepo) -> None:
    let_agent_do(repo)
    go_behind(repo, "true")
    repo.git("commit", "-qam", "while it works")
    assert tell(repo)["endedReason"] == "completed"
    repo.git("checkout", "-q", "--", MISSION)
    assert "endedReason" not in repo.session()
    (reason,) = shown(repo).values()
    assert reason == "completed"
    assert repo.run("set", "T-002", "priority=high").exit_code == 0
    assert repo.session()["endedReason"] == "completed"


def test_a_session_is_one_line_of_the_file(repo: MissionRepo) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    (line,) = [
        line for line in (repo.path / MISSION).read_text().splitlines() if "sessionId" in line
    ]
    assert json.loads(line.rstrip(",")) == repo.session()
    repo.git("commit", "-qam", "one")
    assert go(repo, "true").exit_code == 0
    # The new line, and the comma behind the one before.
    assert repo.git("diff", "--numstat", "--", MISSION).split()[:2] == ["2", "1"]


def test_another_mission_in_the_same_place_has_no_sessions_of_the_first(repo: MissionRepo) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    change_mission(repo, sessions=[], id="other")
    assert shown(repo) == {}


def test_a_journal_that_is_torn_or_cannot_be_written_costs_nothing(repo: MissionRepo) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    (journal,) = (repo.path / ".git" / "mosaic" / "sessions").iterdir()
    journal.write_bytes(journal.read_bytes() + b'{"sessionId": "sess-0\xff')
    repo.git("stash", "-q")
    assert list(shown(repo).values()) == ["completed"]
    journal.unlink()
    journal.mkdir()
    assert repo.run("status").exit_code == 0
    assert go(repo, "true").exit_code == 0
    assert len(listed(repo)) == 1


def test_a_hand_off_that_was_undone_leaves_no_session(repo: MissionRepo) -> None:
    let_agent_do(repo)
    change_mission(repo, runtimes={**repo.mission()["runtimes"], "doing": {"command": ["nowhere"]}})
    assert repo.run("next", "--headless").exit_code != 0
    before = shown(repo)
    repo.git("checkout", "-q", "--", ".")
    assert shown(repo) == before


def test_the_machine_of_a_session_is_known_here_and_not_to_a_clone(repo: MissionRepo) -> None:
    let_agent_do(repo)
    assert go(repo, "true").exit_code == 0
    go_behind(repo, "true", "--task", "T-002")
    assert os.uname().nodename not in (repo.path / MISSION).read_text()
    assert "host" not in repo.session()
    repo.git("commit", "-qam", "while it works")
    clone = MissionRepo(repo.path.parent / "clone", repo.environ)
    repo.git("clone", "-q", str(repo.path), str(clone.path))

    def hosts(where: MissionRepo) -> list[str]:
        return [each["host"] for each in where.run("sessions", "--json").json()["sessions"]]

    assert hosts(repo) == [os.uname().nodename] * 2
    assert json.loads((repo.run_dir() / "state.json").read_text())["agent"]["host"] == (
        os.uname().nodename
    )
    assert hosts(clone) == ["", ""]
    (elsewhere,) = clone.run("status", "--json").json()["live_sessions"]
    assert (elsewhere["life"], elsewhere["task_id"]) == ("unknown", "T-002")
    assert "it ran on another machine" in elsewhere["because"]
    assert "endedAt" not in clone.session()

    assert tell(repo, 1)["endedReason"] == "completed"
    repo.git("checkout", "-q", "--", MISSION)
    assert hosts(repo) == [os.uname().nodename] * 2
