"""What commands print fits the terminal: no word is torn, no id is lost, no number is ragged."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TextIO
from unittest import mock

import pytest

from mosaic.cli import main
from mosaic.text.lines import display_width
from tests.golden.stage import Stage
from tests.support.mission import wait_for

LONG = "Write the parser for everything that people type into the search box, and its tests"
COLOR = re.compile(r"\x1b\[[0-9;]*m")
SPENT = re.compile(r"\d+[smh]")
"""A length of time, which may be another one by now."""
SIGNS = frozenset("/_-,:;=&?|")
COMMANDS = (
    "list --all", "list --where milestone=M1 --search parser", "show T-001", "show T-002",
    "show T-003", "status", "sessions", "sessions --last 1", "review", "review T-001",
    "next --explain", "doctor", "check", "graph", "panel list", "panel show last",
    "panel result last", "checkpoint list T-001", "logs T-001 --events", "trust", "sync",
    "merge --dry-run", "clean --dry-run", "handoff T-001",
)  # fmt: skip


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="mission-widths-") as folder:
        made = Stage(Path(folder))
        made.git("init", "-q", "-b", "main")
        made.git("config", "user.name", "Somebody")
        made.git("config", "user.email", "somebody@example.invalid")
        first = "M1: First steps into what nobody has seen yet, with a long name"
        made.mission("init", "--name", "Widths", "--milestone", first, "--milestone", "M2: Then")
        body = "\n".join(
            [
                "## Acceptance criteria",
                f"- [ ] {LONG.lower()}, and more words than one line has room for",
                "- [x] short",
                "```demo\nsay I write what was asked for, in many words, so that a line is full."
                "\nwrite src/greeting.txt Hello\nrun git status\n```",
            ]
        )
        made.mission("add", LONG, "-m", "M1", "--scope", "src/**", "--body", "-", stdin=body)
        made.mission("add", f"{LONG}, once more", "-m", "M1", "-d", "T-001")
        made.mission(
            "add", "日本語のとても長いタイトルで折り返しが必要です、はい必要です", "-m", "M2"
        )
        made.mission("set", "T-001", "priority=high", "assignee=ann")
        made.mission("block", "T-003", "--why", f"needs a human: {LONG.lower()}?")
        made.git("add", "--all")
        made.git("commit", "-qm", "Plan")
        made.outside("next", "--headless", "--runtime", "demo")
        made.mission("checkpoint", "T-001", "--note", LONG)
        made.outside(
            "panel", "start", f"{LONG}?", "--role", "critic", "--runtime", "demo", "--wait"
        )
        yield made


def printed(stage: Stage, width: int, *arguments: str) -> str:
    """Return what a command prints in this process: to a terminal of so many cells, or a pipe."""
    before = os.getcwd()
    os.chdir(stage.project)
    try:
        with (
            on_terminal(width) if width else in_pipe() as (screen, read),
            mock.patch.dict(os.environ, {**stage.environ, "TERM": "xterm"}, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO()),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
            contextlib.suppress(SystemExit),
        ):
            main(arguments)
    finally:
        os.chdir(before)
    return COLOR.sub("", read().replace("\r\n", "\n"))


@contextlib.contextmanager
def in_pipe() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    stream = io.BytesIO()
    screen = io.TextIOWrapper(stream, "utf-8", write_through=True)
    yield screen, lambda: stream.getvalue().decode()


@contextlib.contextmanager
def on_terminal(width: int) -> Iterator[tuple[TextIO, Callable[[], str]]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    seen = io.BytesIO()

    def read() -> None:
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while block := os.read(master, 1 << 16):
                seen.write(block)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open(slave, "w", encoding="utf-8") as screen:
            yield screen, lambda: seen.getvalue().decode()
    finally:
        reader.join()
        os.close(master)


def is_whole(word: str, known: Collection[str]) -> bool:
    """Tell whether a word is not torn: it is whole, cut with a sign, or ends where a path may."""
    if word in known or word == "…" or SPENT.fullmatch(word) or any(map(is_wide, word)):
        return True
    if word.endswith("…"):
        return any(each.startswith(word[:-1]) for each in known)
    for each in known:
        at = each.find(word)
        if at >= 0 and (at == 0 or each[at - 1] in SIGNS):
            behind = each[at + len(word) :]
            if not behind or word[-1] in SIGNS:
                return True
    return False


def is_wide(sign: str) -> bool:
    return display_width(sign) > 1 or sign in "█░"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_too_long_and_no_word_is_torn(stage: Stage, command: str) -> None:
    arguments = shlex.split(command)
    known = frozenset(printed(stage, 0, *arguments).split())
    for width in (120, 80, 60):
        screen = printed(stage, width, *arguments)
        assert "Traceback" not in screen
        too_long = [line for line in screen.split("\n") if display_width(line) > width]
        # What is to be copied, and a single word that has no end before the edge, stays whole.
        assert all(re.fullmatch(r"next: .*| *\S+", line) for line in too_long), too_long
        torn = [word for word in screen.split() if not is_whole(word, known)]
        assert not torn, (width, torn, screen)


@pytest.mark.parametrize("width", [120, 80, 60])
def test_a_narrow_list_keeps_what_matters(stage: Stage, width: int) -> None:
    head, *lines = printed(stage, width, "list", "--all").splitlines()
    columns = [name for name in ("milestone", "priority", "criteria", "who") if name in head]
    assert head.startswith("id     status")
    assert re.search(r"waits for .*title$", head)
    assert columns == {
        120: ["milestone", "priority", "criteria", "who"], 80: ["milestone", "who"],
        60: [],
    }[width]  # fmt: skip
    rows = [line.split()[0] for line in lines if line.startswith("T-")]
    assert rows == ["T-001", "T-002", "T-003"]
    assert re.search(r"^T-001  review +a review", "\n".join(lines), re.MULTILINE)


def test_numbers_stand_to_the_right_and_a_row_in_a_pipe_is_one_line(stage: Stage) -> None:
    head, *rows = printed(stage, 0, "checkpoint", "list", "T-001").splitlines()
    ends = [match.end() for name in ("seq", "files") if (match := re.search(name, head))]
    assert len(rows) > 1
    assert all(
        row[end - 1].isdigit() and row[end : end + 2] == "  " for row in rows for end in ends
    )
    assert LONG in rows[-1]
    listed = printed(stage, 0, "list", "--all").splitlines()
    assert [line.split()[0] for line in listed] == ["id", "T-001", "T-002", "T-003"]


def test_counts_of_one_are_not_many(stage: Stage) -> None:
    said = "\n".join(printed(stage, 0, *shlex.split(command)) for command in COMMANDS)
    assert "1 session" in said
    assert (
        re.findall(r"\b1 (?:tasks|sessions|errors|warnings|problems|records|files)\b", said) == []
    )


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("width", [120, 80, 60])
def test_a_real_tmux_shows_what_the_command_printed(stage: Stage, width: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tmux-"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}

    def ask(*arguments: str) -> str:
        tmux = ["tmux", "-S", str(folder / "s"), "-f", "/dev/null", *arguments]
        return subprocess.run(
            tmux, env=environ, capture_output=True, text=True, check=False, timeout=30
        ).stdout

    command = shlex.join([sys.executable, "-m", "mosaic", "list", "--all"])
    settings = [f"{name}={value}" for name, value in stage.environ.items()]
    shell = f"{command}; echo shown; exec cat"
    try:
        size = ("-x", str(width), "-y", "40")
        ask(
            "new-session",
            "-d",
            *size,
            "-c",
            str(stage.project),
            "env",
            *settings,
            "/bin/sh",
            "-c",
            shell,
        )
        screen = wait_for(lambda: (seen := ask("capture-pane", "-p")).count("shown") and seen)
    finally:
        ask("kill-server")
        shutil.rmtree(folder)
    lines = [line.rstrip() for line in screen.partition("shown")[0].splitlines()]
    assert lines == printed(stage, width, "list", "--all").splitlines()
