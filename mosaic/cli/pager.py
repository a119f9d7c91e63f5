"""A pager for what does not fit on the screen, as git has one.

Only commands that look use it, and only on a terminal. What they print is kept until it is more
than a screenful; until then no program is started. A session's agent never gets one: it would
wait for a key that nobody presses.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from mosaic.cli.output import is_screen
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

LOOKS = frozenset(
    {
        "list", "show", "status", "sessions", "graph", "check", "doctor", "logs", "review",
        "handoff", "panel", "milestone", "checkpoint", "next", "config", "trust", "export",
        "import", "help", "schema",
    }
)  # fmt: skip
"""Commands that can print much."""
ONE_FORM = {
    "next": ("--print", "--explain"),
    "panel": ("list", "show", "result"),
    "milestone": ("list",),
    "checkpoint": ("list",),
    "trust": ("--list",),
    "config": (),
}
"""Those of them that also act, with a word of the calls that only look; nothing: no other word."""
ACTING = frozenset(
    {
        "--json", "--watch", "-w", "--follow", "-f", "--raw", "--wait", "--fix", "--write",
        "--open", "--approve", "--reject", "--remark", "--allow", "--html",
    }
)  # fmt: skip
"""Options of calls that go on, that act, or whose output is for programs."""
NO_PAGER = "--no-pager"
BEFORE_ITS_COMMAND = frozenset({"exec"})
"""Commands that are given another command's words, which may be the same."""
QUIET = ("", "cat")
"""What a pager is set to by who wants none."""
USUAL_OPTIONS = {"LESS": "FRX", "LV": "-c"}
COLOR_SEQUENCE = r"\x1b\[[\d;]*m"


def take_no_pager(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return the arguments without `--no-pager`, and whether it was among them."""
    end = end_of_own(arguments)
    kept = [word for word in arguments[:end] if word != NO_PAGER]
    return [*kept, *arguments[end:]], len(kept) < end


def end_of_own(arguments: Sequence[str]) -> int:
    """Return where the words may begin that are another command's."""
    for number, word in enumerate(arguments):
        if word == "--" or word in BEFORE_ITS_COMMAND:
            return number
    return len(arguments)


def is_paged(arguments: Sequence[str]) -> bool:
    """Tell whether a call's output goes through a pager where it is long."""
    if not arguments or arguments[0] not in LOOKS:
        return False
    together = (word[1:] for word in arguments if word.startswith("-") and word[1:2] != "-")
    if not ACTING.isdisjoint((*arguments, *(f"-{letter}" for word in together for letter in word))):
        return False
    forms = ONE_FORM.get(arguments[0])
    if forms is not None and not (set(forms) & set(arguments) if forms else len(arguments) == 1):
        return False
    return is_screen() and "MISSION_SESSION" not in os.environ


class Pager:
    """Takes what a command prints to the terminal; see above."""

    def __init__(self) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        self._width, self._rows_left = size.columns, size.lines - 1
        self._kept: list[bytes] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._is_plain = size.lines < 2 or not size.columns  # noqa: PLR2004 - unknown

    def write(self, data: bytes) -> None:
        """Take what is printed; BrokenPipeError where the person has seen enough."""
        if not self._is_plain and self._process is None:
            self._kept.append(data)
            self._rows_left -= self._rows_of(data)
            if self._rows_left >= 0:
                return
            self._start()
            data = b"".join(self._kept)
            self._kept.clear()
        stream = self._process.stdin if self._process else sys.stdout.buffer
        assert stream is not None
        stream.write(data)

    def finish(self) -> None:
        """Print what is kept, or wait until the person leaves the pager; Ctrl-C is its own then."""
        import signal  # start-up, as above

        if self._process is None:
            sys.stdout.buffer.write(b"".join(self._kept))
            sys.stdout.flush()
            self._kept.clear()
            self._is_plain = True
            return
        process, self._process, self._is_plain = self._process, None, True
        ended: list[int] = []

        def end(number: int, _frame: object) -> None:
            ended.append(number)
            process.send_signal(number)

        before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGHUP)}
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if ended:
            os.kill(os.getpid(), ended[0])

    def _rows_of(self, data: bytes) -> int:
        import re  # start-up: most output is not paged

        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        widths = (display_width(re.sub(COLOR_SEQUENCE, "", line)) for line in lines)
        return sum(max(1, -(-width // self._width)) for width in widths)

    def _start(self) -> None:
        """Start the pager; where there is none, all is printed plainly from now on."""
        import subprocess  # start-up: what fits on the screen needs none

        from mosaic.machine.environment import child_environment
        from mosaic.machine.process import find_tool
        from mosaic.store.own_settings import chosen_command

        words, where = chosen_command("pager", os.environ)
        self._is_plain = True
        if not words or words == QUIET[1:]:
            return
        program = words[0] if os.sep in words[0] else find_tool(words[0])
        problem = "it is not on the PATH"
        if program is not None:
            sys.stdout.flush()
            try:
                self._process = subprocess.Popen(
                    [program, *words[1:]],
                    stdin=subprocess.PIPE,
                    env={**USUAL_OPTIONS, **child_environment()},
                )
            except (OSError, ValueError) as error:
                problem = getattr(error, "strerror", None) or str(error)
        if self._process is None and where:
            self._kept.append(f"warning: no pager `{words[0]}`: {problem} ({where})\n".encode())
