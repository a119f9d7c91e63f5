"""Links that are cut, listeners that are killed, and several missions and machines at once.

Nothing is lost, and nothing is run twice. `python -m tests.links` is the long version.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mosaic.errors import HeldError
from mosaic.machine.lock import is_folder_held
from mosaic.remote.frames import Frame
from mosaic.remote.hosts import get_host
from mosaic.remote.link import Conversation
from mosaic.settings import HostSpec
from mosaic.store.mission_file import load_mission
from tests.support.links import CutMachine, FarMachine, add_quick, cut_machine, far_machine
from tests.support.machines import Machine, link_of, machine
from tests.support.mission import MissionRepo, pids_with, wait_for
from tests.support.shell_agent import change_mission, let_agent_do

ENV = ["PYTHON", "PYTHONPATH", "DOES", "NOFINISH"]
SEED = int(os.environ.get("MISSION_LINKS_SEED", "1"))
ROUNDS = int(os.environ.get("MISSION_LINKS_ROUNDS", "0"))
"""Rounds of cuts at random places, beside those that are planned."""
LOOP_SECONDS = 200.0
TASKS = int(os.environ.get("MISSION_LINKS_TASKS", "6"))
KILLS = int(os.environ.get("MISSION_LINKS_KILLS", "5"))
GATE = "test -e made.txt"
PLANNED = (
    # what is sent: half of the pack, and the question whether to begin
    {"op": "known", "way": "down", "at": 0.5},
    {"op": "prepare", "way": "up", "at": 0.5},
    {"op": "prepare", "way": "down", "at": 0.0},
    # heard, and the answer is lost; then not heard as a whole
    {"op": "go", "way": "down", "at": 0.0},
    {"op": "go", "way": "up", "at": 0.5},
    # while it works
    {"op": "follow", "way": "up", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "log", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "state", "at": 0.9},
    # at its end: in the pack, behind it, and before and after its end was said
    {"op": "follow", "way": "down", "frame": "commits", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "commits", "at": 1.0},
    {"op": "follow", "way": "down", "frame": "ended", "at": 0.5},
    {"op": "follow", "way": "down", "frame": "ended", "at": 1.0},
    # what is kept there is removed
    {"op": "drop", "way": "up", "at": 0.5},
    {"op": "drop", "way": "down", "at": 0.0},
)


def begins(repo: MissionRepo) -> Path:
    return repo.path.parent / f"begun {repo.path.name}"


def begun(repo: MissionRepo) -> Counter[str]:
    """Return how often an agent began at each task."""
    return Counter(begins(repo).read_text().split())


def doing(repo: MissionRepo, more: str = "") -> str:
    """Return what an agent does: it notes its begin, says something, commits, and leaves more."""
    return (
        f'echo "$MISSION_TASK" >>"{begins(repo)}"; echo "$MISSION_TASK says it"; '
        'echo "$MISSION_TASK of {0}" >"$MISSION_TASK.txt"; echo made >made.txt; '
        'git add "$MISSION_TASK.txt" && git commit -qm "Make it"; echo rest >"rest.$MISSION_TASK"; '
        "seq 500; "
    ).replace("{0}", repo.path.name) + more


def let_work(repo: MissionRepo, tasks: int = 3, **settings: Any) -> MissionRepo:
    """Give a mission a scripted agent, and so many tasks."""
    let_agent_do(repo, qualityGates=GATE, parallelWithoutScope=True, **settings)
    for number in range(3, tasks):
        assert repo.run("add", f"Task {number + 1}", "-m", "M1").exit_code == 0
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Tasks", "--allow-empty")
    return repo


def task_ids(repo: MissionRepo) -> list[str]:
    listed = repo.run("list", "--all", "--json").json()["tasks"]
    return sorted(str(each["id"]) for each in listed)


def ends(repo: MissionRepo) -> list[tuple[str, str | None]]:
    """Return the task and the end of each session."""
    return [(each["lastTaskId"], each.get("endedReason")) for each in repo.mission()["sessions"]]


def run_of(repo: MissionRepo, task_id: str) -> Path:
    """Return the record of the last run of a task that was sent away."""
    return max((repo.state / "runs" / task_id).glob("*/host.json")).parent


def wait_for_ends(repo: MissionRepo) -> None:
    def is_over() -> bool:
        repo.run("status")
        return not [*(repo.state / "sessions").glob("*.lock")]

    wait_for(is_over, "the end of all sessions")


def check_evidence(repo: MissionRepo, task_id: str) -> None:
    """Make sure that nothing of a task's work is missing here."""
    run, branch = run_of(repo, task_id), f"mission/{task_id}/work"
    assert repo.task_status(task_id) == "review"
    assert repo.git("show", f"{branch}:{task_id}.txt") == f"{task_id} of {repo.path.name}\n"
    assert repo.git("show", f"{branch}:rest.{task_id}") == "rest\n"
    said = (run / "stdout.log").read_text()
    assert said.count(f"{task_id} says it\n") == 1
    assert said.count("\n500\n") == 1
    result = json.loads((run / "result.json").read_text())
    assert result["outcome"] == "completed"
    state = json.loads((run / "state.json").read_text())
    assert (state["status"], state["place"]["executor"]) == ("completed", "ssh")
    events = [json.loads(line) for line in (run / "worker.log").read_text().splitlines()]
    counts = Counter(each["type"] for each in events)
    assert counts["worker_exited"] == counts["gate_passed"] == 1, counts
    seqs = [each["seq"] for each in events if "seq" in each]
    assert seqs == sorted(set(seqs))
    assert [*(run / "checkpoints").glob("*.json")]
    assert [ref for ref in repo.kept_refs() if f"/{run.name}/" in ref]
    text = repo.run("handoff", task_id, "--json").json()
    assert "nothing" in json.dumps(text)
    worktree = repo.state / "worktrees" / task_id
    assert (worktree / f"rest.{task_id}").read_text() == "rest\n"
    left = [line for line in repo.git("branch", "--list", f"{branch}-*").splitlines() if line]
    assert left == []


