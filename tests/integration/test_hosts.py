"""Other machines as a person sees them: `mission hosts`, and tasks that are handed to them.

The other machine is an `sshd` on loopback; see `tests.support.machines`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.machines import Machine, add_machine, link_of, machine
from tests.support.mission import MissionRepo, pids_with, wait_for
from tests.support.shell_agent import let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]
BEGIN = 'echo begun >>"{0}/begun"; echo "what it says"; echo more >>made.txt; '


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def away(repo: MissionRepo, box: Machine) -> MissionRepo:
    """A mission with a scripted agent and that machine."""
    let_agent_do(repo, qualityGates="test -e made.txt", parallelWithoutScope=True)
    add_machine(repo, box, env=ENV)
    return repo


def hand_off(repo: MissionRepo, does: str = "", **environ: str) -> None:
    """Hand the next task to an agent on the machine, which notes each begin."""
    does = BEGIN.format(repo.path.parent) + does
    answer = repo.run("next", "--on", "box", DOES=does, **environ)
    assert answer.exit_code == 0, answer.stderr


def begun(repo: MissionRepo) -> int:
    """Return how often the agent began."""
    return len((repo.path.parent / "begun").read_text().split())


def wait_for_end(repo: MissionRepo) -> None:
    def has_ended() -> bool:
        repo.run("status")
        return bool(repo.session().get("endedAt"))

    wait_for(has_ended, "the session's end")
    wait_for(lambda: not [*(repo.state / "sessions").glob("*.lock")], "the lock's end")


def sent_run(repo: MissionRepo) -> Path:
    """Return the record of the run that was sent last."""
    notes = (repo.state / "runs").glob("*/*/host.json")
    return max(notes, key=lambda note: note.parent.name).parent


def is_empty(there: Machine) -> bool:
    """Tell whether nothing of an attempt is kept there."""
    return not there.attempts()


def waiting(repo: MissionRepo) -> str:
    """Return shell that waits for a file, and says so by another one."""
    return f'until_told "{repo.path.parent}/go"; '


def wait_for_agent(repo: MissionRepo) -> None:
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def listener(repo: MissionRepo) -> int:
    """Return the process that listens to the machine of the last run."""
    run = str(sent_run(repo))
    return int(wait_for(lambda: pids_with(run, "mosaic.reach"), "who listens")[0])


def test_a_machine_is_added_listed_and_looked_at(
    repo: MissionRepo, box: Machine, tmp_path: Path
) -> None:
    settings = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    own = tmp_path / "config" / "mosaic" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('# mine\nruntime = "quick"  # as ever\n')
    refused = repo.run("hosts", "add", "box", "-oProxyCommand=touch here", **settings)
    assert refused.exit_code == 2
    added = repo.run(
        "hosts", "add", "box", "box", "--folder", str(box.works), "--max", "2", "--label", "gpu",
        "--ssh-option", "-F", "--ssh-option", str(box.folder / "ssh_config"),
        "--python", str(box.folder / "python here"), **settings,
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    assert own.read_text().startswith('# mine\nruntime = "quick"  # as ever\n\n[hosts.box]\n')
    listed = repo.run("hosts", "list", "--json", **settings).json()["hosts"]
    assert [(each["name"], each["max"], each["source"]) for each in listed] == [("box", 2, "own")]
    found = repo.run("hosts", "check", "box", "--json", **settings).json()
    items = {each["name"]: each for each in found["hosts"]["box"]}
    for name in ("ssh", "folder", "git", "python", "mission", "disk", "clock"):
        assert items[name]["state"] == "ok", items
    assert items["folder"]["found"] == f"`{box.works}`"
    box.go_down()
    gone = repo.run("hosts", "check", **settings)
    assert gone.exit_code == 1
    assert "cannot be reached" in gone.stdout
    box.start()


def test_a_task_is_worked_on_there_and_ends_as_one_here(away: MissionRepo, box: Machine) -> None:
    does = (
        'git add made.txt; git commit -qm "Make it"; echo rest >rest.txt; env >"$MISSION_RUN_DIR/'
        'artifacts/env"; pwd >"$MISSION_RUN_DIR/artifacts/place"; '
    )
    hand_off(away, does, ANTHROPIC_API_KEY="sk-secret", TOKEN="secret")
    wait_for_end(away)
    assert away.session()["endedReason"] == "completed", away.session()
    assert away.task_status("T-001") == "review"
    assert begun(away) == 1
    tree = away.git("ls-tree", "--name-only", "mission/T-001/work").split()
    assert {"made.txt", "rest.txt"} <= set(tree)
    worktree = away.state / "worktrees" / "T-001"
    assert (worktree / "rest.txt").read_text() == "rest\n"
    run = sent_run(away)
    assert "what it says" in (run / "stdout.log").read_text()
    assert json.loads((run / "result.json").read_text())["outcome"] == "completed"
    state = json.loads((run / "state.json").read_text())
    assert state["place"] == {"executor": "ssh", "host": "box"}
    assert str(box.works) in (run / "artifacts" / "place").read_text()
    assert "secret" not in (run / "artifacts" / "env").read_text()
    assert (run / "worker.log").read_text().count('"gate_passed"') == 1
    reviewed = away.run("review", "T-001", "--json").json()
    assert "made.txt" in json.dumps(reviewed)
    assert away.run("review", "T-001", "--approve").exit_code == 0
    assert away.run("merge", "T-001").exit_code == 0
    assert (away.path / "rest.txt").exists()
    wait_for(partial(is_empty, box), "what is kept there to go")


def test_an_answer_that_is_lost_begins_nothing_twice(away: MissionRepo, box: Machine) -> None:
    (box.folder / "lose").write_text("xxx")  # so often it is asked
    hand_off(away, "(umask 077; echo key >private.key); ", NOFINISH="1")
    assert (box.folder / "lose").read_text() == ""
    wait_for_end(away)
    assert not (away.state / "worktrees" / "T-001" / "private.key").exists()
    assert "private.key" in (sent_run(away) / "worker.log").read_text()
    assert len(box.attempts()) == 1  # nothing of it is lost
    assert away.run("hosts", "clean").exit_code == 0
    assert is_empty(box)
    assert away.session()["endedReason"] == "completed"
    assert begun(away) == 1


def test_the_link_may_go_and_come_back(away: MissionRepo, box: Machine) -> None:
    hand_off(away, waiting(away))
    wait_for_agent(away)
    assert wait_for(box.cut, "a connection") >= 1
    wait_for(lambda: "what it says" in (away.run_dir() / "stdout.log").read_text(), "its output")
    box.go_down()
    wait_for(lambda: link_of(away)["unreachable_since"], "the machine to be missed")
    live = away.run("sessions", "--live")
    assert "`box` is unreachable since" in live.stdout
    again = away.run("next", "--task", "T-001", "--on", "box")
    assert again.exit_code != 0
    # The laptop is switched off, and the agent ends meanwhile.
    os.kill(listener(away), signal.SIGKILL)
    (away.path.parent / "go").write_text("")
    assert away.run("status").exit_code == 0
    assert not away.session().get("endedAt")
    box.start()
    wait_for_end(away)
    assert away.session()["endedReason"] == "completed"
    assert away.task_status("T-001") == "review"
    assert begun(away) == 1


def test_a_machine_that_breaks_down_says_so_when_it_is_back(
    away: MissionRepo, box: Machine
) -> None:
    """All processes there are gone, and its boot is another: as here, the run is judged by that."""
    hand_off(away, 'echo $$ >"$HOME/agent"; echo half >half.txt; ' + waiting(away))
    wait_for_agent(away)
    box.go_down()
    (lock,) = box.works.glob("missions/*/runs/*/home/coordination/.state/sessions/*.lock")
    facts = json.loads(lock.read_text())
    os.kill(facts["supervisor_pid"], signal.SIGKILL)
    os.killpg(int((box.home / "agent").read_text()), signal.SIGKILL)
    lock.write_text(json.dumps({**facts, "boot_id": "another"}))
    box.start()
    wait_for_end(away)
    assert away.session()["endedReason"] == "crashed"
    assert (away.state / "worktrees" / "T-001" / "half.txt").read_text() == "half\n"
    assert away.task_status("T-001") == "in-progress"
    assert begun(away) == 1


def test_a_stop_takes_effect_when_the_machine_is_back(away: MissionRepo, box: Machine) -> None:
    hand_off(away, waiting(away))
    wait_for_agent(away)
    box.go_down()
    wait_for(lambda: link_of(away)["unreachable_since"], "the machine to be missed")
    refused = away.run("stop")
    assert refused.exit_code == 1
    assert "is stopped as soon as `box` answers" in refused.stderr
    box.start()
    wait_for_end(away)
    assert away.session()["endedReason"] == "stopped"
    assert begun(away) == 1


def test_a_session_that_is_given_up_brings_nothing_more(away: MissionRepo, box: Machine) -> None:
    hand_off(away, waiting(away))
    wait_for_agent(away)
    assert away.run("sessions", "--forget", away.session_id()).exit_code == 4  # it answers
    box.go_down()
    wait_for(lambda: link_of(away)["unreachable_since"], "the machine to be missed")
    given_up = away.run("sessions", "--forget", away.session_id())
    assert given_up.exit_code == 0, given_up.stderr
    assert "may still be at work on `box`" in given_up.stdout
    assert away.session()["endedReason"] == "crashed"
    box.start()
    hand_off(away, "echo second >second.txt; ")
    wait_for_end(away)
    one = "1 attempt still kept there"
    # What its listener is about to remove is not counted by `doctor`, and is there for a moment.
    wait_for(lambda: len(box.attempts()) == 1, "only the first to be kept there")
    assert one in away.run("doctor").stdout
    assert away.run("hosts", "clean").exit_code == 0
    assert is_empty(box)
    assert "nothing is left there" in away.run("doctor").stdout
    first, second = away.mission()["sessions"]
    assert (first["endedReason"], second["endedReason"]) == ("crashed", "completed")
    assert (away.state / "worktrees" / "T-001" / "second.txt").exists()
    assert begun(away) == 2


def test_several_machines_work_at_once_each_as_much_as_it_may(
    away: MissionRepo, box: Machine, tmp_path: Path
) -> None:
    with machine(tmp_path, "cabin") as cabin:
        add_machine(away, box, env=ENV, max=1)
        add_machine(away, cabin, env=ENV, max=1, labels=["wood"])
        assert away.run("set", "T-003", "runs_on=wood").exit_code == 0
        does = (
            'mkdir "$HOME/busy" || touch "$HOME/twice"; echo x >"$MISSION_TASK.txt"; '
            'echo x >made.txt; sleep 0.2; rmdir "$HOME/busy"; '
        )
        options = ("-j", "3", "--loop", "--on", "box", "--on", "cabin", "--max-sessions", "3")
        answer = away.run("next", *options, DOES=does)
        sessions = away.mission()["sessions"]
        assert [each["endedReason"] for each in sessions] == ["completed"] * 3, answer
        notes = (away.state / "runs").glob("*/*/host.json")
        hosts = {each.parts[-3]: json.loads(each.read_text())["host"] for each in notes}
        assert hosts["T-003"] == "cabin"
        assert set(hosts.values()) == {"box", "cabin"}
        for there in (box, cabin):
            assert not (there.home / "twice").exists()
            wait_for(partial(is_empty, there), "what is kept there to go")
