"""The plan is changed on the board in the terminal, and a remark made on several lines."""

from __future__ import annotations

import pytest

pytest.importorskip("textual", reason="the extra `board` is not installed")

from tests.integration.test_board import Screen, at_board, task_file
from tests.integration.test_review import HONEST, hand_off
from tests.support.mission import MissionRepo


def test_a_task_is_added_edited_and_split(repo: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("3")
        await screen.sees("? Keys", "h Hand off", "e Edit", "t Split", "n New", "Move up")
        await screen.press("n")
        await screen.sees("a new task", "criteria")
        await screen.press("enter")
        await screen.sees("a title is 1 to 500 characters")
        await screen.write("Fourth")
        await screen.press("tab", "tab")
        await screen.write("t2")
        await screen.press(*["tab"] * 4)
        await screen.write("it runs")
        await screen.press("ctrl+j")
        await screen.write("it ends")
        await screen.press("enter")
        await screen.sees("T-004 was added: Fourth", "T-004  todo")
        await screen.press("end", "e")
        await screen.sees("T-004: change what is to be different", "depends on    T-002")
        await screen.press(*["tab"] * 3)
        await screen.write("M9")
        await screen.press("enter")
        await screen.sees("no milestone is called `M9`")
        task = task_file(repo, "T-004")
        task.write_text(task.read_text() + "\nby hand\n")
        await screen.press(*["tab"] * 3)
        await screen.write("M1")
        await screen.press("tab")
        await screen.write("high")
        await screen.press("enter")
        await screen.sees("someone else changed")
        await screen.press("enter")
        await screen.sees("priority: none → high")
        assert screen.row() == "T-004"
        await screen.press("t")
        await screen.sees("split T-004")
        await screen.write("One half")
        await screen.press("ctrl+j")
        await screen.write("the other")
        await screen.press("enter")
        await screen.sees("T-004 waits for its parts T-005, T-006 now", "the other")

    at_board(repo, does)
    tasks = {each["id"]: each for each in repo.run("list", "--json").json()["tasks"]}
    fourth = tasks["T-004"]
    assert fourth["depends_on"] == ["T-002", "T-005", "T-006"]
    assert (fourth["milestone"], fourth["priority"], fourth["criteria_total"]) == ("M1", "high", 2)
    assert tasks["T-005"]["title"] == "One half"
    assert "by hand" in task_file(repo, "T-004").read_text()


def test_a_remark_is_made_on_several_lines(repo: MissionRepo) -> None:
    several = HONEST.replace("print(1)", "print(1)\\nprint(2)\\nprint(3)")
    assert several != HONEST
    assert hand_off(repo, several).exit_code == 0

    async def does(screen: Screen) -> None:
        await screen.sees("review    T-001")
        await screen.press("enter", "3")
        await screen.sees("+print(2)")
        rows = screen.rows()
        rows.go_to(next(n for n, row in enumerate(rows.entries) if row.about == "src/a.py:1"))
        await screen.press("v", "down", "down", "escape")  # no more marked, and still here
        await screen.press("v", "up", "c")
        await screen.sees("remark on src/a.py:2-3: what is to be done there?", "+print(2)")
        await screen.write("say more")
        await screen.press("enter")
        await screen.sees("▌ remark 1 by Somebody, open: say more")

    at_board(repo, does)
    (decision,) = repo.run("show", "T-001", "--json").json()["decisions"]
    assert decision["place"] == "src/a.py:2-3"
    assert decision["quoted"] == ["print(2)", "print(3)"]