def check_once_each(repo: MissionRepo, tasks: list[str]) -> None:
    assert begun(repo) == dict.fromkeys(tasks, 1)
    assert sorted(ends(repo)) == [(task, "completed") for task in tasks]
    for task_id in tasks:
        check_evidence(repo, task_id)


def clean_up(repo: MissionRepo, *machines: Machine) -> None:
    """Make sure that nothing is left there once that was asked for."""
    assert repo.run("hosts", "clean").exit_code == 0
    for each in machines:
        assert each.attempts() == []


def follow(host: HostSpec, where: dict[str, str]) -> Iterator[Frame]:
    """Ask a machine for what came of an attempt."""
    with Conversation(host) as asking:
        asking.ask({"op": "follow", **where, "sizes": {}})
        yield from asking.answers()


def run_there(place: Path) -> Path:
    """Return the record that an attempt has on its machine."""
    (found,) = place.glob(f"home/coordination/.state/runs/*/{place.name}")
    return found


def host_of(repo: MissionRepo, name: str) -> HostSpec:
    """Return a machine as the mission names it."""
    return get_host(load_mission(repo.path / "coordination" / "mission.json").mission, name)


@pytest.fixture
def cut_box(tmp_path: Path) -> Iterator[CutMachine]:
    with cut_machine(tmp_path) as made:
        yield made


def work_through_cuts(repo: MissionRepo, box: CutMachine, cuts: list[dict[str, Any]]) -> None:
    """Have three tasks worked on while the link is cut again and again."""
    add_quick(repo, box.there, env=ENV)
    box.cut_at(*cuts)
    repo.environ["DOES"] = doing(repo)
    loop = repo.start("next", "-j", "3", "--loop", "--on", "box")
    out, _ = loop.communicate(timeout=LOOP_SECONDS)
    assert "nothing is ready" in out, out
    wait_for_ends(repo)
    check_once_each(repo, ["T-001", "T-002", "T-003"])


@pytest.mark.parametrize("how", ["drop", "stall"])
def test_a_link_that_is_cut_anywhere_loses_nothing(
    repo: MissionRepo, cut_box: CutMachine, how: str
) -> None:
    let_work(repo)
    work_through_cuts(repo, cut_box, [{**cut, "how": how} for cut in PLANNED])
    assert cut_box.planned() == []
    assert cut_box.proxy.lost > len(PLANNED) // 2  # who hears the last byte may hang up first
    clean_up(repo, cut_box.there)
    cut_box.proxy.close()
    wait_for(lambda: not [*cut_box.there.works.glob(".received-*")], "what was half sent to go")


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_a_link_that_is_cut_at_random_loses_nothing(
    repo: MissionRepo, cut_box: CutMachine, seed: int
) -> None:
    chance = random.Random(seed)
    cuts = [
        {
            **chance.choice(PLANNED),
            "at": chance.random(),
            "skip": chance.randrange(3),
            "how": chance.choice(["drop", "drop", "stall"]),
        }
        for _ in range(12)
    ]
    let_work(repo)
    work_through_cuts(repo, cut_box, cuts)
    clean_up(repo, cut_box.there)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def far_box(tmp_path: Path) -> Iterator[FarMachine]:
    with far_machine(tmp_path) as made:
        yield made


