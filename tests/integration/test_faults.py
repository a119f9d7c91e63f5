"""What git left in conflict, and a broken file, are shown where they are, on both boards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="the extra `board` is not installed")
pytest.importorskip("starlette", reason="the extra `web` is not installed")

from tests.integration.test_board import Screen, at_board, task_file
from tests.integration.test_merge_conflicts import merge
from tests.support.browsing import copy_scene, serving
from tests.support.mission import MissionRepo


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("TASKS.md", "| First right |", "| First left |"),
        ("tasks/T-001-first.md", "Go right.", "Go left."),
        ("mission.json", '"Sessions right"', '"Sessions left"'),
    ],
)
def test_a_conflict_of_git_is_shown_where_it_is(
    repo: MissionRepo, name: str, ours: str, theirs: str
) -> None:
    path = merge(repo, name)
    line = path.read_text().split("\n").index("<<<<<<< HEAD") + 1

    async def does(screen: Screen) -> None:
        await screen.sees("inbox 1", "broken")
        await screen.press("1", "enter")
        place = "mission.json" if name == "mission.json" else f"{name}:{line}"
        await screen.sees("mission resolve", place)
        await screen.sees(f"{line}  <<<<<<< HEAD", f"{line + 2}  =======", ">>>>>>> left")
        await screen.sees(ours, theirs)
        strips = screen.app.screen._compositor.render_strips()
        parts = [(part.text.lstrip(), str(part.style)) for strip in strips for part in strip]
        colours = [
            {style for text, style in parts if text.startswith(f"{number}  ") and side in text}
            for number, side in ((line + 1, ours), (line + 3, theirs))
        ]
        assert all(colours)
        assert colours[0].isdisjoint(colours[1])
        await screen.press("escape")
        repo.git("merge", "--abort")
        await screen.sees_no_more("broken")

    at_board(repo, does)


def test_a_broken_file_shows_its_lines(repo: MissionRepo) -> None:
    file = task_file(repo, "T-002")
    file.write_text(file.read_text().replace("title: Second", "title: Second: and more"))

    async def does(screen: Screen) -> None:
        await screen.sees("broken    T-002")
        await screen.press("enter")
        await screen.sees("hint:", "2  task_id: T-002", "3  title: Second: and more")

    at_board(repo, does)


def test_the_browser_shows_a_conflict_and_a_broken_file(
    board_scene: MissionRepo, tmp_path: Path
) -> None:
    repo = copy_scene(board_scene, tmp_path / "mission")
    repo.git("commit", "-qam", "Work")
    ours, theirs = "| Paint it <b>red</b> |", "| Paint it blue |"
    for side, title in (("left", theirs), ("right", ours)):
        repo.git("checkout", "-q", "-B", side, "main")
        table = repo.path / "coordination" / "TASKS.md"
        table.write_text(table.read_text().replace("| Paint the greeting |", title))
        repo.git("commit", "-qam", side)
    subprocess.run(["git", "merge", "-q", "left"], cwd=repo.path, check=False, capture_output=True)
    line = table.read_text().split("\n").index("<<<<<<< HEAD") + 1
    file = next((repo.path / "coordination" / "tasks").glob("T-002*"))
    file.write_text(file.read_text().replace("title: ", "title: Broken: "))
    with serving(repo) as server:
        page = server.ask("/task/T-003").text
        assert f"coordination/TASKS.md:{line}" in page
        mark = "&lt;" * 7
        assert f'<tr class="mark"><td class="n">{line}</td><td>{mark} HEAD' in page
        assert f'<tr class="ours"><td class="n">{line + 1}</td>' in page
        assert f'<tr class="theirs"><td class="n">{line + 3}</td>' in page
        assert "&lt;b&gt;red&lt;/b&gt;" in page
        assert "mission resolve" in page
        broken = server.ask("/task/T-002")
        assert broken.status == 200
        assert '<tr class="fault"><td class="n">3</td><td>title: Broken: Choose' in broken.text
        assert server.ask("/task/T-404").status == 404
