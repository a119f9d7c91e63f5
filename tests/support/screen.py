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
        self._count = 0
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

    def begin(self, line: str, words: str = "") -> None:
        """Run a line, and wait until some words are seen."""
        self._count += 1
        self.type("-l", f"clear; {line}; echo ended={self._count}.$?")
        self.type("Enter")
        self.sees(words)

    def end(self, *keys: str) -> int:
        """Press keys that end what was begun, and return its exit code."""
        if keys:
            self.type(*keys)
        ended = re.compile(rf"ended={self._count}\.(\d+)")
        found = wait_for(lambda: ended.search(self.text()), "the end of the command")
        assert "Traceback" not in self.text()
        return int(found[1])

    def run(self, line: str) -> tuple[int, str]:
        """Run a line that ends by itself; return its exit code and what is seen then."""
        self.begin(line)
        return self.end(), self.text()

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
