"""`mission merge` without an id: all done branches come home in order, each tested first."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import PATIENCE_SECONDS, Answer, MissionRepo, wait_for
from tests.support.workers import begun, give_agent, write_mission

Files = dict[str, str]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the gate writes the tree that it looks at."""
    return tmp_path / "trees"


@pytest.fixture
def home(repo: MissionRepo, log: Path) -> MissionRepo:
    """A mission whose gate fails where T-001 and `bad` are together."""
    gate = f"git rev-parse HEAD^{{tree}} >> '{log}'; ls bad T-001; test ! -e bad -o ! -e T-001"
    (repo.path / "shared").write_text("begin\n")
    return give_agent(repo, qualityGates=[{"name": "whole", "command": gate}])


def finished(repo: MissionRepo, task_id: str, files: Files, *needs: str) -> None:
    """Have a task done, with its work on its branch, as where its worktree was removed."""
    branch = f"mission/{task_id}/work"
    repo.git("switch", "-q", "-c", branch)
    for name, text in files.items():
        (repo.path / name).write_text(text)
        repo.git("add", name)
    repo.git("commit", "-qm", task_id)
    repo.git("switch", "-q", "main")
    fields = [f"depends_on={','.join(needs)}"] if needs else []
    assert repo.run("set", task_id, "status=done", *fields).exit_code == 0
    repo.git("commit", "-qam", f"{task_id} is done")


def approved(repo: MissionRepo, task_id: str, does: str) -> None:
    """Have a task worked on in its worktree, and approved."""
    does = f"{does}\ncommit()\nfinish()"
    assert repo.run("next", "--worktree", "--task", task_id, AGENT_DOES=does).exit_code == 0
    assert repo.run("review", task_id, "--approve", "--force").exit_code == 0


def land(repo: MissionRepo, *options: str) -> Answer:
    return repo.run("merge", "--json", *options)


def outcomes(answer: Answer) -> dict[str, str]:
    return {each["task_id"]: each["outcome"] for each in answer.json()["tasks"]}


def entry(answer: Answer, task_id: str) -> Any:
    return next(each for each in answer.json()["tasks"] if each["task_id"] == task_id)


def state_of(repo: MissionRepo) -> str:
    """Return all that a landing that fails must leave as it was: commit, index, files."""
    told = repo.git("rev-parse", "HEAD") + repo.git("ls-files", "--stage")
    told += repo.git("status", "--porcelain", "--untracked-files=all")
    return told + repo.git("diff") + repo.git("diff", "--cached")


def work_tree(repo: MissionRepo, task_id: str = "T-002") -> Path:
    return repo.state / "worktrees" / task_id


def is_clean(repo: MissionRepo, task_id: str = "T-002") -> bool:
    place = str(work_tree(repo, task_id))
    told = repo.git("-C", place, "status")
    return f"On branch mission/{task_id}/work" in told and "nothing to commit" in told


# The queue


