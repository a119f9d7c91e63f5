"""Reading along while an agent writes its logs: lines, observations, signs of life.

A session ends when its agent does, so reading never falls far behind: what is written faster
than it can be read is read in haste (see `mosaic.runs.transcript`), and what is too much even for
that is skipped. Both are counted and reported. The transcript then misses nothing of the former,
and all that comes after the latter.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mosaic.codec import is_line
from mosaic.machine.clock import utc_now
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
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.runs.folders import run_of
from mosaic.runs.transcript import (
    Transcript,
    Unread,
    lines_worth_reading,
    structured_part,
    telling_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Usage
    from mosaic.ports import OutputReader
    from mosaic.runs.record import Run
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.layout import Layout

CHUNK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 16 << 20
"""A longer line stays in the log but is not read for what it says."""
TURN_BYTES = 1 << 20
"""How much is read before a follower looks at other things again."""
BEHIND_BYTES = 8 << 20
"""Who is further behind than that reads in haste."""
MOST_LINES = 20_000
"""A block of more lines is read in haste as well."""
MOST_BEHIND_BYTES = 256 << 20
"""What is further behind when its writer has ended is skipped."""
LONGEST_WORDS = 500
LONGEST_ID = 200
IN_HASTE = "it writes faster than its output can be read along"


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
    """Reads a growing file, line by line, and keeps the structured lines apart.

    Args:
        run: whose output it is.
        reader: understands its lines.
        conversation: the runtime's own session id, where it is known.
        source: the file; None means stdout.log.
    """

    hurries = True
    """Whether what is written too fast is read in haste."""

    def __init__(
        self,
        run: Run,
        reader: OutputReader,
        *,
        conversation: str | None = None,
        source: Path | None = None,
    ) -> None:
        self._path = source or run.stdout_log
        self.reader = reader
        self.conversation = conversation
        self._named: list[str] = []
        self._source: int | None = None
        self._transcript = Transcript(run)
        self._partial = bytearray()
        self._skipping = False
        self._in_haste = False
        self._passed_over = 0
        self._skipped = 0
        self.output_bytes = 0
        """How much was read so far."""
        self._last = ""
        self._usage: Usage | None = None
        self._heard_at = time.monotonic()

    def read(self, limit_bytes: int | None = TURN_BYTES) -> list[str]:
        """Take what was written since the last call, up to a limit.

        Returns:
            The conversations that were named in it.
        """
        if self._source is None:
            try:
                self._source = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return []
        if limit_bytes is None:
            self._skip_ahead()
        until = None if limit_bytes is None else self.output_bytes + limit_bytes
        while until is None or self.output_bytes < until:
            chunk = os.read(self._source, CHUNK_BYTES)
            if not chunk:
                break
            self.output_bytes += len(chunk)
            self._heard_at = time.monotonic()
            is_dense = chunk.count(b"\n") > MOST_LINES
            self._in_haste = self.hurries and (is_dense or self._behind() > BEHIND_BYTES)
            self._take(chunk)
        named, self._named = self._named, []
        return named

    @property
    def silent_seconds(self) -> float:
        """How long nothing new was read."""
        return time.monotonic() - self._heard_at

    @property
    def is_behind(self) -> bool:
        """Whether more was written than read: the next `read` does not wait."""
        return self._behind() > 0

    @property
    def unread(self) -> Unread:
        """How much was not looked at line by line."""
        return Unread(passed_over_bytes=self._passed_over, skipped_bytes=self._skipped)

    def _take_rest(self) -> None:
        if self._partial and not self._skipping:
            self._read_line(bytes(self._partial))
        self._partial.clear()

    def unknown_words(self) -> list[str]:
        """Return what is not known of what the agent did, in words, beside `unread`."""
        return []

    def finish(self) -> None:
        """Take a last line that has no newline."""
        self._take_rest()
        self._in_haste = False
        if not self._skipped:
            self._transcript.share()

    def progress(self, elapsed_seconds: float) -> Progress:
        """Return how the run is getting on."""
        return Progress(
            elapsed_seconds=elapsed_seconds,
            last=IN_HASTE if self._in_haste else self._last,
            output_bytes=self.output_bytes,
            usage=self._usage,
            silent_seconds=self.silent_seconds,
        )

    def close(self) -> None:
        """Close the files."""
        if self._source is not None:
            os.close(self._source)
        self._source = None
        self._transcript.close()

    def _take(self, chunk: bytes) -> None:
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first < 0:
            self._hold(chunk)
            return
        if not self._skipping:
            self._read_line(bytes(self._partial) + chunk[:first])
        self._skipping = False
        self._partial.clear()
        if self._in_haste:
            self._glance(chunk, first + 1, last)
        else:
            for line in lines_worth_reading(chunk, first + 1, last):
                self._read_line(line)
        self._hold(chunk[last + 1 :])

    def _glance(self, chunk: bytes, start: int, stop: int) -> None:
        """Look at the lines of a block that tell most, and keep all that are structured."""
        marks = self.reader.marks
        if marks and not self._skipped:
            self._transcript.keep(structured_part(chunk, start, stop))
        lines = telling_lines(chunk, start, stop, marks)
        for line in lines:
            self._feed(line)
        if marks:
            passed_over = stop + 1 - start - sum(len(line) + 1 for line in lines)
            self._passed_over += max(0, passed_over)

    def _behind(self) -> int:
        return 0 if self._source is None else os.fstat(self._source).st_size - self.output_bytes

    def _skip_ahead(self) -> None:
        """Leave out what is too much to be read in the end, up to the last part of it."""
        excess = self._behind() - MOST_BEHIND_BYTES
        if excess > 0:
            assert self._source is not None
            os.lseek(self._source, excess, os.SEEK_CUR)
            self.output_bytes += excess
            self._skipped += excess
            self._skipping = True  # the rest of the line that it lands in
            self._partial.clear()

    def _hold(self, part: bytes) -> None:
        """Keep the beginning of a line until its end comes, unless it is too long."""
        if self._skipping:
            return
        self._partial += part
        if len(self._partial) > LONGEST_LINE_BYTES:
            self._skipping = True
            self._partial.clear()

    def _read_line(self, line: bytes) -> None:
        if not self._skipped and self.reader.structured(line):
            self._keep(line)
        self._feed(line)

    def _keep(self, line: bytes) -> None:
        self._transcript.keep(line + b"\n")

    def _feed(self, line: bytes) -> None:
        """Take note of what a line tells, but for a conversation that no record could name."""
        for seen in self.reader.feed(line):
            if isinstance(seen, UsageSeen):
                self._usage = seen.usage
            elif not isinstance(seen, ConversationKnown):
                self._last = words_for(seen)
            elif _is_id(seen.conversation):
                self.conversation = seen.conversation
                self._named.append(seen.conversation)


def words_for(seen: Observation) -> str:
    """Return an observation in a few words, on one line."""
    text = ""
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
    return " ".join(text[:LONGEST_WORDS].split())


def _is_id(text: str) -> bool:
    return len(text) <= LONGEST_ID and is_line(text) and not text.startswith("-")


class LiveSession(NamedTuple):
    """One session that works now."""

    found: FoundLock
    progress: Progress


def observe_session(found: FoundLock, layout: Layout) -> LiveSession:
    """Return how a live session gets on; what its record does not tell stays empty."""
    lock = found.lock
    run = run_of(layout.runs_dir, lock.task_id, lock.run_id)
    since = lock.started_at
    progress = Progress(elapsed_seconds=0.0, last="", output_bytes=0, usage=None)
    if state := run.find_state():
        since = state.started_at or since
        spoke = [log.stat().st_mtime for log in (run.stdout_log, run.stderr_log) if log.exists()]
        progress = Progress(
            elapsed_seconds=0.0,
            last=state.last_activity,
            output_bytes=run.output_bytes(),
            usage=state.usage,
            silent_seconds=max(0.0, time.time() - max(spoke)) if spoke else 0.0,
        )
    elapsed = max(0.0, (utc_now() - since).total_seconds())
    return LiveSession(found, replace(progress, elapsed_seconds=elapsed))
