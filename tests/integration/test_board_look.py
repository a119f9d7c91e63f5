"""What all boards show: cards, what waits for the person, and looking again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mosaic.app.board import Board, Wait, show_board
from mosaic.errors import MissionError
from mosaic.model import Status
from tests.integration.test_landing import BRANCH, home, worked
from tests.support.mission import MissionRepo, wait_for

__all__ = ["home", "worked"]


def file_of(repo: MissionRepo) -> Path:
    return repo.path / "coordination" / "mission.json"


def test_cards_say_what_list_and_status_say(repo: MissionRepo) -> None:
    assert repo.run("set", "T-002", "depends_on=T-001").exit_code == 0
    task_file = next((repo.path / "coordination" / "tasks").glob("T-003*"))
    body = task_file.read_text().replace(
        "## files_changed", "- [x] one\n- [ ] two\n- [~] three\n\n## files_changed"
    )
    task_file.write_text(body)
    page = show_board(file_of(repo))
    listed = repo.run("list", "--json").json()["tasks"]
    assert [
        (card.task.id, card.is_ready, card.reason.value, card.words) for card in page.cards
    ] == [(each["id"], each["ready"], each["reason"], each["reason_detail"]) for each in listed]
    assert [(each["criteria_done"], each["criteria_total"]) for each in listed] == [
        (card.task.criteria_done, card.task.criteria_total) for card in page.cards
    ]
    assert (page.cards[2].task.criteria_done, page.cards[2].task.criteria_total) == (1, 2)
    assert [card.task.id for card in page.column(Status.TODO)] == ["T-001", "T-002", "T-003"]


def test_what_waits_for_the_person_comes_in_order_of_need(worked: MissionRepo) -> None:
    assert worked.run("add", "Fourth").exit_code == 0
    assert worked.run("add", "Fifth").exit_code == 0
    assert worked.run("block", "T-002", "--why", "which colour?").exit_code == 0
    assert worked.run("block", "T-003", "--why", "the disk is full").exit_code == 0
    assert worked.run("set", "T-004", "status=review").exit_code == 0
    assert worked.run("next", "--task", "T-005", "--runtime", "fail", "--headless").exit_code
    broken = worked.path / "coordination" / "tasks" / "T-009-broken.md"
    broken.write_text("---\ntitle: Broken\nstatus: todo\n---\n")
    page = show_board(file_of(worked))
    assert [(each.kind, each.task_id) for each in page.inbox] == [
        (Wait.QUESTION, "T-002"),
        (Wait.BROKEN, "T-009"),
        (Wait.REVIEW, "T-004"),
        (Wait.MERGE, "T-001"),
        (Wait.BLOCKED, "T-003"),
        (Wait.FAILED, "T-005"),
    ]
    by_kind = {each.kind: each for each in page.inbox}
    assert by_kind[Wait.QUESTION].words == "which colour?"
    assert "T-009-broken.md:" in by_kind[Wait.BROKEN].words
    assert BRANCH in by_kind[Wait.MERGE].words
    assert "failed" in by_kind[Wait.FAILED].words


def test_it_is_read_again_only_where_something_changed(worked: MissionRepo) -> None:
    board = Board(file_of(worked))
    first = board.look()
    assert board.look() is first
    task_file = next((worked.path / "coordination" / "tasks").glob("T-002*"))
    task_file.write_text(task_file.read_text().replace("Second", "Second, by hand"))
    second = board.look()
    assert second is not first
    assert any(card.task.title == "Second, by hand" for card in second.cards)
    assert {each.kind for each in second.inbox} >= {Wait.MERGE}
    worked.git("commit", "-qam", "By hand")
    worked.git("merge", "-q", "--no-edit", BRANCH)
    assert Wait.MERGE not in {each.kind for each in board.look().inbox}


def test_a_session_is_seen_while_it_lives_and_when_it_dies(repo: MissionRepo) -> None:
    board = Board(file_of(repo))
    assert board.look().live == ()
    assert repo.run("next", "--runtime", "wait", "--detach").exit_code == 0
    begun = repo.path / "begun"
    wait_for(lambda: begun.exists() and begun.read_text(), "the agent")
    page = board.look()
    (view,) = page.live
    assert view.session.last_task_id == "T-001"
    (card,) = page.column(Status.IN_PROGRESS)
    assert card.session is not None
    assert card.session.lock.session_id == view.session.id
    supervisor = card.session.lock.supervisor_pid
    os.kill(supervisor, signal.SIGKILL)
    os.kill(int(begun.read_text()), signal.SIGKILL)
    wait_for(lambda: board.look().live == (), "the end of the session")
    assert [(each.kind, each.task_id) for each in board.look().inbox] == [(Wait.FAILED, "T-001")]


def test_a_mission_that_cannot_be_read_is_read_when_it_is_mended(repo: MissionRepo) -> None:
    board, path = Board(file_of(repo)), file_of(repo)
    board.look()
    text = path.read_text()
    path.write_text("{")
    for _ in range(2):
        with pytest.raises(MissionError):
            board.look()
    path.write_text(text)
    assert len(board.look().cards) == 3