def test_eight_branches_with_two_conflicts_and_a_red_gate_end_as_predicted(
    home: MissionRepo, log: Path
) -> None:
    for title in ("Fourth", "Fifth", "Sixth", "Seventh", "Eighth"):
        home.run("add", title, "-m", "M1")
    home.git("add", "--all")
    home.git("commit", "-qm", "More tasks")
    finished(home, "T-001", {"T-001": "1\n", "shared": "one\n"})
    finished(home, "T-002", {"T-002": "2\n", "shared": "two\n"})
    finished(home, "T-003", {"T-003": "3\n"}, "T-002")
    finished(home, "T-004", {"T-004": "4\n"}, "T-008")
    finished(home, "T-005", {"T-005": "5\n", "bad": "\n"})
    finished(home, "T-006", {"T-006": "6\n"}, "T-004", "T-001")
    finished(home, "T-007", {"T-007": "7\n", "shared": "seven\n"})
    finished(home, "T-008", {"T-008": "8\n"})
    (home.path / "own").write_text("mine, not committed\n")
    answer = land(home)
    assert answer.exit_code == 1
    assert list(outcomes(answer).items()) == [
        ("T-001", "landed"),
        ("T-002", "conflict"),
        ("T-005", "red"),
        ("T-007", "conflict"),
        ("T-008", "landed"),
        ("T-003", "waits"),
        ("T-004", "landed"),
        ("T-006", "landed"),
    ]
    assert sorted(path.name for path in home.path.glob("T-*")) == "T-001 T-004 T-006 T-008".split()
    assert (home.path / "shared").read_text() == "one\n"
    assert home.git("status", "--porcelain") == "?? own\n"
    assert entry(answer, "T-002")["conflicts"] == ["shared"]
    assert "<<<<<<<" in entry(answer, "T-002")["detail"]
    assert "`T-002`, which it depends on, has not landed" in entry(answer, "T-003")["why"]
    assert "gate `whole` failed" in entry(answer, "T-005")["why"]
    assert is_clean(home)
    # What landed is what the gate has seen.
    seen = log.read_text().split()
    commits = [e["commit"] for e in answer.json()["tasks"] if e["outcome"] == "landed"]
    assert {home.git("rev-parse", f"{each}^{{tree}}").strip() for each in commits} <= set(seen)
    assert home.git("rev-parse", "HEAD").strip() == commits[-1]

    back = land(home, "--hand-back")
    assert outcomes(back) == {
        "T-001": "nothing", "T-004": "nothing", "T-006": "nothing", "T-008": "nothing",
        "T-002": "conflict", "T-005": "red", "T-007": "conflict", "T-003": "waits",
    }  # fmt: skip
    assert [home.task_status(name) for name in ("T-002", "T-005", "T-007")] == ["todo"] * 3
    assert home.task_status("T-003") == "done"
    asked = home.run("next", "--print", "--task", "T-002").stdout
    assert "It did not land: it conflicts with `main`: `shared`" in " ".join(asked.split())
    assert "+two" in asked
    asked = home.run("next", "--print", "--task", "T-005").stdout
    assert "gate `whole` failed" in asked
    assert "T-001\n" in asked  # what the gate wrote

    merges = 'subprocess.run(["git", "merge", "main"], stdout=2)'
    approved(home, "T-002", f'{merges}\nwrite("shared", "both\\n")')
    last = land(home)
    assert last.exit_code == 0, last
    assert (outcomes(last)["T-002"], outcomes(last)["T-003"]) == ("landed", "landed")
    assert (home.path / "shared").read_text() == "both\n"


def test_people_read_what_became_of_each(home: MissionRepo) -> None:
    finished(home, "T-001", {"T-001": "1\n"})
    finished(home, "T-002", {"bad": "\n"})
    answer = home.run("merge")
    assert answer.exit_code == 1
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert lines[0].startswith("T-001 landed mission/T-001/work → main, commit ")
    assert lines[1].startswith("T-002 red gate `whole` failed with exit code 1")
    assert lines[-1] == "next: mission merge --hand-back"
    assert "T-001: gate whole: passed" in answer.stderr
    assert "T-002: gate whole: failed" in answer.stderr


def test_where_nothing_waits_that_is_said(home: MissionRepo) -> None:
    answer = home.run("merge")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("nothing is to be landed\n")


def test_a_dry_run_says_the_order_and_changes_nothing(home: MissionRepo, log: Path) -> None:
    finished(home, "T-001", {"T-001": "1\n"}, "T-002")
    finished(home, "T-002", {"T-002": "2\n"})
    finished(home, "T-003", {"T-003": "3\n"})
    home.run("set", "T-003", "depends_on=T-001")
    before = state_of(home)
    answer = land(home, "--dry-run")
    assert answer.exit_code == 0
    assert list(outcomes(answer).items()) == [(f"T-00{n}", "next") for n in (2, 1, 3)]
    assert state_of(home) == before
    assert not log.exists()


