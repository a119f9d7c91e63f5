"""What people and agents may do, and when: the rules behind review, merge, gates and trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mosaic.app.change import Actor, change_status
from mosaic.app.decisions import approve, reject
from mosaic.app.mission import clean_mission
from mosaic.app.task_work import merge_task, restore, run_task_gates, settle_interrupted
from mosaic.app.trust import forget_trust, read_trust, trust_mission
from mosaic.errors import (
    AgainstEvidenceError,
    CheckpointNotFoundError,
    HeldError,
    NotReadyError,
    UsageError,
)
from mosaic.model import Status
from mosaic.review.verdict import review_task
from mosaic.store.reading import read_mission
from mosaic.workspaces.merge import MergeWay

pytestmark = pytest.mark.slow


def test_an_agent_decides_no_review(mission: Path) -> None:
    change_status(mission, "T-001", Status.DONE, None, Actor.AGENT)
    snapshot = read_mission(mission)
    review = review_task(snapshot, snapshot.get("T-001").task)
    with pytest.raises(UsageError, match="an agent cannot review"):
        approve(snapshot, review, force=True, actor=Actor.AGENT)
    with pytest.raises(UsageError, match="an agent cannot review"):
        reject(snapshot, review, "no", actor=Actor.AGENT)
    assert read_mission(mission).get("T-001").task.status is Status.REVIEW


def test_a_person_approves_against_the_evidence_only_by_force(mission: Path) -> None:
    change_status(mission, "T-001", Status.DONE, None, Actor.AGENT)
    snapshot = read_mission(mission)
    review = review_task(snapshot, snapshot.get("T-001").task)
    assert review.objections
    with pytest.raises(AgainstEvidenceError):
        change_status(mission, "T-001", Status.DONE, None, Actor.PERSON)
    with pytest.raises(AgainstEvidenceError):
        approve(snapshot, review, actor=Actor.PERSON)
    decided = approve(snapshot, review, force=True, actor=Actor.PERSON)
    assert decided.task.task.status is Status.DONE
    assert decided.overruled == tuple(review.objections)


def test_a_rejection_needs_a_reason_and_sets_the_task_back(mission: Path) -> None:
    change_status(mission, "T-001", Status.DONE, None, Actor.AGENT)
    snapshot = read_mission(mission)
    review = review_task(snapshot, snapshot.get("T-001").task)
    with pytest.raises(UsageError):
        reject(snapshot, review, " ", actor=Actor.PERSON)
    decided = reject(snapshot, review, "no tests", actor=Actor.PERSON)
    assert (decided.decision, decided.task.task.status) == ("rejected", Status.TODO)


def test_a_merge_needs_a_done_task_with_a_worktree(mission: Path) -> None:
    with pytest.raises(NotReadyError, match="is todo"):
        merge_task(read_mission(mission), "T-001", MergeWay.AUTO)
    with pytest.raises(NotReadyError, match="has no worktree"):
        merge_task(read_mission(mission), "T-001", MergeWay.AUTO, force=True)


def test_gates_run_for_the_task_of_the_caller_or_the_last_session(
    mission: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = mission.read_text()
    with pytest.raises(UsageError, match="no quality gates"):
        run_task_gates(read_mission(mission), "T-001", mission.parent, lambda _: None)
    mission.write_text(text.replace('"qualityGates": ""', '"qualityGates": "true"'))
    snapshot = read_mission(mission)
    with pytest.raises(UsageError, match="no task is named"):
        run_task_gates(snapshot, None, mission.parent, lambda _: None)
    monkeypatch.setenv("MISSION_TASK", "T-002")
    seen: list[str] = []
    done = run_task_gates(snapshot, None, mission.parent, lambda gate: seen.append(gate.outcome))
    assert (done.task_id, done.green, seen) == ("T-002", True, ["passed"])


def test_an_agent_allows_nothing(mission: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeldError):
        trust_mission(mission, [], lambda _: True, Actor.AGENT)
    with pytest.raises(HeldError):
        forget_trust(mission, Actor.AGENT)
    monkeypatch.setenv("MISSION_SESSION", "sess-001")
    with pytest.raises(HeldError):
        forget_trust(mission)


def test_commands_are_allowed_once_and_can_be_taken_back(mission: Path) -> None:
    mission.write_text(mission.read_text().replace('"qualityGates": ""', '"qualityGates": "true"'))
    forget_trust(mission, Actor.PERSON)
    assert [each.allowed for each in read_trust(mission).commands] == [False]
    refused = trust_mission(mission, [], lambda _: False, Actor.PERSON)
    assert refused.done == ("no command was allowed",)
    allowed = trust_mission(mission, [mission.parent], lambda _: True, Actor.PERSON)
    assert [each.allowed for each in allowed.commands] == [True]
    assert allowed.places == (str(mission.parent),)
    again = trust_mission(mission, [], lambda _: os.abort(), Actor.PERSON)
    assert again.done == ("there is nothing to allow",)


def test_only_a_checkpoint_that_is_there_is_restored(mission: Path) -> None:
    snapshot = read_mission(mission)
    with pytest.raises(CheckpointNotFoundError):
        restore(snapshot, "T-001", 1, None)
    for back in (True, False):
        with pytest.raises(UsageError):
            settle_interrupted(snapshot, None, back=back)


def test_a_new_mission_has_nothing_to_clean(mission: Path) -> None:
    done = clean_mission(read_mission(mission), older_than_seconds=0.0, dry_run=False)
    assert (done.runs.removed, done.worktrees, done.size_bytes) == ((), (), 0)
