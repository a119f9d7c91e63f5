"""`mission next -j N`: several tasks at once, each in a worktree, to the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mosaic.app.hand_off import Face
from mosaic.app.loop import run_pool
from mosaic.machine.clock import Clock
from mosaic.plan.pace import Limits
from mosaic.sessions.choice import HandOffRequest
from mosaic.workers.report import LoopReport
from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.shell_agent import change_mission
from tests.support.workers import begun, give_agent, worktree_of

POOL_SECONDS = 300.0
NONE_LEFT = 3
"""The exit code where nothing is ready."""
INTERRUPTED = 130


@pytest.fixture
def home(repo: MissionRepo) -> MissionRepo:
    return give_agent(repo)


@pytest.fixture
def go(home: MissionRepo) -> Path:
    """What agents that were told to wait for it wait for."""
    return home.path.with_name("go")


def pool(repo: MissionRepo, does: str, *options: str) -> subprocess.Popen[str]:
    repo.environ["AGENT_DOES"] = does
    return repo.start("next", "-j", *options)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=POOL_SECONDS)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def statuses(repo: MissionRepo) -> dict[str, str]:
    tasks = repo.run("list", "--all", "--json").json()["tasks"]
    return {task["id"]: task["status"] for task in tasks}


def waiting_for(go: Path) -> str:
    return f'wait_for({str(go)!r})\nwrite(task + ".txt", task)\nfinish()\n'


def findings(repo: MissionRepo) -> list[Any]:
    found: list[Any] = repo.run("check", "--json").json()["findings"]
    return found


def is_at_work(repo: MissionRepo, *tasks: str) -> bool:
    return all(begun(repo, task) for task in tasks)


# All of it


def test_tasks_without_a_write_scope_are_worked_on_alone(home: MissionRepo, tmp_path: Path) -> None:
    change_mission(home, parallelWithoutScope=False)
    home.run("set", "T-001", "write_scope=src/**")
    does = f"""\
taken = pathlib.Path({str(tmp_path)!r}) / "taken"
taken.mkdir()
write("src/" + task, task)
finish()
taken.rmdir()
"""
    code, _, err = ended(pool(home, does, "3", "--loop", "--json"))
    assert code == 0, err
    assert statuses(home) == {"T-001": "review", "T-002": "review", "T-003": "review"}
    code, _, _ = ended(pool(home, does, "3", "--explain"))
    assert code == NONE_LEFT
    home.run("reopen", "T-002")
    told = home.run("next", "-j", "3", "--explain").stdout
    assert "`-j` runs each of these beside no other, as it names no write scope: `T-002`" in told
    change_mission(home, parallelWithoutScope=True)
    assert "beside no other" not in home.run("next", "--explain").stdout


def test_tasks_are_worked_on_at_once_each_in_a_worktree(home: MissionRepo) -> None:
    both = 'wait_for(here.parent / "T-001" / "in")\nwait_for(here.parent / "T-002" / "in")\n'
    does = 'write("in", task)\n' + both + "finish()\n"
    code, out, err = ended(pool(home, does, "2", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert statuses(home) == {"T-001": "review", "T-002": "review", "T-003": "todo"}
    assert told["moved"] == {task: {"from": "todo", "to": "review"} for task in ("T-001", "T-002")}
    assert {place["path"] for place in told["worktrees"].values()} == {
        str(worktree_of(home, task)) for task in ("T-001", "T-002")
    }
    assert {place["branch"] for place in told["worktrees"].values()} == {
        "mission/T-001/work",
        "mission/T-002/work",
    }
    assert sorted(told["sessions"]) == sorted(told["worktrees"])
    assert told["not_started"] == {}
    assert err == ""


def test_tasks_that_write_to_the_same_place_are_never_worked_on_at_once(
    home: MissionRepo, tmp_path: Path
) -> None:
    for number in range(4, 7):
        home.run("add", f"Task {number}", "-m", "M1")
    for number in range(1, 7):
        home.run("set", f"T-{number:03}", f"write_scope+=src/{'ab'[number % 2]}/**")
    home.git("add", "--all")
    home.git("commit", "-qm", "scopes")
    does = f"""\
