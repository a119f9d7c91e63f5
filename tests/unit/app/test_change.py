"""The rules for changing tasks, through `app/`: who may do what, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mosaic.app.change import (
    Actor,
    Change,
    Filling,
    change_status,
    change_task,
    fill_handoff,
    find_section,
)
from mosaic.app.tasks import read_handoff, show_section
from mosaic.errors import UsageError
from mosaic.model import Status
from mosaic.store.reading import read_mission

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("actor", "status"), [(Actor.AGENT, Status.REVIEW), (Actor.PERSON, Status.DONE)]
)
def test_only_a_person_sets_a_task_done(mission: Path, actor: Actor, status: Status) -> None:
    changed = change_status(mission, "T-001", Status.DONE, None, actor)
    assert changed.task.task.status is status
    assert changed.asks_review is (actor is Actor.AGENT)
    assert read_mission(mission).get("T-001").task.status is status


def test_what_is_asked_by_field_obeys_the_same_rule(mission: Path) -> None:
    change = Change(field="status", operator="=", text="done")
    assert change_task(mission, "T-001", [change], actor=Actor.AGENT).asks_review


@pytest.mark.parametrize(
    ("status", "wanted", "may"),
    [
        (Status.BLOCKED, Status.TODO, False),
        (Status.BLOCKED, Status.IN_PROGRESS, False),
        (Status.BLOCKED, Status.BLOCKED, True),
        (Status.REVIEW, Status.TODO, False),
        (Status.REVIEW, Status.IN_PROGRESS, True),
        (Status.DONE, Status.DONE, False),
        (Status.CANCELLED, Status.TODO, False),
        (Status.IN_PROGRESS, Status.TODO, True),
    ],
)
def test_an_agent_opens_nothing_again_that_waits_for_a_person(
    mission: Path, status: Status, wanted: Status, may: bool
) -> None:
    change_status(mission, "T-001", status, "so it is", Actor.PERSON)
    change = [Change(field="status", operator="=", text=wanted.value)]
    if may:
        assert change_task(mission, "T-001", change, actor=Actor.AGENT).task.task.status is wanted
        return
    with pytest.raises(UsageError, match="an agent cannot open it again"):
        change_task(mission, "T-001", change, actor=Actor.AGENT)
    assert read_mission(mission).get("T-001").task.status is status


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.CANCELLED])
def test_some_statuses_need_a_reason(mission: Path, status: Status) -> None:
    for nothing in (None, "", "  "):
        with pytest.raises(UsageError):
            change_status(mission, "T-001", status, nothing)
    assert change_status(mission, "T-001", status, "so it is").task.task.status is status


def test_a_reason_of_a_person_is_a_decision_and_an_agents_stands_in_the_notes(
    mission: Path,
) -> None:
    change_status(mission, "T-001", Status.TODO, "not good", Actor.PERSON)
    _, decisions = show_section(read_mission(mission), "T-001", "decisions")
    assert re.fullmatch(r"- \d{4}-\d\d-\d\d reopened by [^:]+ \(1\): not good", decisions)
    change_status(mission, "T-001", Status.TODO, "I think so", Actor.AGENT)
    assert show_section(read_mission(mission), "T-001", "decisions")[1] == decisions
    assert "reopened: I think so" in read_handoff(read_mission(mission), "T-001").sections["notes"]


def test_changes_of_one_list_add_up_and_are_told_before_and_after(mission: Path) -> None:
    changes = [
        Change(field="labels", operator="=", text="a, b"),
        Change(field="labels", operator="+=", text="c"),
        Change(field="labels", operator="-=", text="a"),
    ]
    changed = change_task(mission, "T-001", changes)
    (labels,) = changed.fields
    assert (labels.name, labels.before, labels.after) == ("labels", (), ("b", "c"))
    assert changed.changed
    assert not change_task(
        mission, "T-001", [Change(field="labels", operator="+=", text="b")]
    ).changed


@pytest.mark.parametrize(
    ("field", "operator", "text"),
    [
        ("nothing", "=", "x"),
        ("title", "+=", "x"),
        ("title", "=", ""),
        ("status", "=", "odd"),
        ("labels", "-=", "missing"),
        ("depends_on", "=", "T-001"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    mission: Path, field: str, operator: str, text: str
) -> None:
    before = mission.parent.joinpath("TASKS.md").read_bytes()
    with pytest.raises(UsageError):
        change_task(mission, "T-001", [Change(field=field, operator=operator, text=text)])
    assert mission.parent.joinpath("TASKS.md").read_bytes() == before


def test_a_handoff_is_filled_section_by_section(mission: Path) -> None:
    fill_handoff(mission, "T-001", [Filling(section="result", content="all met", append=False)])
    fill_handoff(mission, "T-001", [Filling(section="result", content="and more", append=True)])
    handoff = read_handoff(read_mission(mission), "T-001")
    assert handoff.sections["result"].split() == ["all", "met", "and", "more"]
    assert "result" not in handoff.missing
    assert "risks" in handoff.missing


def test_a_section_is_known_by_its_canonical_name() -> None:
    assert find_section("Next Handoff") == "next_handoff"
    with pytest.raises(UsageError):
        find_section("diary")
