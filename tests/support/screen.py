"""A shell in a real terminal: a tmux server of the tests' own."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tests.support.mission import MissionRepo, wait_for

PROMPT = "READY "


class Screen:
    """A shell in a pane of so many columns and lines, in a mission's project."""

    def __init__(self, repo: MissionRepo, socket: Path, *, columns: int = 80, lines: int = 24):
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self.mission = shlex.join(repo.argv())
        shell = ["env", f"PS1={PROMPT}", "bash", "--norc", "--noprofile", "-i"]
        size = ["-x", str(columns), "-y", str(lines), "-c", str(repo.path)]
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, shlex.join(shell)],
            env={**repo.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            check=True,
        )
        self.type(f'mission() {{ {self.mission} "$@"; }}; clear', "Enter")
        wait_for(lambda: self.text().strip() == PROMPT.strip(), "the shell")

    def ask(self, *words: str) -> str:
        """Return what tmux answers."""
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=False)
        return done.stdout

    def text(self) -> str:
        """Return what is seen."""
        return self.ask("capture-pane", "-p")

    def type(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def sees(self, words: str) -> str:
        """Wait until some words are seen, and return all that is seen then."""
        wait_for(lambda: words in self.text(), f"`{words}` on the screen")
        return self.text()

    def run(self, line: str) -> str:
        """Run a line that ends by itself, and return what is seen at its end."""
        self.type("-l", f"clear; {line}; echo code=$?")
        self.type("Enter")
        wait_for(lambda: re.search(r"code=\d", self.text()), "the end of the command")
        return self.text()

    def resize(self, columns: int, lines: int) -> None:
        self.ask("resize-window", "-x", str(columns), "-y", str(lines))

    def modes(self) -> str:
        """Return the terminal's modes, whether it has the alternate screen, and a cursor."""
        tty, *flags = self.ask(
            "display-message", "-p", "#{pane_tty} #{alternate_on} #{cursor_flag} #{wrap_flag}"
        ).split()
        with open(tty) as device:
            done = subprocess.run(
                ["stty", "-g"], stdin=device, capture_output=True, text=True, check=True
            )
        return f"{done.stdout.strip()} {flags}"

    def close(self) -> None:
        self.ask("kill-server")