def listeners(repo: MissionRepo) -> list[int]:
    """Return the processes that listen to machines for a mission."""
    return pids_with(f"{repo.state}/runs/", "mosaic.reach")


def below(pid: int) -> list[int]:
    """Return a process and those that it started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, listed)]


def looks(repo: MissionRepo, task_id: str) -> tuple[object, ...]:
    """Return what changes here whenever something of a run is written."""
    run, worktree = run_of(repo, task_id), repo.state / "worktrees" / task_id
    places = [*run.rglob("*"), *worktree.glob("*"), repo.path / "coordination" / "mission.json"]
    places += [*(repo.path / ".git" / "refs" / "heads").rglob("*")]
    places += [*(repo.path / ".git" / "worktrees").rglob("*"), *repo.state.glob("sessions/*")]
    found: list[object] = []
    for place in sorted(places):
        with contextlib.suppress(OSError):
            facts = place.stat()
            found.append((str(place), facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def test_who_listens_may_be_killed_at_any_moment(repo: MissionRepo, box: Machine) -> None:
    """Killed at a change of what is written here, most often while the end is brought home."""
    let_work(repo)
    add_quick(repo, box, env=ENV)
    chance, kills, seen = random.Random(SEED), 0, None
    answer = repo.run("next", "--on", "box", DOES=doing(repo))
    assert answer.exit_code == 0, answer.stderr

    def is_over() -> bool:
        nonlocal kills, seen
        now, at_work = looks(repo, "T-001"), listeners(repo)
        if not [*(repo.state / "sessions").glob("*.lock")]:
            return True
        is_ending = '"ended_at"' in (run_of(repo, "T-001") / "host.json").read_text()
        if not at_work:
            for each in [repo.start("status") for _ in range(2)]:
                each.communicate(timeout=60)
        elif now != seen and kills < KILLS and (is_ending or chance.random() < 0.3):
            for pid in at_work:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            kills += 1
        seen = now
        return False

    wait_for(is_over, "the end")
    assert kills
    wait_for_ends(repo)
    check_once_each(repo, ["T-001"])
    clean_up(repo, box)


def test_a_network_that_fails_is_noticed_and_outlived(
    repo: MissionRepo, far_box: FarMachine
) -> None:
    """Packets vanish, the link goes down, the laptop sleeps, and at last the machine breaks."""
    box, net = far_box.there, far_box.net
    let_work(repo)
    add_quick(repo, box, env=ENV)
    waits = f'until_told "{repo.path.parent}/$MISSION_TASK.go"; echo "$MISSION_TASK goes on"; '
    repo.environ["DOES"] = doing(repo, waits)
    assert repo.run("next", "--on", "box").exit_code == 0
    wait_for((repo.path.parent / "T-001.go.waits").exists, "the agent's begin")
    pid = min(wait_for(partial(listeners, repo), "who listens"))  # what it forks looks like it
    for each in below(pid):
        os.kill(each, signal.SIGSTOP)
    log = repo.start("logs", "T-001", "-f")
    for each in below(pid):
        os.kill(each, signal.SIGCONT)
    wait_for(lambda: "T-001 says it" in (repo.run_dir() / "stdout.log").read_text(), "its output")
    net.vanish(on=True)
    wait_for(lambda: link_of(repo)["unreachable_since"], "the silence to be noticed")
    assert "`box` is unreachable since" in repo.run("sessions", "--live").stdout
    net.vanish(on=False)
    wait_for(lambda: not link_of(repo)["unreachable_since"], "the machine to answer again")
    net.link("down")
    os.kill(pid, signal.SIGKILL)  # `logs -f` starts another
    (repo.path.parent / "T-001.go").write_text("")
    wait_for(lambda: link_of(repo)["unreachable_since"], "the machine to be missed")
    net.link("up")
    assert "T-001 goes on" in log.communicate(timeout=60)[0]
    wait_for_ends(repo)
    check_once_each(repo, ["T-001"])
    # The second one is at work when the machine breaks down.
    assert repo.run("next", "--on", "box").exit_code == 0
    wait_for((repo.path.parent / "T-002.go.waits").exists, "the agent's begin")
    box.break_down()
    wait_for(lambda: link_of(repo)["unreachable_since"], "the machine to be missed")
    repo.run("status")
    assert not repo.session().get("endedAt")
    far_box.reboot()
    wait_for_ends(repo)
    assert ends(repo) == [("T-001", "completed"), ("T-002", "crashed")]
    worktree = repo.state / "worktrees" / "T-002"
    assert (worktree / "rest.T-002").read_text() == "rest\n"
    assert repo.git("show", "mission/T-002/work:T-002.txt") == "T-002 of project\n"
    assert begun(repo) == {"T-001": 1, "T-002": 1}
    clean_up(repo, box)


def test_two_clones_and_another_mission_share_a_machine(repo: MissionRepo, box: Machine) -> None:
    let_work(repo)
    add_quick(repo, box, env=ENV)
    repos = [repo]
    for name in ("clone", "other"):
        folder = repo.path.parent / name
        repo.git("clone", "-q", str(repo.path), str(folder))
        made = MissionRepo(folder, dict(repo.environ))
        made.git("config", "user.name", "Somebody")
        made.git("config", "user.email", "somebody@example.invalid")
        assert made.run("trust").exit_code == 0
        repos.append(made)
    change_mission(repos[2], id="another")
    repos[2].git("commit", "-qam", "Another mission")
    for each in repos:
        each.environ["DOES"] = doing(each)
    begun_at_once = [each.start("next", "--on", "box") for each in repos]
    for process in begun_at_once:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, (out, errors)
    for each in repos:
        wait_for_ends(each)
    for each in repos:
        check_once_each(each, ["T-001"])
        clean_up(each)
    assert box.attempts() == []


def test_what_was_given_up_or_never_began_is_over(repo: MissionRepo, cut_box: CutMachine) -> None:
    box = cut_box.there
    let_work(repo)
    add_quick(repo, box, env=ENV)
    root = repo.path.parent
    waits = f'until_told "{root}/$MISSION_TASK.go"; '

    def give_up(task_id: str) -> str:
        asked = ("next", "--on", "box", "--task", task_id)
        assert repo.run(*asked, DOES=doing(repo, waits)).exit_code == 0
        wait_for((root / f"{task_id}.go.waits").exists, "the agent's begin")
        session = repo.session_id()
        box.go_down()
        wait_for(lambda: link_of(repo)["unreachable_since"], "the machine to be missed")
        assert repo.run("sessions", "--forget", session).exit_code == 0
        return session

    # A late end: another attempt has the task by then.
    give_up("T-001")
    late = json.loads((run_of(repo, "T-001") / "host.json").read_text())
    (place,) = box.attempts()
    box.start()
    answer = repo.run("next", "--on", "box", "--task", "T-001", DOES=doing(repo, "echo 2 >second"))
    assert answer.exit_code == 0, answer.stderr
    wait_for_ends(repo)
    before = repo.git("rev-parse", "mission/T-001/work")
    (root / "T-001.go").write_text("")
    ended = partial(place.glob, "home/coordination/.state/runs/*/*/result.json")
    wait_for(lambda: [*ended()], "the late end")
    wait_for(lambda: not is_folder_held(run_there(place)), "its supervisor's end")
    where = {"mission": late["mission"], "run": place.name, "token": late["token"]}
    heard: list[Frame] = []
    with pytest.raises(HeldError, match="another attempt's"):
        heard.extend(follow(host_of(repo, "box"), where))
    assert not any("commits" in frame.values for frame in heard)
    assert repo.git("rev-parse", "mission/T-001/work") == before
    assert repo.git("show", "mission/T-001/work:second") == "2\n"
    assert ends(repo) == [("T-001", "crashed"), ("T-001", "completed")]
    assert [*place.glob("home/coordination/.state/worktrees/T-001/rest.T-001")]
    # One that is given up is ended there when it can be.
    session = give_up("T-002")
    refused = repo.run("stop", session)
    assert refused.exit_code == 1
    assert "was given up, and `box` does not answer" in refused.stderr
    box.start()
    stopped = repo.run("stop", session)
    assert f"{session} was given up; its agent on `box` is ended" in stopped.stdout
    assert repo.run("stop", "nothing").exit_code == 2
    # One that is never told to begin is removed there, though the answer to that is lost.
    cuts: list[dict[str, Any]] = [{"op": "go", "way": "up", "at": 0.5, "how": "drop"}] * 3
    cut_box.cut_at(*cuts, {"op": "drop", "way": "down", "at": 0.0, "how": "drop"})
    assert repo.run("next", "--on", "box", "--task", "T-003", DOES=doing(repo)).exit_code == 0
    assert repo.run("logs", "T-003", "-f").exit_code == 0
    wait_for_ends(repo)
    assert cut_box.planned() == []
    assert ends(repo)[2:] == [("T-002", "crashed"), ("T-003", "crashed")]
    assert "never began on `box`" in (run_of(repo, "T-003") / "worker.log").read_text()
    assert begun(repo) == {"T-001": 2, "T-002": 1}
    assert len(box.attempts()) == 2
    clean_up(repo, box)


def test_many_tasks_go_to_several_machines_of_which_one_goes_down(
    repo: MissionRepo, tmp_path: Path
) -> None:
    let_work(repo, TASKS)
    with ExitStack() as stack:
        hosts = [stack.enter_context(machine(tmp_path, name)) for name in ("ash", "birch", "cedar")]
        for each in hosts:
            add_quick(repo, each, env=ENV)
        tasks = task_ids(repo)
        assert len(tasks) == TASKS
        repo.environ["DOES"] = doing(repo)
        names = [word for each in hosts for word in ("--on", each.name)]
        loop = repo.start("next", "-j", "6", "--loop", *names)
        wait_for(hosts[1].attempts, "work on it")
        hosts[1].go_down()
        wait_for(lambda: sum(begun(repo).values()) > TASKS // 2, "others to go on")
        hosts[1].start()
        out, errors = loop.communicate(timeout=LOOP_SECONDS * max(1, TASKS // 6))
        assert "nothing is ready" in out, (out, errors)
        wait_for_ends(repo)
        check_once_each(repo, tasks)
        notes = (repo.state / "runs").glob("*/*/host.json")
        used = Counter(json.loads(each.read_text())["host"] for each in notes)
        assert sum(used.values()) == TASKS
        assert len(used) > 1
        for task_id in tasks:
            assert repo.run("review", task_id, "--approve").exit_code == 0
        landed = repo.run("merge")
        assert landed.exit_code == 0, landed
        for task_id in tasks:
            assert (repo.path / f"rest.{task_id}").exists()
        clean_up(repo, *hosts)


@pytest.mark.parametrize("seed", range(SEED, SEED + max(1, ROUNDS)))
def test_a_machine_may_break_down_at_any_moment(
    repo: MissionRepo, far_box: FarMachine, seed: int
) -> None:
    """All its processes are killed after so many changes of its files, and its boot is another."""
    box, changes, seen = far_box.there, random.Random(seed).randrange(4, 60), 0
    let_work(repo)
    add_quick(repo, box, env=ENV)
    repo.environ["DOES"] = doing(repo)
    begins(repo).touch()
    asked = repo.start("next", "--on", "box", "--task", "T-001")
    before: list[Path] = []

    def is_time() -> bool:
        nonlocal before, seen
        now = [each for each in box.works.rglob("*") if ".git" not in each.parts]
        seen += now != before
        before = now
        is_over = asked.poll() is not None and not [*(repo.state / "sessions").glob("*.lock")]
        return is_over or seen > changes

    wait_for(is_time, "the moment")
    box.break_down()
    asked.communicate(timeout=60)
    far_box.reboot()
    wait_for_ends(repo)
    first = [reason for _, reason in ends(repo)]
    assert first in ([], ["crashed"], ["completed"], ["failed"])
    if first == ["failed"]:  # the agent had ended
        assert "its gates were not run to their end" in repo.session()["endedDetail"]
    assert begun(repo)["T-001"] <= 1
    if first != ["completed"]:
        again = repo.run("next", "--on", "box", "--task", "T-001")
        assert again.exit_code == 0, again.stderr
        wait_for_ends(repo)
        assert repo.session()["endedReason"] == "completed"
    assert repo.task_status("T-001") == "review"
    assert repo.git("show", "mission/T-001/work:rest.T-001") == "rest\n"
    clean_up(repo, box)
