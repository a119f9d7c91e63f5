"""What every executor keeps: sessions of the scripted agent, started by it for real."""

from __future__ import annotations

import json

import pytest

from mosaic.testing.missions import MissionRepo, is_running, wait_for


class ExecutorContract:
    """Holds an executor to what Mosaic relies on."""

    executor = ""
    """Its name."""

    @pytest.fixture
    def executor_name(self) -> str:
        """Its name."""
        return self.executor

    def test_a_session_in_it_is_on_record_from_its_begin_to_its_end(
        self, mission_repo: MissionRepo, executor_name: str
    ) -> None:
        mission_repo.script(
            "T-001", "wait-for go", """run sh -c 'printf %s "$OF_US" >made.txt'""", "say well"
        )
        words = "it's $(touch bad)\nlines; größe"
        answer = mission_repo.run(
            "next", "--runtime", "demo", "--executor", executor_name, "--json", OF_US=words
        )
        assert answer.exit_code == 0, answer.stdout + answer.stderr
        assert answer.json()["place"]["executor"] == executor_name
        assert mission_repo.run_state()["place"] == answer.json()["place"]
        (live,) = mission_repo.run("sessions", "--live", "--json").json()["sessions"]
        assert live["id"] == mission_repo.session_id()
        assert mission_repo.run("next", "T-001").exit_code != 0, "it is taken"
        (mission_repo.path / "go").touch()
        wait_for(lambda: mission_repo.session().get("endedAt"), "the end of the session")
        assert mission_repo.session()["endedReason"] == "completed"
        assert mission_repo.task_status("T-001") == "review"
        assert (mission_repo.path / "made.txt").read_text(encoding="utf-8") == words
        assert not (mission_repo.path / "bad").exists()
        assert mission_repo.run("sessions", "--live", "--json").json()["sessions"] == []

    def test_a_session_in_it_can_be_stopped(
        self, mission_repo: MissionRepo, executor_name: str
    ) -> None:
        mission_repo.script("T-001", "wait-for go")
        answer = mission_repo.run("next", "--runtime", "demo", "--executor", executor_name)
        assert answer.exit_code == 0, answer.stdout + answer.stderr
        agent = mission_repo.run_state()["agent"]["pid"]
        assert mission_repo.run("stop").exit_code == 0
        assert mission_repo.session()["endedReason"] == "stopped"
        assert not is_running(agent)
        assert not mission_repo.lock.exists()

    def test_an_agent_that_cannot_be_started_leaves_nothing_behind(
        self, mission_repo: MissionRepo, executor_name: str
    ) -> None:
        place = mission_repo.path / "coordination" / "mission.json"
        mission = mission_repo.mission()
        mission["runtimes"] = {"missing": ["no-such-agent-anywhere", "{prompt}"]}
        place.write_text(json.dumps(mission), encoding="utf-8")
        answer = mission_repo.run("next", "--runtime", "missing", "--executor", executor_name)
        assert answer.exit_code == 1
        assert "no-such-agent-anywhere" in answer.stderr
        assert mission_repo.task_status("T-001") == "todo"
        assert mission_repo.mission().get("sessions", []) == []
        assert list((mission_repo.state / "runs").glob("*/*")) == []
