"""Whatever becomes of mission.json while an agent works, the agent is supervised to its end.

The end is recorded where that can be done, else it is kept and recorded once the mission is back.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.shell_agent import change_mission, go, go_behind, let_agent_do, tell

MISSION = "coordination/mission.json"
SAVING = (
    f'i=0; while [ $i -lt {{times}} ]; do i=$((i+1)); sed "s/\\"name\\": \\"[^\\"]*\\"/'
    f'\\"name\\": \\"e$i\\"/" {MISSION} >{MISSION}.new && mv {MISSION}.new {MISSION}; '
    "sleep {pause}; done"
)
PUT_BACK = f"git checkout -q {MISSION}"


def kept(repo: MissionRepo) -> list[Path]:
    places = (repo.state / "ends", repo.path / ".git" / "mosaic" / "ends")
    return [path for place in places for path in place.glob("*.json")]


@pytest.fixture
def hasty(repo: MissionRepo) -> MissionRepo:
    """The mission for those who do not wait long for files that will not come back."""
    repo.environ["MISSION_PATIENCE"] = "5"
    return repo


@pytest.mark.parametrize(
    "harm",
    [f"rm {MISSION}", f"echo '{{' >{MISSION}", f": >{MISSION}", f"rm {MISSION}; mkdir {MISSION}"],
    ids=["removed", "not JSON", "empty", "a folder"],
)
def test_the_time_limit_holds_and_the_end_is_recorded_later(hasty: MissionRepo, harm: str) -> None:
    repo = let_agent_do(hasty)
    answer = go(repo, f"echo $$ >../pid; {harm}; exec sleep 600", "--timeout", "2s")
    assert answer.exit_code == 124
    assert "the time limit ran out" in answer.stdout
    assert "its end could not be recorded" in answer.stdout
    assert not is_running(int((repo.path.parent / "pid").read_text()))
    assert json.loads((repo.run_dir() / "result.json").read_text())["reason"] == "timeout"
    assert repo.run_state()["finished_at"]
    assert len(kept(repo)) == 1
    for path in (repo.path / MISSION,):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    repo.git("checkout", "-q", MISSION)
    repo.run("status")
    assert repo.session()["endedReason"] == "timeout"
    assert kept(repo) == []
    assert not repo.lock.exists()
    assert repo.run("check").exit_code == 0


@pytest.mark.parametrize("command", [("add", "Another"), ("set", "T-002", "priority=high")])
def test_the_next_command_that_changes_something_records_it(
    hasty: MissionRepo, command: tuple[str, ...]
) -> None:
    repo = let_agent_do(hasty)
    answer = go(repo, f"rm {MISSION}; exit 3")
    assert answer.exit_code == 5
    repo.git("checkout", "-q", MISSION)
    assert repo.run(*command).exit_code == 0
    assert repo.session()["endedReason"] == "failed"


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        (f"rm -rf coordination/.state {MISSION}", MISSION),
        ("rm -rf coordination", "coordination"),
        (f"git clean -ffdxq; rm {MISSION}", MISSION),
    ],
)
def test_the_end_outlives_the_state_folder(hasty: MissionRepo, harm: str, mend: str) -> None:
    repo = let_agent_do(hasty)
    answer = go(repo, f"cd '{repo.path}'; {harm}; exec sleep 600", "--timeout", "2s")
    assert answer.exit_code == 124
    assert len(kept(repo)) == 1
    repo.git("checkout", "-q", mend)
    repo.run("status")
    assert repo.session()["endedReason"] == "timeout"
    assert kept(repo) == []


def test_an_end_is_kept_in_gits_folder_where_no_state_folder_can_be_made(
    hasty: MissionRepo,
) -> None:
    repo = let_agent_do(hasty)
    listed = f"until grep -q sess-001 {MISSION}; do sleep 0.02; done"
    remove = "until [ -f coordination ]; do rm -rf coordination; touch coordination; done"
    harm = f"{listed}; {remove}; exec sleep 600"
    answer = go(repo, harm, "--timeout", "5s")
    assert answer.exit_code == 124
    assert [path.parent.parent.name for path in kept(repo)] == ["mosaic"]
    (repo.path / "coordination").unlink()
    repo.git("checkout", "-q", "coordination")
    repo.run("status")
    assert repo.session()["endedReason"] == "timeout"
    assert kept(repo) == []


def test_an_end_of_work_that_nobody_looked_at_is_not_finished(hasty: MissionRepo) -> None:
    repo = let_agent_do(hasty, qualityGates="exit 1")
    does = f"mission set T-001 status=review; rm {MISSION}"
    assert go(repo, does, NOFINISH="1").exit_code == 5
    repo.git("checkout", "-q", MISSION)
    repo.run("status")
    assert repo.session()["endedReason"] == "failed"
    assert repo.task_status("T-001") == "in-progress"


def test_the_supervisor_in_the_background_records_and_keeps_alike(hasty: MissionRepo) -> None:
    repo = let_agent_do(hasty)
    go_behind(repo, f"rm {MISSION}; exit 0")
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: kept(repo), "the end")
    wait_for(lambda: repo.run_state()["finished_at"], "the end of the record")
    repo.git("checkout", "-q", MISSION)
    wait_for(lambda: repo.run("status") and repo.session()["endedReason"] == "completed")


def test_a_mission_that_comes_back_before_the_end_is_used(repo: MissionRepo) -> None:
    let_agent_do(repo)
    answer = go(repo, f"mv {MISSION} ../away; sleep 1; mv ../away {MISSION}")
    assert answer.exit_code == 0
    assert repo.task_status("T-001") == "review"
    assert kept(repo) == []


@pytest.mark.parametrize(("times", "pause"), [(12, "0.03"), (1, "0")])
@pytest.mark.parametrize("detach", [False, True])
def test_mission_json_may_be_saved_in_the_moment_of_launch(
    repo: MissionRepo, times: int, pause: str, detach: bool
) -> None:
    let_agent_do(repo)
    does = SAVING.format(times=times, pause=pause)
    answer = go(repo, does, "--detach") if detach else go(repo, does)
    assert answer.exit_code == 0, answer.stderr
    wait_for(lambda: repo.session().get("endedAt"), "the end")
    wait_for(lambda: not repo.lock.exists())
    assert repo.session()["endedReason"] == "completed"
    assert repo.task_status("T-001") == "review"
    assert repo.mission()["name"] == f"e{times}"


@pytest.mark.parametrize("harm", [f"rm {MISSION}", f"echo '{{' >{MISSION}", "git stash -q"])
def test_an_agent_whose_first_act_is_to_break_it_is_watched(hasty: MissionRepo, harm: str) -> None:
    repo = let_agent_do(hasty)
    answer = go(repo, f"{harm}; exec sleep 600", "--timeout", "3s")
    assert answer.exit_code == 124
    if not harm.startswith("git"):
        repo.git("checkout", "-q", MISSION)
    repo.run("status")
    assert repo.session()["endedReason"] == "timeout"


def test_a_session_that_could_not_be_listed_is_named_and_listed_at_its_end(
    repo: MissionRepo,
) -> None:
    let_agent_do(repo)
    back = f"until [ -e ../go ]; do sleep 0.02; done; mv ../away {MISSION}"
    answer = go(repo, f"mv {MISSION} ../away; {back}", "--detach")
    assert answer.exit_code == 0
    assert "not listed in mission.json until it ends" in answer.stdout
    assert "session_unlisted" in [event["type"] for event in repo.events()]
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: repo.session()["endedReason"] == "completed", "the session's end")
    assert repo.task_status("T-001") == "review"


def test_an_end_that_was_saved_before_its_supervisor_was_killed_is_not_recorded_again(
    repo: MissionRepo,
) -> None:
    let_agent_do(repo)
    ends = f'mission set "$MISSION_TASK" status=review; cp {repo.lock} ../lock'
    assert go(repo, ends, NOFINISH="yes").exit_code == 1
    (repo.path.parent / "lock").rename(repo.lock)  # as if killed before it took the lock away
    session = repo.session()
    assert session["endedReason"] == "failed"
    assert repo.run("status").exit_code == 0
    assert not repo.lock.exists()
    assert repo.session() == session
    assert repo.task_status("T-001") == "in-progress"
    assert json.loads((repo.run_dir() / "result.json").read_text())["reason"] == "failed"


def test_a_person_may_save_it_all_the_time(repo: MissionRepo) -> None:
    let_agent_do(repo)
    go_behind(repo, "true")
    for number in range(20):
        change_mission(repo, description=f"edit {number}")
    assert tell(repo)["endedReason"] == "completed"
    assert repo.task_status("T-001") == "review"


def test_a_worktree_of_an_agent_that_runs_is_kept(hasty: MissionRepo) -> None:
    repo = let_agent_do(hasty)
    harm = 'rm "$MISSION_FILE"; echo work >work; exec sleep 600'
    answer = go(repo, harm, "--worktree", "--timeout", "3s")
    assert answer.exit_code == 124
    assert (repo.state / "worktrees" / "T-001" / "work").exists()
    repo.git("checkout", "-q", MISSION)
    repo.run("status")
    assert repo.session()["endedReason"] == "timeout"


def test_a_branch_without_the_mission_gets_nothing_of_it_and_the_end_waits(
    hasty: MissionRepo,
) -> None:
    repo = let_agent_do(hasty)
    tree = repo.git("hash-object", "-w", "-t", "tree", "/dev/null").strip()
    repo.git("branch", "bare", repo.git("commit-tree", tree, "-m", "No mission").strip())
    go(repo, "git checkout -q -f bare", NOFINISH="1")
    assert repo.git("status", "--porcelain", "--untracked-files=all") == ""
    assert [path.name for path in (repo.path / "coordination").iterdir()] == [".state"]
    assert len(kept(repo)) == 1
    repo.git("checkout", "-q", "main")
    assert repo.run("set", "T-002", "priority=high").exit_code == 0
    session = repo.session()
    assert (session["lastTaskId"], session["endedReason"]) == ("T-001", "completed")
    assert kept(repo) == []
