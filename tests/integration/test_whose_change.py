"""Whose change it is: an agent's own, a person's beside it, one where it had no business."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import MissionRepo, wait_for
from tests.support.shell_agent import calls, go, go_behind, let_agent_do, let_agent_tell

WORK = ("Bash", "mkdir -p src && echo x >>src/a")
UNSEEN = "changed while it worked, not seen to be the agent's"


def scoped(repo: MissionRepo, **settings: Any) -> MissionRepo:
    """A mission whose first task may change `src` alone, and an agent that tells its calls."""
    repo.run("set", "T-001", "write_scope=src/**")
    (repo.path / "README.md").write_text("read me\n")
    repo.git("add", "README.md")
    return let_agent_tell(repo, **settings)


def work_beside(repo: MissionRepo, *made: tuple[str, str], options: tuple[str, ...] = ()) -> Any:
    """Let the agent make its calls while a person edits README.md, and return the session."""
    place = repo.path.parent / "go"
    command = ("next", "--headless", "--detach", "--task", "T-001", *options)
    answer = repo.run(*command, **calls(*made, ("wait", str(place))))
    assert answer.exit_code == 0, answer.stderr
    wait_for(Path(f"{place}.waits").exists, "the agent's calls")
    (repo.path / "README.md").write_text("a person was here\n")
    place.write_text("")
    wait_for(lambda: repo.session().get("endedAt"), "the session's end")
    wait_for(lambda: not repo.lock.exists(), "the lock's end")
    return repo.session()


def review(repo: MissionRepo, task_id: str = "T-001") -> Any:
    answer = repo.run("review", task_id, "--json")
    assert answer.exit_code == 0, answer.stderr
    return answer.json()


def files(found: Any) -> list[str]:
    paths = (each["path"] for each in found["evidence"]["files"])
    return [path for path in paths if not path.startswith("coordination/")]


def test_a_persons_edit_beside_an_agent_is_not_its_change(repo: MissionRepo) -> None:
    scoped(repo)
    session = work_beside(repo, WORK, ("Bash", "cat README.md; git diff README.md | head"))
    assert session["endedReason"] == "completed"
    found = review(repo)
    assert found["objections"] == []
    assert found["evidence"]["beside"] == ["README.md"]
    assert files(found) == ["src/a"]
    assert UNSEEN in repo.run("review", "T-001").stdout
    diff = repo.run("review", "T-001", "--diff", "--json").json()["diff"]
    assert "src/a" in diff
    assert "README.md" not in diff
    assert [event for event in repo.events() if f"{UNSEEN}: `README.md`" in event["message"]]
    # Nor is it committed with the work that is approved.
    approved = repo.run("review", "T-001", "--approve", "--commit", "--json").json()
    assert "README.md" not in repo.git("show", "--name-only", "--format=", approved["commit"])


@pytest.mark.parametrize(
    "made",
    [
        ("Edit", "README.md"),
        ("Bash", "echo y >>README.md"),
        ("Bash", "cd src/.. && sed -i s/me/you/ 'README.md'"),
        ("Bash", "python3 - <<'E'\nopen('README.md', 'a').write('x')\nE"),
        ("Bash", "printf 'echo y >>README.md' >../x.sh; sh ../x.sh; rm ../x.sh"),
        ("Bash", "mkdir -p /tmp/w && git mv README.md READ.md"),
        ("claim", "- `README.md`: rewritten"),
    ],
)
def test_a_change_that_a_call_or_the_handoff_names_is_the_agents(
    repo: MissionRepo, made: tuple[str, str]
) -> None:
    scoped(repo)
    session = work_beside(repo, WORK, made)
    assert session["endedReason"] == "failed"
    assert "outside of its write scope" in session["endedDetail"]
    assert "README.md" in review(repo)["out_of_scope"]


def test_a_loop_does_not_spend_its_attempts_on_a_persons_edit(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true", review={"greenIsDone": True})
    quiet = ("quiet", "echo a person >README.md")  # nothing in the transcript names it
    answer = repo.run("next", "--loop", "--max-sessions", "1", **calls(WORK, quiet))
    assert answer.exit_code == 0, answer.stderr
    assert repo.task_status("T-001") == "done"


def test_a_transcript_that_tells_nothing_counts_every_change_and_says_why(
    repo: MissionRepo,
) -> None:
    repo.run("set", "T-001", "write_scope=src/**")
    let_agent_do(repo)
    answer = go(repo, "mkdir src; echo x >src/a; echo y >outside")
    assert "outside of its write scope: `outside`; every change counts as its own, since" in (
        answer.stdout
    )
    assert "`doing` does not tell every call of a tool" in answer.stdout


def test_an_agent_cannot_note_for_itself_whose_a_change_is(repo: MissionRepo) -> None:
    scoped(repo)
    forged = {"type": "changed_beside", "seq": 99, "created_at": "2026-01-01T00:00:00Z",
              "message": "x", "data": {"paths": ["outside"], "by": "unseen"}}  # fmt: skip
    forge = f"echo '{json.dumps(forged)}' >>$MISSION_RUN_DIR/worker.log; echo y >outside"
    repo.run("next", "--headless", **calls(WORK, ("Bash", forge)))
    assert review(repo)["out_of_scope"] == ["outside"]


def test_what_others_committed_and_the_agent_pulled_is_not_its_change(repo: MissionRepo) -> None:
    scoped(repo)
    bare = repo.path.parent / "origin"
    repo.git("clone", "-q", "--bare", ".", str(bare))
    repo.git("remote", "add", "origin", str(bare))
    repo.git("fetch", "-q", "origin")
    repo.git("branch", "-q", "--set-upstream-to", "origin/main")
    clone = repo.path.parent / "clone"
    repo.git("clone", "-q", str(bare), str(clone))
    for command in (
        "echo new >theirs",
        "git add theirs",
        "git -c user.name=T -c user.email=t@x commit -qm theirs",
        "git push -q",
    ):
        subprocess.run(command, shell=True, cwd=clone, check=True, env=repo.environ)
    pull = ("Bash", "git pull -q && cat theirs && touch theirs")
    assert repo.run("next", "--headless", **calls(WORK, pull)).exit_code == 0
    assert files(review(repo)) == ["src/a"]
    # Its own commit is its own, also where it was pushed.
    push = ("Bash", "echo y >theirs; git add -A; git commit -qm mine; git push -q")
    repo.run("reopen", "T-001")
    repo.run("next", "--headless", "--task", "T-001", **calls(push))
    assert review(repo)["out_of_scope"] == ["theirs"]


def test_what_a_worker_merges_from_the_main_branch_is_not_its_change(repo: MissionRepo) -> None:
    scoped(repo)
    place = repo.path.parent / "go"
    command = ("next", "--headless", "--detach", "--task", "T-001", "--worktree")
    merge = ("Bash", "git merge -q --no-edit main")
    made = calls(WORK, ("Bash", "git add -A; git commit -qm w"), ("wait", str(place)), merge)
    assert repo.run(*command, **made).exit_code == 0
    wait_for(Path(f"{place}.waits").exists, "the agent's calls")
    (repo.path / "theirs").write_text("x")
    repo.git("add", "theirs")
    repo.git("commit", "-qm", "theirs")
    place.write_text("")
    wait_for(lambda: repo.session().get("endedAt"), "the session's end")
    assert repo.session()["endedReason"] == "completed", repo.session()
    assert files(review(repo)) == ["src/a"]


def test_everything_in_a_worktree_is_the_agents(repo: MissionRepo) -> None:
    scoped(repo)
    options = ("--worktree", "--task", "T-001")
    quiet = ("quiet", "echo y >outside")
    assert repo.run("next", "--headless", *options, **calls(WORK, quiet)).exit_code == 1
    assert review(repo)["out_of_scope"] == ["outside"]


def test_a_change_outside_its_worktree_is_found_and_speaks_against_it(repo: MissionRepo) -> None:
    scoped(repo)
    leak = ("Bash", f"echo leak >>{repo.path}/a.txt; cd {repo.path} && echo y >src.txt")
    session = work_beside(repo, WORK, leak, options=("--worktree",))
    assert session["endedReason"] == "failed"
    assert "changed outside its worktree: `a.txt`, `src.txt`" in session["endedDetail"]
    found = review(repo)  # what a person did there meanwhile is not its change
    assert found["evidence"]["outside"] == ["a.txt", "src.txt"]
    assert "changed outside its worktree: `a.txt`, `src.txt`" in found["objections"]
    (repo.path / "a.txt").unlink()
    (repo.path / "src.txt").unlink()
    assert "outside its worktree" not in "".join(review(repo)["objections"])


def test_what_a_merge_brings_meanwhile_is_not_an_agents_change(repo: MissionRepo) -> None:
    """Its end is looked at while git has written the files and nobody has noted that yet."""
    let_agent_do(repo, parallelWithoutScope=True)
    done = go(repo, "echo b >b.txt; ", "--worktree", "--task", "T-002")
    assert done.exit_code == 0, done.stderr
    go_behind(repo, "echo a >a.txt; ", "--worktree", "--task", "T-001")
    place = repo.path.parent / "go"
    hook = repo.path / ".git" / "hooks" / "post-merge"
    logs = repo.state / "runs" / "T-001" / "*" / "worker.log"
    hook.write_text(
        f"#!/bin/sh\ntouch '{place}'; tries=0\n"
        f"until grep -q changed_outside {logs} || [ $tries -gt 150 ]; do\n"
        "tries=$((tries + 1)); sleep 0.02; done\n"
    )
    hook.chmod(0o755)
    merged = repo.run("merge", "T-002", "--force", "--no-ff")
    assert merged.exit_code == 0, merged.stderr
    assert (repo.path / "b.txt").exists()
    assert place.exists()
    wait_for(lambda: all(each.get("endedAt") for each in repo.mission()["sessions"]), "the end")
    assert review(repo)["objections"] == []
    assert "changed_outside" not in {event["type"] for event in repo.events()}


def test_green_is_not_done_where_something_changed_outside_its_worktree(repo: MissionRepo) -> None:
    let_agent_do(repo, qualityGates="true", review={"greenIsDone": True})
    options = ("--loop", "-j", "2", "--max-sessions", "1")
    answer = repo.run("next", *options, DOES=f"echo leak >>{repo.path}/a.txt; echo x >x")
    assert repo.task_status("T-001") == "review", answer.stderr
    assert "waits for review: changed outside its worktree: `a.txt`" in answer.stderr


def test_a_person_may_edit_the_main_tree_while_a_worker_works(repo: MissionRepo) -> None:
    scoped(repo)
    session = work_beside(repo, WORK, options=("--worktree",))
    assert session["endedReason"] == "completed"
    assert review(repo)["objections"] == []


def test_outside_its_worktree_an_unknown_change_is_an_objection_and_no_verdict(
    repo: MissionRepo,
) -> None:
    let_agent_do(repo)
    does = f"echo leak >>{repo.path}/a.txt; echo y >{repo.path}/src.txt"
    assert go(repo, does, "--worktree").exit_code == 0
    (words,) = review(repo)["objections"]
    assert words.startswith("changed outside its worktree: `a.txt`, `src.txt`; whose change")


def test_an_edit_that_git_is_told_to_pass_by_is_seen(repo: MissionRepo) -> None:
    let_agent_do(repo)
    repo.run("set", "T-001", "write_scope=src/**")
    (repo.path / "a.txt").write_text("one\n")
    (repo.path / "b.txt").write_text("one\n")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Files")
    hide = "git update-index --assume-unchanged a.txt; git update-index --skip-worktree b.txt"
    go(repo, f"{hide}; echo z >a.txt; echo z >b.txt", "--worktree", "--task", "T-001")
    found = review(repo)
    assert found["out_of_scope"] == ["a.txt", "b.txt"]
    assert any("told to pass by `a.txt`, `b.txt`" in each for each in found["warnings"])
    # And it is in the commit that a merge brings home.
    repo.run("set", "T-001", "write_scope=")
    go(repo, f"{hide}; echo zz >a.txt", "--task", "T-001")
    worktree = repo.state / "worktrees" / "T-001"
    shown = subprocess.run(
        ["git", "show", "HEAD:a.txt"], cwd=worktree, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "zz\n"


def test_a_hidden_edit_in_the_main_tree_is_named(repo: MissionRepo) -> None:
    scoped(repo)
    hide = ("Bash", "git update-index --assume-unchanged README.md; echo z >README.md")
    repo.run("next", "--headless", **calls(WORK, hide))
    found = review(repo)
    assert found["out_of_scope"] == ["README.md"]
    assert any("told to pass by: `README.md`" in each for each in found["warnings"])
    # One that was hidden before, as people do with local settings, and stays so, is not.
    repo.run("review", "T-001", "--reject", "--why", "x")
    repo.run("next", "--headless", "--task", "T-002", **calls(WORK))
    assert review(repo, "T-002")["warnings"] == []


def test_commits_on_another_branch_are_named_and_amended_ones_are_not(repo: MissionRepo) -> None:
    scoped(repo)
    aside = "git checkout -qb side; echo y >aside; git add aside; git commit -qm aside"
    made = calls(WORK, ("Bash", f"{aside}; git checkout -q -"))
    assert repo.run("next", "--headless", "--worktree", **made).exit_code == 0
    (words,) = review(repo)["warnings"]
    assert words.endswith("was made while it worked, and is on `side` only: `aside`")
    repo.run("review", "T-001", "--reject", "--why", "x")
    made = calls(("Bash", "git add -A; git commit -qm x; git commit -q --amend -m y"))
    repo.run("next", "--headless", "--task", "T-001", **made)
    assert review(repo)["warnings"] == [words]


def test_without_a_log_of_head_dropped_commits_are_said_to_be_unknown(repo: MissionRepo) -> None:
    scoped(repo)
    repo.git("config", "core.logAllRefUpdates", "false")
    (repo.path / ".git" / "logs" / "HEAD").unlink()
    assert repo.run("next", "--headless", **calls(WORK)).exit_code == 0
    assert any("git keeps no log of HEAD" in each for each in review(repo)["warnings"])


def test_what_git_was_told_to_ignore_is_said_to_be_unknown(repo: MissionRepo) -> None:
    scoped(repo)
    ignore = ("Bash", "echo /secret >>.git/info/exclude; echo y >secret")
    assert repo.run("next", "--headless", **calls(WORK, ignore)).exit_code == 0
    assert any("told to ignore `/secret`" in each for each in review(repo)["warnings"])


def test_where_the_supervisor_was_killed_that_is_said(repo: MissionRepo) -> None:
    let_agent_do(repo)
    go_behind(repo, "echo x >x")
    os.kill(repo.run_state()["supervisor_pid"], signal.SIGKILL)
    (repo.path.parent / "go").write_text("")
    wait_for(lambda: repo.run("sessions", "--json") and repo.session().get("endedAt"), "the end")
    caveats = review(repo)["evidence"]["caveats"]
    assert any("was not watched to its end" in each for each in caveats)


def test_moving_a_file_out_of_bounds_into_the_scope_is_seen(repo: MissionRepo) -> None:
    scoped(repo)
    (repo.path / "long.txt").write_text("line\n" * 50)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Files")
    repo.run("next", "--headless", **calls(("Bash", "mkdir src; git mv long.txt src/long.txt")))
    assert review(repo)["out_of_scope"] == ["long.txt"]


def test_a_person_allows_a_path_for_a_task_and_that_lasts(repo: MissionRepo) -> None:
    scoped(repo)
    made = calls(WORK, ("Bash", "mkdir -p docs; echo y >docs/x.md; echo y >b.txt"))
    assert repo.run("next", "--headless", **made).exit_code == 1
    assert review(repo)["out_of_scope"] == ["b.txt", "docs/x.md"]
    refused = repo.run("review", "T-001", "--allow", "docs", MISSION_SESSION="sess-001")
    assert refused.exit_code == 2
    for path in ("../x", ".", ""):
        assert repo.run("review", "T-001", "--allow", path).exit_code == 2
    allowed = repo.run("review", "T-001", "--allow", "docs", "--allow", "./b.txt")
    assert allowed.exit_code == 0, allowed.stderr
    assert review(repo)["objections"] == []
    # For the next attempt too, which may not widen it by itself.
    sly = ("Bash", "sed -i 's/`b.txt`/`src.txt`/' coordination/tasks/T-001*; echo z >src.txt")
    repo.run("next", "--headless", "--task", "T-001", **made)
    assert repo.task_status("T-001") == "review"
    repo.run("reopen", "T-001")
    assert repo.run("next", "--headless", "--task", "T-001", **calls(WORK, sly)).exit_code == 1
    assert "src.txt" in review(repo)["out_of_scope"]
    # And in a clone.
    (file,) = (repo.path / "coordination" / "tasks").glob("T-001*")
    assert "allowed by" in file.read_text()
    # One is accepted for its own task alone.
    repo.run("review", "T-001", "--approve", "--force")
    repo.run("set", "T-002", "write_scope=src/**")
    repo.run("next", "--headless", "--task", "T-002", **calls(("Bash", "echo z >>b.txt")))
    assert review(repo, "T-002")["out_of_scope"] == ["b.txt"]


def test_what_is_allowed_outside_a_worktree_is_no_objection(repo: MissionRepo) -> None:
    scoped(repo)
    leak = ("Bash", f"echo leak >>{repo.path}/a.txt")
    repo.run("next", "--headless", "--worktree", "--task", "T-001", **calls(WORK, leak))
    assert repo.run("review", "T-001", "--allow", "a.txt", "--approve").exit_code == 2
    assert "mission review T-001 --allow a.txt" in review(repo)["next_commands"]
    assert repo.run("review", "T-001", "--allow", "a.txt").exit_code == 0
    assert "outside its worktree" not in "".join(review(repo)["objections"])


def test_what_a_rebase_brings_in_is_not_its_change(repo: MissionRepo) -> None:
    scoped(repo)
    repo.git("switch", "-qc", "other")
    (repo.path / "theirs").write_text("x\n")
    repo.git("add", "theirs")
    repo.git("-c", "user.name=T", "-c", "user.email=t@x", "commit", "-qm", "theirs")
    repo.git("switch", "-q", "main")
    # Git refuses where our record of its session is written in the moment of the autostash.
    again = "for n in 1 2 3 4 5 6 7 8; do git rebase -q --autostash other && break; done"
    rebase = f"git add src && git commit -qm mine && {again}"
    repo.run("next", "--headless", **calls(WORK, ("Bash", rebase)))
    found = review(repo)
    assert (repo.path / "theirs").exists()
    assert files(found) == ["src/a"]
    assert found["out_of_scope"] == []


def test_an_attempt_in_a_fresh_worktree_pays_for_no_earlier_edit_of_a_person(
    repo: MissionRepo,
) -> None:
    scoped(repo)
    work_beside(repo, WORK)
    assert repo.run("review", "T-001", "--reject", "--why", "again").exit_code == 0
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Mine and its work")
    answer = repo.run("next", "--worktree", "--headless", **calls(WORK))
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    found = review(repo)
    assert (found["out_of_scope"], found["objections"]) == ([], [])


def test_what_is_allowed_is_still_allowed_in_a_clone(repo: MissionRepo) -> None:
    scoped(repo)
    repo.run("next", "--headless", **calls(WORK, ("Bash", "echo y >outside")))
    assert repo.run("review", "T-001", "--allow", "outside").exit_code == 0
    repo.git("add", "-A")
    repo.git("commit", "-qm", "Allowed")
    clone = repo.path.parent / "clone"
    repo.git("clone", "-q", ".", str(clone))
    shown = MissionRepo(clone, repo.environ).run("show", "T-001", "--json").json()
    kinds = [each["kind"] for each in shown["decisions"]]
    assert "allowed" in kinds


def test_green_is_not_done_where_a_criterion_is_open(repo: MissionRepo) -> None:
    scoped(repo, qualityGates="true", review={"greenIsDone": True})
    task = next((repo.path / "coordination" / "tasks").glob("T-001*"))
    text = task.read_text()
    assert "## Acceptance criteria" in text
    task.write_text(
        text.replace("## Acceptance criteria", "## Acceptance criteria\n\n- [ ] It flies")
    )
    answer = repo.run("next", "--loop", "--max-sessions", "1", **calls(WORK))
    assert repo.task_status("T-001") == "review"
    assert "T-001 waits for review: acceptance criteria not ticked: 1 of 1" in answer.stderr


def test_the_page_shows_what_was_changed_beside_the_agent(repo: MissionRepo) -> None:
    scoped(repo)
    work_beside(repo, WORK)
    page = repo.path.parent / "page.html"
    assert repo.run("review", "T-001", "--html", str(page)).exit_code == 0
    assert "not seen to be the agent" in page.read_text()


def test_a_write_of_missions_own_that_is_under_way_is_nobodys_change(repo: MissionRepo) -> None:
    let_agent_do(repo)
    name = ".0123456789abcdef-set.mission-tmp"
    does = f"echo x >{repo.path}/coordination/{name}; echo x >{repo.path}/{name}.py"
    assert go(repo, does, "--worktree").exit_code == 0
    assert review(repo)["evidence"]["outside"] == [f"{name}.py"]
