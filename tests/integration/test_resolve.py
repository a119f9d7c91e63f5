"""`mission resolve`, git's merge driver and `mission renumber`, in real repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mission import ROOT, MissionRepo
from tests.support.typing_shell import on_a_terminal

TABLE = "coordination/TASKS.md"


def text_of(repo: MissionRepo, name: str) -> str:
    return (repo.path / name).read_bytes().decode()


def file_of(repo: MissionRepo, task_id: str) -> Path:
    return next((repo.path / "coordination/tasks").glob(f"{task_id}-*.md"))


def ok(repo: MissionRepo, *words: str) -> str:
    answer = repo.run(*words)
    assert answer.exit_code == 0, answer
    return answer.stdout


def commit(repo: MissionRepo, subject: str) -> None:
    repo.git("add", "--all", "--", "coordination")
    repo.git("commit", "-qm", subject)


def git_may_fail(repo: MissionRepo, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *words],
        cwd=repo.path,
        env={**os.environ, "PATH": repo.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def on_two_branches(repo: MissionRepo) -> None:
    """Change the same task, and add one, on each of two branches that begin at one commit."""
    repo.git("checkout", "-q", "-b", "right")
    ok(repo, "set", "T-003", "status=in-progress", "title=Third, of right", "labels+=right")
    ok(repo, "add", "From right")
    scratchpad = repo.path / "coordination/SCRATCHPAD.md"
    scratchpad.write_text(scratchpad.read_text() + "right was here\n")
    commit(repo, "right")
    repo.git("checkout", "-q", "main")
    ok(repo, "set", "T-003", "status=review", "labels+=left")
    ok(repo, "add", "From left", "-d", "T-003")
    scratchpad.write_text(scratchpad.read_text() + "left was here\n")
    commit(repo, "left")


def statuses(repo: MissionRepo) -> dict[str, tuple[str, str]]:
    listed = repo.run("list", "--all", "--json")
    return {each["id"]: (each["status"], each["title"]) for each in listed.json()["tasks"]}


def test_what_one_side_changed_is_taken_and_what_both_did_is_asked(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    before = text_of(repo, TABLE)
    asked = repo.run("resolve", "--json")
    assert asked.exit_code == 1
    assert asked.json()["open"] == [
        {"name": "T-003.status", "base": "todo", "ours": "review", "theirs": "in-progress"}
    ]
    assert text_of(repo, TABLE) == before
    assert text_of(repo, "coordination/SCRATCHPAD.md").endswith("left was here\nright was here\n")
    done = repo.run("resolve", "T-003.status=blocked")
    assert done.exit_code == 0, done
    assert "next: git commit" in done.stdout
    assert repo.git("ls-files", "--unmerged") == ""
    assert repo.git("diff", "--name-only") == ""
    repo.git("commit", "-qm", "merged")
    found = statuses(repo)
    assert found["T-003"] == ("blocked", "Third, of right")
    assert list(found)[-2:] == ["T-005", "T-004"]
    task = repo.run("show", "T-003", "--json").json()["task"]
    assert set(task["labels"]) == {"left", "right"}
    assert all(
        finding["level"] != "error" for finding in repo.run("check", "--json").json()["findings"]
    )


@pytest.mark.parametrize(("side", "status"), [("--ours", "review"), ("--theirs", "in-progress")])
def test_a_side_decides_about_disagreements_alone(
    repo: MissionRepo, side: str, status: str
) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    ok(repo, "resolve", side)
    found = statuses(repo)
    assert found["T-003"] == (status, "Third, of right")
    assert {"T-004", "T-005"} <= set(found)


def test_only_the_files_that_are_named_are_resolved(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    ok(repo, "resolve", "coordination/SCRATCHPAD.md")
    assert "SCRATCHPAD" not in repo.git("ls-files", "--unmerged")
    assert "TASKS" in repo.git("ls-files", "--unmerged")
    assert repo.run("resolve", "a.txt").exit_code == 2
    wrong = repo.run("resolve", "T-009.status=done")
    assert wrong.exit_code == 2
    assert "T-003.status" in wrong.stderr
    assert repo.run("resolve", "T-003.status=dunno").exit_code == 2


def test_a_conflict_that_somebody_edits_is_left(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    table = repo.path / TABLE
    table.write_text(table.read_text().replace("<<<<<<< HEAD", "a word of mine\n<<<<<<< HEAD"))
    before = table.read_bytes()
    answer = repo.run("resolve", "--ours")
    assert answer.exit_code == 1
    assert "git checkout --merge" in answer.stdout
    assert table.read_bytes() == before
    assert TABLE in repo.git("ls-files", "--unmerged")


def test_commands_that_look_show_what_both_sides_have(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    listed = repo.run("list")
    assert listed.exit_code == 5
    assert "MERGE" not in listed.stdout
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()[1:]}
    assert "(conflict)" not in lines["T-001"]
    assert all("(conflict)" in lines[each] for each in ("T-003", "T-004", "T-005"))
    assert f"{TABLE}:" in listed.stderr
    assert "`T-003`" in listed.stderr
    assert repo.run("next", "--print").exit_code == 5


def test_a_mission_json_in_conflict_is_shown_and_not_written(repo: MissionRepo) -> None:
    for branch in ("right", "left"):
        repo.git("checkout", "-q", "-B", branch, "main")
        ok(repo, "next", "--headless", "--runtime", "quick", "--task", "T-001")
        mission = repo.path / "coordination/mission.json"
        mission.write_text(mission.read_text().replace('"name": "', f'"name": "{branch} ', 1))
        commit(repo, branch)
    git_may_fail(repo, "merge", "-q", "right")
    before = text_of(repo, "coordination/mission.json")
    assert "<<<<<<<" in before
    for command in ("list", "status", "show T-001", "sessions", "logs T-001"):
        answer = repo.run(*command.split())
        assert answer.stdout, command
        # The others are of one task or of sessions, which both sides may have alike.
        assert "mission resolve" in answer.stderr or command not in ("list", "status")
    assert len(repo.run("sessions", "--json").json()["sessions"]) == 2
    for command in (
        "set T-002 status=done",
        "next --headless --runtime quick --task T-002",
        "exec T-001 --step try -- true",
        "clean",
        "check --fix",
    ):
        assert repo.run(*command.split()).exit_code == 5, command
    assert text_of(repo, "coordination/mission.json") == before
    asked = repo.run("resolve", "--json").json()["open"]
    assert [each["name"] for each in asked] == ["mission.name"]
    ok(repo, "resolve", "--theirs")
    assert len(repo.mission()["sessions"]) == 2
    assert repo.mission()["name"].startswith("right ")
    repo.git("commit", "-qm", "merged")


def test_marks_that_were_committed_are_resolved_as_well(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    commit(repo, "with the marks in it")
    ok(repo, "resolve", "--theirs")
    assert statuses(repo)["T-003"][0] == "in-progress"
    assert repo.run("list").exit_code == 0


def test_line_ends_stay(repo: MissionRepo) -> None:
    for path in (repo.path / TABLE, file_of(repo, "T-003")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    commit(repo, "crlf")
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    ok(repo, "resolve", "--ours")
    for path in (repo.path / TABLE, file_of(repo, "T-003")):
        data = path.read_bytes()
        assert data.count(b"\n") == data.count(b"\r\n")


def test_a_file_that_one_side_removed_is_decided_as_a_whole(repo: MissionRepo) -> None:
    path = file_of(repo, "T-003")
    repo.git("checkout", "-q", "-b", "right")
    repo.git("rm", "-q", str(path))
    repo.git("commit", "-qm", "right")
    repo.git("checkout", "-q", "main")
    ok(repo, "set", "T-003", "labels+=left")
    commit(repo, "left")
    git_may_fail(repo, "merge", "-q", "right")
    assert repo.run("resolve").exit_code == 1
    ok(repo, "resolve", f"{path.name}=theirs")
    assert not path.exists()
    assert repo.git("ls-files", "--unmerged") == ""


def test_of_two_tasks_of_one_id_both_stay_and_the_later_is_renumbered(repo: MissionRepo) -> None:
    for side in ("left", "right"):
        clone = repo.path.parent / f"clone-{side}"
        repo.git("clone", "-q", str(repo.path), str(clone))
        other = MissionRepo(clone, repo.environ)
        assert other.run("add", f"Made by {side}").stdout == "T-004\n"
        commit(other, side)
    for side in ("left", "right"):
        repo.git("fetch", "-q", str(repo.path.parent / f"clone-{side}"), f"main:from-{side}")
    repo.git("merge", "-q", "from-left")
    git_may_fail(repo, "merge", "-q", "from-right")
    done = repo.run("resolve", "--json").json()
    assert done["twins"] == ["T-004"]
    assert done["next_commands"][0] == "mission renumber T-004"
    shown = repo.run("renumber", "T-004")
    assert "would change" in shown.stdout
    ok(repo, "renumber", "T-004", "T-009", "--write")
    assert repo.git("diff", "--name-only") == ""
    repo.git("commit", "-qm", "merged")
    found = statuses(repo)
    assert (found["T-004"][1], found["T-009"][1]) == ("Made by left", "Made by right")
    assert "T-004" not in file_of(repo, "T-009").read_text()
    assert repo.run("check").exit_code == 0


def test_renumbering_changes_whatever_speaks_of_the_task(repo: MissionRepo) -> None:
    ok(repo, "set", "T-003", "depends_on=T-002,T-001")
    other = file_of(repo, "T-003")
    head, _, body = other.read_text().partition("\ntitle:")
    other.write_text(f"{head}\nparent: T-002\ntitle:{body}See `T-002`, not T-0021 or T-002.\n")
    own = file_of(repo, "T-002")
    mission = repo.path / "coordination/MISSION.md"
    mission.write_text(mission.read_text() + f"\nFirst `T-002`: [file](tasks/{own.name})\n")
    shown = repo.run("renumber", "T-002", "X-7")
    assert own.exists()
    assert "coordination/MISSION.md:" in shown.stdout
    before = {path: path.read_text() for path in (other, mission, repo.path / TABLE)}
    ok(repo, "renumber", "T-002", "X-7", "--write")
    new = file_of(repo, "X-7")
    assert not own.exists()
    assert new.name == own.name.replace("T-002", "X-7")
    assert "parent: X-7\n" in other.read_text()
    assert "See `X-7`, not T-0021 or T-002.\n" in other.read_text()
    assert mission.read_text() == before[mission].replace("T-002", "X-7")
    assert repo.run("show", "T-003", "--json").json()["task"]["depends_on"] == ["X-7", "T-001"]
    assert "T-002" not in text_of(repo, TABLE)
    for path, text in before.items():
        assert path.read_text().count("\n") == text.count("\n")
    assert repo.run("renumber", "T-001", "X-7").exit_code == 2
    assert repo.run("renumber", "T-001", "../x").exit_code == 5
    assert repo.run("renumber", "T-099").exit_code == 2
    assert repo.run("check").exit_code == 0


@pytest.fixture
def driven(repo: MissionRepo, tmp_path: Path) -> MissionRepo:
    """Give a repository in which git merges by our driver, with `mission` on the PATH."""
    program = tmp_path / "bin/mission"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m mosaic "$@"\n')
    program.chmod(0o755)
    environ = {**repo.environ, "PATH": f"{program.parent}:{repo.environ['PATH']}"}
    made = MissionRepo(repo.path, environ)
    ok(made, "setup", "git")
    made.git("add", ".gitattributes")
    commit(made, "git")
    return made


def test_the_driver_merges_what_nobody_disagrees_about(driven: MissionRepo) -> None:
    driven.git("checkout", "-q", "-b", "right")
    ok(driven, "set", "T-003", "title=Third, of right")
    ok(driven, "next", "--headless", "--runtime", "quick", "--task", "T-001")
    commit(driven, "right")
    driven.git("checkout", "-q", "main")
    ok(driven, "set", "T-003", "status=blocked")
    ok(driven, "next", "--headless", "--runtime", "quick", "--task", "T-002")
    commit(driven, "left")
    merged = git_may_fail(driven, "merge", "right")
    assert merged.returncode == 0, merged
    assert statuses(driven)["T-003"] == ("blocked", "Third, of right")
    assert len(driven.mission()["sessions"]) == 2


def test_what_the_driver_leaves_open_is_gits_own_conflict(driven: MissionRepo) -> None:
    on_two_branches(driven)
    merged = git_may_fail(driven, "merge", "right")
    assert merged.returncode == 1
    assert "<<<<<<<" in text_of(driven, TABLE)
    assert "<<<<<<<" not in text_of(driven, "coordination/SCRATCHPAD.md")
    ok(driven, "resolve", "--theirs")
    assert statuses(driven)["T-003"][0] == "in-progress"


def test_without_mission_on_the_path_git_merges_by_line(
    driven: MissionRepo, tmp_path: Path
) -> None:
    on_two_branches(driven)
    bin_ = tmp_path / "without"
    bin_.mkdir()
    for program in ("git", "sh"):
        (bin_ / program).symlink_to(str(shutil.which(program)))
    without = MissionRepo(driven.path, {**driven.environ, "PATH": str(bin_)})
    merged = git_may_fail(without, "merge", "right")
    assert merged.returncode == 1
    assert "<<<<<<< ours" in text_of(driven, TABLE)
    assert "command not found" not in merged.stderr


def test_a_driver_that_is_named_and_not_registered_runs_nothing_and_is_told(
    driven: MissionRepo, tmp_path: Path
) -> None:
    clone = tmp_path / "another"
    driven.git("clone", "-q", str(driven.path), str(clone))
    other = MissionRepo(clone, driven.environ)
    items = {each["name"]: each for each in other.run("doctor", "--json").json()["items"]}
    assert items["merges"]["state"] == "missing"
    assert items["merges"]["hint"] == "`mission setup git`"
    on_two_branches(other)
    merged = git_may_fail(other, "merge", "right")
    assert "<<<<<<< HEAD" in text_of(other, TABLE)
    assert merged.returncode == 1
    git_may_fail(other, "merge", "--abort")
    before = (clone / ".git/config").read_text()
    assert ok(other, "setup", "git", "--dry-run")
    assert (clone / ".git/config").read_text() == before
    ok(other, "setup", "git")
    items = {each["name"]: each for each in other.run("doctor", "--json").json()["items"]}
    assert items["merges"]["state"] == "ok"
    assert json.loads(ok(other, "setup", "git", "--json"))["done"] == []


def test_a_person_is_asked_on_a_terminal(repo: MissionRepo) -> None:
    on_two_branches(repo)
    git_may_fail(repo, "merge", "-q", "right")
    said = on_a_terminal(repo, ["resolve"], "t\n")
    assert "T-003.status" in said
    assert "theirs  in-progress" in said
    assert statuses(repo)["T-003"][0] == "in-progress"


def test_init_offers_to_set_git_up(tmp_path: Path, repo: MissionRepo) -> None:
    folder = tmp_path / "new"
    repo.git("init", "-q", str(folder))
    other = MissionRepo(folder, repo.environ)
    made = other.run("init", "--name", "New", "--json").json()
    assert "mission setup git" in made["next_commands"]
    assert not (folder / ".gitattributes").exists()
    assert "merge" not in (folder / ".git/config").read_text()
    assert "Set it up?" in on_a_terminal(other, ["setup", "git"], "n\n")
    assert not (folder / ".gitattributes").exists()
    on_a_terminal(other, ["setup", "git"], "y\n")
    assert "/coordination/TASKS.md merge=mission\n" in (folder / ".gitattributes").read_text()
    assert "[merge" in (folder / ".git/config").read_text()


def test_text_of_both_sides_takes_a_side_and_no_value(repo: MissionRepo) -> None:
    for branch in ("right", "left"):
        repo.git("checkout", "-q", "-B", branch, "main")
        ok(repo, "handoff", "T-002", "--set", "result", "--text", f"- by {branch}")
        commit(repo, branch)
    git_may_fail(repo, "merge", "-q", "right")
    (asked,) = repo.run("resolve", "--json").json()["open"]
    assert (asked["name"], asked["ours"]) == ("T-002.result", "- by left")
    assert repo.run("resolve", "T-002.result=another").exit_code == 2
    ok(repo, "resolve", "T-002.result=theirs")
    assert repo.run("handoff", "T-002", "--json").json()["sections"]["result"] == "- by right"
