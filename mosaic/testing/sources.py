"""What every source of tasks keeps, shown by a sample whose plan was predicted by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mosaic.records import dataclass, field
from mosaic.testing.missions import Answer, MissionRepo, call


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Files of a source below one place, and the tasks that they are."""

    place: str
    files: Mapping[str, str]
    """By path below the place; an empty one is the place itself."""
    tasks: Mapping[str, tuple[str, str, str, str]]
    """By id: title, status, milestone and what it depends on."""
    fields: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By id, other fields that it has."""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By id, what stands in its file."""
    milestones: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    """How each thing that is named begins, in order."""

    def lay(self, project: Path, place: str | None = None) -> None:
        """Write the files into a project."""
        for name, text in self.files.items():
            path = project / (place or self.place) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")


def imported(repo: MissionRepo, source: str, *options: str) -> Answer:
    """Import from a source, within this process."""
    return call(repo.path, "import", source, *options)


def tasks_of(repo: MissionRepo) -> dict[str, dict[str, Any]]:
    """Return all tasks of a mission by id, as `mission list --json` has them."""
    listed = json.loads(call(repo.path, "list", "--all", "--json").stdout)["tasks"]
    return {task["id"]: task for task in listed}


def files_of(repo: MissionRepo) -> dict[str, bytes]:
    """Return the mission's files, its own state left out."""
    folder = repo.path / "coordination"
    paths = [path for path in folder.rglob("*") if path.is_file() and ".state" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def text_of(repo: MissionRepo, task_id: str) -> str:
    """Return the text of a task's file."""
    return Path(repo.path, tasks_of(repo)[task_id]["file"]).read_text(encoding="utf-8")


class SourceContract:
    """Holds a source to what Mosaic relies on."""

    source = ""
    """Its name."""
    sample: Sample

    @pytest.fixture
    def given(self) -> tuple[str, Sample]:
        """The source's name and the sample."""
        return self.source, self.sample

    def test_an_import_makes_the_predicted_plan(
        self, mission_repo: MissionRepo, given: tuple[str, Sample]
    ) -> None:
        (source, sample), repo = given, mission_repo
        sample.lay(repo.path)
        before, own = files_of(repo), tasks_of(repo)
        shown = imported(repo, source, sample.place, "--json")
        assert files_of(repo) == before
        done = imported(repo, source, sample.place, "--write", "--json")
        predicted, found = json.loads(shown.stdout), json.loads(done.stdout)
        assert (predicted["written"], found["written"]) == (False, True)
        apart = {"written": 0, "next_commands": 0}
        assert {**predicted, **apart} == {**found, **apart}
        after = {key: task for key, task in tasks_of(repo).items() if key not in own}
        assert {
            key: (task["title"], task["status"], task["milestone"] or "",
                  " ".join(task["depends_on"]))
            for key, task in after.items()
        } == {
            key: (title, status, milestone_id(repo, milestone), needs)
            for key, (title, status, milestone, needs) in sample.tasks.items()
        }  # fmt: skip
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

    def test_a_second_import_and_one_of_an_export_change_nothing(
        self, mission_repo: MissionRepo, tmp_path: Path, given: tuple[str, Sample]
    ) -> None:
        (source, sample), repo = given, mission_repo
        own = {f"tasks/{Path(task['file']).name}" for task in tasks_of(repo).values()}
        sample.lay(repo.path)
        imported(repo, source, sample.place, "--write")
        before = files_of(repo)
        again = imported(repo, source, sample.place, "--write", "--json")
        assert files_of(repo) == before
        counts = json.loads(again.stdout)
        assert (counts["new"], counts["updates"], counts["conflicts"]) == ([], [], [])
        assert counts["unchanged"] == len(sample.tasks)
        place = tmp_path / Path(sample.place).name
        assert call(repo.path, "export", source, str(place), "--write").exit_code == 0
        back = imported(repo, source, str(place), "--write", "--json")
        assert json.loads(back.stdout)["conflicts"] == []
        after = files_of(repo)
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed <= own, "the mission's own tasks are known in the source from now on"

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[1, null, {}]", b"\xff\xfe\x00", b"\x00" * 9, b"[" * 100_000,
         b'{"tasks": 1}'],
        ids=["empty", "cut", "others", "utf-16", "nul", "deep", "odd"],
    )  # fmt: skip
    def test_input_of_any_kind_is_named_and_changes_nothing(
        self, mission_repo: MissionRepo, given: tuple[str, Sample], data: bytes
    ) -> None:
        (source, sample), repo = given, mission_repo
        for name in sample.files:
            path = repo.path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        before = files_of(repo)
        answer = imported(repo, source, "in", "--json")
        assert files_of(repo) == before
        if answer.exit_code in (2, 5):
            assert json.loads(answer.stderr)["path"].startswith("in")
            assert json.loads(answer.stderr)["line"]
        else:
            found = json.loads(answer.stdout)
            assert all(re.match(r"in(/.+)?:\d+$", each["where"]) for each in found["faults"])


def milestone_id(repo: MissionRepo, named: str) -> str:
    """Return the id of a sample's milestone; the mission has `M1: One` already."""
    known = [each["id"] for each in repo.mission()["milestones"]]
    if re.fullmatch(r"M\d+", named):
        return f"M{int(named[1:]) + 1}"
    return "M1" if named == "One" else named if named in known or not named else f"no {named}"