def test_with_rebase_history_stays_a_line(home: MissionRepo) -> None:
    write_mission(home, home.mission() | {"landingUpdate": "rebase"})
    home.git("commit", "-qam", "Rebase")
    finished(home, "T-001", {"T-001": "1\n", "shared": "one\n"})
    finished(home, "T-002", {"T-002": "2\n"})
    finished(home, "T-003", {"T-003": "3\n", "shared": "three\n"})
    other = home.git("rev-parse", "mission/T-003/work")
    answer = land(home)
    assert outcomes(answer) == {"T-001": "landed", "T-002": "landed", "T-003": "conflict"}
    assert home.git("rev-list", "--merges", "HEAD") == ""
    assert home.git("rev-parse", "mission/T-003/work") == other
    assert is_clean(home, "T-003")


def test_a_branch_that_another_open_task_is_on_waits(home: MissionRepo) -> None:
    for name in ("T-001", "T-002"):
        home.run("set", name, "branch=feat")
    home.git("commit", "-qam", "One branch")
    for name in ("T-001", "T-002"):
        does = f'write("{name}", "x")\ncommit()\nfinish()'
        assert home.run("next", "--worktree", "--task", name, AGENT_DOES=does).exit_code == 0
    home.run("review", "T-001", "--approve", "--force")
    answer = land(home)
    assert outcomes(answer) == {"T-001": "waits"}
    assert "`T-002` is on branch `feat` too" in entry(answer, "T-001")["why"]
    home.run("review", "T-002", "--approve", "--force")
    assert land(home).exit_code == 0
    assert (home.path / "T-002").exists()


def test_what_is_committed_while_the_gates_run_is_tested_too(home: MissionRepo, log: Path) -> None:
    mission = home.mission()
    once = f"test -e {log}.once || (touch {log}.once; cd {home.path}; git commit -q --allow-empty "
    mission["qualityGates"][0]["command"] += f" && {once} -m Meanwhile)"
    write_mission(home, mission)
    home.git("commit", "-qam", "A gate during which somebody commits")
    finished(home, "T-001", {"T-001": "1\n"})
    answer = land(home)
    assert outcomes(answer) == {"T-001": "landed"}
    assert "Meanwhile" in home.git("log", "--format=%s")
    assert len(log.read_text().split()) == 2


def test_a_second_queue_is_refused_while_one_is_at_work(home: MissionRepo, log: Path) -> None:
    mission = home.mission()
    call = f"'{sys.executable}' -m mosaic merge >'{log}' 2>&1"
    command = f"cd '{home.path}'; {call}; echo $? >>'{log}'"
    write_mission(home, mission | {"qualityGates": command})
    home.git("commit", "-qam", "A gate that lands")
    finished(home, "T-001", {"T-001": "1\n"})
    assert outcomes(land(home)) == {"T-001": "landed"}
    assert "another landing is under way" in log.read_text()
    assert log.read_text().endswith("\n4\n")


def test_an_agent_hands_nothing_back(home: MissionRepo) -> None:
    finished(home, "T-001", {"T-001": "1\n"})
    does = 'subprocess.run([sys.executable, "-m", "mosaic", "merge", "--hand-back"])\nfinish()'
    home.run("next", "--task", "T-002", AGENT_DOES=does)
    assert not (home.path / "T-001").exists()
    assert "a person decides" in (home.run_dir(0) / "stderr.log").read_text()


# What git and the user's settings put in the way

Fault = Callable[[MissionRepo], Callable[[], object]]


def hook(name: str, script: str) -> Fault:
    def lay(repo: MissionRepo) -> Callable[[], object]:
        path = repo.path / ".git" / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path.unlink

    return lay


def unsigned(repo: MissionRepo) -> Callable[[], object]:
    repo.git("config", "gpg.program", "false")
    repo.git("config", "commit.gpgsign", "true")
    return lambda: repo.git("config", "--unset", "commit.gpgsign")


