"""Closed streams, odd encodings, terminals that can do little."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from mosaic import __version__
from tests.environments.conftest import TITLE, Surroundings

LOOKS = (["list"], ["--version"])


def test_the_version_needs_no_command(here: Surroundings) -> None:
    answer = here.run("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"mission {__version__}\n")


@pytest.mark.parametrize("closed", [">&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_changes_no_exit_code(here: Surroundings, closed: str) -> None:
    for arguments in (*LOOKS, ["next", "--print", "--runtime", "demo"]):
        assert here.run(*arguments, before=f"exec {closed}").exit_code == 0, arguments
    assert here.run("show", "T-099", before=f"exec {closed}").exit_code == 2


def test_what_is_printed_to_a_closed_stream_lands_in_no_file(here: Surroundings) -> None:
    closed = "exec <&- >&- 2>&-"
    answer = here.run("next", "--headless", "--runtime", "demo", before=closed)
    assert answer.exit_code == 0
    assert here.repo.task_status("T-001") == "review"
    assert here.run("add", "Third", before=closed).exit_code == 0
    assert here.run("check").stdout == "nothing is wrong\n"
    written = [path for path in here.repo.state.rglob("*") if path.is_file()]
    assert not [path for path in written if b"mission review T-001" in path.read_bytes()]


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda environ: " ".join(f"{name}={value}" for name, value in environ.items()),
)
def test_a_chinese_title_goes_through_any_locale(
    here: Surroundings, environ: dict[str, str]
) -> None:
    assert here.run("status", environ=environ).exit_code == 0
    told = json.loads(here.run("list", "--json", environ=environ).stdout)
    assert told["tasks"][0]["title"] == TITLE
    added = here.run(
        "add", "第三个任务", "--body", "-", environ=environ, before="exec <<''\n## 目标\n\n"
    )
    assert added.exit_code == 0, added.stderr
    assert "第三个任务" in (here.path / "coordination" / "TASKS.md").read_text(encoding="utf-8")
    assert "## 目标" in here.run("show", "T-003").stdout
    done = here.run("next", "--headless", "--runtime", "demo", environ=environ)
    assert done.exit_code == 0, done.stderr
    refused = here.run("show", "没有", "--json", environ=environ)
    assert "没有" in json.loads(refused.stderr)["message"]


def test_an_encoding_that_python_was_forced_to_is_named(here: Surroundings) -> None:
    forced = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert here.run("list", environ=forced).exit_code == 0
    answer = here.run("add", "第三个任务", environ=forced)
    assert answer.exit_code == 2
    assert "unset `PYTHONUTF8=0`" in answer.stderr
    assert "nothing is wrong" in here.run("check").stdout


def test_a_body_that_is_no_utf_8_is_refused(here: Surroundings) -> None:
    answer = here.run("add", "Third", "--body", "-", before="exec <hello.bin", cwd=latin(here))
    assert answer.exit_code == 2
    assert "stdin is not UTF-8" in answer.stderr


def latin(here: Surroundings) -> Path:
    (here.path / "hello.bin").write_bytes("façade".encode("latin-1"))
    return here.path


@pytest.mark.parametrize(
    ("environ", "columns"),
    [
        ({"TERM": "dumb"}, 80),
        ({"TERM": ""}, 0),
        ({"TERM": None}, 1),
        ({"TERM": "xterm", "NO_COLOR": "1"}, 7),
    ],
    ids=str,
)
def test_a_poor_terminal_gets_plain_text(
    here: Surroundings, environ: dict[str, str | None], columns: int
) -> None:
    for arguments in (["list"], ["status"]):
        shown = on_terminal(here, arguments, environ, columns)
        assert "T-001" in shown
        if environ["TERM"]:
            assert "\x1b" not in shown, arguments


def on_terminal(
    here: Surroundings, arguments: list[str], environ: dict[str, str | None], columns: int
) -> str:
    """Return what a command shows on a terminal of that width."""
    told = {**here.repo.environ, "MISSION_PAGER": "cat", **environ}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        here.repo.argv(*arguments),
        cwd=here.path,
        env={name: value for name, value in told.items() if value is not None},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # the last one at the other end is gone
        pass
    os.close(ours)
    assert process.wait() == 0, shown
    assert b"Traceback" not in shown
    return shown.decode()
