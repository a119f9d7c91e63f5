"""A merge that is not resolved in the mission's files: named, and nothing is written into it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mosaic.errors import MergeConflictError
from mosaic.text.lines import refuse_conflict
from tests.support.mission import MissionRepo

FILES = {
    "TASKS.md": ("| First |", "| First {side} |"),
    "tasks/T-001-first.md": ("## Goal\n", "## Goal\n\nGo {side}.\n"),
    "mission.json": ('"name": "Sessions"', '"name": "Sessions {side}"'),
    "SCRATCHPAD.md": (None, "\nnoted {side}\n"),
    "MISSION.md": (None, "\nnoted {side}\n"),
}
CONFLICT = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> topic\n"


def merge(repo: MissionRepo, name: str) -> Path:
    """Change one file on two branches, and merge them."""
    path = repo.path / "coordination" / name
    before = path.read_text()
    for branch in ("left", "right"):
        repo.git("checkout", "-q", "-B", branch, "main")
        old, new = FILES[name]
        text = new.format(side=branch)
        path.write_text(before.replace(old, text, 1) if old else before + text)
        repo.git("commit", "-qam", branch)
    subprocess.run(["git", "merge", "-q", "left"], cwd=repo.path, check=False, capture_output=True)
    assert "<<<<<<< HEAD" in path.read_text()
    return path


WRITING = (
    "add Another",
    "set T-001 status=review",
    "set T-002 status=review",
    "sync",
    "sync --prefer file",
    "check --fix",
    "block T-003 --why later",
    "migrate",
    "next --headless --runtime quick --task T-002",
)


@pytest.mark.parametrize("name", FILES)
def test_a_conflict_is_one_finding_and_no_command_writes_into_it(
    repo: MissionRepo, name: str
) -> None:
    path = merge(repo, name)
    before = path.read_bytes()
    check = repo.run("check", "--json")
    said = json.loads(check.stdout or check.stderr)  # without a mission there is but one error
    findings = said["findings"] if check.stdout else [said]
    errors = [each for each in findings if each.get("level", "error") == "error"]
    assert [each["code"] for each in errors] == ["MERGE_CONFLICT"], errors
    assert errors[0]["path"].endswith(Path(name).name)
    assert errors[0]["line"] == before.decode().split("\n").index("<<<<<<< HEAD") + 1
    for command in WRITING:
        answer = repo.run(*command.split())
        assert "Expecting" not in answer.stderr, answer
        assert path.read_bytes() == before, command


def test_add_and_set_name_the_merge(repo: MissionRepo) -> None:
    merge(repo, "TASKS.md")
    answer = repo.run("add", "Another")
    assert answer.exit_code == 5
    assert "merge" in answer.stderr
    assert "TASKS.md:" in answer.stderr
    assert "git merge --abort" in answer.stderr


def test_a_session_that_ends_while_the_table_is_in_conflict_keeps_its_end(
    repo: MissionRepo, tmp_path: Path
) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    mission = repo.mission()
    script = tmp_path / "merge.sh"
    script.write_text(f"cat '{tmp_path}/conflict' >> '{table}'\n")
    (tmp_path / "conflict").write_text(CONFLICT)
    mission["runtimes"]["merges"] = {"command": ["sh", str(script)], "prompt": "file"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    repo.git("commit", "-qam", "Merges")
    repo.run("next", "--headless", "--runtime", "merges", "--task", "T-001")
    assert CONFLICT in table.read_text()
    assert repo.session()["endedReason"]
    assert repo.session()["endedAt"]


@pytest.mark.parametrize(
    "text",
    [
        "Title\n=======\n",
        "<<<<<<< HEAD\nours\n=======\n",
        "=======\n<<<<<<< HEAD\n>>>>>>> x\n",
        ">>>>>>> x\n=======\n<<<<<<< HEAD\n",
        "```\n" + CONFLICT + "```\n",
        "~~~~ text\n" + CONFLICT + "~~~~\n",
        "    " + CONFLICT.replace("\n", "\n    "),
        "<<<<<<<\nours\n=======\ntheirs\n>>>>>>>\n",
    ],
)
def test_what_only_looks_like_a_mark_is_none(text: str) -> None:
    refuse_conflict(text)


@pytest.mark.parametrize(
    "text",
    [
        CONFLICT,
        CONFLICT.replace("\n", "\r\n"),
        "<<<<<<< a\nx\n||||||| base\ny\n=======\nz\n>>>>>>> b",
        "```\ncode\n```\n" + CONFLICT,
        "<<<<<<< lost\n" + CONFLICT,
        "<<<<<<< HEAD\n```\nours\n=======\n```\ntheirs\n>>>>>>> topic\n```\n",
    ],
)
def test_all_three_marks_in_their_order_are_a_conflict(text: str) -> None:
    with pytest.raises(MergeConflictError) as caught:
        refuse_conflict(text)
    assert caught.value.line is not None
    assert text.split("\n")[caught.value.line - 1].startswith("<<<<<<< ")


def add_on_two_branches(repo: MissionRepo) -> None:
    """Have two clones each add a task, which get the same id, and keep both in a merge."""
    clone = repo.path.parent / "clone"
    repo.git("clone", "-q", str(repo.path), str(clone))
    other = MissionRepo(clone, repo.environ)
    for number, (made, side) in enumerate(((repo, "left"), (other, "right")), 1):
        assert made.run("add", f"Made {side}").stdout == "T-004\n"
        made.git("add", "--all")
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", side],
            cwd=made.path,
            env={**repo.environ, "GIT_COMMITTER_DATE": f"2026-01-0{number}T00:00:00Z"},
            check=True,
        )
    repo.git("fetch", "-q", str(clone), "main:right")
    subprocess.run(["git", "merge", "-q", "right"], cwd=repo.path, check=False, capture_output=True)
    table = repo.path / "coordination" / "TASKS.md"
    lines = [
        line
        for line in table.read_text().splitlines(keepends=True)
        if not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
    ]
    table.write_text("".join(lines))
    repo.git("add", "--all")
    repo.git("commit", "-qm", "Merge")


def test_of_two_tasks_of_one_id_the_younger_is_renumbered(repo: MissionRepo) -> None:
    add_on_two_branches(repo)
    files = {path.name for path in (repo.path / "coordination/tasks").glob("T-004*")}
    assert files == {"T-004-made-left.md", "T-004-made-right.md"}
    mended = repo.run("check", "--fix")
    assert "T-004-made-right.md" in mended.stdout
    assert "T-005" in mended.stdout
    names = {path.name for path in (repo.path / "coordination/tasks").glob("T-00[45]*")}
    assert names == {"T-004-made-left.md", "T-005-made-right.md"}
    text = (repo.path / "coordination/tasks/T-005-made-right.md").read_text()
    assert "task_id: T-005" in text
    assert "T-004" not in text
    listed = {task["id"]: task["title"] for task in repo.run("list", "--json").json()["tasks"]}
    assert (listed["T-004"], listed["T-005"]) == ("Made left", "Made right")
    assert repo.run("check").exit_code == 0


@pytest.mark.parametrize("why", ["depends on", "titles"])
def test_what_has_more_than_one_answer_is_left_and_said(repo: MissionRepo, why: str) -> None:
    add_on_two_branches(repo)
    table = repo.path / "coordination" / "TASKS.md"
    if why == "titles":
        table.write_text(table.read_text().replace("Made right", "Something else"))
    else:
        third = next((repo.path / "coordination/tasks").glob("T-003*"))
        text = third.read_text()
        third.write_text(text.replace("task_id: T-003\n", "task_id: T-003\ndepends_on: [T-004]\n"))
    answer = repo.run("check", "--fix")
    assert why in answer.stdout
    assert answer.exit_code == 1
    assert "T-005" not in table.read_text()
    assert len(list((repo.path / "coordination/tasks").glob("T-004*"))) == 2