def nameless(repo: MissionRepo) -> Callable[[], object]:
    for name in ("user.name", "user.email"):
        repo.git("config", "--unset", name)
    repo.git("config", "user.useConfigOnly", "true")
    return lambda: (repo.git("config", "user.name", "A"), repo.git("config", "user.email", "a@b"))


FAULTS: dict[str, tuple[Fault, str]] = {
    "pre-merge-commit": (hook("pre-merge-commit", "echo 'the linter says no'; exit 1"), "linter"),
    "commit-msg": (hook("commit-msg", "echo 'no ticket' >&2; exit 1"), "no ticket"),
    "signature": (unsigned, "sign"),
    "identity": (nameless, "user.name"),
}


@pytest.fixture
def apart(home: MissionRepo) -> MissionRepo:
    """A branch that is done and cannot be merged without a commit, and changes of the user's."""
    approved(home, "T-002", 'write("T-002", "2\\n")')
    home.git("commit", "-qam", "T-002 is done")
    (home.path / "mine").write_text("staged by the user\n")
    (home.path / "shared").write_text("changed by the user\n")
    return home


@pytest.mark.parametrize("name", FAULTS)
def test_what_git_or_a_hook_refuses_leaves_all_as_it_was(apart: MissionRepo, name: str) -> None:
    fault, words = FAULTS[name]
    mend = fault(apart)
    before = state_of(apart)
    alone = apart.run("merge", "T-002", "--json")
    assert alone.exit_code == 1
    assert words in alone.stderr
    assert state_of(apart) == before
    assert not (apart.path / ".git" / "MERGE_HEAD").exists()
    squashed = apart.run("merge", "T-002", "--squash")
    assert name == "pre-merge-commit" or (squashed.exit_code == 1 and words in squashed.stderr)
    if squashed.exit_code == 0:  # that hook is not asked about a squash
        apart.git("reset", "-q", "--keep", "HEAD~1")
    assert state_of(apart) == before
    queue = land(apart)
    assert queue.exit_code == 1
    assert outcomes(queue)["T-002"] == "waits"
    assert words in json.dumps(entry(queue, "T-002"))
    assert state_of(apart) == before
    assert is_clean(apart)
    mend()
    apart.git("add", "mine")
    assert land(apart).exit_code == 0
    assert (apart.path / "T-002").exists()
    assert apart.git("status", "--porcelain") == "A  mine\n M shared\n"


def test_a_squash_takes_nothing_along_that_is_staged(apart: MissionRepo) -> None:
    apart.git("add", "mine")
    before = state_of(apart)
    answer = apart.run("merge", "T-002", "--squash")
    assert answer.exit_code == 3
    assert "staged" in answer.stderr
    assert state_of(apart) == before


def test_where_only_fast_forwards_are_allowed_the_queue_still_lands(apart: MissionRepo) -> None:
    apart.git("config", "merge.ff", "only")
    before = state_of(apart)
    alone = apart.run("merge", "T-002")
    assert alone.exit_code == 1
    assert "`mission merge` brings the branch up to date first" in alone.stderr
    assert state_of(apart) == before
    assert land(apart).exit_code == 0


def test_what_hooks_write_is_shown_and_one_after_the_merge_changes_nothing(
    apart: MissionRepo,
) -> None:
    hook("post-merge", "echo 'run npm install'; exit 1")(apart)
    answer = apart.run("merge")
    assert answer.exit_code == 0
    assert "run npm install" in answer.stdout
    assert apart.git("log", "-1", "--format=%s") == "Merge T-002: Second\n"
    apart.git("reset", "-q", "--keep", "HEAD~1")  # its first parent is what was here before
    assert "run npm install" in apart.run("merge", "T-002").stdout


