"""A remote that both sides reach: claims in it, and runs that it carries alone.

The hub is a bare repository; machines are carriers with a home of their own, or an `sshd`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.hubs import CREW, ENV, Taker, hand_to_hub, kill, lines_of
from tests.support.machines import add_machine, link_of, machine
from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.shell_agent import change_mission, let_agent_do

BEGIN = 'echo begun >>"{0}/begun"; echo "what it says"; echo more >>made.txt; '


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    place = tmp_path / "the hub.git"
    subprocess.run(["git", "init", "-q", "--bare", str(place)], check=True)
    return place


@pytest.fixture
def shared(repo: MissionRepo) -> MissionRepo:
    """A mission with a scripted agent."""
    return let_agent_do(repo, qualityGates="test -e made.txt", parallelWithoutScope=True)


@pytest.fixture
def taker(tmp_path: Path) -> Taker:
    return Taker(tmp_path / "a machine")


def hand_off(repo: MissionRepo, hub: Path, does: str = "", **environ: str) -> dict[str, Any]:
    """Hand the next task off by the hub, and return the line for who carries it."""
    does = BEGIN.format(repo.path.parent) + does
    answer = hand_to_hub(repo, hub, {"DOES": does, **environ})
    assert answer.exit_code == 0, answer.stderr
    return lines_of(repo)[-1]


def waiting(repo: MissionRepo) -> str:
    return f'until_told "{repo.path.parent}/go"; '


def wait_for_agent(repo: MissionRepo) -> None:
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def begun(repo: MissionRepo) -> int:
    """Return how often the agent began."""
    return len((repo.path.parent / "begun").read_text().split())


def wait_for_end(repo: MissionRepo) -> None:
    def has_ended() -> bool:
        repo.run("status")
        return bool(repo.session().get("endedAt"))

    wait_for(has_ended, "the session's end")
    wait_for(lambda: not [*(repo.state / "sessions").glob("*.lock")], "the lock's end")


def refs(hub: Path) -> list[str]:
    """Return the refs of the hub that are ours."""
    command = ["git", "for-each-ref", "--format=%(refname)", "refs/mosaic"]
    return subprocess.run(
        command, cwd=hub, check=True, capture_output=True, text=True
    ).stdout.split()


def is_empty(hub: Path) -> bool:
    return not refs(hub)


def hub_as_checked(repo: MissionRepo) -> dict[str, Any]:
    checked = repo.run("hosts", "check", "box", "--json").json()["hosts"]["box"]
    return next(each for each in checked if each["name"] == "hub")


def live(repo: MissionRepo) -> str:
    return repo.run("sessions", "--live").stdout


def test_a_hub_alone_carries_a_task_to_review_and_merge(
    shared: MissionRepo, hub: Path, taker: Taker, tmp_path: Path
) -> None:
    does = (
        'git add made.txt; git commit -qm "Make it"; echo rest >rest.txt; '
        "head -c 700000 /dev/zero | tr '\\0' x; "
        'env >"$MISSION_RUN_DIR/artifacts/env"; '
    )
    line = hand_off(shared, hub, does + waiting(shared), TOKEN="secret")
    assert f"it waits for a machine of `{CREW}`" in live(shared)
    stored = subprocess.run(
        ["git", "grep", "-c", "until_told", line["parcel"]],
        cwd=hub,
        capture_output=True,
        check=False,
    )
    assert stored.returncode == 1, "a variable is in git"
    carrier = taker.take(line)
    wait_for_agent(shared)
    # Who is asked a second time begins nothing.
    second = Taker(tmp_path / "another machine")
    assert second.take(line).wait(60) == 0
    assert not second.attempts()
    assert taker.take(line).wait(60) == 0
    run = shared.run_dir()
    output = run / "stdout.log"
    wait_for(lambda: output.stat().st_size > 700000, "its output")
    assert f"of `{CREW}`" in shared.run("status").stdout
    (shared.path.parent / "go").write_text("")
    wait_for_end(shared)
    assert carrier.wait(60) == 0
    assert begun(shared) == 1
    assert shared.session()["endedReason"] == "completed", shared.session()
    there = output.read_bytes()
    assert there.startswith(b"what it says\n" + 700000 * b"x")
    assert there.count(b"what it says") == 1
    assert json.loads((run / "state.json").read_text())["place"]["executor"] == "leaving"
    assert "secret" not in (run / "artifacts" / "env").read_text()
    assert (run / "worker.log").read_text().count('"gate_passed"') == 1
    tree = shared.git("ls-tree", "--name-only", "mission/T-001/work").split()
    assert {"made.txt", "rest.txt"} <= set(tree)
    assert "made.txt" in json.dumps(shared.run("review", "T-001", "--json").json())
    assert shared.run("review", "T-001", "--approve").exit_code == 0
    assert shared.run("merge", "T-001").exit_code == 0
    assert (shared.path / "rest.txt").exists()
    wait_for(partial(is_empty, hub), "what the hub has of it to go")
    assert not taker.attempts()


def test_a_task_of_two_clones_is_worked_on_once(
    shared: MissionRepo, hub: Path, taker: Taker, tmp_path: Path
) -> None:
    """By the hub alone, and over `ssh` too: the claim is in one place for all."""
    clone = MissionRepo(tmp_path / "the clone", shared.environ)
    shutil.copytree(shared.path, clone.path)
    line = hand_off(shared, hub)
    answer = hand_to_hub(clone, hub)
    assert answer.exit_code == 1
    assert "is claimed by another attempt" in answer.stderr
    assert clone.task_status("T-001") == "todo"
    with machine(tmp_path) as box:
        add_machine(clone, box, env=[*ENV], remote=str(hub))
        assert hub_as_checked(clone)["state"] == "ok"
        hub.rename(hub.with_name("away.git"))
        assert "cannot be reached from there" in hub_as_checked(clone)["found"]
        hub.with_name("away.git").rename(hub)
        answer = clone.run("next", "--task", "T-001", "--on", "box", DOES="exit 1")
        assert answer.exit_code != 0
        assert "is claimed by another attempt" in answer.stderr
        assert taker.take(line).wait(60) == 0
        wait_for_end(shared)
        assert begun(shared) == 1
        # Another task goes there by `ssh`, its commits by the hub.
        clone.git("push", "-q", str(hub), "HEAD:refs/heads/main")
        does = BEGIN.format(tmp_path)
        answer = clone.run("next", "--task", "T-002", "--on", "box", DOES=does + waiting(clone))
        assert answer.exit_code == 0, answer.stderr
        assert [each for each in refs(hub) if "/claims/" in each and each.endswith("/T-002")]
        (repository,) = box.works.glob("missions/*/repo.git")
        assert (repository / "refs/mosaic/hub/main").exists()
        wait_for_agent(clone)
        (tmp_path / "go").write_text("")
        wait_for_end(clone)
        assert clone.session()["endedReason"] == "completed"
        assert begun(clone) == 2
        wait_for(lambda: not box.attempts(), "what is kept there to go")
        wait_for(partial(is_empty, hub), "what the hub has of it to go")


def test_a_hub_may_go_and_come_back_and_a_carrier_may_be_killed(
    shared: MissionRepo, hub: Path, taker: Taker
) -> None:
    line = hand_off(shared, hub, waiting(shared))
    carrier = taker.take(line)
    wait_for_agent(shared)
    wait_for(lambda: "what it says" in (shared.run_dir() / "stdout.log").read_text(), "its output")
    away = hub.with_name("away.git")
    hub.rename(away)
    wait_for(lambda: link_of(shared)["unreachable_since"], "the hub to be missed")
    assert f"`{CREW}` is unreachable since" in live(shared)
    kill(carrier)
    supervisor = taker.supervisor()
    assert is_running(supervisor)
    (shared.path.parent / "go").write_text("")
    wait_for(lambda: not is_running(supervisor), "the agent's end there")
    assert not shared.session().get("endedAt")
    assert taker.adopt(line)
    away.rename(hub)
    wait_for_end(shared)
    assert shared.session()["endedReason"] == "completed"
    assert begun(shared) == 1
    wait_for(lambda: not taker.attempts(), "what is kept there to go")
    assert not taker.adopt(line)


def test_a_stop_takes_effect_before_somebody_begins_and_while_it_works(
    shared: MissionRepo, hub: Path, taker: Taker
) -> None:
    line = hand_off(shared, hub)
    stopped = shared.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert shared.session()["endedReason"] == "stopped"
    assert taker.take(line).wait(60) == 0
    assert not taker.attempts()
    assert not (shared.path.parent / "begun").exists()
    wait_for(partial(is_empty, hub), "what the hub has of it to go")
    line = hand_off(shared, hub, waiting(shared))
    carrier = taker.take(line)
    wait_for_agent(shared)
    stopped = shared.run("stop")
    assert stopped.exit_code == 0, stopped.stderr
    assert shared.session()["endedReason"] == "stopped"
    assert carrier.wait(60) == 0
    assert begun(shared) == 1


def test_a_session_that_is_given_up_is_carried_by_nobody_later(
    shared: MissionRepo, hub: Path, taker: Taker, tmp_path: Path
) -> None:
    first = hand_off(shared, hub, waiting(shared))
    carrier = taker.take(first)
    wait_for_agent(shared)
    assert shared.run("sessions", "--forget", shared.session_id()).exit_code == 4
    away = hub.with_name("away.git")
    hub.rename(away)
    wait_for(lambda: link_of(shared)["unreachable_since"], "the hub to be missed")
    given_up = shared.run("sessions", "--forget", shared.session_id())
    assert given_up.exit_code == 0, given_up.stderr
    away.rename(hub)
    line = hand_off(shared, hub, "echo second >second.txt; ")
    second = Taker(tmp_path / "another machine")
    assert second.take(line).wait(60) == 0
    wait_for_end(shared)
    assert carrier.wait(60) == 0  # it has lost its claim, and has stopped its agent
    assert len(taker.attempts()) == 1  # what it has can only be looked at there
    assert taker.take(first).wait(60) == 0
    sessions = shared.mission()["sessions"]
    assert [each["endedReason"] for each in sessions] == ["crashed", "completed"]
    assert begun(shared) == 2
    assert "1 attempt still kept there" in shared.run("doctor").stdout
    assert shared.run("hosts", "clean", CREW).exit_code == 0
    assert is_empty(hub)
    assert "nothing is left there" in shared.run("doctor").stdout


def test_what_cannot_begin_there_says_why(shared: MissionRepo, hub: Path, taker: Taker) -> None:
    """Here the agent's program is on the PATH, and there it is not."""
    tools = shared.path.parent / "tools"
    tools.mkdir()
    (tools / "rare-agent").write_text("#!/bin/sh\n")
    (tools / "rare-agent").chmod(0o755)
    runtimes = {"rare": {"command": ["rare-agent"], "prompt": "stdin"}}
    change_mission(shared, runtime="rare", runtimes={**shared.mission()["runtimes"], **runtimes})
    shared.git("commit", "-qam", "Another agent")
    line = hand_off(shared, hub, PATH=f"{tools}:{shared.environ['PATH']}")
    assert taker.take(line).wait(60) == 0
    wait_for_end(shared)
    assert not taker.attempts()
    assert shared.session()["endedReason"] == "crashed"
    assert "rare-agent" in (shared.run_dir() / "worker.log").read_text()
    wait_for(partial(is_empty, hub), "what the hub has of it to go")


def test_a_mission_that_is_paused_while_work_is_pushed_leaves_nothing_in_the_hub(
    shared: MissionRepo, hub: Path
) -> None:
    """The hub itself pauses it, as soon as it has what was sent ahead."""
    hook = hub / "hooks" / "post-receive"
    mission_file = shared.path / "coordination" / "mission.json"
    pause = ["sed", "-i", 's/"status": "inactive"/"status": "paused"/', str(mission_file)]
    hook.write_text(f'#!/bin/sh\nrm "$0"\n{shlex.join(pause)}\n')
    hook.chmod(0o755)
    answer = hand_to_hub(shared, hub)
    assert answer.exit_code == 1
    assert "the mission is paused" in answer.stderr
    assert not hook.exists()
    assert is_empty(hub)
    assert shared.task_status("T-001") == "todo"
