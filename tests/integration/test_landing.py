"""Done means landed: a task's work counts when it is on the mission's branch."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.support.mission import Answer, MissionRepo
from tests.support.workers import give_agent, worktree_of, write_mission

BRANCH = "mission/T-001/work"


@pytest.fixture
def home(repo: MissionRepo) -> MissionRepo:
    return give_agent(repo)


@pytest.fixture
def worked(home: MissionRepo) -> MissionRepo:
    """T-001 was worked on in a branch, in two commits, and approved."""
    does = 'write("a", "1\\n")\ncommit("a")\nwrite("b", "2\\n")\nfinish()'
    assert home.run("next", "--worktree", AGENT_DOES=does).exit_code == 0
    assert home.run("review", "T-001", "--approve", "--force").exit_code == 0
    home.git("add", "--all")
    home.git("commit", "-qm", "T-001 is done")
    return home


def to_merge(repo: MissionRepo) -> dict[str, str]:
    return {each["id"]: each["branch"] for each in status(repo)["to_merge"]}


def status(repo: MissionRepo) -> Any:
    return repo.run("status", "--json").json()


def approve(repo: MissionRepo, task: str, *options: str) -> Answer:
    return repo.run("review", task, "--approve", "--force", *options)


def set_landing(repo: MissionRepo, landing: str, **more: Any) -> None:
    write_mission(repo, repo.mission() | {"landing": landing, **more})
    repo.git("commit", "-qam", f"Landing {landing}")


def commit(repo: MissionRepo, name: str, text: str) -> None:
    (repo.path / name).write_text(text)
    repo.git("add", name)
    repo.git("commit", "-qm", f"{name}: {text}")


# What has landed


def test_work_waits_in_its_branch_until_it_is_merged(worked: MissionRepo) -> None:
    assert to_merge(worked) == {"T-001": BRANCH}
    assert worked.run("merge", "T-001").exit_code == 0
    assert to_merge(worked) == {}


def test_done_by_hand_says_where_the_work_waits(home: MissionRepo) -> None:
    does = 'write("a", "1\\n")\ncommit("a")\nfinish()'
    assert home.run("next", "--worktree", AGENT_DOES=does).exit_code == 0
    answer = home.run("done", "T-001", "--force")
    assert answer.exit_code == 0
    assert f"its work waits in `{BRANCH}`; `mission merge T-001` lands it" in answer.stdout
    changed = home.run("done", "T-001", "--force", "--json").json()
    assert changed["to_merge"] == BRANCH
    assert changed["next_commands"][0] == "mission merge T-001"


def test_a_merge_that_is_undone_takes_it_back(worked: MissionRepo) -> None:
    worked.run("merge", "T-001", "--squash")
    assert to_merge(worked) == {}
    worked.git("reset", "-q", "--hard", "HEAD~1")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_that_people_squash_has_landed_and_later_changes_do_not_matter(
    worked: MissionRepo,
) -> None:
    worked.git("merge", "-q", "--squash", BRANCH)
    assert to_merge(worked) == {"T-001": BRANCH}  # in no commit yet
    worked.git("commit", "-qm", "squashed")
    commit(worked, "a", "changed since")
    assert to_merge(worked) == {}


def test_a_branch_that_people_rebase_has_landed_and_later_changes_do_not_matter(
    worked: MissionRepo,
) -> None:
    commit(worked, "other", "x")
    worked.git("cherry-pick", "HEAD~1.." + BRANCH)
    commit(worked, "b", "changed since")
    assert to_merge(worked) == {}


def test_half_of_a_branch_has_not_landed(worked: MissionRepo) -> None:
    worked.git("cherry-pick", BRANCH + "~1")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_deleted_after_the_merge_has_landed(worked: MissionRepo) -> None:
    worked.run("merge", "T-001", "--squash")
    commit(worked, "a", "changed since")
    worked.git("worktree", "remove", "--force", "--force", str(worked.state / "worktrees/T-001"))
    worked.git("branch", "-D", BRANCH)
    assert to_merge(worked) == {}


@pytest.mark.parametrize("packed", [False, True])
def test_work_waits_although_the_state_folder_is_gone(worked: MissionRepo, packed: bool) -> None:
    shutil.rmtree(worked.state)
    worked.git("worktree", "prune")
    if packed:
        worked.git("pack-refs", "--all")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_task_that_was_done_without_a_branch_has_landed(worked: MissionRepo) -> None:
    worked.run("done", "T-002")
    assert to_merge(worked) == {"T-001": BRANCH}


def test_a_branch_without_a_commit_of_its_own_has_landed(home: MissionRepo) -> None:
    home.run("next", "--worktree", AGENT_DOES="pass")
    home.run("done", "T-001", "--force")
    commit(home, "other", "x")
    assert home.git("branch", "--list", BRANCH).strip()
    assert to_merge(home) == {}


def test_a_persons_own_branch_counts_as_far_as_it_is_there(home: MissionRepo) -> None:
    home.run("set", "T-001", "status=done", "branch=feat")
    home.run("set", "T-002", "status=done", "branch=main")
    assert to_merge(home) == {}
    home.git("switch", "-q", "-c", "feat")
    commit(home, "a", "1")
    home.git("switch", "-q", "main")
    assert to_merge(home) == {"T-001": "feat"}


# What depends on it


def test_every_face_agrees_that_a_dependent_waits_for_the_merge(worked: MissionRepo) -> None:
    worked.run("set", "T-002", "depends_on=T-001")
    words = "waits on `T-001` (done, to merge)"

    told = worked.run("next", "--explain", "--json").json()
    assert told["ready"] == ["T-003"]
    assert {t["id"]: t["reason"] for t in told["tasks"]} == {
        "T-001": "TO_MERGE",
        "T-002": "WAITS",
        "T-003": "READY",
    }
    assert f"T-002  {words}" in worked.run("next", "--explain").stdout

    refused = worked.run("next", "--task", "T-002", "--print")
    assert refused.exit_code == 3
    assert words in refused.stderr
    assert "`mission merge T-001` first" in refused.stderr

    page = worked.run("status")
    assert "0/3 done, 1 to merge  0 %" in page.stdout
    assert "to merge  T-001" in page.stdout
    assert "`mission merge T-001`" in page.stdout
    assert status(worked)["progress"]["tasks_to_merge"] == 1
    assert status(worked)["ready_total"] == 1

    assert "T-001  done, to merge" in worked.run("list", "--all").stdout
    assert "to merge: T-001" in worked.run("list").stdout
    assert "T-002" not in worked.run("list", "--ready").stdout
    assert words in worked.run("show", "T-002").stdout
    assert "depends_on  T-001  done, to merge" in worked.run("show", "T-002").stdout

    assert "◉ T-001" in worked.run("graph", "--open").stdout
    assert ":::tomerge" in worked.run("graph", "--mermaid").stdout
    assert "done, to merge" in worked.run("graph", "--dot").stdout
    nodes = {node["id"]: node["to_merge"] for node in worked.run("graph", "--json").json()["nodes"]}
    assert nodes == {"T-001": BRANCH, "T-002": None, "T-003": None}

    worked.run("merge", "T-001")
    assert worked.run("next", "--explain", "--json").json()["ready"] == ["T-002", "T-003"]
    assert "1/3 done  33 %" in worked.run("status").stdout
    assert "● T-001" in worked.run("graph").stdout


@pytest.mark.parametrize("options", [("--loop",), ("-j", "2", "--loop"), ("-j", "2")])
def test_a_loop_hands_off_no_task_whose_dependency_waits_to_be_merged(
    worked: MissionRepo, options: tuple[str, ...]
) -> None:
    worked.run("set", "T-002", "depends_on=T-001")
    answer = worked.run("next", *options, "--json", AGENT_DOES="finish()")
    assert answer.exit_code == 0, answer.stderr
    assert worked.task_status("T-002") == "todo"
    assert answer.json()["waiting"]["to_merge"] == ["T-001"]
    assert worked.task_status("T-003") == "review"


def test_what_waits_on_the_branch_that_a_task_works_on_is_there(worked: MissionRepo) -> None:
    worked.run("set", "T-002", "depends_on=T-001", f"branch={BRANCH}")
    assert "T-002" in worked.run("next", "--explain", "--json").json()["ready"]
    does = 'assert (here / "a").exists()\nfinish()'
    assert worked.run("next", "--worktree", "--task", "T-002", AGENT_DOES=does).exit_code == 0


def test_nothing_ready_says_what_is_to_be_merged(worked: MissionRepo) -> None:
    worked.run("set", "T-002", "depends_on=T-001")
    worked.run("cancel", "T-003", "--why", "no")
    answer = worked.run("next")
    assert answer.exit_code == 3
    assert "2 tasks wait: 1 to merge, 1 on `T-001` (done, to merge)" in answer.stderr
    assert "next: mission merge T-001" in worked.run("next", "--explain").stdout


# Approving


def test_an_approval_says_that_work_waits_and_can_merge_it(home: MissionRepo) -> None:
    for _task in ("T-001", "T-002"):
        home.run("next", "--worktree", AGENT_DOES='write(task, "1\\n")\nfinish()')
    first = approve(home, "T-001")
    assert first.exit_code == 0
    assert "next: mission merge T-001" in first.stdout
    told = approve(home, "T-002", "--merge", "--json").json()
    assert (home.path / "T-002").exists()
    assert told["merged"]["commit"] == home.git("rev-parse", "HEAD").strip()
    assert told["to_merge"] is None
    assert to_merge(home) == {"T-001": BRANCH}
    assert approve(home, "T-001", "--merge").exit_code == 0  # it is approved already
    assert to_merge(home) == {}


def test_work_without_a_branch_is_approved_without_a_word_of_merging(home: MissionRepo) -> None:
    home.run("next", AGENT_DOES='write("a", "1")\nfinish()')
    answer = approve(home, "T-001", "--merge")
    assert answer.exit_code == 0
    assert "merge" not in answer.stdout


def test_merge_goes_with_an_approval_only(home: MissionRepo) -> None:
    assert home.run("review", "T-001", "--reject", "--why", "no", "--merge").exit_code == 2


@pytest.mark.parametrize("landing", ["approved", "green"])
def test_an_approval_lands_where_the_mission_says_so(home: MissionRepo, landing: str) -> None:
    set_landing(home, landing)
    home.run("next", "--worktree", AGENT_DOES='write("a", "1\\n")\nfinish()')
    answer = approve(home, "T-001")
    assert answer.exit_code == 0, answer.stderr
    assert f"merged {BRANCH} → main" in answer.stdout
    assert (home.path / "a").read_text() == "1\n"
    assert to_merge(home) == {}


def test_an_approval_whose_merge_conflicts_stands_and_leaves_the_tree_as_it_was(
    home: MissionRepo,
) -> None:
    home.run("next", "--worktree", AGENT_DOES='write("a", "theirs\\n")\nfinish()')
    commit(home, "a", "ours\n")
    head = home.git("rev-parse", "HEAD")
    answer = approve(home, "T-001", "--merge")
    assert answer.exit_code == 3
    assert "conflicts with what is here: `a`" in answer.stderr
    assert "`mission merge T-001` begins it again" in answer.stderr
    assert "next: mission merge T-001" in answer.stdout
    assert home.task_status("T-001") == "done"
    assert home.git("rev-parse", "HEAD") == head
    assert home.git("status", "--porcelain", "--", ":!coordination") == ""
    assert not (home.path / ".git" / "MERGE_HEAD").exists()


# Beginning before it has landed


def test_a_dependent_may_begin_from_a_base_that_merges_what_it_needs(home: MissionRepo) -> None:
    worktrees = {"mergeDependencies": True}
    write_mission(home, home.mission() | {"worktrees": worktrees})
    for task in ("T-001", "T-002"):
        home.run("next", "--worktree", AGENT_DOES='write(task, "1\\n")\nfinish()')
        approve(home, task)
    home.run("set", "T-003", "depends_on=T-001,T-002")
    home.git("add", "--all")
    home.git("commit", "-qm", "Two are done")
    assert home.run("list", "--ready", "--json").json()["tasks"][0]["id"] == "T-003"
    does = 'assert (here / "T-001").exists() and (here / "T-002").exists()\n'
    answer = home.run("next", AGENT_DOES=does + 'write(task, "1\\n")\nfinish()')
    assert answer.exit_code == 0, answer.stderr
    record = json.loads((home.state / "worktrees" / ".T-003.json").read_text())
    assert record["base_branches"] == [BRANCH, "mission/T-002/work"]
    assert (
        json.loads((home.run_dir() / "meta.json").read_text())["base_commit"]
        == (record["base_commit"])
    )
    assert not (home.path / "T-001").exists()
    review = home.run("review", "T-003", "--json").json()
    changed = [each["path"] for each in review["evidence"]["files"]]
    assert [path for path in changed if not path.startswith("coordination")] == ["T-003"]
    approve(home, "T-003", "--merge")
    assert {name for name in ("T-001", "T-002", "T-003") if (home.path / name).exists()} == {
        "T-001",
        "T-002",
        "T-003",
    }
    assert to_merge(home) == {}


def test_what_conflicts_is_no_base_and_leaves_nothing(home: MissionRepo) -> None:
    write_mission(home, home.mission() | {"worktrees": {"mergeDependencies": True}})
    for task in ("T-001", "T-002"):
        home.run("next", "--worktree", AGENT_DOES='write("same", task)\nfinish()')
        approve(home, task)
    home.run("set", "T-003", "depends_on=T-001,T-002")
    before = home.git("branch", "--list")
    answer = home.run("next", AGENT_DOES="finish()")
    assert answer.exit_code == 1
    assert "what `T-003` needs has not landed, and `mission/T-002/work` does not merge" in (
        answer.stderr
    )
    assert home.task_status("T-003") == "todo"
    assert not worktree_of(home, "T-003").exists()
    assert home.git("branch", "--list") == before


# A loop that lands


TWELVE = {
    "A": "", "B": "A", "C": "A", "D": "B,C", "E": "", "F": "D,E",
    "G": "D", "H": "F,G", "I": "E", "J": "I,H", "K": "I", "L": "J,K",
}  # fmt: skip
"""Three diamonds, one on top of the other, and ways around them."""
WORKS = """\
needs = json.loads((here / "needs.json").read_text())[task]
assert all((here / "done" / name).exists() for name in needs), needs
write("done/" + task, task)
finish()
"""


@pytest.mark.timeout(600)
def test_twelve_tasks_in_diamonds_all_land(home: MissionRepo) -> None:
    names = {letter: f"T-{number:03}" for number, letter in enumerate(TWELVE, 1)}
    for number in range(4, 13):
        home.run("add", f"Task {number}")
    needs = {names[k]: [names[n] for n in v.split(",") if n] for k, v in TWELVE.items()}
    for task, others in needs.items():
        if others:
            home.run("set", task, f"depends_on={','.join(others)}")
    (home.path / "needs.json").write_text(json.dumps(needs))
    gate = [{"name": "order", "command": "test -d done"}]
    set_landing(home, "green", review={"greenIsDone": True}, qualityGates=gate)
    home.git("add", "--all")
    home.git("commit", "-qm", "Twelve tasks")
    home.environ["AGENT_DOES"] = WORKS
    out, err = home.start("next", "-j", "3", "--loop", "--json").communicate(timeout=500)
    told = json.loads(out)
    assert set(told["landed"]) == set(needs), err
    assert told["not_landed"] == {}
    assert told["waiting"] == {"review": [], "to_merge": [], "blocked": []}
    assert set(home.git("ls-tree", "--name-only", "HEAD:done").split()) == set(needs)
    assert home.git("branch", "--show-current").strip() == "main"
    assert to_merge(home) == {}
    assert "12/12 done  100 %" in home.run("status").stdout
    runs = list((home.state / "runs").glob("*/*/meta.json"))
    kinds = [json.loads(run.read_text())["step_kind"] for run in runs]
    assert kinds.count("shell") == 24  # the gate of each, for its work and for what landed


def test_a_loop_goes_on_with_what_another_left_unlanded(home: MissionRepo) -> None:
    set_landing(home, "green", review={"greenIsDone": True}, qualityGates="true")
    home.run("next", "--worktree", AGENT_DOES='write("a", "1\\n")\nfinish()')
    home.run("done", "T-001", "--force")  # as a loop that was killed before the merge
    assert to_merge(home) == {"T-001": BRANCH}
    home.run("set", "T-002", "depends_on=T-001")
    told = home.run("next", "--loop", "--json", "--max-sessions", "1", AGENT_DOES="finish()")
    assert [*told.json()["landed"]] == ["T-001"]
    assert home.session()["lastTaskId"] == "T-002"


@pytest.mark.parametrize("landing", ["manual", "approved"])
def test_a_loop_that_may_set_done_does_not_land_otherwise(home: MissionRepo, landing: str) -> None:
    set_landing(home, landing, review={"greenIsDone": True}, qualityGates="true")
    home.run("set", "T-002", "depends_on=T-001")
    home.run("set", "T-003", "depends_on=T-001")
    does = 'write("a", "1\\n")\nfinish()'
    told = home.run("next", "-j", "2", "--loop", "--json", AGENT_DOES=does).json()
    assert told["landed"] == {}
    assert told["waiting"]["to_merge"] == ["T-001"]
    assert "2 on `T-001` (done, to merge)" in told["why"]
    assert [each["lastTaskId"] for each in home.mission()["sessions"]] == ["T-001"]


def test_a_loop_hands_a_conflict_back_and_goes_on_until_all_has_landed(home: MissionRepo) -> None:
    set_landing(home, "green", review={"greenIsDone": True}, qualityGates="true")
    home.run("set", "T-002", "depends_on=T-001,T-003")
    home.environ["AGENT_DOES"] = """\
