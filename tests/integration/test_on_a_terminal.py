"""A pager for long output, and `status --watch`, in a real terminal with the real less."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_process import call
from tests.support.mission import MissionRepo, wait_for
from tests.support.screen import Screen

pytestmark = pytest.mark.skipif(
    not (shutil.which("tmux") and shutil.which("less")), reason="there is no tmux or no less"
)
WATCH_ROW = re.compile(rb"\x1b\[(\d+);1H")


@pytest.fixture
def screen(repo: MissionRepo, tmp_path: Path) -> Iterator[Screen]:
    for number in range(4, 31):
        assert call(repo.path, "add", f"Task {number}").exit_code == 0
    screen = Screen(repo, tmp_path / "tmux")
    yield screen
    screen.close()


def test_what_is_longer_than_the_screen_goes_through_a_pager(
    repo: MissionRepo, screen: Screen, tmp_path: Path
) -> None:
    before = screen.modes()
    screen.begin("mission list", ":")
    assert "T-001" in screen.text()
    assert "T-030" not in screen.text()
    screen.type("C-c")
    screen.type("G")
    screen.sees("T-030")
    assert screen.end("q") == 0
    wait_for(lambda: screen.modes() == before, "the shell's own terminal")

    told = tmp_path / "pager"
    told.write_text('#!/bin/sh\nhead -n 1 >/dev/null\necho "paged with $LESS"\n')
    told.chmod(0o755)
    plain = {
        "mission list --no-pager": "T-030",
        "mission --no-pager list": "T-030",
        "MISSION_PAGER=cat mission list": "T-030",
        "PAGER= mission list": "T-030",
        "MISSION_SESSION=a mission list": "T-030",
        "TERM=dumb mission list": "T-030",
        "mission list --json": '"next_commands"',
        "MISSION_PAGER=no-such-pager mission list": "no pager `no-such-pager`",
        "mission list --milestone M1": "T-003",
        f"MISSION_PAGER={told} mission list": "paged with FRX",
        f"LESS=i PAGER={told} mission list": "paged with i",
        f"mission config set pager {told} && PAGER=cat mission list": "paged with FRX",
    }
    for line, words in plain.items():
        code, text = screen.run(line)
        assert words in text
        assert code == 0

    task = next((repo.path / "coordination" / "tasks").glob("T-002*"))
    task.write_text("---\ntitle: a: b\n---\n")
    assert screen.run("mission list")[0] == 5  # what its pager does changes nothing
    screen.begin("MISSION_PAGER=less mission list", "T-001")
    screen.sees(":")
    assert screen.end("q") == 5


def test_a_pager_ends_with_the_command_that_is_killed(screen: Screen, tmp_path: Path) -> None:
    before = screen.modes()
    pid = tmp_path / "pid"
    screen.begin(f"(echo $BASHPID >{pid}; exec {screen.mission} list)", ":")
    os.kill(int(pid.read_text()), signal.SIGTERM)
    assert screen.end() == 143
    wait_for(lambda: screen.modes() == before, "the shell's own terminal")


def test_a_log_is_paged_as_it_comes(repo: MissionRepo, screen: Screen) -> None:
    assert repo.run("exec", "T-001", "--", "seq", "200000").exit_code == 0
    screen.begin("mission logs T-001", ":")
    assert "\n20\n" in screen.text()
    assert "\n30\n" not in screen.text()
    assert screen.end("q") == 0


def test_status_is_watched_and_the_terminal_is_put_back(
    repo: MissionRepo, screen: Screen, tmp_path: Path
) -> None:
    before = screen.modes()
    pid = tmp_path / "pid"
    line = f"(echo $BASHPID >{pid}; exec {screen.mission} status --watch)"
    screen.begin(line, "looked at")
    watching = screen.modes()
    assert watching.endswith("['1', '0', '0']")
    assert call(repo.path, "set", "T-001", "title=Another name").exit_code == 0
    screen.sees("Another name")
    screen.resize(50, 4)
    wait_for(lambda: re.search(r"\d+ more; looked at", screen.text()))
    screen.resize(80, 24)
    wait_for(lambda: " more; " not in screen.text() and "Another name" in screen.text())

    mission = repo.path / "coordination" / "mission.json"
    whole = mission.read_text()
    mission.write_text(whole[:-20])
    screen.sees("error:")
    mission.write_text(whole)
    wait_for(lambda: "error:" not in screen.text())

    screen.type("x")  # what is typed is not seen
    screen.type("C-z")
    wait_for(lambda: screen.modes() == before, "the shell's own terminal")
    screen.begin("fg", "looked at")
    wait_for(lambda: screen.modes() == watching, "the page again")
    assert screen.end("q") == 0
    wait_for(lambda: screen.modes() == before, "the shell's own terminal")

    for how, code in (("C-c", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        screen.begin(line, "looked at")
        if isinstance(how, str):
            screen.type(how)
        else:
            os.kill(int(pid.read_text()), how)
        assert screen.end() == code
        wait_for(lambda: screen.modes() == before, "the shell's own terminal")


def test_only_what_differs_is_drawn(repo: MissionRepo) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(leader, (24, 80))
    process = subprocess.Popen(
        repo.argv("status", "--watch"),
        cwd=repo.path,
        env={**repo.environ, "TERM": "xterm"},
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    repo.started.append(process)  # type: ignore[arg-type]
    os.close(follower)
    heard = b""
    while heard.count(b"looked at") < 4:
        assert select.select([leader], [], [], 60)[0], heard
        heard += os.read(leader, 65536)
    os.write(leader, b"q")
    while select.select([leader], [], [], 60)[0]:
        try:
            heard += os.read(leader, 65536)
        except OSError:
            break
    os.close(leader)
    assert process.wait(timeout=60) == 0
    first, second, *others = [WATCH_ROW.findall(each) for each in heard.split(b"looked at")[:4]]
    assert len(first) + len(second) == 24 + 1
    assert others == [[first[-1]], [first[-1]]]
    assert b"\x1b[2J" not in heard
    assert b"\x1b[J" not in heard
