"""Reading an agent that tells nothing but its exit code, or has the terminal to itself."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from mosaic.ports import EndCause, Ending, MessageSeen
from mosaic.runtimes.common import last_line, signal_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import Usage
    from mosaic.ports import Observation, ProcessEnd

ANSWER_LINES = 20
LONGEST_ANSWER_LINE = 2_000


class ExitCodeReader:
    """Judges by the exit code: all that there is."""

    def __init__(self, program: str) -> None:
        self._program = program

    @property
    def answer(self) -> str:
        """Nothing."""
        return ""

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take a line: nothing is understood in it."""
        del line
        return ()

    def structured(self, line: bytes) -> bool:
        """Tell that nothing is structured."""
        del line
        return False

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Nothing: no line tells more than another."""
        return ()

    def usage(self, before: Usage) -> Usage | None:
        """Tell that nothing is known."""
        del before
        return None

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the exit code."""
        return exit_code_ending(self._program, end)


class TextReader(ExitCodeReader):
    """Takes free text as it is: the last line is what goes on, the last lines the answer."""

    def __init__(self, program: str) -> None:
        super().__init__(program)
        self._last_lines: deque[str] = deque(maxlen=ANSWER_LINES)

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take a line of text."""
        text = line[:LONGEST_ANSWER_LINE].decode("utf-8", "replace").strip()
        if not text:
            return ()
        self._last_lines.append(text)
        return (MessageSeen(text=text),)

    @property
    def answer(self) -> str:
        """The last lines."""
        return "\n".join(self._last_lines)


def exit_code_ending(program: str, end: ProcessEnd) -> Ending:
    """Judge an end by its exit code and the last words on stderr."""
    if end.exit_code == 0:
        return Ending(ok=True, cause=EndCause.OK, message=f"`{program}` ended well")
    name = signal_of(end.exit_code)
    how = f"was ended by {name}" if name else f"ended with exit code {end.exit_code}"
    words = last_line(end.stderr_tail)
    return Ending(
        ok=False,
        cause=EndCause.CUT if name else EndCause.EXIT_CODE,
        message=f"`{program}` {how}{f': {words}' if words else ''}",
        retryable=bool(name),
    )
