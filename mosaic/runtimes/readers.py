"""Reading what an agent writes, and judging its end: what the runtimes share."""

from __future__ import annotations

import json
import re
import signal
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mosaic.codec import read_moment
from mosaic.machine.clock import utc_now
from mosaic.model import Usage
from mosaic.ports import CommandRan, EndCause, Ending, MessageSeen, OutputReader
from mosaic.records import replace

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
LENGTH = r"(\d{1,9}(?:\.\d{1,9})?) ?([a-z]{1,12})"
WAITING = (EndCause.RATE_LIMIT, EndCause.PLAN_LIMIT, EndCause.OVERLOADED)
RETRYABLE = (*WAITING, EndCause.CONNECTION, EndCause.CUT)
FRESH = "`mission resume --fresh` begins a new conversation"
LATER = "try again later: `mission resume`"
FAILURES = {
    EndCause.AUTH: ("`{0}` is not logged in", ""),
    EndCause.QUOTA: ("the quota of `{0}` is used up", "look at the plan and billing"),
    EndCause.RATE_LIMIT: ("`{0}` was turned away by a rate limit", LATER),
    EndCause.PLAN_LIMIT: ("the plan's limit for `{0}` is reached", LATER),
    EndCause.MODEL: (
        "`{0}` cannot use the model",
        "choose another one: `--model`, `model` of the task, or `model` of `{0}` in mission.json",
    ),
    EndCause.CONTEXT_FULL: ("`{0}` has no room left", FRESH),
    EndCause.REFUSAL: ("the model refused to go on with `{0}`", f"{FRESH}; or say the task anew"),
    EndCause.HOOK: ("a hook refused the prompt of `{0}`", "look at the hooks in its settings"),
    EndCause.OVERLOADED: ("the model server could not answer `{0}`", LATER),
    EndCause.CONNECTION: ("`{0}` lost its connection", "check the network, then `mission resume`"),
    EndCause.LIMIT: (
        "`{0}` met its limit",
        "raise it in `args` of `{0}` in mission.json, then `mission resume`",
    ),
    EndCause.API_ERROR: ("`{0}` failed", ""),
    EndCause.USAGE: (
        "`{0}` refused to start",
        "check `args` of `{0}` in mission.json and its own settings; all it wrote is in the"
        " run's stderr.log",
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

    def judge(self, end: ProcessEnd) -> Ending:
        """Judge the end by what was read; tools that were not allowed go with it."""
        ending, names = self._judge(end), self.refused_names()
        if not names:
            return ending
        return replace(ending, warnings=(f"not allowed: {names}", *ending.warnings))

    def _judge(self, end: ProcessEnd) -> Ending:
        return super().judge(end)

    def _refused_tools(self) -> Iterable[str]:
        return ()

    def refused_names(self) -> str:
        """Return the tools that were not allowed, each once, as a message names them."""
        return ", ".join(f"`{name}`" for name in dict.fromkeys(self._refused_tools()))

    def failure(self, cause: EndCause, words: str, hint: str = "") -> Ending:
        """Return a failed end, in the words that all runtimes have for its cause."""
        message, usual_hint = FAILURES[cause]
        return Ending(
            ok=False,
            cause=cause,
            message=f"{message.format(self.program)}: {' '.join(words.split())[:LONGEST_WORDS]}",
            hint=hint or usual_hint.format(self.program) or None,
            retryable=cause in RETRYABLE,
            retry_at=find_reset(words, utc_now()) if cause in WAITING else None,
        )

    def known_failure(
        self, causes: Iterable[tuple[str, EndCause]], words: str, login: str, *, signs: str = ""
    ) -> Ending:
        """Return a failed end by the first expression of `causes` that is in what it reported.

        Args:
            causes: expressions, and what each means.
            words: what a person reads.
            login: what to do where it is not logged in.
            signs: what is searched, where that is more than the words.
        """
        found = (cause for sign, cause in causes if re.search(sign, signs or words))
        cause = next(found, EndCause.API_ERROR)
        return self.failure(cause, words, login if cause is EndCause.AUTH else "")

    def early_ending(self, end: ProcessEnd, *, has_begun: bool) -> Ending:
        """Judge an end without an answer: the command line was refused, or it was cut off."""
        if not has_begun and end.exit_code > 0 and end.stderr_tail.strip():
            lines = [line for line in map(str.strip, end.stderr_tail.splitlines()) if line]
            starts = [at for at, line in enumerate(lines) if line.lower().startswith("error")]
            return self.failure(EndCause.USAGE, " ".join(lines[starts[-1] if starts else -1 :]))
        words = last_line(end.stderr_tail)
        return Ending(
            ok=False,
            cause=EndCause.CUT,
            message=f"{self.how_ended(end.exit_code)} before its answer was complete",
            retryable=True,
            hint="`mission resume` goes on with the same conversation",
            warnings=(words,) if words else (),
        )

    def refused_ending(self, hint: str) -> Ending:
        """Judge an end that was well but for the tools that were not allowed."""
        return Ending(
            ok=True,
            cause=EndCause.REFUSED,
            message=f"`{self.program}` ended well, but was not allowed to use "
            f"{self.refused_names()}",
            hint=hint,
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

    def moment(self, key: str) -> datetime | None:
        """Return a time; one without a zone is in UTC."""
        try:
            return read_moment(self.get(key))
        except ValueError:
            return None

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


def find_reset(words: str, now: datetime) -> datetime | None:
    """Return when a limit ends, as agents write it; None when they do not say.

    Seen: `limit reached|1764158400`, `resets 3pm`, `resets 3:45pm (Europe/Berlin)`, `try again
    in 1.2s`, `try again in 2 hours 5 minutes`, `try again at 2026-11-26T15:00:00Z`.
    """
    try:
        return _find_moment(words, now) or _find_clock(words, now)
    except (ValueError, OverflowError, KeyError):  # no such moment, or no such zone
        return None


def _find_moment(words: str, now: datetime) -> datetime | None:
    if found := re.search(r"\|(\d{10})\b", words):
        return datetime.fromtimestamp(int(found[1]), UTC)
    if found := re.search(r"\bat (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))", words):
        return datetime.fromisoformat(found[1])
    if found := re.search(rf"\bagain in ((?:{LENGTH}(?:,? and |, | )?){{1,6}})", words):
        parts = re.findall(LENGTH, found[1])
        seconds = sum(float(number) * _unit_seconds(unit) for number, unit in parts)
        return now + timedelta(seconds=seconds) if seconds else None
    return None


def _find_clock(words: str, now: datetime) -> datetime | None:
    found = re.search(r"resets (?:at )?(\d{1,2})(?::(\d\d))? ?([ap]m)(?: \(([\w/+-]+)\))?", words)
    if found is None:
        return None
    from zoneinfo import ZoneInfo  # start-up: few ends name a clock

    hour = int(found[1]) % 12 + (12 if found[3] == "pm" else 0)
    there = now.astimezone(ZoneInfo(found[4]) if found[4] else None)
    reset = there.replace(hour=hour, minute=int(found[2] or 0), second=0, microsecond=0)
    return reset if reset > there else reset + timedelta(days=1)


def _unit_seconds(unit: str) -> float:
    if unit.startswith("ms"):
        return 0.001
    return {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(unit[0], 0)


def own_part(total: float | None, before: float | None) -> float | None:
    """Return a run's own part of a total over its whole conversation."""
    return total - before if total is not None and before and total >= before else total
