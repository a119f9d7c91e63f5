"""A terminal that a full-screen program left behind."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios

LFLAGS = 3
SCRIPT = """\
import os, sys, tty
sys.path.insert(0, sys.argv[1])
from mosaic.machine.terminal import TerminalState
state = TerminalState()
tty.setraw(0)
os.write(1, b"\\x1b[?1049h\\x1b[?25lraw\\n")
os.read(0, 1)
state.restore()
os.write(1, b"back\\n")
os.read(0, 1)
"""


def read_until(fd: int, words: bytes) -> bytes:
    heard = b""
    while words not in heard:
        assert select.select([fd], [], [], 60)[0], heard
        heard += os.read(fd, 4096)
    return heard


def test_the_terminal_is_put_back() -> None:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT, os.getcwd()])
    try:
        before = termios.tcgetattr(fd)
        read_until(fd, b"raw")
        assert termios.tcgetattr(fd)[LFLAGS] & termios.ECHO == 0
        os.write(fd, b"x")
        heard = read_until(fd, b"back")
        assert b"\x1b[?1049l" in heard
        assert b"\x1b[?25h" in heard
        assert termios.tcgetattr(fd) == before
        os.write(fd, b"x\n")
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


def test_without_a_terminal_nothing_is_written() -> None:
    script = SCRIPT.replace("tty.setraw(0)\n", "").replace("os.read(0, 1)\n", "")
    done = subprocess.run(
        [sys.executable, "-c", script, os.getcwd()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert done.stdout.endswith(b"raw\nback\n")