if task == "T-002":
    assert (here / "T-001").exists() and (here / "T-003").exists()
elif len([*run_dir.parent.glob("*/artifacts/begun")]) > 1:
    git("merge", "--quiet", "-X", "ours", "main")
    write("same", "both")
else:
    (run_dir / "artifacts" / "in").touch()
    for other in ("T-001", "T-003"):
        while not [*run_dir.parent.parent.glob(other + "/*/artifacts/in")]:
            time.sleep(0.02)
    write("same", task)
write(task, task)
finish()
"""
    out, err = home.start("next", "-j", "2", "--loop", "--json").communicate(timeout=300)
    told = json.loads(out)
    assert sorted(told["landed"]) == ["T-001", "T-002", "T-003"], (out, err)
    assert told["not_landed"] == {}
    sessions = [each["lastTaskId"] for each in home.mission()["sessions"]]
    (twice,) = (name for name in ("T-001", "T-003") if sessions.count(name) == 2)
    assert len(sessions) == 4
    (said,) = (each["text"] for each in home.run("show", twice, "--json").json()["decisions"])
    assert said.startswith("It did not land: it conflicts with `main`: `same`")
    assert (home.path / "same").read_text() == "both"
    assert all((home.path / name).exists() for name in ("T-001", "T-002", "T-003"))
    assert home.git("status", "--porcelain", "--", ":!coordination") == ""


# The setting


def test_an_unknown_landing_is_named_with_its_line(home: MissionRepo) -> None:
    write_mission(home, home.mission() | {"landing": "sometimes"})
    answer = home.run("status")
    assert answer.exit_code == 5
    assert "`landing` is 'sometimes'" in answer.stderr
    assert "use one of `manual`, `approved`, `green`, `pull-request`" in answer.stderr
