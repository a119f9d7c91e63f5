"""Moving in and out: every source by one contract, with plans that were predicted by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mosaic.sources import PLACES
from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo
from tests.support.samples import SAMPLES, Sample

OWN = ("T-001-first.md", "T-002-second.md", "T-003-third.md")
CASES = [pytest.param(name, sample, id=name) for name, sample in SAMPLES.items()]


@pytest.fixture
def repo(repo: MissionRepo) -> MissionRepo:
    """A mission whose own three tasks have titles that no sample has."""
    folder = repo.path / "coordination"
    for path in (folder / "TASKS.md", *folder.glob("tasks/*.md")):
        path.write_text(re.sub(r"\b(First|Second|Third)\b", r"My \1", path.read_text()))
    return repo


def test_every_source_has_a_sample() -> None:
    assert PLACES.keys() == SAMPLES.keys()


def moved(repo: MissionRepo, source: str, *options: str) -> Answer:
    return call(repo.path, "import", source, *options)


def tasks(repo: MissionRepo) -> dict[str, dict[str, Any]]:
    listed = json.loads(call(repo.path, "list", "--all", "--json").stdout)["tasks"]
    return {task["id"]: task for task in listed}


def files(repo: MissionRepo) -> dict[str, bytes]:
    """The mission's files, its own state left out."""
    folder = repo.path / "coordination"
    paths = [path for path in folder.rglob("*") if path.is_file() and ".state" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def text_of(repo: MissionRepo, task_id: str) -> str:
    return Path(repo.path, tasks(repo)[task_id]["file"]).read_text()


def rewrite(repo: MissionRepo, task_id: str, old: str, new: str) -> None:
    path = repo.path / tasks(repo)[task_id]["file"]
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))


@pytest.mark.parametrize(("source", "sample"), CASES)
def test_an_import_makes_the_predicted_plan(repo: MissionRepo, source: str, sample: Sample) -> None:
    sample.lay(repo.path)
    before, own = files(repo), tasks(repo)
    shown = moved(repo, source, sample.place, "--json")
    assert files(repo) == before
    done = moved(repo, source, sample.place, "--write", "--json")
    predicted, found = json.loads(shown.stdout), json.loads(done.stdout)
    assert (predicted["written"], found["written"]) == (False, True)
    assert {**predicted, "written": 0, "next_commands": 0} == {
        **found, "written": 0, "next_commands": 0
    }  # fmt: skip
    after = {key: task for key, task in tasks(repo).items() if key not in own}
    assert {
        key: (task["title"], task["status"], task["milestone"] or "", " ".join(task["depends_on"]))
        for key, task in after.items()
    } == {
        key: (title, status, milestone_id(repo, milestone), needs)
        for key, (title, status, milestone, needs) in sample.tasks.items()
    }
    assert list(after) == list(sample.tasks)
    for key, fields in sample.fields.items():
        assert {name: after[key][name] for name in fields} == fields
    for key, words in sample.texts.items():
        for each in words:
            assert each in text_of(repo, key)
    named = [each["name"] for each in repo.mission()["milestones"]]
    assert named == ["One", *(each for each in sample.milestones if each != "One")]
    told = [f"{each['where']}: {each['what']}" for each in found["faults"]]
    assert [word[: len(want)] for word, want in zip(told, sample.faults, strict=True)] == list(
        sample.faults
    )


def milestone_id(repo: MissionRepo, named: str) -> str:
    """The mission has `M1: One` already: `M1` in a sample is the first that is free."""
    known = [each["id"] for each in repo.mission()["milestones"]]
    if named.startswith("M") and named[1:].isdigit():
        return f"M{int(named[1:]) + 1}"
    return "M1" if named == "One" else named if named in known or not named else f"no {named}"


@pytest.mark.parametrize(("source", "sample"), CASES)
def test_a_second_import_and_one_of_an_export_change_nothing(
    repo: MissionRepo, tmp_path: Path, source: str, sample: Sample
) -> None:
    sample.lay(repo.path)
    moved(repo, source, sample.place, "--write")
    before = files(repo)
    again = moved(repo, source, sample.place, "--write", "--json")
    assert files(repo) == before
    counts = json.loads(again.stdout)
    assert (counts["new"], counts["updates"], counts["conflicts"]) == ([], [], [])
    assert counts["unchanged"] == len(sample.tasks)
    place = tmp_path / Path(sample.place).name
    assert call(repo.path, "export", source, str(place), "--write").exit_code == 0
    back = moved(repo, source, str(place), "--write", "--json")
    assert json.loads(back.stdout)["conflicts"] == []
    after = files(repo)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= {
        f"tasks/{path}" for path in OWN
    }  # the mission's own: they are known in the source from now on
