"""Every field of the table is read, set, shown and handed on; a new row is all that one needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mosaic.cli.topics import field_rows
from mosaic.text.fields import FIELDS
from tests.support.mission import MissionRepo

TEMPLATE = (
    "{{ task.title }}|{{ task.repo }}|{{ task.priority }}|{{ task.labels | join('+') }}|"
    "{{ task.assignee }}|{{ task.pr }}|{{ task.extra.customer }}|{{ task.extra.sizes[1] }}\n"
)
NEW_ROWS = """\
import sys
from mosaic.text import fields
fields.FIELDS += (
    fields.Field(name="team", meaning="Who does it"),
    fields.Field(name="audiences", kind=fields.Kind.LIST, meaning="For whom"),
)
fields.FIELD_BY_NAME.update((row.name, row) for row in fields.FIELDS)
fields._UNSYNCED += fields.FIELDS[-2:]
from mosaic.cli import main
main()
"""


def run_with_new_rows(repo: MissionRepo, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", NEW_ROWS, *arguments],
        cwd=repo.path,
        env=repo.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def capsule_of(repo: MissionRepo) -> Any:
    return json.loads((repo.state / "next-task.json").read_text())


def file_of(repo: MissionRepo) -> Path:
    return next((repo.path / "coordination" / "tasks").glob("T-001*.md"))


def test_a_new_row_is_all_that_a_new_field_needs(repo: MissionRepo) -> None:
    changed = run_with_new_rows(repo, "set", "T-001", "team=blue", "audiences+=all,some")
    assert "team: nothing → blue" in changed
    assert "\nteam: blue\naudiences:\n  - all\n  - some\n" in file_of(repo).read_text()
    for _ in range(2):  # the second time from the index
        shown = run_with_new_rows(repo, "show", "T-001")
        assert "blue" in shown
        assert "all, some" in shown
        task = json.loads(run_with_new_rows(repo, "show", "T-001", "--json"))["task"]
        assert (task["team"], task["audiences"]) == ("blue", ["all", "some"])
    (repo.path / "templates").mkdir(exist_ok=True)
    (repo.path / "templates" / "continuation.md.j2").write_text("{{ task.team }}!\n")
    printed = run_with_new_rows(repo, "next", "--print", "--task", "T-001", "--runtime", "quick")
    assert "blue!" in printed
    assert capsule_of(repo)["task"]["audiences"] == ["all", "some"]


def test_the_repository_of_a_task_is_seen_everywhere(repo: MissionRepo) -> None:
    assert "repo: nothing → orchard" in repo.run("set", "T-001", "repo=orchard").stdout
    assert "\nrepo: orchard\n" in file_of(repo).read_text()
    assert "orchard" in repo.run("show", "T-001").stdout
    assert repo.run("show", "T-001", "--json").json()["task"]["repo"] == "orchard"
    assert (
        "Repository: orchard"
        in repo.run("next", "--print", "--task", "T-001", "--runtime", "quick").stdout
    )
    assert capsule_of(repo)["task"]["repo"] == "orchard"


def test_a_template_of_the_project_uses_every_field(repo: MissionRepo) -> None:
    file = file_of(repo)
    file.write_text(
        file.read_text().replace("\n---\n", "\ncustomer: Ann\nsizes: [1, 2.5]\n---\n", 1)
    )
    for change in ("repo=orchard", "priority=high", "labels=a,b", "assignee=Bo", "pr=#7"):
        assert repo.run("set", "T-001", change).exit_code == 0
    (repo.path / "templates").mkdir(exist_ok=True)
    (repo.path / "templates" / "continuation.md.j2").write_text(TEMPLATE)
    printed = repo.run("next", "--print", "--task", "T-001", "--runtime", "quick").stdout
    assert "|orchard|high|a+b|Bo|#7|Ann|2.5" in printed


def test_the_capsule_names_the_milestone_of_the_prompt(repo: MissionRepo) -> None:
    mission = repo.path / "coordination" / "mission.json"
    data = json.loads(mission.read_text())
    data["milestones"] = [
        {"id": "M1", "name": "First", "status": "in-progress"},
        {"id": "M2", "name": "Second", "status": "pending"},
    ]
    mission.write_text(json.dumps(data, indent=2))
    assert repo.run("set", "T-001", "milestone=M2").exit_code == 0
    assert "Second" in repo.run("next", "--print", "--task", "T-001", "--runtime", "quick").stdout
    assert capsule_of(repo)["current_milestone"] == {"id": "M2", "name": "Second"}


@pytest.mark.parametrize("row", list(field_rows()), ids=lambda row: row[0])
def test_every_field_is_described(row: tuple[str, str, str, str]) -> None:
    assert row[0] in {field.name for field in FIELDS}
    assert all(row)