@pytest.mark.parametrize("staged", [False, True])
def test_changes_in_the_way_stop_the_branch_that_touches_them_and_no_other(
    home: MissionRepo, staged: bool
) -> None:
    finished(home, "T-001", {"shared": "one\n"})
    finished(home, "T-002", {"T-002": "2\n"})
    home.git("config", "merge.autoStash", "true")
    (home.path / "shared").write_text("mine\n")
    if staged:
        home.git("add", "shared")
    before = home.git("status", "--porcelain")
    answer = land(home)
    assert outcomes(answer) == {"T-001": "waits", "T-002": "landed"}
    assert "shared" in entry(answer, "T-001")["detail"]
    assert "commit or stash" in entry(answer, "T-001")["hint"]
    assert (home.path / "shared").read_text() == "mine\n"
    assert home.git("status", "--porcelain") == before
    assert home.git("stash", "list") == ""


UNFINISHED = {
    "merge": ("merge", "--no-ff", "--no-commit", "side"),
    "cherry-pick": ("cherry-pick", "clash"),
    "revert": ("revert", "--no-commit", "HEAD~1"),
    "rebase": ("rebase", "clash"),
    "squash": ("merge", "--squash", "clash"),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_the_user_has_not_finished_is_left_alone(home: MissionRepo, name: str) -> None:
    for branch, file in (("side", "side"), ("clash", "shared")):
        home.git("switch", "-q", "-c", branch)
        (home.path / file).write_text(f"{branch}\n")
        home.git("add", file)
        home.git("commit", "-qm", branch)
        home.git("switch", "-q", "main")
    (home.path / "shared").write_text("main\n")
    home.git("commit", "-qam", "Main")
    approved(home, "T-001", 'write("T-001", "x")')
    home.git("commit", "-qam", "T-001 is done")
    subprocess.run(["git", *UNFINISHED[name]], cwd=home.path, capture_output=True, check=False)
    before = state_of(home)
    answer = home.run("merge")
    assert answer.exit_code == 3
    assert "git " in answer.stderr
    assert state_of(home) == before
    assert home.run("merge", "T-001").exit_code == 3
    assert state_of(home) == before


def test_a_worktree_with_changes_waits_and_says_how_to_go_on(home: MissionRepo) -> None:
    approved(home, "T-001", 'write("T-001", "x")')
    (work_tree(home, "T-001") / "late").write_text("not committed\n")
    answer = land(home)
    assert outcomes(answer) == {"T-001": "waits"}
    assert "late" in entry(answer, "T-001")["why"]
    assert (work_tree(home, "T-001") / "late").exists()


# Interrupted and killed


@pytest.mark.parametrize("call", [("merge", "T-002"), ("merge", "T-002", "--squash"), ("merge",)])
def test_ctrl_c_while_a_hook_runs_leaves_all_as_it_was(
    apart: MissionRepo, tmp_path: Path, call: tuple[str, ...]
) -> None:
    runs = tmp_path / "runs"
    name = "commit-msg" if "--squash" in call else "pre-merge-commit"
    mend = hook(name, f"touch '{runs}'; exec sleep 600")(apart)
    before = state_of(apart)
    process = apart.start(*call)
    wait_for(runs.exists, "the hook")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert state_of(apart) == before
    mend()
    assert land(apart).exit_code == 0
    assert (apart.path / "T-002").exists()


KILLS = {
    "update": ("pre-merge-commit", 'kill -9 "$(ps -o ppid= -p $PPID)"; exit 1'),
    "long hook": ("pre-merge-commit", 'kill -9 "$(ps -o ppid= -p $PPID)"; sleep 2; exit 1'),
    "updated": ("commit-msg", 'kill -9 "$(ps -o ppid= -p $PPID)"'),
    "home": ("post-merge", 'kill -9 "$(ps -o ppid= -p $PPID)"'),
    "gate": ("", ""),
}


@pytest.mark.parametrize("way", ["merge", "rebase"])
@pytest.mark.parametrize("point", KILLS)
def test_a_queue_that_is_killed_leaves_no_half_and_the_next_call_goes_on(
    home: MissionRepo, log: Path, point: str, way: str
) -> None:
    mission = home.mission() | {"landingUpdate": way}
    if point == "gate":
        once = f"test -e {log}.once || {{ touch {log}.once; kill -9 $PPID; }}"
        mission["qualityGates"][0]["command"] = once
    write_mission(home, mission)
    home.git("commit", "-qam", "Settings")
    finished(home, "T-001", {"T-001": "1\n"})
    finished(home, "T-002", {"T-002": "2\n"})
    (home.path / "shared").write_text("mine\n")
    name, script = KILLS[point]
    mend = hook(name, script)(home) if name else lambda: None
    done = subprocess.run(
        home.argv("merge"), cwd=home.path, env=home.environ, capture_output=True, check=False
    )
    if way == "merge" or not name or name == "post-merge":
        assert done.returncode == -9, done
    mend()
    # What git still does of its own accord holds the queue.
    answer = wait_for(lambda: (got := land(home)).exit_code != 4 and got, "the end of git")
    assert answer.exit_code == 0, answer.stdout
    assert {"T-001", "T-002"} <= {path.name for path in home.path.glob("T-*")}
    assert home.git("status", "--porcelain") == " M shared\n"
    assert home.git("rev-list", "--count", "--merges", "HEAD") == (
        "2\n" if way == "merge" else "0\n"
    )
    assert is_clean(home)


# In a loop

CLASHES = """\
said = pathlib.Path(sys.argv[1]).read_text()
if "It did not land" in said:
    (run_dir.parent / "heard").write_text(said)
    RESOLVES
else:
    pathlib.Path(BEGAN + task).touch()
    wait_for(BEGAN + ("T-002" if task == "T-001" else "T-001"))
    write("shared", task + "\\n")
    write(task, "x")
    commit()
finish()
"""
RESOLVES = """subprocess.run(["git", "merge", "main"], stdout=2)
    write("shared", "both\\n")
    commit()"""


def loop(repo: MissionRepo, resolves: str, **settings: Any) -> Any:
    """Have two tasks worked on at once that change the same line, by a loop that lands."""
    review = {"gates": "finished", "greenIsDone": True}
    settings = {"review": review, "landing": "green", "qualityGates": "true", **settings}
    write_mission(repo, repo.mission() | settings)
    assert repo.run("cancel", "T-003", "--why", "two are enough").exit_code == 0
    repo.git("commit", "-qam", "A loop")
    does = f"BEGAN = {str(repo.path) + '.began-'!r}\n" + CLASHES.replace("RESOLVES", resolves)
    process = subprocess.run(
        repo.argv("next", "-j", "2", "--loop", "--json"),
        cwd=repo.path,
        env={**repo.environ, "AGENT_DOES": does},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in process.stderr, process.stderr
    return json.loads(process.stdout)


def test_a_loop_hands_a_conflict_back_and_lands_what_the_agent_makes_of_it(
    home: MissionRepo,
) -> None:
    report = loop(home, RESOLVES)
    assert sorted(report["landed"]) == ["T-001", "T-002"]
    assert (home.path / "shared").read_text() == "both\n"
    assert [home.task_status(name) for name in ("T-001", "T-002")] == ["done", "done"]
    (heard,) = (home.state / "runs").glob("T-*/heard")
    assert "it conflicts with `main`: `shared`" in " ".join(heard.read_text().split())


def test_a_loop_gives_up_on_what_never_lands(home: MissionRepo) -> None:
    report = loop(home, 'write("shared", "mine\\n")', budget={"maxAttempts": 2})
    assert len(report["landed"]) == 1
    (name,) = report["gave_up"]
    assert home.task_status(name) == "blocked"
    assert "it did not land: it conflicts with `main`: `shared`" in report["questions"][name]
    assert len(begun(home, name)) == 2
