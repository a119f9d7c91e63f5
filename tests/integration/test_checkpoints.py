"""Checkpoints: when they are taken, what they hold, and that they can be had again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.mission import MissionRepo, wait_for
from tests.support.workers import give_agent

AGENT = """\
import os, pathlib, sys, time
here = pathlib.Path.cwd()
(here / "new file").write_text("new\\n")
(here / "begun").write_text(str(os.getpid()))
print("begun", flush=True)
if sys.argv[1] == "slow":
    print("two words", file=sys.stderr, flush=True)
    while True:
        (here / "beat").write_text(str(time.time_ns()))
        time.sleep(0.2)
"""


def with_agent(repo: MissionRepo, **runs: str | bool | int) -> None:
    """Give the mission two agents that write files, and settings for its runs."""
    mission = repo.mission()
    for mode in ("writes", "slow"):
        mission["runtimes"][mode] = [sys.executable, "-c", AGENT, mode, "{prompt}"]
    mission["runs"] = runs
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission, indent=2))
    repo.git("commit", "-qam", "Set runtimes")


def checkpoints(repo: MissionRepo, task_id: str = "T-001") -> list[Any]:
    listed = repo.run("checkpoint", "list", task_id, "--json").json()
    found: list[Any] = listed["checkpoints"]
    return found


def tree_of(place: Path, left_out: str = "coordination/.state") -> str:
    """Return the tree of a folder as git itself makes it, by an index of its own."""
    index = place.parent / "index.of.test"
    index.unlink(missing_ok=True)
    environ = {**os.environ, "GIT_INDEX_FILE": str(index)}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=place, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("add", "--all", "--", ".", f":(exclude){left_out}")
    return git("write-tree")


def test_a_checkpoint_is_taken_at_the_end_of_every_run(repo: MissionRepo) -> None:
    with_agent(repo)
    repo.run("next", "--runtime", "writes")
    (found,) = checkpoints(repo)
    assert found["trigger"] == "end"
    assert found["types"] == ["summary", "git_diff", "log_tail"]
    paths = {each["path"]: each["kind"] for each in found["files"]}
    assert paths["new file"] == "added"
    assert found["head"] == repo.git("rev-parse", "HEAD").strip() == found["base_commit"]
    folder = Path(found["dir"])
    assert b"begun" in (folder / found["log_tail"]).read_bytes()
    assert "+new\n" in (folder / found["patch"]).read_text()
    assert found["ref"] in repo.kept_refs()
    assert repo.git("rev-parse", f"{found['commit']}^{{tree}}").strip() == found["tree"]
    assert repo.git("for-each-ref", "refs/mosaic") == ""
    event = next(e for e in repo.events() if e["type"] == "checkpoint_captured")
    assert event["data"]["seq"] == 1
    assert repo.run_state()["checkpoint_seq"] == 1


def test_a_stop_and_a_time_out_are_preceded_by_a_checkpoint(repo: MissionRepo) -> None:
    with_agent(repo)
    repo.run("next", "--runtime", "slow", "--detach")
    wait_for((repo.path / "begun").exists)
    repo.run("stop")
    assert [c["trigger"] for c in checkpoints(repo)] == ["stop", "end"]
    assert repo.run("resume", "--runtime", "slow", "--timeout", "1s").exit_code == 124
    found = checkpoints(repo)
    assert [c["trigger"] for c in found] == ["stop", "end", "timeout", "end"]
    assert [c["seq"] for c in found] == [1, 2, 3, 4]


def test_checkpoints_can_be_off_but_for_that_at_the_end(repo: MissionRepo) -> None:
    with_agent(repo, checkpoints=False, checkpointEvery="1s", logTailLines=1)
    assert repo.run("next", "--runtime", "slow", "--detach").exit_code == 0
    wait_for((repo.path / "beat").exists, "the agent's first beat")
    assert repo.run("stop").exit_code == 0
    [found] = checkpoints(repo)
    assert found["trigger"] == "end"
    assert found["tree"]
    log = (repo.run_dir() / "checkpoints" / "0001.log").read_text()
    assert log == "== stdout.log\nbegun\n\n== stderr.log\ntwo words\n"


def test_a_log_has_no_more_lines_in_a_checkpoint_than_are_asked_for(repo: MissionRepo) -> None:
    with_agent(repo, logTailLines=0)
    assert repo.run("next", "--runtime", "writes").exit_code == 0
    assert not list((repo.run_dir() / "checkpoints").glob("*.log"))


def test_a_running_agent_is_saved_now_and_then_when_its_tree_changed(repo: MissionRepo) -> None:
    with_agent(repo, checkpointEvery="1s")
    repo.run("next", "--runtime", "slow", "--detach")
    wait_for(lambda: len(checkpoints(repo)) >= 2, "two checkpoints by the clock")
    assert {c["trigger"] for c in checkpoints(repo)} == {"interval"}
    repo.run("stop", "--now")
    (repo.path / "coordination" / "mission.json").read_text()


def test_a_tree_that_did_not_change_is_not_saved_again_by_the_clock(repo: MissionRepo) -> None:
    with_agent(repo, checkpointEvery="1s")
    repo.run("next", "--runtime", "wait", "--detach")
    wait_for(lambda: len(checkpoints(repo)) == 1)
    started = repo.run("sessions", "--live", "--json").json()["sessions"][0]
    before = started["progress"]["elapsed_seconds"]

    def later() -> bool:
        live = repo.run("sessions", "--live", "--json").json()["sessions"][0]
        return bool(live["progress"]["elapsed_seconds"] > before + 3)

    wait_for(later)
    assert len(checkpoints(repo)) == 1
    repo.run("stop", "--now")


def test_a_checkpoint_by_hand_goes_into_the_live_run(repo: MissionRepo) -> None:
    with_agent(repo)
    repo.run("next", "--runtime", "wait", "--detach")
    wait_for((repo.path / "begun").exists)
    taken = repo.run("checkpoint", "--note", "before lunch", "--json").json()["checkpoint"]
    assert taken["run_id"] == repo.session()["runId"]
    repo.run("stop")
    found = checkpoints(repo)
    assert [(c["seq"], c["trigger"], c["note"]) for c in found] == [
        (1, "command", "before lunch"),
        (2, "stop", ""),
        (3, "end", ""),
    ]
    events = repo.events()
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert [e["data"]["seq"] for e in events if e["type"] == "checkpoint_captured"] == [1, 2, 3]
    assert "before lunch" in repo.run("checkpoint", "list", "T-001").stdout


def test_taking_one_touches_neither_index_nor_work_tree(repo: MissionRepo) -> None:
    (repo.path / "staged").write_text("1")
    repo.git("add", "staged")
    (repo.path / "staged").write_text("2")
    (repo.path / "loose").write_text("3")
    before = (repo.git("status", "--porcelain"), (repo.path / ".git" / "index").read_bytes())
    taken = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    assert before == (
        repo.git("status", "--porcelain"),
        (repo.path / ".git" / "index").read_bytes(),
    )
    assert repo.git("show", f"{taken['tree']}:staged") == "2"
    assert repo.git("show", f"{taken['tree']}:loose") == "3"
    assert ".state" not in repo.git("ls-tree", "-r", "--name-only", taken["tree"])


def test_a_huge_untracked_file_is_listed_with_hash_and_size(repo: MissionRepo) -> None:
    with_agent(repo, largestFile="1kB")
    (repo.path / "huge").write_bytes(b"x" * 2000)
    answer = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    (left,) = answer["left_out"]
    assert (left["path"], left["size_bytes"]) == ("huge", 2000)
    assert len(left["sha256"]) == 64
    assert "huge" not in repo.git("ls-tree", "-r", "--name-only", answer["tree"])


def test_the_base_can_be_set(repo: MissionRepo) -> None:
    fork = repo.git("rev-parse", "HEAD").strip()
    repo.git("checkout", "-qb", "work")
    (repo.path / "committed").write_text("1")
    repo.git("add", "committed")
    repo.git("commit", "-qm", "Work")
    asked = repo.run("checkpoint", "T-001", "--base", "main", "--json").json()["checkpoint"]
    assert (asked["base_ref"], asked["base_commit"]) == ("main", fork)
    assert [each["path"] for each in asked["files"]] == ["committed"]


def test_a_gate_s_output_comes_with_the_next_checkpoint(repo: MissionRepo) -> None:
    repo.run("exec", "T-001", "--step", "gate:tests", "--", "sh", "-c", "echo 3 failed; exit 1")
    taken = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    assert "gate_output" in taken["types"]
    assert "3 failed" in (Path(taken["dir"]) / taken["gate_output"]).read_text()


def test_restore_rebuilds_the_very_tree_in_a_new_worktree_and_in_place(repo: MissionRepo) -> None:
    (repo.path / "tool.sh").write_text("#!/bin/sh\n")
    (repo.path / "tool.sh").chmod(0o755)
    (repo.path / "link").symlink_to("tool.sh")
    (repo.path / "ünï cödé\n名").write_bytes(b"\0\xff\r\n")
    (repo.path / "coordination" / "MISSION.md").unlink()
    taken = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    assert tree_of(repo.path) == taken["tree"]
    place = repo.path.parent / "rebuilt"
    restored = repo.run("checkpoint", "restore", "T-001", "1", "--into", str(place), "--json")
    assert restored.json()["tree"] == taken["tree"] == tree_of(place)

    refused = repo.run("checkpoint", "restore", "T-001", "1")
    assert refused.exit_code == 1
    assert "`tool.sh`" in refused.stderr
    assert "`coordination/MISSION.md`" in refused.stderr
    repo.git("stash", "--include-untracked", "--quiet")
    assert repo.run("checkpoint", "restore", "T-001", "1").exit_code == 0
    assert tree_of(repo.path) == taken["tree"]
    assert repo.git("stash", "list") != ""


def test_the_mission_s_own_changes_outlive_a_restore(repo: MissionRepo) -> None:
    with_agent(repo)
    repo.run("next", "--runtime", "writes")
    repo.git("clean", "-qfd", "--", "new file", "begun")
    before = (repo.path / "coordination" / "mission.json").read_bytes()
    repo.run("add", "Later")
    table = (repo.path / "coordination" / "TASKS.md").read_bytes()
    answer = repo.run("checkpoint", "restore", "T-001", "1", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert (repo.path / "new file").read_text() == "new\n"
    assert (repo.path / "coordination" / "TASKS.md").read_bytes() == table
    assert (repo.path / "coordination" / "mission.json").read_bytes() == before
    assert "coordination/TASKS.md" in answer.json()["kept"]


def test_a_record_alone_is_enough_in_another_clone(repo: MissionRepo) -> None:
    (repo.path / "work").write_bytes(b"\0binary\n" * 100)
    taken = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    clone = repo.path.parent / "clone"
    repo.git("clone", "-q", str(repo.path), str(clone))
    shutil.copytree(repo.state / "runs", clone / "coordination" / ".state" / "runs")
    other = MissionRepo(clone, repo.environ)
    assert other.run("trust").exit_code == 0  # a person says that the records are theirs
    place = repo.path.parent / "elsewhere"
    answer = other.run("checkpoint", "restore", "T-001", "1", "--into", str(place), "--json")
    assert answer.exit_code == 0, answer.stderr
    assert tree_of(place) == taken["tree"]


def test_a_restore_is_refused_beside_a_live_session(repo: MissionRepo) -> None:
    repo.run("checkpoint", "T-001")
    repo.run("next", "--runtime", "wait", "--detach")
    wait_for((repo.path / "begun").exists)
    refused = repo.run("checkpoint", "restore", "T-001", "1")
    assert refused.exit_code == 4
    assert "sess-001" in refused.stderr
    repo.run("stop", "--now")


def test_a_checkpoint_that_is_not_there_or_torn_is_named(repo: MissionRepo) -> None:
    repo.run("checkpoint", "T-001")
    assert "has no checkpoint `7`" in repo.run("checkpoint", "restore", "T-001", "7").stderr
    (torn,) = repo.state.glob("runs/*/*/checkpoints/0001.json")
    torn.write_text("{")
    listed = repo.run("checkpoint", "list", "T-001")
    assert listed.exit_code == 0
    assert "a checkpoint cannot be read" in listed.stderr
    assert repo.run("checkpoint", "restore", "T-001", "1").exit_code == 5
    assert repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]["seq"] == 2


def test_resume_tells_the_agent_what_the_last_checkpoint_holds(repo: MissionRepo) -> None:
    with_agent(repo)
    repo.run("next", "--runtime", "writes")
    repo.run("resume", "--runtime", "writes")
    prompt = (repo.run_dir() / "prompt.md").read_text()
    assert "The last checkpoint is 1 (patch: " in prompt
    assert "at its end" in prompt
    assert "new file (added)" in prompt
    capsule = json.loads((repo.run_dir() / "capsule.json").read_text())
    assert capsule["checkpoint"]["seq"] == 1
    assert [c["seq"] for c in checkpoints(repo)] == [1, 2]


def test_resume_from_a_checkpoint_starts_from_that_tree(repo: MissionRepo) -> None:
    with_agent(repo)
    (repo.path / "good").write_text("good\n")
    repo.run("checkpoint", "T-001", "--note", "good")
    (repo.path / "good").write_text("spoiled\n")
    refused = repo.run("resume", "T-001", "--from", "1", "--runtime", "quick")
    assert refused.exit_code == 1
    assert "`good`" in refused.stderr
    assert repo.task_status("T-001") == "todo"
    repo.git("stash", "-uq")
    answer = repo.run("resume", "T-001", "--from", "1", "--runtime", "quick")
    assert answer.exit_code == 0, answer.stderr
    assert (repo.path / "good").read_text() == "good\n"
    prompt = (repo.run_dir() / "prompt.md").read_text()
    assert "The work tree was set back to checkpoint 1" in prompt
    assert repo.session()["lastTaskId"] == "T-001"


def test_without_git_a_checkpoint_says_so(repo: MissionRepo) -> None:
    shutil.rmtree(repo.path / ".git")
    answer = repo.run("checkpoint", "T-001", "--json").json()["checkpoint"]
    assert (answer["tree"], answer["problem"]) == (None, "there is no git repository")
    assert repo.run("next", "--runtime", "quick").exit_code == 0
    refused = repo.run("checkpoint", "restore", "T-001", "1")
    assert "holds no tree" in refused.stderr


def test_a_restore_takes_back_only_what_its_task_changed(repo: MissionRepo) -> None:
    give_agent(repo)
    for path, text in {"a.txt": "base", "shared": "base"}.items():
        (repo.path / path).write_text(text)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "base")
    does = 'write("a.txt", "first")\nwrite("shared", "first")\nfinish()'
    assert repo.run("next", "--headless", AGENT_DOES=does).exit_code == 0
    repo.git("add", "-A")
    repo.git("commit", "-qm", "T-001")
    repo.run("done", "T-001", "--force")
    assert repo.run("next", "--headless", AGENT_DOES='write("b.txt", "second")').exit_code == 0
    repo.git("add", "-A")
    repo.git("commit", "-qm", "T-002")
    (repo.path / "a.txt").write_text("spoiled by git")
    repo.git("checkout", "-q", "HEAD~2", "--", "a.txt")
    repo.git("commit", "-qam", "back")
    own = {path: path.read_bytes() for path in (repo.path / "coordination").rglob("*.md")}
    own |= {repo.path / "coordination" / "mission.json": b""}
    mission = repo.mission()
    answer = repo.run("checkpoint", "restore", "T-001", "1", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert (repo.path / "a.txt").read_text() == "first"
    assert (repo.path / "b.txt").read_text() == "second"
    assert repo.mission() == mission
    assert all(path.read_bytes() == data for path, data in own.items() if data)
    assert repo.task_status("T-001") == "done"
    assert repo.git("status", "--porcelain", "--", ":!coordination").split() == ["M", "a.txt"]


def test_a_restore_names_whose_work_it_would_take_back(repo: MissionRepo) -> None:
    give_agent(repo)
    (repo.path / "shared").write_text("base")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "base")
    for text, task in (("first", "T-001"), ("second", "T-002")):
        does = f'write("shared", "{text}")\nwrite("{text}", "")\nfinish()'
        assert repo.run("next", "--headless", "--task", task, AGENT_DOES=does).exit_code == 0
        repo.run("done", task, "--force")
        repo.git("add", "-A")
        repo.git("commit", "-qm", text)
    refused = repo.run("checkpoint", "restore", "T-001", "1")
    assert refused.exit_code == 1
    assert "`shared`, changed since by `T-002`" in refused.stderr
    assert (repo.path / "shared").read_text() == "second"
    refused = repo.run("checkpoint", "restore", "T-001", "1", "--whole")
    assert "`second`, changed since by `T-002`" in refused.stderr
    assert repo.run("checkpoint", "restore", "T-001", "1", "--force").exit_code == 0
    assert (repo.path / "shared").read_text() == "first"
    assert (repo.path / "second").exists()
    repo.git("reset", "-q", "--hard")
    answer = repo.run("checkpoint", "restore", "T-001", "1", "--whole", "--force")
    assert answer.exit_code == 0, answer.stderr
    assert not (repo.path / "second").exists()
    assert repo.task_status("T-002") == "done"


def test_a_checkpoint_is_restored_after_all_of_it_was_collected_from_the_repository(
    repo: MissionRepo, tmp_path: Path
) -> None:
    (repo.path / "new.txt").write_text("of the checkpoint\n")
    assert repo.run("checkpoint", "T-001").exit_code == 0
    (patch,) = repo.state.glob("runs/*/*/checkpoints/0001.patch")
    patch.unlink()
    (repo.path / "new.txt").unlink()
    for words in (["reflog", "expire", "--expire=now", "--all"], ["gc", "-q", "--prune=now"]):
        repo.git(*words)
    place = tmp_path / "look"
    done = repo.run("checkpoint", "restore", "T-001", "1", "--into", str(place))
    assert done.exit_code == 0, done.stderr
    assert (place / "new.txt").read_text() == "of the checkpoint\n"
