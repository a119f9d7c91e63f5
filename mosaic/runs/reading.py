"""Reading what a run wrote: its logs in blocks, from any place, since any moment, as it comes.

    output.index    ["stdout", 8192, "2026-03-21T11:41:39.120Z"]

is written with the logs, at most once a second for each: the bytes from this offset on
were written then or later.

Only looks: opens nothing to write, makes nothing, waits for no lock. Symlinks in a record
are not followed.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import closing, suppress
from datetime import datetime, timedelta
from datetime import time as clock_time
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from mosaic.codec import parse_json, read_moment
from mosaic.errors import FileAccessError, RecordError, UsageError
from mosaic.machine.identity import is_same_process
from mosaic.machine.lock import is_file_held, is_folder_held
from mosaic.machine.log_writer import INDEX_NAME
from mosaic.machine.signature import access_error
from mosaic.model import RunStatus
from mosaic.plan.durations import parse_duration
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mosaic.runs.record import Run

BLOCK_BYTES = 256 << 10
LONGEST_LINE_BYTES = 32 << 20
"""A longer line of a file of JSON lines is passed over."""
POLL_SECONDS = 0.1
LAST_WORDS_SECONDS = 10.0
"""How long the end of a log is waited for when its run has ended: as its supervisor does."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW


class Stream(StrEnum):
    """What of a run's record is read."""

    STDOUT = "stdout"
    STDERR = "stderr"
    EVENTS = "events"
    TRANSCRIPT = "transcript"

    @property
    def has_json_lines(self) -> bool:
        """Whether each line is a JSON object; else it is what an agent wrote, byte for byte."""
        return self in (Stream.EVENTS, Stream.TRANSCRIPT)


def log_of(run: Run, stream: Stream) -> LogFile:
    """Return one of a run's logs, from its beginning; it may not exist yet."""
    others = {Stream.EVENTS: "worker.log", Stream.TRANSCRIPT: "transcript.jsonl"}
    return LogFile(run.dir / others.get(stream, f"{stream}.log"))


class LogFile:
    """A file that others append to, and the place up to which it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.lines_passed_over = 0
        """How many lines were too long for `read_lines`."""
        self._descriptor: int | None = None
        self._is_inside_long_line = False

    def is_there(self) -> bool:
        """Tell whether it exists, and open it; FileAccessError where it is no readable file."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise access_error("read", self.path, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileAccessError(f"`{self.path}` is not a regular file", path=self.path)
        self._descriptor = descriptor
        return True

    def size(self) -> int:
        """Return how long it is now; 0 while it is not there."""
        return os.fstat(self._descriptor).st_size if self._descriptor is not None else 0

    @property
    def has_rest(self) -> bool:
        """Whether something was not read: after `read_lines`, a line that has no end."""
        return self.size() > self.offset

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self, until: int | None = None) -> Iterator[bytes]:
        """Return what was written since the last call in blocks, up to an offset or the end."""
        while block := self._block(BLOCK_BYTES, until):
            self.offset += len(block)
            yield block

    def read_lines(self, until: int | None = None) -> Iterator[bytes]:
        """Return the same in blocks of whole lines.

        A line without an end is not read but left for the next call: its writer may cut it
        off and write another in its place.
        """
        size = BLOCK_BYTES
        while block := self._block(size, until):
            end = block.rfind(b"\n") + 1
            if end:
                begin = block.find(b"\n") + 1 if self._is_inside_long_line else 0
                self._is_inside_long_line = False
                self.offset += end
                size = BLOCK_BYTES
                if begin < end:
                    yield block[begin:end]
            elif len(block) < size:
                return
            elif size < LONGEST_LINE_BYTES:
                size *= 2
            else:
                self.lines_passed_over += not self._is_inside_long_line
                self._is_inside_long_line = True
                self.offset += len(block)

    def tail_offset(self, lines: int, *, whole: bool) -> int:
        """Return where the last lines begin. Reads only those, from the end backwards.

        With `whole`, a last line without an end counts for nothing.
        """
        end = self.size()
        newlines = self._newlines_before(end)
        last = next(newlines, -1) + 1
        if not lines:
            return last if whole else end
        before = lines if whole or last == end else lines - 1
        if not before or not last:
            return last
        return next(islice(newlines, before - 1, None), -1) + 1

    def line_start(self, offset: int) -> int:
        """Return where the line begins that an offset lies in."""
        return next(self._newlines_before(min(offset, self.size())), -1) + 1

    def _newlines_before(self, end: int) -> Iterator[int]:
        """Return where the newlines before a place are, the last one first."""
        while end > 0:
            start = max(0, end - BLOCK_BYTES)
            block = self._pread(end - start, start)
            found = block.rfind(b"\n")
            while found >= 0:
                yield start + found
                found = block.rfind(b"\n", 0, found)
            end = start

    def _block(self, size: int, until: int | None) -> bytes:
        if not self.is_there():
            return b""
        room = size if until is None else min(size, until - self.offset)
        return self._pread(room, self.offset) if room > 0 else b""

    def _pread(self, size: int, offset: int) -> bytes:
        assert self._descriptor is not None
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise access_error("read", self.path, error) from error


