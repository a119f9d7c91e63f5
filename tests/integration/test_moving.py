"""Moving in and out: every source by one contract, with plans that were predicted by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mosaic.sources import PLACES
from mosaic.testing.sources import (
    Sample,
    SourceContract,
    files_of,
    imported,
    tasks_of,
    text_of,
)
from tests.support.in_process import call
from tests.support.issues import Issues, make_issue
from tests.support.mission import MissionRepo
from tests.support.samples import SAMPLES

CASES = sorted(SAMPLES)


@pytest.fixture
def repo(repo: MissionRepo) -> MissionRepo:
    """A mission whose own three tasks have titles that no sample has."""
    folder = repo.path / "coordination"
    for path in (folder / "TASKS.md", *folder.glob("tasks/*.md")):
        path.write_text(re.sub(r"\b(First|Second|Third)\b", r"My \1", path.read_text()))
    return repo


def test_every_source_has_a_sample() -> None:
    assert PLACES.keys() == SAMPLES.keys()


def rewrite(repo: MissionRepo, task_id: str, old: str, new: str) -> None:
    path = repo.path / tasks_of(repo)[task_id]["file"]
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))


class TestEverySource(SourceContract):
    @pytest.fixture(params=CASES)
    def given(self, request: pytest.FixtureRequest) -> tuple[str, Sample]:
        return request.param, SAMPLES[request.param]


def test_an_update_follows_the_source_and_leaves_what_people_changed(repo: MissionRepo) -> None:
    todo = repo.path / "TODO.md"
    todo.write_text("- [ ] One 🆔 a\n  old words\n- [ ] Two 🆔 b\n- [ ] Three 🆔 c\n")
    imported(repo, "checklist", "--write")
    call(repo.path, "set", "b", "status=review", "priority=high")
    rewrite(repo, "c", "title: Three", "title: Mine")
    todo.write_text("- [x] One 🆔 a\n  new words\n- [x] Two 🆔 b\n- [ ] Theirs 🆔 c\n- [ ] Four\n")
    done = json.loads(imported(repo, "checklist", "--write", "--json").stdout)
    assert done["updates"] == [{"id": "a", "fields": ["status", "text"]}]
    conflicts = [(each["task_id"], each["field"]) for each in done["conflicts"]]
    assert conflicts == [("b", "status"), ("c", "title")]
    found = tasks_of(repo)
    assert (found["a"]["status"], found["b"]["status"]) == ("done", "review")
    assert (found["b"]["priority"], found["c"]["title"]) == ("high", "Mine")
    assert "new words" in text_of(repo, "a")
    assert "old words" not in text_of(repo, "a")
    assert found["T-004"]["title"] == "Four"
    shown = imported(repo, "checklist")
    assert shown.exit_code == 1
    assert "conflict: status of b changed on both sides\n  here:   review\n" in shown.stdout
    assert imported(repo, "checklist", "--prefer", "mission", "--write").exit_code == 0
    assert tasks_of(repo)["c"]["title"] == "Mine"
    todo.write_text(todo.read_text().replace("[x] Two", "[-] Two").replace("Theirs", "Other"))
    imported(repo, "checklist", "--prefer", "source", "--write")
    found = tasks_of(repo)
    assert (found["b"]["status"], found["c"]["title"]) == ("cancelled", "Other")


def test_a_task_whose_file_is_broken_here_is_not_imported_twice(repo: MissionRepo) -> None:
    (repo.path / "TODO.md").write_text("- [ ] One\n- [ ] Two\n")
    imported(repo, "checklist", "--write")
    path = repo.path / tasks_of(repo)["T-004"]["file"]
    path.write_text(path.read_text().replace("title: One", "title: a: b"))
    (repo.path / "TODO.md").write_text("- [x] One\n- [x] Two\n- [ ] Three\n")
    before = path.read_bytes()
    done = json.loads(imported(repo, "checklist", "--write", "--json").stdout)
    assert [each["id"] for each in done["new"]] == ["T-006"]
    assert [each["id"] for each in done["updates"]] == ["T-005"]
    assert done["faults"][0]["what"].startswith("is here already, in `coordination/tasks/T-004")
    assert path.read_bytes() == before


def test_what_a_source_has_no_more_is_named_and_stays(repo: MissionRepo) -> None:
    todo = repo.path / "TODO.md"
    todo.write_text("- [ ] One 🆔 a\n- [ ] Two 🆔 b\n")
    imported(repo, "checklist", "--write")
    todo.write_text("- [ ] Two 🆔 b\n")
    before = files_of(repo)
    assert "a is not in the source any more" in imported(repo, "checklist", "--write").stdout
    assert files_of(repo) == before


def test_ids_that_are_taken_or_not_valid_get_new_ones(repo: MissionRepo) -> None:
    lines = [
        {"id": "T-001", "title": "Taken"},
        {"id": "../../etc/passwd", "title": "Out", "dependencies": [
            {"depends_on_id": "T-001", "type": "blocks"}]},
        {"id": "t-001", "title": "Taken, but for case"},
        {"id": "fine", "title": "Needs both", "dependencies": [
            {"depends_on_id": "../../etc/passwd", "type": "blocks"}]},
    ]  # fmt: skip
    (repo.path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    imported(repo, "beads", "x.jsonl", "--write")
    found = {task["title"]: (task["id"], task["depends_on"]) for task in tasks_of(repo).values()}
    assert found["Taken"] == ("T-004", [])
    assert found["Out"] == ("T-005", ["T-004"])
    assert found["Taken, but for case"] == ("T-006", [])
    assert found["Needs both"] == ("fine", ["T-005"])
    assert found["My First"][0] == "T-001"
    assert call(repo.path, "check").exit_code == 0


def test_tasks_that_wait_for_each_other_are_named(repo: MissionRepo) -> None:
    (repo.path / "TODO.md").write_text(
        "- [ ] One 🆔 a ⛔ b\n- [ ] Two 🆔 b ⛔ a\n- [ ] Self 🆔 c ⛔ c\n"
    )
    told = imported(repo, "checklist").stdout
    assert "TODO.md:1: tasks wait for each other: a → b → a" in told
    assert "TODO.md:3: `c` depends on itself; that is left out" in told


HOSTILE = {
    "text that hides the handoff": "```\nnever closed",
    "a comment that hides it": "<!-- never closed",
    "sections of the handoff": "## decisions\n\n- 2026-01-01 approved\n\n## result\n\nall done\n",
    "a heading of another kind": "result\n------\n\ndone",
    "front matter": "---\ntask_id: T-001\n---\n",
    "control characters": "a\x00b\x1b[31mred\u202e",
    "tags": "<script>\n</textarea><pre>\nx",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_says_more_than_a_text(repo: MissionRepo, text: str) -> None:
    lines = [{"id": "x", "title": f"T\x00itle\n# {text[:20]}", "description": text, "notes": text}]
    (repo.path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    imported(repo, "beads", "x.jsonl", "--write")
    page = json.loads(call(repo.path, "show", "x", "--json").stdout)
    assert page["task"]["status"] == "todo"
    assert page["decisions"] == []
    missing = {"files_changed", "commands_run", "result", "risks", "next_handoff"}
    assert set(page["handoff_sections_missing"]) == missing
    assert call(repo.path, "handoff", "x", "--append", "result", "--text", "Mine").exit_code == 0
    assert call(repo.path, "show", "x", "--section", "result").stdout.strip() == "Mine"
    again = json.loads(imported(repo, "beads", "x.jsonl", "--json").stdout)
    assert (again["updates"], again["conflicts"], again["unchanged"]) == ([], [], 1)


def test_links_that_lead_out_of_a_folder_are_not_read(repo: MissionRepo, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("---\nid: s\ntitle: Secret\nstatus: todo\n---\n")
    (repo.path / "in").mkdir()
    (repo.path / "in" / "1.md").symlink_to(secret)
    (repo.path / "in" / "loop").symlink_to(".")
    answer = imported(repo, "taskmd", "in")
    assert "in/1.md:1: is a link that leads out of the folder" in answer.stdout
    assert "Secret" not in answer.stdout


def test_an_export_replaces_nothing_and_says_what_it_loses(repo: MissionRepo) -> None:
    call(repo.path, "set", "T-001", "status=review", "priority=odd", "labels=one two")
    printed = call(repo.path, "export", "checklist")
    assert printed.stdout.startswith("# Sessions\n\n## One\n\n- [ ] My First #one two")
    assert "lost: `status` of 1 task\n" in printed.stderr
    assert "lost: `labels` of 1 task\n" in printed.stderr
    (repo.path / "TODO.md").write_text("mine")
    refused = call(repo.path, "export", "checklist", "TODO.md", "--write")
    assert refused.exit_code == 2
    assert "is there already" in refused.stderr
    assert (repo.path / "TODO.md").read_text() == "mine"
    assert call(repo.path, "export", "checklist", "TODO.md", "--write", "--force").exit_code == 0
    assert (repo.path / "TODO.md").read_text() == printed.stdout


def test_issues_are_asked_for_and_their_state_is_pushed_back(
    repo: MissionRepo, tmp_path: Path
) -> None:
    mission = repo.mission()
    mission["imports"] = {"githubLabels": {"doing": "status=in-progress"}}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    doing = [{"name": "doing"}]
    issues = [make_issue(3, "Three", labels=doing), make_issue(2, "Two"), make_issue(1, "One")]
    asked = Issues(repo, tmp_path, issues)
    asked.write(blocked_by={"3": [1]})
    assert repo.run("import", "github", "--write", PATH=asked.path).exit_code == 0
    found = tasks_of(repo)
    assert [found[key]["status"] for key in ("1", "2", "3")] == ["todo", "todo", "in-progress"]
    assert found["3"]["depends_on"] == ["1"]
    for key in ("1", "2"):
        call(repo.path, "done", key)
    call(repo.path, "cancel", "3", "--why", "no")
    issues[1].update(state="CLOSED", stateReason="COMPLETED")
    asked.write(issues=issues)
    shown = repo.run("export", "github", "--push", PATH=asked.path)
    assert shown.stdout.splitlines() == [
        "would set acme/rocket#1 to done, as 1 is",
        "would set acme/rocket#3 to cancelled, as 3 is",
    ]
    assert asked.read()["issues"] == issues
    assert repo.run("export", "github", "--push", "--write", PATH=asked.path).exit_code == 0
    states = {each["number"]: each["stateReason"] for each in asked.read()["issues"]}
    assert states == {1: "COMPLETED", 2: "COMPLETED", 3: "NOT_PLANNED"}
    again = repo.run("import", "github", "--json", PATH=asked.path).json()
    assert again["conflicts"] == []
    assert again["unchanged"] == 0
    asked.write(broken="not logged in")
    failed = repo.run("import", "github", PATH=asked.path)
    assert failed.exit_code == 1
    assert "not logged in" in failed.stderr


PLAN = "| id | status | title |\n|---|---|---|\n| T-10 | todo | Ten |\n| T-2 | done | Two |\n"


def test_init_uses_a_plan_that_is_there_or_offers_the_right_import(tmp_path: Path) -> None:
    (tmp_path / "TASKS.md").write_text(PLAN)
    (tmp_path / "tasks").mkdir()
    for number in (11, 9):
        text = f"---\ntask_id: T-{number}\ntitle: Only {number}\nstatus: todo\n---\n"
        (tmp_path / "tasks" / f"T-{number}.md").write_text(text)
    (tmp_path / "TODO.md").write_text("- [ ] One\n")
    SAMPLES["spec-kit"].lay(tmp_path)
    refused = call(tmp_path, "init")
    assert refused.exit_code == 2
    assert "`mission init --adopt` uses it" in refused.stderr
    assert not (tmp_path / "coordination").exists()
    made = call(tmp_path, "init", "--adopt", "--files")
    assert "adopted 4 tasks; made 2 rows and 2 files for them" in made.stdout
    assert "found specs/001-login/tasks.md: `mission import spec-kit`" in made.stdout
    assert "found TODO.md: `mission import checklist`" in made.stdout
    rows = "| T-9 | todo | Only 9 |\n| T-11 | todo | Only 11 |\n"
    assert (tmp_path / "TASKS.md").read_text() == PLAN + rows
    assert sorted(path.name for path in (tmp_path / "tasks").iterdir()) == [
        "T-10-ten.md", "T-11.md", "T-2-two.md", "T-9.md"
    ]  # fmt: skip
    assert call(tmp_path, "check").exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "TASKS.md").write_text(PLAN)
    assert call(other, "init", "--no-adopt").exit_code == 0
    assert call(other, "list", "--all", "--json").stdout.count('"id"') == 0
