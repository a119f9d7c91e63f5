"""What a person means by a short or misspelled name."""

from __future__ import annotations

import pytest

from mosaic.errors import UsageError
from mosaic.model import Milestone, Status, Task
from mosaic.plan.names import closest_names, meant_ids, named_milestone

IDS = ("T-001", "T-010", "AUTH-7", "t1.2", "T-001.3", "plain")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("T-001", ["T-001"]), ("t-001", ["T-001"]), ("1", ["T-001"]), ("001", ["T-001"]),
        ("t1", ["T-001"]), ("T1", ["T-001"]), ("T-1", ["T-001"]), ("T01", ["T-001"]),
        ("10", ["T-010"]), ("7", ["AUTH-7"]), ("auth7", ["AUTH-7"]), ("A-7", []), ("100", []),
        ("3", []), ("t-001.3", ["T-001.3"]), ("PLAIN", ["plain"]), ("T", []), ("", []),
    ],
)  # fmt: skip
def test_a_short_id_stands_for_the_tasks_of_its_number(word: str, meant: list[str]) -> None:
    assert meant_ids(word, IDS) == meant


def test_a_short_id_may_stand_for_several_and_the_id_itself_comes_first() -> None:
    assert meant_ids("1", ("T-001", "AUTH-1")) == ["T-001", "AUTH-1"]
    assert meant_ids("1", ("T-001", "1")) == ["1"]
    assert meant_ids("t-1", ("T-01", "T-1", "T-001")) == ["T-1"]
    assert meant_ids("t1", ("T-01", "T-001")) == ["T-01", "T-001"]


def test_a_misspelled_name_has_nearest_ones() -> None:
    assert closest_names("stauts", ("title", "status", "labels"))[0] == "status"
    assert closest_names("sess-002", ("sess-001-k7", "sess-002-ab"))[0] == "sess-002-ab"
    assert closest_names("xyz", ("title",)) == []


def test_a_milestone_goes_by_its_id_and_by_its_name() -> None:
    declared = (Milestone(id="M1", name="Runs locally"), Milestone(id="M2", name="Then more"))
    tasks = (Task(id="A", title="A", status=Status.TODO, milestone="Phase 3"),)
    for word in ("M1", "m1", "Runs locally", "runs  LOCALLY"):
        assert named_milestone(word, declared, tasks) == "M1"
    assert named_milestone("phase 3", declared, tasks) == "Phase 3"
    with pytest.raises(UsageError) as caught:
        named_milestone("Runs localy", declared, tasks)
    assert "`M1`" in (caught.value.detail or "")
    with pytest.raises(UsageError, match="no milestone"):
        named_milestone("M1", ())
