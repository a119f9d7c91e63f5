"""What of an agent's stdout is looked at while it writes, and what is kept apart of it.

An agent can write faster than its lines can be parsed. Its output is then read in haste: only
lines that hold one of its runtime's marks are looked at (see `OutputReader.marks`), and of
those only the last few of each block.

transcript.jsonl has the structured lines of stdout.log, in their order, and nothing else.
Where every line of the log is structured, both are one file by two names (a hard link) once
the run has ended: it would only be kept twice.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.machine.staging import temporary_beside
from mosaic.plan.sizes import format_size
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mosaic.runs.record import Run

FLOOD_BYTES = 64 << 10
"""In a longer stretch of output, lines of free text are passed over but for the last."""
LAST_LINES = 20
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """How much of an agent's stdout was not looked at line by line."""

    passed_over_bytes: int = 0
    """Read in haste; the transcript has it all the same."""
    skipped_bytes: int = 0
    """Not read at all; the transcript ends before it."""

    def words(self) -> list[str]:
        """Return it in words; nothing when everything was read."""
        words = []
        if self.passed_over_bytes:
            words.append(
                f"{format_size(self.passed_over_bytes)} of stdout came too fast to be read along: "
                "only lines that tell of the end or of commands were looked at"
            )
        if self.skipped_bytes:
            words.append(
                f"{format_size(self.skipped_bytes)} of stdout were not read along, and the "
                "transcript ends before them"
            )
        return words


def lines_worth_reading(block: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Return the whole lines between two places, `stop` being the last newline.

    Of a flood only those that may be structured, and the last few: a fast writer must not
    wait for us, and we must not fall behind for lines that nobody looks at.
    """
    if stop < start:
        return
    rest = start - 1
    if stop - start > FLOOD_BYTES:
        rest = _last_lines(block, start, stop)
        place = start - 1  # the newline before the first of these lines
        while 0 <= place < rest:
            if block[place + 1 : place + 2] == b"{":
                end = block.find(b"\n", place + 1)
                yield block[place + 1 : end]
                place = end - 1
            place = block.find(b"\n{", place + 1, rest)
    yield from block[rest + 1 : stop].split(b"\n")


def telling_lines(block: bytes, start: int, stop: int, marks: Sequence[bytes]) -> list[bytes]:
    """Return the last lines between two places that hold a mark, and the very last, in order.

    `start` is where the first line begins, with a newline before it; `stop` the last newline.
    """
    if stop < start:
        return []
    rest = _last_lines(block, start, stop)
    lines = marked_lines(block, start, rest, marks, most=LAST_LINES)
    return lines + block[rest + 1 : stop].split(b"\n")


def marked_lines(
    block: bytes, start: int, stop: int, marks: Sequence[bytes], *, most: int
) -> list[bytes]:
    """Return the lines between two places that hold a mark, in order: the last of each mark."""
    places = set()
    for mark in marks:
        end = stop
        for _ in range(most):
            found = block.rfind(mark, start, max(start, end))
            if found < 0:
                break
            end = block.rfind(b"\n", 0, found)
            places.add(end + 1)
    return [block[place : block.find(b"\n", place)] for place in sorted(places)]


def structured_part(block: bytes, start: int, stop: int) -> bytes:
    """Return the whole lines between two places that begin as JSON objects do."""
    part = block[start : stop + 1]
    if part[:1] == b"{" and part.count(b"\n{") == part.count(b"\n") - 1:
        return part
    return b"".join(line + b"\n" for line in part.split(b"\n") if line[:1] == b"{")


def _last_lines(block: bytes, start: int, stop: int) -> int:
    """Return the newline before the last few lines."""
    rest = stop
    for _ in range(LAST_LINES):
        found = block.rfind(b"\n", start, rest)
        if found < 0:
            return start - 1
        rest = found
    return rest


class Transcript:
    """Appends to a run's transcript what no earlier follower of the run has appended."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._file: int | None = None
        self._bytes = 0
        self._known_lines = 0

    def keep(self, lines: bytes) -> None:
        """Append whole lines where that can be done: stdout.log has them too.

        None of them is appended on a full disk, or where the agent has removed its record.
        """
        if not lines or (self._file is None and self._is_shared()):
            return
        with contextlib.suppress(OSError):
            file = self._opened()
            lines = self._without_known(lines)
            written = os.write(file, lines)
            if written < len(lines):  # half a line is none
                os.ftruncate(file, self._bytes)
            else:
                self._bytes += written

    def share(self) -> None:
        """Make log and transcript one file where they hold the same.

        The transcript is made of lines of the log in their order: the same length is enough.
        """
        if self._file is None:
            return
        log, beside = self._run.stdout_log, temporary_beside(self._run.transcript)
        with contextlib.suppress(OSError):  # a file system without hard links keeps both
            if os.stat(log).st_size == self._bytes:
                os.link(log, beside, follow_symlinks=False)
                os.replace(beside, self._run.transcript)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _opened(self) -> int:
        if self._file is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._run.transcript, flags, 0o600)
            self._known_lines, self._bytes = _whole_lines(self._file)
            os.ftruncate(self._file, self._bytes)
        return self._file

    def _is_shared(self) -> bool:
        """Tell whether an earlier follower made log and transcript one file."""
        with contextlib.suppress(OSError):
            return os.path.samefile(self._run.stdout_log, self._run.transcript)
        return False

    def _without_known(self, lines: bytes) -> bytes:
        begin = 0
        while self._known_lines and begin < len(lines):
            begin = lines.index(b"\n", begin) + 1
            self._known_lines -= 1
        return lines[begin:]


def _whole_lines(descriptor: int) -> tuple[int, int]:
    """Return how many whole lines a file has, and where the last one ends."""
    count = end = offset = 0
    while block := os.pread(descriptor, BLOCK_BYTES, offset):
        count += block.count(b"\n")
        last = block.rfind(b"\n")
        end = offset + last + 1 if last >= 0 else end
        offset += len(block)
    return count, end
