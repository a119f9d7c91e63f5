"""The board in the terminal, driven by keys and clicks over real missions."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="the extra `board` is not installed")

from textual.pilot import Pilot

from mosaic.board.app import BoardApp
from mosaic.board.rows import Rows
from tests.integration.test_landing import BRANCH, home, worked
from tests.integration.test_review import HONEST, hand_off
from tests.integration.test_tmux import Server, server
from tests.support.mission import PATIENCE_SECONDS, MissionRepo, wait_for

__all__ = ["home", "server", "worked"]

PAUSE_SECONDS = 0.02
HOSTILE = "[red]x[/red] [@click=app.quit]q[/] \x1b]0;owned\x07\u202egnp <!-- hidden --> [a](b:c)"


class Screen:
    """What a person does at the board, and sees."""

    def __init__(self, app: BoardApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        for sign in text:
            await self.pilot.press("space" if sign == " " else sign)

    async def until(self, seen: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while not seen():
                    await self.pilot.pause(PAUSE_SECONDS)
            except asyncio.CancelledError:
                raise AssertionError(f"{what} was not seen:\n{self.text}") from None

    async def sees(self, *words: str) -> None:
        await self.until(lambda: all(each in self.text for each in words), f"{words}")

    async def sees_no_more(self, words: str) -> None:
        await self.until(lambda: words not in self.text, f"the end of {words}")

    def rows(self) -> Rows:
        rows = self.app.focused
        assert isinstance(rows, Rows)
        return rows

    def row(self) -> str:
        row = self.rows().current
        assert row is not None
        return row.key

    def at(self) -> int:
        return self.rows().cursor


def at_board(
    repo: MissionRepo, does: Callable[[Screen], Awaitable[None]], size: tuple[int, int] = (120, 40)
) -> None:
    async def run() -> None:
        app = BoardApp(repo.path / "coordination" / "mission.json")
        async with app.run_test(size=size, notifications=True) as pilot:
            await does(Screen(app, pilot))

    asyncio.run(run())


def task_file(repo: MissionRepo, task_id: str) -> Path:
    (found,) = (repo.path / "coordination" / "tasks").glob(f"{task_id}*.md")
    return found


@pytest.fixture
def asked(repo: MissionRepo) -> MissionRepo:
    """T-001 waits for review without a handoff, and T-002 asks something."""
    for change in (["set", "T-001", "status=review"], ["block", "T-002", "--why", "which colour?"]):
        assert repo.run(*change).exit_code == 0
    return repo


@pytest.fixture
def reviewed(repo: MissionRepo) -> MissionRepo:
    """T-001 waits for review with nothing against it, and T-002 asks something."""
    assert hand_off(repo, HONEST).exit_code == 0
    assert repo.run("block", "T-002", "--why", "which colour?").exit_code == 0
    return repo


# Views


def test_every_view_shows_the_same_mission_at_every_width(asked: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        for width in (120, 80, 60):
            await screen.pilot.resize_terminal(width, 30)
            await screen.press("1")
            await screen.sees("Sessions  inactive", "0/3 done", "inbox 2")
            await screen.sees("question  T-002", "which colour?", "review    T-001")
            await screen.press("2", *["left"] * 3)
            await screen.sees("todo 1", "T-003", "ready")
            await screen.press(*["right"] * 3)
            await screen.sees("blocked 1", "T-002")
            await screen.press("3")
            await screen.sees("T-001  review", "T-002  blocked", "T-003  todo")
            await screen.press("4")
            await screen.sees("nobody works now")
            assert {len(line) for line in screen.text.split("\n")} == {width}

    at_board(asked, does)


def test_it_follows_what_changes_and_keeps_its_place(repo: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("3", "down", "down")
        assert screen.row() == "T-003"
        table = repo.path / "coordination" / "TASKS.md"
        lines = table.read_text().splitlines(keepends=True)
        row = next(line for line in lines if "T-001" in line)
        fresh = row.replace("T-001", "T-000").replace("First", "Zeroth")
        table.write_text("".join(lines).replace(row, fresh + row))
        await screen.sees("Zeroth")
        assert screen.row() == "T-003"
        await screen.press("2")
        repo.run("done", "T-001")
        await screen.sees("done 1")

    at_board(repo, does)


def test_a_row_moves_in_the_table_and_keeps_the_cursor(repo: MissionRepo) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    rows = [line for line in table.read_text().splitlines() if "T-00" in line]

    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("3", "down", "down", "shift+up", "shift+up")
        await screen.until(lambda: screen.at() == 0, "T-003 as the first")
        assert screen.row() == "T-003"
        await screen.press("J")
        await screen.until(lambda: screen.at() == 1, "T-003 as the second")

    at_board(repo, does)
    moved = [line for line in table.read_text().splitlines() if "T-00" in line]
    assert moved == [rows[0], rows[2], rows[1]]


def test_a_search_finds_words_and_fields(asked: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("inbox 2")
        await screen.press("3", "slash")
        await screen.write("status=todo")
        await screen.sees_no_more("T-001")
        await screen.sees("T-003")
        await screen.press("enter")
        assert screen.row() == "T-003"
        await screen.press("slash", "escape")
        await screen.sees("T-001", "T-002", "T-003")
        await screen.press("slash")
        await screen.write("second")
        await screen.sees_no_more("T-003")
        await screen.sees("T-002")

    at_board(asked, does)


def test_what_is_broken_is_shown_where_it_is(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "mission.json"
    whole = path.read_text()
    file = task_file(repo, "T-002")
    file.write_text(file.read_text().replace("title: Second", "title: Second: and more"))

    async def does(screen: Screen) -> None:
        await screen.sees("broken", "T-002", f"{file.name}:3")
        path.write_text(whole[: len(whole) // 2])
        await screen.sees("mission.json", "T-002")
        path.write_text(whole)
        await screen.sees_no_more("hint:")
        await screen.press("enter")
        await screen.sees(f"{file.name}:3", "hint:")

    at_board(repo, does)


def test_nothing_in_a_file_is_markup_or_obeyed(repo: MissionRepo) -> None:
    text = json.dumps(HOSTILE)
    file = task_file(repo, "T-001")
    file.write_text(
        file.read_text()
        .replace("title: First", f"title: {text}")
        .replace("## ", f"{HOSTILE}\n\n## ", 1)
    )

    async def does(screen: Screen) -> None:
        shown = "[red]x[/red] [@click=app.quit]q[/]"
        for keys in (("2",), ("3",), ("enter",)):
            await screen.press(*keys)
            await screen.sees("[red]x[/red]", "[@click=app.quit]")
            assert not {"\x1b", "\x07", "\u202e"} & set(screen.text)
        await screen.sees(f"{shown} gnp <!-- hidden --> [a](b:c)")
        strips = screen.app.screen._compositor.render_strips()
        styles = [each.style for strip in strips for each in strip if "gnp" in each.text]
        assert styles
        assert not any(style and (style.link or "@click" in style.meta) for style in styles)

    at_board(repo, does)


# Actions


def test_a_question_is_answered(asked: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("question  T-002")
        await screen.press("w")
        await screen.sees("answer T-002", "which colour?")
        await screen.press("enter")
        await screen.sees("it is empty")
        await screen.write("blue")
        await screen.press("ctrl+j")
        await screen.write("or green")
        await screen.press("enter")
        await screen.sees("T-002 answered, and is todo")
        await screen.sees_no_more("question  T-002")

    at_board(asked, does)
    assert asked.task_status("T-002") == "todo"
    text = task_file(asked, "T-002").read_text()
    assert "blue" in text
    assert "or green" in text


def test_work_is_read_remarked_on_sent_back_and_approved(reviewed: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("review    T-001")
        await screen.press("down", "enter")
        await screen.sees("T-001  First  review", "stands in")
        await screen.press("2")
        await screen.sees("no objections", "src/a.py (added)  added", "ok  ", "prints 1")
        await screen.press("3")
        await screen.sees("src/a.py  +1 -0", "+print(1)")
        rows = screen.rows()
        rows.go_to(next(n for n, row in enumerate(rows.entries) if row.about == "src/a.py:1"))
        await screen.press("c")
        await screen.sees("remark on src/a.py:1")
        await screen.write("say 2")
        await screen.press("enter")
        await screen.sees("▌ remark 1 by Somebody, open: say 2")
        await screen.press("r")
        await screen.sees("what is missing?")
        await screen.write("see there")
        await screen.press("enter")
        await screen.sees("T-001 rejected, and is todo")
        await screen.press("escape")
        await screen.sees_no_more("review    T-001")

    at_board(reviewed, does)
    decisions = reviewed.run("show", "T-001", "--json").json()["decisions"]
    assert [(each["kind"], each["text"]) for each in decisions] == [
        ("remarked", "say 2"),
        ("rejected", "see there"),
    ]


def test_an_approval_asks_and_says_what_is_against_it(reviewed: MissionRepo) -> None:
    (reviewed.path / "src" / "a.py").write_text("print(2)")
    assert reviewed.run("set", "T-003", "status=review").exit_code == 0

    async def does(screen: Screen) -> None:
        await screen.sees("review    T-001")
        await screen.press("down", "a")
        await screen.sees("approve T-001?", "no objections")
        await screen.press("escape")
        await screen.sees("inbox 3")
        await screen.press("a")
        await screen.sees("approve T-001?")
        await screen.press("enter")
        await screen.sees("T-001 approved, and is done", "inbox 2")
        await screen.press("a")
        await screen.sees("approve T-003 against the evidence?", "• the handoff lacks")
        await screen.write("good enough")
        await screen.press("enter")
        await screen.sees("T-003 approved", "against the evidence: the handoff lacks", "inbox 1")

    at_board(reviewed, does)
    assert reviewed.task_status("T-001") == reviewed.task_status("T-003") == "done"


def test_a_branch_is_merged(worked: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("merge     T-001", BRANCH)
        await screen.press("m")
        await screen.sees("merge the branch of T-001?")
        await screen.press("y")
        await screen.sees(f"T-001: merged {BRANCH} → main", "nothing waits for you")

    at_board(worked, does)
    assert (worked.path / "b").read_text() == "2\n"


def test_a_task_is_handed_off_followed_and_stopped(
    repo: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", repo.environ["PYTHONPATH"])
    assert repo.run("set", "T-001", "runtime=wait").exit_code == 0

    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("h")
        await screen.sees("hand T-001 to an agent")
        await screen.press("y")
        await screen.sees("T-001 → wait", "live 1")
        await screen.press("4")
        await screen.sees("T-001  sess-001", "wait")
        await screen.press("l")
        await screen.sees("begun")
        await screen.press("escape")
        await screen.press("s")
        await screen.sees("stop sess-001", "which works on T-001?")
        await screen.press("y")
        await screen.sees("was stopped", "nobody works now")
        await screen.press("1")
        await screen.sees("failed    T-001")

    at_board(repo, does)
    assert repo.session()["endedReason"] == "stopped"


def test_what_is_refused_is_a_notice_with_what_to_do(repo: MissionRepo) -> None:
    assert repo.run("set", "T-002", "depends_on=T-001").exit_code == 0

    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("3", "down", "h")
        await screen.sees("hand T-002 to an agent")
        await screen.press("y")
        await screen.sees("task `T-002` cannot be handed off", "hint:")

    at_board(repo, does)
    assert repo.mission()["sessions"] == []


def test_commands_of_a_mission_run_only_when_they_were_allowed(
    repo: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = repo.path.with_name("clone")
    repo.git("clone", "-q", ".", str(clone))
    cloned = MissionRepo(clone, repo.environ)
    assert cloned.run("set", "T-001", "runtime=quick").exit_code == 0
    monkeypatch.setenv("PYTHONPATH", repo.environ["PYTHONPATH"])

    async def does(screen: Screen) -> None:
        await screen.sees("todo 3")
        await screen.press("h", "y")
        await screen.sees("have not allowed yet: allow them?", "runtimes.quick")
        await screen.press("n")
        await screen.sees("T-001 was not handed off")
        await screen.press("h", "y")
        await screen.sees("allow them?")
        await screen.press("y")
        await screen.sees("T-001 → quick")

    at_board(cloned, does)
    wait_for(lambda: cloned.session().get("endedAt"), "the session's end")


def test_a_mouse_does(asked: MissionRepo) -> None:
    async def does(screen: Screen) -> None:
        await screen.sees("inbox 2")
        tabs = screen.text.split("\n")[1]
        await screen.pilot.click("#tabs", offset=(tabs.index("plan"), 0))
        await screen.sees("T-003  todo")
        await screen.pilot.click("#plan", offset=(3, 2))
        assert screen.row() == "T-003"
        await screen.pilot.click("#plan", offset=(3, 2))
        await screen.sees("T-003  Third  todo")

    at_board(asked, does)


# Beside it


def test_without_its_packages_the_command_says_how_to_get_them(repo: MissionRepo) -> None:
    folder = repo.path.with_name("without")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['textual'] = None\n")
    path = f"{folder}:{repo.environ['PYTHONPATH']}"
    answer = repo.run("board", PYTHONPATH=path)
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert "`mission board` needs the package `textual`" in answer.stderr
    assert "pip install 'mosaic-mission[board]'" in answer.stderr
    assert repo.run("list", PYTHONPATH=path).exit_code == 0


def test_without_a_terminal_it_says_so(repo: MissionRepo) -> None:
    answer = repo.run("board")
    assert answer.exit_code == 2
    assert "the board needs a terminal" in answer.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_it_works_in_a_real_terminal_at_three_widths(asked: MissionRepo, server: Server) -> None:
    places = [f"-e{key}={asked.environ[key]}" for key in ("HOME", "PYTHONPATH")]
    size = ("-x", "120", "-y", "30", "-c", str(asked.path))
    server.ask("new-session", "-d", *size, *places, "--", *asked.argv("board"))
    (pane,) = server.panes()

    def shows(*words: str) -> None:
        seen = [""]

        def are_there() -> bool:
            seen[0] = server.ask("capture-pane", "-p", "-t", pane)
            return all(each in seen[0] for each in words)

        try:
            wait_for(are_there)
        except AssertionError:
            raise AssertionError(f"{words} were not seen:\n{seen[0]}") from None

    shows("inbox 2", "question  T-002  Second", "which colour?", "q Quit")
    server.ask("send-keys", "-t", pane, "2")
    shows("todo 1", "in-progress 0", "review 1", "blocked 1", "done 0")
    server.ask("resize-window", "-x", "80", "-y", "24", "-t", pane)
    shows("review 1")
    server.ask("send-keys", "-t", pane, "3")
    shows("T-001  review       First")
    server.ask("resize-window", "-x", "60", "-y", "20", "-t", pane)
    server.ask("send-keys", "-t", pane, "Down", "Enter")
    shows("T-002  Second  blocked", "1 file  2 review  3 changes")
    server.ask("send-keys", "-t", pane, "Escape")
    shows("inbox 2")
    server.ask("send-keys", "-t", pane, "q")
    wait_for(lambda: not server.panes(), "its end")