part = "ab"[int(task[-1]) % 2]
taken = pathlib.Path({str(tmp_path)!r}) / ("scope-" + part)
taken.mkdir()
write("src/" + part + "/" + task, task)
finish()
taken.rmdir()
"""
    code, out, err = ended(pool(home, does, "4", "--loop", "--json"))
    assert code in (0, NONE_LEFT), err
    assert set(statuses(home).values()) == {"review"}, (out, err)
    assert {each["endedReason"] for each in home.mission()["sessions"]} == {"completed"}


def test_a_task_that_waits_for_another_follows_it(home: MissionRepo) -> None:
    home.run("set", "T-002", "depends_on+=T-001")
    give_agent(home, review={"greenIsDone": True}, qualityGates="true")
    code, out, err = ended(pool(home, "finish()", "3", "--loop", "--json"))
    assert code in (0, NONE_LEFT), err
    started = {each["lastTaskId"]: each["startedAt"] for each in home.mission()["sessions"]}
    assert set(statuses(home).values()) == {"done"}, (out, err)
    assert started["T-002"] >= started["T-001"]


# What stands in the way


def test_a_task_whose_worktree_cannot_be_made_is_told_and_stops_no_other(
    home: MissionRepo,
) -> None:
    home.run("set", "T-002", "branch=main")
    code, out, err = ended(pool(home, "finish()", "3", "--loop", "--json"))
    told = json.loads(out)
    assert code == 1, err
    assert "branch `main` is checked out" in told["not_started"]["T-002"]
    assert statuses(home) == {"T-001": "review", "T-002": "todo", "T-003": "review"}


def test_an_agent_that_is_not_installed_ends_the_pool(home: MissionRepo) -> None:
    code, out, err = ended(pool(home, "", "2", "--loop", "--json", "--runtime", "missing"))
    told = json.loads(out)
    assert code == 1, err
    assert told["needs_person"] is True
    assert "no-such-agent-anywhere" in told["why"]
    assert set(statuses(home).values()) == {"todo"}
    assert home.git("worktree", "list").count("\n") == 1


def test_the_mission_says_how_many_may_work_at_once(home: MissionRepo, go: Path) -> None:
    give_agent(home, maxParallel=1)
    process = pool(home, waiting_for(go), "3", "--loop")
    wait_for(lambda: is_at_work(home, "T-001"))
    live = home.run("sessions", "--live", "--json").json()["sessions"]
    go.touch()
    code, _, err = ended(process)
    assert code in (0, NONE_LEFT), err
    assert "`maxParallel` in mission.json allows 1 at once" in err
    assert len(live) == 1
    assert set(statuses(home).values()) == {"review"}


def test_not_more_sessions_are_started_than_were_asked_for(home: MissionRepo) -> None:
    code, out, err = ended(pool(home, "finish()", "2", "--loop", "--max-sessions", "2", "--json"))
    told = json.loads(out)
    assert "limit met" in told["why"], err
    assert len(home.mission()["sessions"]) == 2
    assert sorted(statuses(home).values()) == ["review", "review", "todo"]
    assert code == 0


def test_a_start_that_is_refused_leaves_its_place_to_another(home: MissionRepo) -> None:
    home.run("set", "T-002", "branch=main")
    code, out, err = ended(pool(home, "finish()", "3", "--loop", "--max-sessions", "2", "--json"))
    told = json.loads(out)
    assert told["why"] == "limit met: 2 sessions", err
    assert statuses(home) == {"T-001": "review", "T-002": "todo", "T-003": "review"}
    assert code == 1


def test_with_nothing_ready_it_says_so(home: MissionRepo) -> None:
    for task in ("T-001", "T-002", "T-003"):
        home.run("cancel", task, "--why", "not needed")
    code, out, _ = ended(pool(home, "", "2", "--json"))
    assert code == NONE_LEFT
    assert json.loads(out)["sessions"] == []


def test_a_task_that_nobody_finishes_is_given_up_and_the_others_go_on(home: MissionRepo) -> None:
    give_agent(home, budget={"maxAttempts": 2, "retryDelay": "1s"})
    does = 'sys.exit(3) if task == "T-001" else finish()'
    _, out, err = ended(pool(home, does, "2", "--loop", "--json"))
    told = json.loads(out)
    assert told["gave_up"] == ["T-001"], err
    assert statuses(home) == {"T-001": "blocked", "T-002": "review", "T-003": "review"}


def test_a_try_that_comes_due_while_the_workers_are_shown_is_made(
    home: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in ("T-002", "T-003"):
        home.run("cancel", task, "--why", "not needed")
    does = "sys.exit(3) if len([*run_dir.parent.iterdir()]) < 2 else finish()"
    monkeypatch.setenv("AGENT_DOES", does)
    clock = Clock()
    passed = [0.0]
    monkeypatch.setattr(clock, "seconds", lambda: passed[0])

    class SlowScreen(Face):
        def show(self, *_: object, **__: object) -> None:
            passed[0] += 2.0

    report = run_pool(
        home.path / "coordination" / "mission.json",
        HandOffRequest(),
        Limits(),
        SlowScreen(),
        size=1,
        executor="process",
        keeps_full=True,
        stays=True,
        clock=clock,
    )
    assert isinstance(report, LoopReport)
    assert report.in_review == ["T-001"], report.why
    assert len(report.sessions) == 2


@pytest.mark.parametrize("options", [["--task", "T-001"], ["--print"]])
def test_it_chooses_by_itself(home: MissionRepo, options: list[str]) -> None:
    assert home.run("next", "-j", "2", *options).exit_code == 2


# Left alone, killed, interrupted


def test_detached_it_returns_while_they_work(home: MissionRepo, go: Path) -> None:
    code, out, err = ended(pool(home, waiting_for(go), "2", "--detach", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert {each["last_task_id"] for each in told["sessions"]} == {"T-001", "T-002"}
    assert len(home.run("sessions", "--live", "--json").json()["sessions"]) == 2
    go.touch()
    wait_for(lambda: all(each.get("endedAt") for each in home.mission()["sessions"]))
    assert statuses(home) == {"T-001": "review", "T-002": "review", "T-003": "todo"}


def test_living_sessions_count_among_the_pools_own(home: MissionRepo, go: Path) -> None:
    assert ended(pool(home, waiting_for(go), "2", "--detach"))[0] == 0
    process = pool(home, waiting_for(go), "2", "--loop")
    assert process.stderr is not None
    told = [process.stderr.readline(), process.stderr.readline()]
    assert all("already" in line for line in told), told
    assert begun(home, "T-003") == []
    go.touch()
    assert ended(process)[0] in (0, NONE_LEFT)
    assert set(statuses(home).values()) == {"review"}


def test_interrupted_once_it_lets_those_that_work_end(home: MissionRepo, go: Path) -> None:
    process = pool(home, waiting_for(go), "2", "--loop")
    wait_for(lambda: is_at_work(home, "T-001", "T-002"))
    interrupt(process, "no new sessions")
    go.touch()
    assert ended(process)[0] == INTERRUPTED
    assert statuses(home) == {"T-001": "review", "T-002": "review", "T-003": "todo"}


def test_interrupted_twice_it_stops_those_that_work(home: MissionRepo, go: Path) -> None:
    process = pool(home, waiting_for(go), "2", "--loop")
    wait_for(lambda: is_at_work(home, "T-001", "T-002"))
    interrupt(process, "no new sessions")
    interrupt(process, "stopping them")
    assert ended(process)[0] == INTERRUPTED
    sessions = home.mission()["sessions"]
    assert [each["endedReason"] for each in sessions] == ["stopped", "stopped"]
    assert not any(is_running(pid) for task in ("T-001", "T-002") for pid in begun(home, task))
    assert home.task_status("T-003") == "todo"


def test_interrupted_twice_it_also_stops_what_is_just_being_started(
    home: MissionRepo, go: Path, tmp_path: Path
) -> None:
    setup = tmp_path / "setup"
    script = f"touch '{setup}'; while [ ! -e '{go}' ]; do sleep 0.1; done"
    give_agent(home, worktrees={"setup": script})
    process = pool(home, f"wait_for({str(tmp_path / 'never')!r})", "1", "--loop")
    wait_for(setup.exists)
    interrupt(process, "no new sessions")
    interrupt(process, "stopping them")
    go.touch()
    assert ended(process)[0] == INTERRUPTED
    assert [each["endedReason"] for each in home.mission()["sessions"]] == ["stopped"]
    assert not any(is_running(pid) for pid in begun(home))


def test_interrupted_thrice_it_kills_those_that_do_not_heed(home: MissionRepo, go: Path) -> None:
    deaf = "for each in (2, 15):\n    signal.signal(each, signal.SIG_IGN)\nwrite('deaf', '')\n"
    process = pool(home, deaf + waiting_for(go), "1", "--loop")
    wait_for((worktree_of(home) / "deaf").exists)
    interrupt(process, "no new sessions")
    interrupt(process, "stopping them")
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == INTERRUPTED
    assert not any(is_running(pid) for pid in begun(home))


def interrupt(process: subprocess.Popen[str], answer: str) -> None:
    """Press Ctrl-C and wait until the pool says what it means; two at once would count as one."""
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    said = []
    while line := process.stderr.readline():
        said.append(line)
        if answer in line:
            return
    raise AssertionError(f"the pool ended with {process.wait()} and said {said}")


def test_every_worker_has_the_environment_of_who_started_the_pool(home: MissionRepo) -> None:
    home.environ["OF_THE_POOL"] = "it's $(x) größe"
    does = 'assert os.environ["OF_THE_POOL"] == "it\'s $(x) größe"\nfinish()'
    assert ended(pool(home, does, "2"))[0] == 0
    assert os.environ.get("OF_THE_POOL") is None
