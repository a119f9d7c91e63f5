"""Reading along while an agent writes its logs: lines, observations, signs of life."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mosaic.ports import (
    CommandRan,
    ConversationKnown,
    FileTouched,
    MessageSeen,
    Observation,
    RetrySeen,
    ToolRefused,
    UsageSeen,
)
from mosaic.records import dataclass
from mosaic.runtimes import get_runtime
from mosaic.runtimes.plain import TextReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mosaic.model import Mission, Mode, Usage
    from mosaic.ports import OutputReader
    from mosaic.runs.record import Run, RunMeta

CHUNK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 16 << 20
"""A longer line stays in the log but is not read for what it says."""
FLOOD_BYTES = 64 << 10
"""In a longer stretch of output, lines of free text are passed over but for the last."""
TURN_BYTES = 4 << 20
"""How much is read before whoever follows looks at other things again."""
LAST_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How a run is getting on."""

    elapsed_seconds: float
    last: str
    """What it did last, in words; empty at first."""
    output_bytes: int
    usage: Usage | None
    silent_seconds: float = 0.0
    """How long it has written nothing."""


class OutputFollower:
    """Reads stdout.log as it grows, line by line, and keeps the structured lines apart."""

    def __init__(self, run: Run, reader: OutputReader, *, conversation: str | None = None) -> None:
        self._run = run
        self._reader = reader
        self.conversation = conversation
        self._source: int | None = None
        self._transcript: int | None = None
        self._transcript_bytes = 0
        self._known_lines = 0
        self._partial = bytearray()
        self._skipping = False
        self._bytes = 0
        self._last = ""
        self._usage: Usage | None = None
        self._heard_at = time.monotonic()

    def read(self, limit_bytes: int | None = TURN_BYTES) -> Iterator[Observation]:
        """Take what was written since the last call, up to a limit."""
        if self._source is None:
            try:
                self._source = os.open(self._run.stdout_log, os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return
        until = None if limit_bytes is None else self._bytes + limit_bytes
        while until is None or self._bytes < until:
            chunk = os.read(self._source, CHUNK_BYTES)
            if not chunk:
                break
            self._bytes += len(chunk)
            self._heard_at = time.monotonic()
            yield from self._take(chunk)

    @property
    def output_bytes(self) -> int:
        """How much was read so far."""
        return self._bytes

    @property
    def is_behind(self) -> bool:
        """Whether more was written than read: the next `read` need not wait."""
        return self._source is not None and os.fstat(self._source).st_size > self._bytes

    def finish(self) -> None:
        """Take a last line that has no newline."""
        if self._partial and not self._skipping:
            for seen in self._line(bytes(self._partial)):
                self._remember(seen)
        self._partial.clear()

    def progress(self, elapsed_seconds: float) -> Progress:
        """Return how the run is getting on."""
        return Progress(
            elapsed_seconds=elapsed_seconds,
            last=self._last,
            output_bytes=self._bytes,
            usage=self._usage,
            silent_seconds=time.monotonic() - self._heard_at,
        )

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._source, self._transcript):
            if descriptor is not None:
                os.close(descriptor)
        self._source = self._transcript = None

    def _take(self, chunk: bytes) -> Iterator[Observation]:
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first < 0:
            self._hold(chunk)
            return
        if not self._skipping:
            yield from self._seen(bytes(self._partial) + chunk[:first])
        self._skipping = False
        self._partial.clear()
        for line in _lines_worth_reading(chunk, first + 1, last):
            yield from self._seen(line)
        self._hold(chunk[last + 1 :])

    def _hold(self, part: bytes) -> None:
        """Keep the beginning of a line until its end comes, unless it is too long."""
        if self._skipping:
            return
        self._partial += part
        if len(self._partial) > LONGEST_LINE_BYTES:
            self._skipping = True
            self._partial.clear()

    def _seen(self, line: bytes) -> Iterator[Observation]:
        for seen in self._line(line):
            self._remember(seen)
            yield seen

    def _line(self, line: bytes) -> list[Observation]:
        if self._reader.structured(line):
            self._keep(line)
        return list(self._reader.feed(line))

    def _keep(self, line: bytes) -> None:
        """Append a line to the transcript, unless an earlier follower of the run did."""
        if self._transcript is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                self._transcript = os.open(self._run.transcript, flags, 0o600)
            except OSError:
                return  # the agent has removed its record; its output is read all the same
            self._known_lines, self._transcript_bytes = _whole_lines(self._transcript)
            os.ftruncate(self._transcript, self._transcript_bytes)
        if self._known_lines:
            self._known_lines -= 1
            return
        try:
            written = os.write(self._transcript, line + b"\n")
            if written <= len(line):  # a full disk: half a line is none
                os.ftruncate(self._transcript, self._transcript_bytes)
                return
            self._transcript_bytes += written
        except OSError:
            return  # stdout.log has the line too

    def _remember(self, seen: Observation) -> None:
        if isinstance(seen, ConversationKnown):
            self.conversation = seen.conversation
        elif isinstance(seen, UsageSeen):
            self._usage = seen.usage
        else:
            self._last = words_for(seen)


def reader_of(meta: RunMeta, mission: Mission, mode: Mode) -> OutputReader:
    """Return who understands what a run writes.

    Raises:
        RuntimeUnknownError: the mission does not know its runtime any more.
    """
    if meta.session_id is None and meta.panel_id is None:
        return TextReader(meta.argv[0])
    return get_runtime(meta.runtime, mission.runtimes).reader(mode)


def words_for(seen: Observation) -> str:
    """Return an observation in a few words, on one line."""
    if isinstance(seen, MessageSeen):
        text = seen.text
    elif isinstance(seen, CommandRan):
        text = f"{'failed' if seen.failed else 'ran'}: {seen.command}"
    elif isinstance(seen, FileTouched):
        text = f"{seen.kind}: {seen.path}"
    elif isinstance(seen, ToolRefused):
        text = f"not allowed: {seen.tool}"
    elif isinstance(seen, RetrySeen):
        text = f"trying again ({seen.attempt}): {seen.detail}"
    else:
        text = ""
    return " ".join(text.split())


def _lines_worth_reading(chunk: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Return the whole lines between two places, `stop` being the last newline.

    Of a flood only those that may be structured, and the last few: a fast writer must not
    wait for us, nor we fall behind for what nobody will look at.
    """
    if stop < start:
        return
    if stop - start <= FLOOD_BYTES:
        yield from chunk[start:stop].split(b"\n")
        return
    rest = stop
    for _ in range(LAST_LINES):
        found = chunk.rfind(b"\n", start, rest)
        if found < 0:
            break
        rest = found
    place = start - 1  # the newline before the first of these lines
    while place >= 0 and place < rest:
        if chunk[place + 1 : place + 2] == b"{":
            end = chunk.find(b"\n", place + 1)
            yield chunk[place + 1 : end]
            place = end - 1
        place = chunk.find(b"\n{", place + 1, rest)
    yield from chunk[rest + 1 : stop].split(b"\n")


def _whole_lines(descriptor: int) -> tuple[int, int]:
    """Return how many whole lines a file has, and where the last one ends."""
    count = end = offset = 0
    while block := os.pread(descriptor, CHUNK_BYTES, offset):
        count += block.count(b"\n")
        last = block.rfind(b"\n")
        end = offset + last + 1 if last >= 0 else end
        offset += len(block)
    return count, end
