"""`mission next --worktree`: agents in worktrees of their own, and what is brought home."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.mission import Answer, MissionRepo, is_running, wait_for
from tests.support.workers import (
    begun,
    give_agent,
    sections_of,
    worktree_of,
    write_mission,
)

BRANCH = "mission/T-001/work"
BY_HAND = 'by_hand(**{name: "by hand: " + name for name in SECTIONS})\n'


@pytest.fixture
def home(repo: MissionRepo) -> MissionRepo:
    return give_agent(repo)


def work(repo: MissionRepo, does: str, *options: str, **environ: str) -> Answer:
    return repo.run("next", "--worktree", *options, AGENT_DOES=does, **environ)


def changed_on_branch(repo: MissionRepo, branch: str = BRANCH) -> list[str]:
    return repo.git("diff", "--name-only", f"main...{branch}").split()


def branches(repo: MissionRepo) -> set[str]:
    return set(repo.git("branch", "--format=%(refname:short)").split())


def work_trees(repo: MissionRepo) -> list[str]:
    lines = repo.git("worktree", "list", "--porcelain").splitlines()
    return [line.removeprefix("worktree ") for line in lines if line.startswith("worktree ")]


def notes(repo: MissionRepo, kind: str = "worktree_settled") -> list[str]:
    return [event["message"] for event in repo.events() if event["type"] == kind]


# Where the truth is


def test_the_agent_works_in_its_worktree_and_is_led_to_the_leaders_mission(
    home: MissionRepo,
) -> None:
    told = work(home, 'say(json.dumps({"cwd": str(here), **os.environ}))\nfinish()', "--json")
    assert told.exit_code == 0, told.stderr
    place = worktree_of(home)
    assert told.json()["worktree"] == str(place)
    assert told.json()["branch"] == BRANCH
    said = json.loads(json.loads((home.run_dir() / "result.json").read_text())["answer"])
    assert said["cwd"] == str(place)
    assert said["MISSION_FILE"] == str(home.path / "coordination" / "mission.json")
    assert home.git("status", "--porcelain", "--", ":!coordination") == ""
    assert home.task_status("T-001") == "review"


def test_a_status_set_by_command_counts_and_one_in_the_copy_does_not(home: MissionRepo) -> None:
    work(home, 'own_copy().write_text(own_copy().read_text().replace("todo", "done"))')
    assert home.task_status("T-001") == "in-progress"
    work(home, 'mission("block", task, "--why", "needs a key")', "--task", "T-001")
    assert home.task_status("T-001") == "blocked"


def test_a_handoff_written_by_hand_is_carried_over(home: MissionRepo) -> None:
    done = work(home, BY_HAND + 'mission("set", task, "status=review")')
    assert done.exit_code == 0, done.stdout + done.stderr
    assert sections_of(home) == {
        name: f"by hand: {name}"
        for name in ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
    }
    assert home.task_status("T-001") == "review"


def test_each_section_is_carried_by_itself(home: MissionRepo) -> None:
    work(home, 'handoff(result="by command")\nby_hand(risks="by hand", notes="too")')
    found = {name: text for name, text in sections_of(home).items() if text}
    assert found == {"result": "by command", "risks": "by hand", "notes": "too"}
    assert any("carried from the worktree: risks, notes" in each for each in notes(home))


def test_a_section_that_is_changed_in_both_places_is_told_and_nothing_is_lost(
    home: MissionRepo,
) -> None:
    work(home, 'handoff(result="by command")\nby_hand(result="by hand", risks="none")')
    assert sections_of(home)["result"] == "by command"
    assert sections_of(home)["risks"] == "none"
    assert any("changed in the worktree and here: result" in each for each in notes(home))
    kept = home.run_dir() / "artifacts" / "handoff-in-worktree.md"
    assert "by hand" in kept.read_text()


def test_a_section_that_says_the_same_in_both_places_is_no_conflict(home: MissionRepo) -> None:
    work(home, 'handoff(result="the same")\nby_hand(result="the same")')
    assert sections_of(home)["result"] == "the same"
    assert not (home.run_dir() / "artifacts" / "handoff-in-worktree.md").exists()


def test_hostile_words_of_a_handoff_by_hand_stay_words(home: MissionRepo) -> None:
    words = "`$(touch x)`; 'q' \"q\" größe 日本 | a | b |"
    work(home, f"by_hand(result={words!r})")
    assert sections_of(home)["result"] == words


@pytest.mark.parametrize("committed", [True, False])
def test_the_branch_carries_none_of_the_missions_files(home: MissionRepo, committed: bool) -> None:
    does = (
        BY_HAND
        + 'write("src/a.txt", "work")\n'
        + 'for name in ("TASKS.md", "mission.json", "SCRATCHPAD.md"):\n'
        + '    write("coordination/" + name, "overwritten")\n'
        + 'write("coordination/tasks/T-002.md", "another")\n'
        + 'write("coordination/tasks/new ünï.md", "new")\n'
        + '(here / "coordination" / "MISSION.md").write_text("the goal, mended")\n'
        + ("commit()\n" if committed else "")
        + 'mission("set", task, "status=review")\n'
    )
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["coordination/MISSION.md", "src/a.txt"]
    assert home.git("-C", str(worktree_of(home)), "status", "--porcelain") == ""
    before = home.git("show", "HEAD:coordination/TASKS.md")
    home.git("commit", "-qam", "the leader's own")
    home.git("merge", "-q", "--no-edit", BRANCH)
    assert (home.path / "src" / "a.txt").read_text() == "work"
    assert home.task_status("T-001") == "review"
    assert before != (home.path / "coordination" / "TASKS.md").read_text() != "overwritten"


def test_the_branch_carries_none_of_them_after_main_was_merged_into_it(home: MissionRepo) -> None:
    (home.path / "main.txt").write_text("main went on")
    does = (
        'wait_for(os.environ["MISSION_FILE"] + ".go")\n'
        'write("src/a.txt", "work")\ncommit()\n'
        'git("merge", "-q", "--no-edit", "main")\n'
        'write("coordination/TASKS.md", "overwritten")\n'
        'by_hand(result="done")\ncommit()\nfinish()\n'
    )
    assert work(home, does, "--detach").exit_code == 0
    home.git("add", "--all")
    home.git("commit", "-qm", "the leader's table says in-progress, and main goes on")
    (home.path / "coordination" / "mission.json.go").touch()
    wait_for(lambda: home.session().get("endedAt"))
    assert changed_on_branch(home) == ["src/a.txt"]
    assert home.git("show", f"{BRANCH}:coordination/TASKS.md") == home.git(
        "show", "main:coordination/TASKS.md"
    )


@pytest.mark.parametrize("committed", [True, False])
def test_a_deleted_coordination_folder_comes_back(home: MissionRepo, committed: bool) -> None:
    does = 'import shutil\nshutil.rmtree(here / "coordination")\nwrite("a.txt", "x")\n'
    does += ("commit()\n" if committed else "") + "finish()\n"
    assert work(home, does).exit_code == 0
    # What the mission is about is the project's own file, and an agent may change it.
    assert changed_on_branch(home) == ["a.txt", "coordination/MISSION.md"]
    assert (worktree_of(home) / "coordination" / "TASKS.md").exists()
    assert home.task_status("T-001") == "review"


@pytest.mark.parametrize(
    ("what", "kind", "committed"),
    [
        ("", "file", True),
        ("", "link", False),
        ("/tasks", "file", True),
        ("/tasks", "link", True),
        ("/tasks", "link", False),
        ("/tasks", "folder", False),
        ("/TASKS.md", "link", True),
        ("/TASKS.md", "folder", True),
        ("/TASKS.md", "folder", False),
        ("/tasks/T-001-first.md", "link", False),
        ("/tasks/T-001-first.md", "folder", True),
    ],
)
def test_whatever_became_of_the_copies_the_branch_carries_nothing_of_it(
    home: MissionRepo, tmp_path: Path, what: str, kind: str, committed: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "TASKS.md").write_text("outside")
    does = f"import shutil\nplace = here / 'coordination{what}'\n"
    does += "shutil.rmtree(place) if place.is_dir() else place.unlink()\n"
    does += {
        "file": "place.write_text('a file')\n",
        "link": f"place.symlink_to({str(outside)!r})\n",
        "folder": "place.mkdir()\n(place / 'x').write_text('x')\n",
    }[kind]
    does += "write('a.txt', 'x')\n" + ("commit()\n" if committed else "") + "finish()\n"
    answer = work(home, does)
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    assert home.task_status("T-001") == "review"
    own = ("coordination/TASKS.md", "coordination/tasks", "coordination/mission.json")
    changed = changed_on_branch(home)
    assert not [path for path in changed if path.startswith(own)], notes(home)
    assert "a.txt" in changed
    now = (worktree_of(home) / "coordination" / "TASKS.md").read_text()
    assert now == home.git("show", "main:coordination/TASKS.md")
    assert (outside / "TASKS.md").read_text() == "outside"
    assert [path.name for path in outside.iterdir()] == ["TASKS.md"]


@pytest.mark.parametrize("name", ["TASKS.md", "tasks/T-001-first.md", "tasks/sub"])
def test_what_git_cannot_hold_is_named_and_all_else_is_committed(
    home: MissionRepo, name: str
) -> None:
    does = f"place = here / 'coordination/{name}'\n"
    if name == "tasks/sub":
        does += "place.mkdir()\ngit('-C', str(place), 'init', '-q')\n"
        does += "who = ('-c', 'user.name=A', '-c', 'user.email=a@b')\n"
        does += "git('-C', str(place), *who, 'commit', '-q', '--allow-empty', '-m', 'x')\n"
    else:
        does += "place.unlink()\nos.mkfifo(place)\n"
    assert work(home, does + "write('a.txt', 'x')\nfinish()\n").exit_code == 0
    assert home.task_status("T-001") == "review"
    (note,) = [note for note in notes(home) if "left out of its branch" in note]
    assert f"`coordination/{name}` is " in note
    assert note in home.mission()["sessions"][0]["endedDetail"]
    assert changed_on_branch(home) == ["a.txt"]


# What is committed


def test_finished_work_is_committed_in_the_user_s_name(home: MissionRepo) -> None:
    assert work(home, 'write("a b.txt", "x")\nfinish()').exit_code == 0
    told = home.git("log", "-1", "--format=%an|%ae|%cn|%s|%b", BRANCH)
    assert told.startswith("Somebody|somebody@example.invalid|Somebody|T-001: First|")
    assert "Mission-Task: T-001" in told
    assert "Mission-Session: " in told
    assert changed_on_branch(home) == ["a", "b.txt"]


@pytest.mark.parametrize("stops", ["pre-commit", "commit-msg", "signature"])
def test_what_a_hook_or_a_signature_stops_is_named_with_the_way_out(
    home: MissionRepo, stops: str
) -> None:
    if stops == "signature":
        home.git("config", "commit.gpgSign", "true")
        home.git("config", "gpg.program", "false")
    else:
        hook = home.path / ".git" / "hooks" / stops
        hook.write_text("#!/bin/sh\necho not like this >&2\nexit 1\n")
        hook.chmod(0o755)
    assert work(home, 'write("a.txt", "x")\nfinish()').exit_code == 0
    assert changed_on_branch(home) == []
    place = worktree_of(home)
    assert home.git("-C", str(place), "diff", "--cached", "--name-only") == ""
    (note,) = [note for note in notes(home) if "could not be settled" in note]
    assert "not like this" in note or stops == "signature"
    assert f"git -C {place} commit -a" in note
    assert "--no-verify" in note
    home.run("done", "T-001", "--force")
    refused = home.run("merge", "T-001")
    assert refused.exit_code == 3
    assert "`a.txt`" in refused.stderr
    home.git("-C", str(place), "add", "a.txt")
    home.git("-C", str(place), "-c", "commit.gpgSign=false", "commit", "-qnm", "by hand")
    assert home.run("merge", "T-001").exit_code == 0
    assert (home.path / "a.txt").read_text() == "x"


@pytest.mark.parametrize("commits", [0, 1])
def test_a_repository_that_an_agent_made_is_not_lost_and_makes_no_link(
    home: MissionRepo, commits: int
) -> None:
    does = 'write("n/k", "k")\ngit("init", "-q", "n")\nwrite("b.txt", "x")\n'
    if commits:
        does += 'git("-C", "n", "add", "k")\n'
        does += 'who = ("-c", "user.name=A", "-c", "user.email=a@b")\n'
        does += 'git("-C", "n", *who, "commit", "-qm", "k")\ngit("add", "--all")\n'
    assert work(home, does + "finish()").exit_code == 0
    assert changed_on_branch(home) == ["b.txt"]
    unknown = home.run("review", "T-001", "--json").json()["evidence"]["caveats"]
    assert any("`n` is a repository of its own" in each for each in unknown)
    home.run("done", "T-001", "--force")
    merged = home.run("merge", "T-001", "--json")
    assert merged.exit_code == 0, merged.stderr
    assert merged.json()["left_out"] == ["`n` is a repository of its own"]
    assert (home.path / "b.txt").exists()
    (swept,) = home.run("clean", "--json").json()["worktrees"]
    assert not swept["removed"]
    assert "`n`, a repository of its own with " in swept["because"]
    assert (worktree_of(home) / "n" / "k").read_text() == "k"
    shutil.rmtree(worktree_of(home) / "n")
    assert home.run("clean", "--json").json()["worktrees"][0]["removed"]


def test_a_required_filter_that_does_not_run_keeps_only_its_own_file_back(
    home: MissionRepo,
) -> None:
    (home.path / ".gitattributes").write_text("*.bin filter=gone\n")
    (home.path / "m.bin").write_text("old")
    home.git("add", ".gitattributes", "m.bin")
    home.git("commit", "-qm", "bin")
    for key, value in (("clean", "no-such"), ("smudge", "no-such"), ("required", "true")):
        home.git("config", f"filter.gone.{key}", value)
    assert work(home, 'write("m.bin", "new")\nwrite("b.txt", "x")\nfinish()').exit_code == 0
    assert changed_on_branch(home) == ["b.txt"]
    reviewed = home.run("review", "T-001", "--json").json()
    assert any("`m.bin`" in e and "`gone`" in e for e in reviewed["evidence"]["unknown"])
    home.run("done", "T-001", "--force")
    assert home.run("merge", "T-001").exit_code == 0
    assert (home.path / "b.txt").exists()
    (swept,) = home.run("clean", "--json").json()["worktrees"]
    assert swept["because"] == "it holds changes that are not committed: `m.bin`"


def test_a_branch_that_the_agent_went_to_is_named_kept_and_not_taken_for_merged(
    home: MissionRepo,
) -> None:
    does = 'git("checkout", "-q", "-b", "fix/x")\nwrite("b.txt", "x")\ncommit()\nfinish()'
    assert work(home, does).exit_code == 0
    words = f"it began on `{BRANCH}`, and `fix/x` is checked out now"
    assert words in notes(home, "branch_changed")
    assert words in home.mission()["sessions"][0]["endedDetail"]
    assert words in home.run("review", "T-001", "--json").json()["evidence"]["caveats"]
    home.run("done", "T-001", "--force")
    refused = home.run("merge", "T-001")
    assert refused.exit_code == 3
    assert "`fix/x`" in refused.stderr
    (swept,) = home.run("clean", "--json").json()["worktrees"]
    assert swept["because"] == "it holds branch `fix/x` is not merged"
    place = str(worktree_of(home))
    home.git("-C", place, "switch", "-q", BRANCH)
    home.git("-C", place, "merge", "-q", "fix/x")
    assert home.run("merge", "T-001").exit_code == 0
    assert (home.path / "b.txt").exists()


def test_a_tag_of_the_branch_s_name_misleads_nothing(home: MissionRepo) -> None:
    home.git("tag", "v1")
    home.run("set", "T-001", "branch=v1")
    assert work(home, 'write("b.txt", "x")\nfinish()').exit_code == 0
    tip = home.git("rev-parse", "refs/heads/v1").strip()
    home.run("done", "T-001", "--force")
    assert home.run("merge", "T-001", "--json").json()["was_home"] is False
    assert home.git("merge-base", "--is-ancestor", tip, "refs/heads/main") == ""
    assert home.run("clean", "--json").json()["worktrees"][0]["branch_removed"]
    assert (home.path / "b.txt").exists()


def test_nothing_is_merged_where_no_branch_is_checked_out(home: MissionRepo) -> None:
    assert work(home, 'write("b.txt", "x")\nfinish()').exit_code == 0
    home.run("done", "T-001", "--force")
    home.git("checkout", "-q", "--detach")
    refused = home.run("merge", "T-001")
    assert refused.exit_code == 3
    assert "no branch is checked out" in refused.stderr
    assert not (home.path / "b.txt").exists()


def test_unfinished_work_is_left_as_it_is(home: MissionRepo) -> None:
    work(home, 'write("a.txt", "x")')
    assert changed_on_branch(home) == []
    assert (worktree_of(home) / "a.txt").exists()


@pytest.mark.parametrize("how", ["next", "resume"])
def test_the_next_session_goes_on_in_the_same_worktree(home: MissionRepo, how: str) -> None:
    work(home, 'write("a.txt", "x")')
    does = 'assert (here / "a.txt").exists()\nfinish()'
    again = home.run(*([how] if how == "resume" else [how, "--task", "T-001"]), AGENT_DOES=does)
    assert again.exit_code == 0, again.stdout + again.stderr
    assert work_trees(home) == [str(home.path), str(worktree_of(home))]
    assert changed_on_branch(home) == ["a.txt"]


# Furnishing


def furnish(home: MissionRepo, **settings: Any) -> None:
    give_agent(home, worktrees=settings)


def test_the_setup_command_runs_in_the_worktree_first(home: MissionRepo) -> None:
    furnish(home, setup="echo $MISSION_TASK > made-by-setup; pwd")
    does = 'assert (here / "made-by-setup").read_text() == "T-001\\n"\nfinish()'
    assert work(home, does).exit_code == 0
    log = home.state / "worktrees" / ".T-001.log"
    assert log.read_text() == f"{worktree_of(home)}\n"
    work(home, 'mission("set", task, "status=review")', "--task", "T-002")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"setup": "echo went wrong >&2; exit 7"}, "failed with exit code 7"),
        ({"setup": "sleep 600", "setupTimeout": "1s"}, "took longer than 1 s"),
        ({"setup": ["no-such-program-anywhere"]}, "no-such-program-anywhere"),
    ],
)
def test_a_setup_that_fails_is_told_and_leaves_nothing(
    home: MissionRepo, settings: dict[str, Any], words: str
) -> None:
    furnish(home, **settings)
    answer = work(home, "finish()")
    assert answer.exit_code == 1
    assert words in answer.stderr
    if "echo" in settings["setup"]:
        assert "went wrong" in answer.stderr
    assert work_trees(home) == [str(home.path)]
    assert branches(home) == {"main"}
    assert home.task_status("T-001") == "todo"
    assert home.run("sessions", "--live", "--json").json()["sessions"] == []
    furnish(home)
    assert work(home, "finish()").exit_code == 0


def test_files_are_copied_and_linked_and_none_of_them_is_committed(home: MissionRepo) -> None:
    (home.path / ".env").write_text("KEY=1")
    (home.path / "conf").mkdir()
    for name in ("a.ini", "b [1].ini", "#c.ini"):
        (home.path / "conf" / name).write_text(name)
    (home.path / "deps" / "one").mkdir(parents=True)
    (home.path / "deps" / "one" / "x").write_text("x")
    mission = home.mission() | {"worktrees": {"copy": [".env", "conf/*.ini"], "link": ["deps"]}}
    write_mission(home, mission)
    home.git("commit", "-qam", "settings")
    does = (
        'assert (here / ".env").read_text() == "KEY=1"\n'
        'assert (here / "deps" / "one" / "x").read_text() == "x"\n'
        'write(".env", "KEY=2")\nwrite("a.txt", "x")\nfinish()'
    )
    assert work(home, does).exit_code == 0
    assert changed_on_branch(home) == ["a.txt"]
    assert (home.path / ".env").read_text() == "KEY=1"
    place = worktree_of(home)
    assert {path.name for path in (place / "conf").iterdir()} == {"a.ini", "b [1].ini", "#c.ini"}
    assert (place / "deps").is_symlink()


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/../../outside", "way/secret"])
@pytest.mark.parametrize("how", ["copy", "link"])
def test_files_from_outside_of_the_repository_are_refused(
    home: MissionRepo, tmp_path: Path, name: str, how: str
) -> None:
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("secret")
    (home.path / "way").symlink_to(tmp_path / "elsewhere")
    (home.path / "sub").mkdir()
    furnish(home, **{how: [name]})
    answer = work(home, "finish()")
    assert answer.exit_code not in (0, 3), answer.stdout
    assert "outside" in answer.stderr
    assert work_trees(home) == [str(home.path)]
    assert home.task_status("T-001") == "todo"


# Uncommitted changes


def test_uncommitted_changes_are_carried_on_request(home: MissionRepo) -> None:
    (home.path / "a.txt").write_text("first")
    home.git("add", "a.txt")
    home.git("commit", "-qm", "a")
    (home.path / "a.txt").write_text("changed")
    (home.path / "new.bin").write_bytes(bytes(range(256)))
    (home.path / "coordination" / "MISSION.md").write_text("the goal")
    home.run("set", "T-002", "title=Another")
    does = (
        'assert (here / "a.txt").read_text() == "changed"\n'
        'assert (here / "new.bin").read_bytes() == bytes(range(256))\nfinish()'
    )
    assert work(home, does, "--with-changes").exit_code == 0
    assert changed_on_branch(home) == ["a.txt", "coordination/MISSION.md", "new.bin"]
    assert (home.path / "a.txt").read_text() == "changed"


def test_changes_that_do_not_fit_stop_the_worker_in_words(home: MissionRepo) -> None:
    (home.path / "a.txt").write_text("first\n")
    home.git("add", "a.txt")
    home.git("commit", "-qm", "a")
    home.git("checkout", "-qb", "mine")
    (home.path / "a.txt").write_text("on the branch\n")
    home.git("commit", "-qam", "b")
    home.git("checkout", "-q", "main")
    (home.path / "a.txt").write_text("uncommitted\n")
    home.run("set", "T-001", "branch=mine")
    answer = work(home, "finish()", "--with-changes")
    assert answer.exit_code == 1
    assert "do not fit the worktree" in answer.stderr
    assert "a.txt" in answer.stderr
    assert work_trees(home) == [str(home.path)]
    assert branches(home) == {"main", "mine"}
    assert home.task_status("T-001") == "todo"
    assert work(home, "finish()").exit_code == 0


def test_without_the_request_uncommitted_changes_stay_at_home(home: MissionRepo) -> None:
    (home.path / "new.txt").write_text("new")
    assert work(home, 'assert not (here / "new.txt").exists()\nfinish()').exit_code == 0


# Branches


def test_the_tasks_own_branch_is_taken_up(home: MissionRepo) -> None:
    home.git("checkout", "-qb", "feature/x")
    (home.path / "begun.txt").write_text("begun")
    home.git("add", "begun.txt")
    home.git("commit", "-qm", "begun")
    home.git("checkout", "-q", "main")
    home.run("set", "T-001", "branch=feature/x")
    done = work(home, 'assert (here / "begun.txt").exists()\nwrite("a", "a")\nfinish()', "--json")
    assert done.json()["branch"] == "feature/x"
    assert changed_on_branch(home, "feature/x") == ["a", "begun.txt"]


def test_a_new_branch_begins_at_the_tasks_base(home: MissionRepo) -> None:
    first = home.git("rev-parse", "HEAD").strip()
    (home.path / "later.txt").write_text("later")
    home.git("add", "later.txt")
    home.git("commit", "-qm", "later")
    home.run("set", "T-001", f"base_ref={first}")
    assert work(home, 'assert not (here / "later.txt").exists()\nfinish()').exit_code == 0
    assert home.git("merge-base", BRANCH, "main").strip() == first


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["branch=main"], "branch `main` is checked out in"),
        (["base_ref=no-such"], "`no-such` is not in this repository"),
        (["base_ref=--all"], "`--all` is not in this repository"),
    ],
)
def test_what_git_cannot_make_is_refused_in_words(
    home: MissionRepo, fields: list[str], words: str
) -> None:
    assert home.run("set", "T-001", *fields).exit_code == 0
    answer = work(home, "finish()")
    assert answer.exit_code in (1, 2)
    assert words in answer.stderr
    assert "hint:" in answer.stderr
    assert work_trees(home) == [str(home.path)]
    assert home.task_status("T-001") == "todo"


def test_a_branch_called_mission_is_no_obstacle(home: MissionRepo) -> None:
    home.git("branch", "mission")
    assert work(home, "finish()", "--json").json()["branch"] == "mission-T-001-work"


def test_without_a_commit_it_is_refused_in_words(home: MissionRepo) -> None:
    shutil.rmtree(home.path / ".git")
    home.git("init", "-q", "-b", "main")
    answer = work(home, "finish()")
    assert answer.exit_code == 1
    assert "there is no commit yet" in answer.stderr


def test_without_git_it_is_refused_in_words(home: MissionRepo) -> None:
    shutil.rmtree(home.path / ".git")
    answer = work(home, "finish()")
    assert answer.exit_code == 1
    assert "there is no git repository" in answer.stderr
    assert home.task_status("T-001") == "todo"


def test_something_in_the_way_is_left_alone(home: MissionRepo) -> None:
    worktree_of(home).mkdir(parents=True)
    (worktree_of(home) / "mine").write_text("mine")
    answer = work(home, "finish()")
    assert answer.exit_code == 1
    assert "in the way" in answer.stderr
    assert (worktree_of(home) / "mine").read_text() == "mine"
    assert branches(home) == {"main"}


# Where the project is, and how tasks are called


def test_a_project_in_a_folder_of_the_repository_is_worked_on_in_that_folder(
    home: MissionRepo, tmp_path: Path
) -> None:
    outer = tmp_path / "it's an outer $(x) repo"
    shutil.copytree(home.path, outer / "part one", symlinks=True)
    shutil.rmtree(outer / "part one" / ".git")
    inner = MissionRepo(outer / "part one", home.environ)
    for command in (
        ("init", "-q", "-b", "main", ".."),
        ("config", "user.name", "Somebody"),
        ("config", "user.email", "somebody@example.invalid"),
        ("add", "--all"),
        ("commit", "-qm", "all"),
    ):
        inner.git(*command)
    does = (
        'assert here.name == "part one"\nwrite("a.txt", "x")\nby_hand(risks="by hand")\n'
        'write("coordination/TASKS.md", "overwritten")\nfinish()'
    )
    done = inner.run("next", "--worktree", AGENT_DOES=does)
    assert done.exit_code == 0, done.stderr
    assert inner.git("diff", "--name-only", f"main...{BRANCH}").splitlines() == ["part one/a.txt"]


# `mission add` makes no such id, but a table that is written by hand may have one.
@pytest.mark.parametrize("name", ["../../x y", "..", "a/../../b", "-x"])
def test_a_task_id_never_leads_out_of_the_folder_of_worktrees(home: MissionRepo, name: str) -> None:
    folder = home.path / "coordination"
    text = (folder / "TASKS.md").read_text().replace("| T-001 |", f"| {name} |")
    (folder / "TASKS.md").write_text(text)
    next((folder / "tasks").glob("T-001*")).unlink()
    answer = work(home, "finish()", f"--task={name}")
    assert answer.exit_code == 5
    assert "cannot be a task id" in answer.stderr
    assert work_trees(home) == [str(home.path)]


# Side by side, and what is refused


def test_a_session_at_home_and_sessions_in_worktrees_work_side_by_side(home: MissionRepo) -> None:
    does = f'wait_for({str(home.path / "go")!r})\nwrite(task + ".txt", task)\nfinish()'
    for task, options in (("T-001", ()), ("T-002", ("--worktree",)), ("T-003", ("--worktree",))):
        answer = home.run("next", "--task", task, *options, "--detach", AGENT_DOES=does)
        assert answer.exit_code == 0, answer.stderr
    live = home.run("sessions", "--live", "--json").json()["sessions"]
    assert len(live) == 3
    refused = home.run("next", "--task", "T-001", "--detach", AGENT_DOES=does)
    assert refused.exit_code != 0
    (home.path / "go").touch()
    wait_for(lambda: all(each.get("endedAt") for each in home.mission()["sessions"]))
    assert [home.task_status(f"T-00{n}") for n in (1, 2, 3)] == ["review"] * 3
    assert (home.path / "T-001.txt").exists()
    assert not (home.path / "T-002.txt").exists()


def test_the_mission_says_how_many_may_work_at_once(home: MissionRepo) -> None:
    give_agent(home, maxParallel=1)
    does = f"wait_for({str(home.path / 'go')!r})\nfinish()"
    assert work(home, does, "--detach").exit_code == 0
    answer = work(home, does, "--task", "T-002", "--detach")
    assert answer.exit_code == 4
    assert "`maxParallel` of mission.json allows 1" in answer.stderr
    assert work_trees(home)[1:] == [str(worktree_of(home))]
    (home.path / "go").touch()
    wait_for(lambda: home.session().get("endedAt"))
    assert work(home, does, "--task", "T-002").exit_code == 0


def test_setting_the_worktree_back_to_a_checkpoint_is_refused(home: MissionRepo) -> None:
    work(home, 'write("a.txt", "x")')
    answer = home.run("resume", "T-001", "--from", "1", AGENT_DOES="finish()")
    assert answer.exit_code == 2
    assert "--from" in answer.stderr


# Killed and taken away


def test_a_launcher_that_is_killed_while_the_worktree_is_made_is_settled(
    home: MissionRepo, tmp_path: Path
) -> None:
    here = tmp_path / "setup-pid"
    furnish(home, setup=f"echo $$ > '{here}'; exec sleep 600")
    home.environ["AGENT_DOES"] = "finish()"
    launcher = home.start("next", "--worktree")
    setup = int(wait_for(lambda: here.read_text().strip(), "the setup command"))
    try:
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        status = home.run("status", "--json")
        assert status.exit_code == 0, status.stderr
        assert home.task_status("T-001") == "todo"
        assert home.session()["endedReason"] == "crashed"
        assert home.run("sessions", "--live", "--json").json()["sessions"] == []
        furnish(home)
        again = work(home, "finish()", "--task", "T-001")
        assert again.exit_code == 0, again.stdout + again.stderr
        assert not is_running(setup)
    finally:
        if is_running(setup):
            os.kill(setup, signal.SIGKILL)
    assert home.task_status("T-001") == "review"
    assert work_trees(home) == [str(home.path), str(worktree_of(home))]
    assert list((home.state / "sessions").glob("*.lock")) == []


def test_a_worktree_that_is_removed_by_hand_ends_the_session_and_can_be_made_again(
    home: MissionRepo,
) -> None:
    gone = home.path / "gone"
    does = f'write("a.txt", "x")\ncommit()\nwait_for({str(gone)!r})\n'
    assert work(home, does, "--detach").exit_code == 0
    wait_for(lambda: changed_on_branch(home) == ["a.txt"], "the commit")
    shutil.rmtree(worktree_of(home))
    gone.touch()
    wait_for(lambda: home.session().get("endedAt"))
    result = wait_for(lambda: json.loads((home.run_dir() / "result.json").read_text()))
    assert result["cause"] == "workspace_gone"
    assert home.task_status("T-001") == "in-progress"
    gone.unlink()
    again = home.run("resume", AGENT_DOES='assert (here / "a.txt").exists()\nfinish()')
    assert again.exit_code == 0, again.stdout + again.stderr
    assert changed_on_branch(home) == ["a.txt"]


def test_a_supervisor_that_is_killed_leaves_the_handoff_to_the_next_command(
    home: MissionRepo,
) -> None:
    does = BY_HAND + f'write("a.txt", "x")\n(here / "ready").touch()\nwait_for("{home.path}/go")'
    answer = work(home, does, "--detach", "--json")
    wait_for((worktree_of(home) / "ready").exists)
    state = home.run_state()
    os.kill(state["supervisor_pid"], signal.SIGKILL)
    (agent,) = begun(home)
    wait_for(lambda: not is_running(state["supervisor_pid"]))
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: not is_running(agent))
    assert answer.exit_code == 0
    assert home.run("status").exit_code == 0
    assert sections_of(home)["result"] == "by hand: result"
    assert home.session()["endedReason"] == "crashed"
    assert (worktree_of(home) / "a.txt").exists()


def test_eight_that_are_started_together_share_nothing(home: MissionRepo) -> None:
    for number in range(4, 9):
        home.run("add", f"Task {number}", "-m", "M1")
    home.git("add", "--all")
    home.git("commit", "-qm", "tasks")
    home.environ["AGENT_DOES"] = 'write(task + ".txt", task)\nfinish()'
    started = [home.start("next", "--worktree", "--detach", "--json") for _ in range(8)]
    told = []
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        told.append(json.loads(out))
    for name in ("worktree", "branch", "run_dir"):
        assert len({str(each[name]) for each in told}) == 8
    assert len({each["session"]["id"] for each in told}) == 8
    wait_for(lambda: all(each.get("endedAt") for each in home.mission()["sessions"]))
    names = [f"T-{number:03}" for number in range(1, 9)]
    assert [home.task_status(name) for name in names] == ["review"] * 8
    assert {branch for branch in branches(home) if branch != "main"} == {
        f"mission/{name}/work" for name in names
    }
    assert home.run("check", "--json").json()["findings"] == []


def test_a_mission_in_a_linked_work_tree_has_worktrees_of_its_own(
    home: MissionRepo, tmp_path: Path
) -> None:
    home.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    linked = MissionRepo(tmp_path / "linked", home.environ)
    assert linked.run("trust").exit_code == 0  # another checkout, and so a mission to be allowed
    done = linked.run("next", "--worktree", "--json", AGENT_DOES='write("a", "a")\nfinish()')
    assert done.exit_code == 0, done.stderr
    assert done.json()["worktree"] == str(worktree_of(linked))
    assert linked.task_status("T-001") == "review"
    assert home.task_status("T-001") == "todo"
    assert linked.git("diff", "--name-only", f"side...{BRANCH}").split() == ["a"]


def test_changes_that_are_there_already_are_no_conflict(home: MissionRepo) -> None:
    (home.path / "new.txt").write_text("new")
    work(home, "pass", "--with-changes")
    again = work(home, "finish()", "--with-changes", "--task", "T-001")
    assert again.exit_code == 0, again.stderr
    assert changed_on_branch(home) == ["new.txt"]


def test_a_merge_that_the_agent_left_unfinished_is_told_and_kept(home: MissionRepo) -> None:
    does = (
        'write("a.txt", "one")\ncommit()\ngit("checkout", "-q", "-b", "other", "HEAD~1")\n'
        'write("a.txt", "two")\ncommit()\ngit("checkout", "-q", "mission/T-001/work")\n'
        'subprocess.run(["git", "merge", "other"], stdout=2)\n'
        'by_hand(result="half")\nfinish()'
    )
    assert work(home, does).exit_code == 0
    assert home.task_status("T-001") == "review"
    assert any("conflicts are not resolved: `a.txt`" in note for note in notes(home))
    assert home.git("show", f"{BRANCH}:a.txt") == "one"
    assert "<<<<<<<" in (worktree_of(home) / "a.txt").read_text()


def test_a_session_that_is_just_being_started_is_stopped_when_it_is(
    home: MissionRepo, tmp_path: Path
) -> None:
    at, go = tmp_path / "setting-up", tmp_path / "go"
    furnish(home, setup=f"touch '{at}'; while [ ! -e '{go}' ]; do sleep 0.05; done")
    home.environ["AGENT_DOES"] = f"wait_for({str(tmp_path / 'never')!r})"
    launcher = home.start("next", "--worktree", "--headless")
    wait_for(at.exists)
    stopper = home.start("stop")
    wait_for(lambda: home.run("sessions", "--live", "--json").json()["sessions"])
    go.touch()
    out, err = stopper.communicate(timeout=120)
    assert stopper.returncode == 0, (out, err)
    launcher.wait(timeout=60)
    assert home.session()["endedReason"] == "stopped"