class Piece(NamedTuple):
    """A line, or a part of one that is very long."""

    offset: int
    """Where its bytes begin in the file."""
    data: bytes
    """Without the newline."""
    is_partial: bool
    """Whether the line goes on after it."""
    has_newline: bool


class LineSplitter:
    """Parts blocks into lines; one that is too long comes in several pieces of one length.

    What it holds back has a limit, and where pieces end does not depend on the blocks.
    """

    def __init__(self, offset: int, longest: int) -> None:
        self._offset = offset
        self._longest = longest
        self._held = bytearray()

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Take a block."""
        *lines, rest = block.split(b"\n")
        for line in lines:
            self._held += line
            yield from self._parts()
            yield self._take(len(self._held), has_newline=True)
        self._held += rest
        yield from self._parts()

    def finish(self) -> Iterator[Piece]:
        """Take a last line that has no newline."""
        if self._held:
            yield self._take(len(self._held))

    def _parts(self) -> Iterator[Piece]:
        while len(self._held) > self._longest:
            yield self._take(self._longest, is_partial=True)

    def _take(self, size: int, *, is_partial: bool = False, has_newline: bool = False) -> Piece:
        data = bytes(self._held[:size])
        piece = Piece(self._offset, data, is_partial, has_newline)
        del self._held[:size]
        self._offset += size + has_newline
        return piece


def since_offset(run: Run, stream: Stream, moment: datetime) -> int:
    """Return from where a log has all that was written since a moment; 0 where nobody knows."""
    found = 0
    with closing(LogFile(run.dir / INDEX_NAME)) as index:
        for block in index.read_lines():
            for entry in map(_parse_entry, block.split(b"\n")):
                if entry is None or entry[0] != stream:
                    continue
                if entry[2] > moment:
                    return found
                found = entry[1]
    return found


def _parse_entry(line: bytes) -> tuple[str, int, datetime] | None:
    try:
        stream, offset, moment = parse_json(line)
        return str(stream), max(0, int(offset)), read_moment(moment)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def parse_time(text: object) -> datetime | None:
    """Return the time in a record, without a zone in UTC; None when it is not one."""
    try:
        return read_moment(text)
    except ValueError:
        return None


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that `10m` (ago), `10:30` or `2026-11-21T10:00:00Z` stands for.

    A time of day is the last one that was; it and a date without a zone are local. Raises
    UsageError.
    """
    bare = text.strip()
    with suppress(UsageError, OverflowError):
        return now - timedelta(seconds=parse_duration(bare))
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(bare).astimezone()
    with suppress(ValueError, OverflowError, OSError):
        today = datetime.combine(now.astimezone().date(), clock_time.fromisoformat(bare))
        is_past = today.astimezone() <= now
        return (today if is_past else today - timedelta(days=1)).astimezone()
    raise UsageError(
        f"`{text}` is not a moment", hint="write `10m`, `10:30` or `2026-11-21T10:00:00Z`"
    )


def has_ended(run: Run) -> bool:
    """Tell whether a run is over: its record says so, or supervisor and agent are gone.

    A run that is prepared and not started is not over. Raises FileAccessError.
    """
    try:
        state = run.state()
    except RecordError:
        return not is_folder_held(run.dir)
    if state.status not in (RunStatus.PREPARED, RunStatus.RUNNING):
        return True
    if state.status is RunStatus.PREPARED or is_folder_held(run.dir):
        return False
    return state.agent is None or is_same_process(state.agent) is False


def follow(
    run: Run,
    log: Path,
    read: Callable[[], Iterator[bytes]],
    *,
    held_to_the_end: bool,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[bytes]:
    """Return what `read` returns of a log, again and again, until the run is over and all was read.

    With `held_to_the_end` the log's writer locks it until it has written everything, which may
    be later than the end of the run. It ends too when `is_wanted` answers False, and with a
    RecordError when the run's folder is gone.
    """
    patience: float | None = None
    while is_wanted():
        if not run.dir.is_dir():
            raise RecordError(
                f"the record of run `{run.id}` was removed while it was followed", path=run.dir
            )
        is_over = has_ended(run)
        # Not looked at earlier: a look at the wrong instant would keep the writer from it.
        if is_over and held_to_the_end and is_file_held(log):
            patience = patience or time.monotonic() + LAST_WORDS_SECONDS
            is_over = time.monotonic() > patience
        yield from read()
        if is_over:
            return
        time.sleep(POLL_SECONDS)
