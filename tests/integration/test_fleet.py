"""Fleets on Dask as a person sees them: real schedulers and workers on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.fleets import ENV, NAME, Fleet, add_fleet, fleet
from tests.support.mission import MissionRepo, pids_with, wait_for
from tests.support.shell_agent import let_agent_do

pytest.importorskip("distributed", reason="the extra `fleet` is not installed")
BEGIN = 'echo begun >>"{0}/begun"; echo "what it says"; echo more >>made.txt; '


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture
def away(repo: MissionRepo, pool: Fleet) -> MissionRepo:
    """A mission with a scripted agent and that fleet."""
    let_agent_do(repo, qualityGates="test -e made.txt", parallelWithoutScope=True)
    add_fleet(repo, pool)
    return repo


def hand_off(repo: MissionRepo, does: str = "", *options: str, **environ: str) -> None:
    """Hand the next task to an agent of the fleet, which notes each begin."""
    does = BEGIN.format(repo.path.parent) + does
    answer = repo.run("next", "--on", NAME, *options, DOES=does, **environ)
    assert answer.exit_code == 0, answer.stderr


def begun(repo: MissionRepo) -> int:
    """Return how often an agent began."""
    return len((repo.path.parent / "begun").read_text().split())


def waiting(repo: MissionRepo) -> str:
    """Return shell that waits for a file, and says so by another one."""
    return f'until_told "{repo.path.parent}/go"; '


def wait_for_agent(repo: MissionRepo) -> None:
    wait_for((repo.path.parent / "go.waits").exists, "the agent's begin")


def wait_for_end(repo: MissionRepo) -> str:
    """Wait until the end is recorded, by the process that listens, and return its reason."""
    wait_for(lambda: repo.session().get("endedAt"), "the session's end")
    wait_for(lambda: not [*(repo.state / "sessions").glob("*.lock")], "the lock's end")
    return str(repo.session()["endedReason"])


def test_a_fleet_here_is_started_looked_at_and_used_to_the_merge(
    repo: MissionRepo, pool: Fleet
) -> None:
    again = pool.person.run("fleet", "local", "2", "--name", NAME)
    assert again.exit_code == 4
    assert "runs already" in again.stderr
    found = pool.listed()
    assert (found["agents"], len(found["workers"]), found["problem"]) == (2, 2, None)
    assert {each["address"].rpartition(":")[0] for each in found["workers"]} == {"tcp://127.0.0.1"}
    let_agent_do(repo)
    # As a person does who has one already, and lets more variables go there.
    own = {"XDG_CONFIG_HOME": pool.person.environ["XDG_CONFIG_HOME"]}
    words = [word for name in ENV for word in ("--env", name)]
    connected = repo.run(
        "fleet", "connect", str(pool.scheduler), "--name", NAME, *words, "--json", **own
    )
    assert connected.exit_code == 0, connected.stderr + connected.stdout
    items = {each["name"]: each for each in connected.json()["hosts"][NAME]}
    for name in ("scheduler", "versions", "workers", "hub", "127.0.0.1 disk", "127.0.0.1 clock"):
        assert items[name]["state"] == "ok", items
    hand_off(repo, "git add made.txt; git commit -qm Made; echo rest >rest.txt; ", **own)
    run = repo.run_dir()
    assert wait_for_end(repo) == "completed", repo.session()
    assert "what it says" in (run / "stdout.log").read_text()
    assert json.loads((run / "state.json").read_text())["place"]["executor"] == "dask"
    assert "made.txt" in json.dumps(repo.run("review", "T-001", "--json").json())
    assert repo.run("review", "T-001", "--approve").exit_code == 0
    assert repo.run("merge", "T-001").exit_code == 0
    assert (repo.path / "rest.txt").exists()
    assert begun(repo) == 1
    wait_for(lambda: not pool.attempts(), "what is kept there to go")
    assert pool.listed()["workers"][0]["waiting"] == []


def test_a_fleet_is_kept_at_work_as_far_as_its_workers_go(away: MissionRepo, pool: Fleet) -> None:
    for title in ("Four", "Five", "Six"):
        assert away.run("add", title).exit_code == 0
    does = f'echo x >"$MISSION_TASK.txt"; echo $MISSION_TASK >>"{away.path.parent}/begun"; '
    options = ("-j", "4", "--loop", "--on", NAME, "--max-sessions", "6")
    away.environ["DOES"] = does + "echo x >made.txt; "
    with away.start("next", *options) as loop:
        said = "".join(loop.communicate(timeout=240))
    sessions = away.mission()["sessions"]
    assert [each["endedReason"] for each in sessions] == ["completed"] * 6, said
    assert "room for 2 at once" in said
    names = (away.path.parent / "begun").read_text().split()
    assert sorted(names) == [f"T-00{number}" for number in range(1, 7)]
    wait_for(lambda: not pool.attempts(), "what is kept there to go")


def test_what_waits_keeps_its_label_through_stops_and_restarts(
    away: MissionRepo, pool: Fleet
) -> None:
    add_fleet(away, pool, labels=["gpu"])
    assert away.run("set", "T-001", "runs_on=gpu").exit_code == 0
    hand_off(away)
    waits = away.run_dir()
    wait_for(lambda: pool.listed()["unplaced"] == [waits.name], "the run to wait for a label")
    assert "`gpu`" in away.run("hosts", "check").stdout  # no worker offers it
    away.run("stop")
    assert wait_for_end(away) == "stopped"
    wait_for(lambda: not pool.listed()["unplaced"], "the fleet to let go of it")
    hand_off(away, waiting(away))
    pool.stop()  # with it goes what its scheduler knew: who listens gives the run to the next one
    pool.start()
    command = [sys.executable, "-m", "distributed.cli.dask_worker"]
    command += ["--scheduler-file", str(pool.scheduler), "--host", "127.0.0.1", "--no-dashboard"]
    command += ["--nthreads", "1", "--resources", "agents=1 gpu=1", "--name", "with gpu"]
    environ = {**pool.person.environ, "DASK_TEMPORARY_DIRECTORY": str(away.path.parent)}
    worker = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        wait_for_agent(away)
        assert begun(away) == 1  # the one that was stopped never began
        found = pool.listed()["workers"]
        given = {each["name"]: [*each["running"], *each["waiting"]] for each in found}
        assert given["with gpu"] == [away.run_dir().name]
        away.run("stop")
        assert wait_for_end(away) == "stopped"
        assert begun(away) == 1
    finally:
        worker.terminate()
        worker.wait()


def test_workers_and_schedulers_may_go_and_come_back(away: MissionRepo, pool: Fleet) -> None:
    hand_off(away, waiting(away))
    wait_for_agent(away)
    pids = pool.worker_pids()
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    new = partial(_new_workers, pool, pids)
    wait_for(new, "other workers")  # to which Dask gives the task again
    pool.kill()
    assert away.run("next", "--on", NAME).exit_code == 1  # nobody takes it, and nothing is left
    (away.path.parent / "go").write_text("")
    assert wait_for_end(away) == "completed"
    assert begun(away) == 1
    pool.start()
    hand_off(away)
    assert wait_for_end(away) == "completed"
    assert begun(away) == 2


def _new_workers(pool: Fleet, old: list[int]) -> bool:
    return len({*pool.worker_pids()} - {*old}) == 2


def test_what_a_machine_kept_is_judged_there_when_its_fleet_is_back(
    away: MissionRepo, pool: Fleet
) -> None:
    """The fleet is stopped while an agent works; then everything of the run is killed."""
    hand_off(
        away, 'echo $$ >"$MISSION_RUN_DIR/artifacts/agent"; echo half >half.txt; ' + waiting(away)
    )
    wait_for_agent(away)
    pool.stop()
    (place,) = pool.attempts()
    (lock,) = place.glob("home/coordination/.state/sessions/*.lock")
    agent = next(place.glob("home/coordination/.state/runs/*/*/artifacts/agent"))
    # Between fork and exec what a carrier starts looks like it, and is gone a moment later.
    carriers = pids_with(str(pool.works), "mosaic.there.carry")
    assert carriers
    for pid in (*carriers, json.loads(lock.read_text())["supervisor_pid"]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.killpg(int(agent.read_text()), signal.SIGKILL)
    for pid in pids_with(str(away.run_dir()), "mosaic.reach"):
        os.kill(pid, signal.SIGKILL)  # the laptop is switched off, too
    pool.start()
    assert away.run("status").exit_code == 0  # has somebody listen again
    assert wait_for_end(away) == "crashed"
    assert (away.state / "worktrees" / "T-001" / "half.txt").read_text() == "half\n"
    assert begun(away) == 1


def test_without_the_extra_it_is_said_what_to_install(
    repo: MissionRepo, pool: Fleet, tmp_path: Path
) -> None:
    let_agent_do(repo)
    add_fleet(repo, pool)
    hides = "import sys\nsys.modules['distributed'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hides)
    path = f"{tmp_path}{os.pathsep}{repo.environ['PYTHONPATH']}"
    for call in (("next", "--on", NAME), ("fleet", "local", "2"), ("hosts", "check")):
        answer = repo.run(*call, PYTHONPATH=path)
        assert answer.exit_code == 1
        assert "pip install 'mosaic-mission[fleet]'" in answer.stdout + answer.stderr
