"""Interactive shells in a terminal, into which a person types `mission` lines and TABs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.mission import PATIENCE_SECONDS, MissionRepo

PROMPT = "ready> "
IN_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


class Shell:
    """An interactive shell in a terminal, into which a person types."""

    def __init__(self, argv: list[str], environ: dict[str, str], folder: Path) -> None:
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 2000, 400, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *argv],
            stdin=inner, stdout=inner, stderr=inner, cwd=folder, env=environ,
            start_new_session=True,
        )  # fmt: skip
        os.close(inner)
        self._asked = 0
        self._seen = ""

    def begin(self) -> None:
        """Wait until it reads what is typed."""
        self._shown_until(PROMPT)
        self.type("")

    def type(self, keys: str) -> str:
        """Type keys, throw the line away, and return what was shown."""
        self._asked += 1
        # Written so that the echo of the line is not yet the answer.
        os.write(self._terminal, f'{keys}\x15echo "en""ded-{self._asked}."\r'.encode())
        shown = self._shown_until(f"ended-{self._asked}.")
        self._shown_until(PROMPT)
        return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\(B)", "", shown)  # colours within words

    def _shown_until(self, words: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"no answer: {self._seen[-2000:]!r}"
            self._seen += os.read(self._terminal, 1 << 16).decode("utf-8", "replace")
        shown, _, self._seen = self._seen.partition(words)
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


SHELLS = {
    "bash": (
        ["bash", "--noprofile", "--rcfile", "{home}/rc", "-i"],
        "PS1='ready> '\nsource {script}\n",
    ),
    "zsh": (
        ["zsh", "-i"],
        "PS1='ready> '\nLISTMAX=100000\nunset zle_bracketed_paste\nsetopt no_beep no_auto_menu\n"
        "autoload -Uz compinit\ncompinit -u -D\nsource {script}\n",
    ),
    "fish": (
        ["fish", "-i"],
        "function fish_prompt; echo -n 'ready> '; end\n"
        "set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\nsource {script}\n",
    ),
}


@contextmanager
def open_shell(
    name: str, repo: MissionRepo, home: Path, settings: str | None = None
) -> Iterator[Shell]:
    """Open a shell in a mission that completes `mission` by the script that we give it.

    `settings` are others than the usual ones; `{script}` is where the script is.
    """
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    (home / ".config" / "fish").mkdir(parents=True)
    program = home / "bin" / "mission"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mosaic "$@"\n')
    program.chmod(0o755)
    environ = {
        **repo.environ, "HOME": str(home), "ZDOTDIR": str(home), "TERM": "xterm",
        "PATH": f"{program.parent}:{repo.environ['PATH']}", "LC_ALL": "C.UTF-8",
        "INPUTRC": str(home / "inputrc"), "XDG_CONFIG_HOME": str(home / ".config"),
    }  # fmt: skip
    script = home / "script"
    script.write_text(repo.run(_MISSION_COMPLETE=f"source_{name}").stdout)
    argv, usual = SHELLS[name]
    settings = settings or usual
    for path in ("rc", ".zshrc", ".config/fish/config.fish"):
        (home / path).write_text(settings.replace("{script}", str(script)))
    (home / "inputrc").write_text(
        "set show-all-if-ambiguous on\nset completion-query-items 0\nset page-completions off\n"
        "set enable-bracketed-paste off\n"
    )
    made = Shell([word.replace("{home}", str(home)) for word in argv], environ, repo.path)
    try:
        made.begin()
        yield made
    finally:
        made.close()


def on_a_terminal(repo: MissionRepo, words: list[str], typed: str) -> str:
    """Run a command whose keyboard and screen are a terminal; return what it showed."""
    leader, follower = os.openpty()
    os.write(leader, typed.encode())
    process = subprocess.Popen(
        repo.argv(*words),
        cwd=repo.path,
        env={**repo.environ, "NO_COLOR": "1"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone with its last process
        while data := os.read(leader, 65536):
            shown += data
    os.close(leader)
    assert process.wait() == 0, shown
    return shown.decode().replace("\r\n", "\n")
