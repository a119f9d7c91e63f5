"""Reading what an agent writes, and judging its end: what the runtimes share."""

from __future__ import annotations

import json
import signal
from collections import deque
from typing import TYPE_CHECKING, Any

from mosaic.model import Usage
from mosaic.ports import CommandRan, EndCause, Ending, MessageSeen, OutputReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mosaic.ports import Observation, ProcessEnd

LARGEST_PARSED_LINE = 8 << 20
LARGEST_COUNT = 1e18
LARGEST_SUM = 1e9
SIGNALLED = 128
ANSWER_LINES = 20
LONGEST_ANSWER_LINE = 2_000
LONGEST_WORDS = 500
RETRYABLE = (EndCause.RATE_LIMIT, EndCause.OVERLOADED, EndCause.CONNECTION, EndCause.CUT)
LATER = "try again later: `mission resume`"
FAILURES = {
    EndCause.AUTH: ("`{0}` is not logged in", ""),
    EndCause.QUOTA: ("the quota of `{0}` is used up", "look at the plan and billing"),
    EndCause.RATE_LIMIT: ("`{0}` was turned away by a rate limit", LATER),
    EndCause.CONTEXT_FULL: (
        "`{0}` has no room left",
        "`mission resume --fresh` begins a new conversation",
    ),
    EndCause.OVERLOADED: ("the model server could not answer `{0}`", LATER),
    EndCause.CONNECTION: ("`{0}` lost its connection", "check the network, then `mission resume`"),
    EndCause.LIMIT: (
        "`{0}` met its limit",
        "raise it in `args` of `{0}` in mission.json, then `mission resume`",
    ),
    EndCause.API_ERROR: ("`{0}` failed", ""),
    EndCause.USAGE: (
        "`{0}` refused to start",
        "check `args` of `{0}` in mission.json; `mission doctor` shows its version",
    ),
}


class ExitCodeReader(OutputReader):
    """Understands nothing of the output and judges by the exit code."""

    marks: tuple[bytes, ...] = ()

    def __init__(self, program: str) -> None:
        self.program = program

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by the exit code and the last words on stderr."""
        if end.exit_code == 0:
            return self.ended_well()
        words = last_line(end.stderr_tail)
        is_cut = signal_of(end.exit_code) is not None
        return Ending(
            ok=False,
            cause=EndCause.CUT if is_cut else EndCause.EXIT_CODE,
            message=f"{self.how_ended(end.exit_code)}{f': {words}' if words else ''}",
            retryable=is_cut,
        )

    def how_ended(self, exit_code: int) -> str:
        """Return how the process ended, as the beginning of a sentence."""
        name = signal_of(exit_code)
        how = f"was ended by {name}" if name else f"exited with code {exit_code}"
        return f"`{self.program}` {how}"

    def ended_well(self) -> Ending:
        """Return the end of an agent that did its work."""
        return Ending(ok=True, cause=EndCause.OK, message=f"`{self.program}` ended well")


class TextReader(ExitCodeReader):
    """Takes free text as it is: the last lines are the answer."""

    def __init__(self, program: str) -> None:
        super().__init__(program)
        self._last_lines: deque[str] = deque(maxlen=ANSWER_LINES)

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        text = line[:LONGEST_ANSWER_LINE].decode("utf-8", "replace").strip()
        if not text:
            return ()
        self._last_lines.append(text)
        return (MessageSeen(text=text),)

    @property
    def answer(self) -> str:
        """The last lines."""
        return "\n".join(self._last_lines)


class EventReader(ExitCodeReader):
    """Reads one JSON object a line; a subclass says what each of them means."""

    def feed(self, line: bytes) -> Iterable[Observation]:
        """Take one whole line."""
        event = parse_object(line)
        return list(self._observe(event)) if event else ()

    def structured(self, line: bytes) -> bool:
        """Tell whether a line is an event."""
        return line.startswith(b"{")

    def _observe(self, event: Values) -> Iterator[Observation]:
        raise NotImplementedError

    def failure(self, cause: EndCause, words: str, hint: str = "") -> Ending:
        """Return a failed end, in the words that all runtimes have for its cause."""
        message, usual_hint = FAILURES[cause]
        return Ending(
            ok=False,
            cause=cause,
            message=f"{message.format(self.program)}: {' '.join(words.split())[:LONGEST_WORDS]}",
            hint=hint or usual_hint.format(self.program) or None,
            retryable=cause in RETRYABLE,
        )

    def early_ending(self, end: ProcessEnd, *, has_begun: bool) -> Ending:
        """Judge an end without an answer: the command line was refused, or it was cut off."""
        if not has_begun and end.exit_code > 0 and end.stderr_tail.strip():
            lines = end.stderr_tail.splitlines()
            errors = [line for line in lines if line.strip().lower().startswith("error")]
            return self.failure(EndCause.USAGE, last_line(errors[-1] if errors else lines[-1]))
        words = last_line(end.stderr_tail)
        return Ending(
            ok=False,
            cause=EndCause.CUT,
            message=f"{self.how_ended(end.exit_code)} before its answer was complete",
            retryable=True,
            hint="`mission resume` goes on with the same conversation",
            warnings=(words,) if words else (),
        )

    def empty_ending(self, *, has_worked: bool) -> Ending:
        """Judge an end with an empty answer: the agent may have worked all the same."""
        return Ending(
            ok=has_worked,
            cause=EndCause.EMPTY,
            message=f"`{self.program}` ended without an answer",
            warnings=("the answer is empty",),
            hint=None if has_worked else "look at the prompt in the run record",
        )


def signal_of(exit_code: int) -> str | None:
    """Return the name of the signal that ended a process; None when none did."""
    number = -exit_code if exit_code < 0 else exit_code - SIGNALLED
    try:
        return signal.Signals(number).name if number > 0 else None
    except ValueError:
        return None


def last_line(text: str) -> str:
    """Return the last line of a text that is not empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST_WORDS] if lines else ""


def command_ran(command: object, code: object, *, failed: bool = False) -> CommandRan:
    """Return a command as an event reports it."""
    exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return CommandRan(
        command=as_text(command), exit_code=exit_code, failed=failed or exit_code not in (None, 0)
    )


class Values(dict[str, Any]):
    """A JSON object that others wrote: a value that is not of the kind asked for is nothing."""

    def text(self, key: str) -> str:
        """Return a text; half characters in it become question marks."""
        return as_text(self.get(key))

    def object(self, key: str) -> Values:
        """Return an object."""
        value = self.get(key)
        return Values(value) if isinstance(value, dict) else Values()

    def objects(self, key: str) -> list[Values]:
        """Return the objects of a list; an item that is not an object is an empty one."""
        items = self.get(key)
        items = items if isinstance(items, list) else []
        return [Values(item) if isinstance(item, dict) else Values() for item in items]

    def money(self, key: str, largest: float = LARGEST_SUM) -> float | None:
        """Return an amount of money."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 <= value < largest else None

    def count(self, key: str) -> int:
        """Return a number that counts."""
        return int(self.money(key, LARGEST_COUNT) or 0)

    def usage(self) -> Usage:
        """Return the tokens that it counts."""
        names = ("input_tokens", "output_tokens", "cached_input_tokens")
        return Usage(**{name: self.count(name) for name in names})


def parse_object(line: bytes) -> Values | None:
    """Return a line's JSON object; None when it is anything else, or too long to be read."""
    if not line.startswith(b"{") or len(line) > LARGEST_PARSED_LINE:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return Values(value) if isinstance(value, dict) else None


def as_text(value: object) -> str:
    """Return a value if it is text, else nothing; half characters become question marks."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def own_part(total: float | None, before: float | None) -> float | None:
    """Return a run's own part of a total over its whole conversation."""
    return total - before if total is not None and before and total >= before else total
