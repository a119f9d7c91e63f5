"""Reading what a run wrote: its logs in blocks, from any place, whatever their size.

Only looks: opens nothing to write, makes nothing, waits for no lock. Symlinks in a record
are not followed.
"""

from __future__ import annotations

import os
import stat
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError
from mosaic.machine.signature import access_error
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.runs.record import Run

BLOCK_BYTES = 256 << 10
LONGEST_LINE_BYTES = 32 << 20
"""A longer line of a file of JSON lines is passed over."""
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
    paths = {
        Stream.STDOUT: run.stdout_log,
        Stream.STDERR: run.stderr_log,
        Stream.EVENTS: run.worker_log,
        Stream.TRANSCRIPT: run.transcript,
    }
    return LogFile(paths[stream])


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
        """Tell whether there is such a file, and open it.

        Raises:
            FileAccessError: it cannot be read, or is a symlink or no regular file.
        """
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
        """Return what was written since the last call, in blocks.

        Args:
            until: an offset; None: the end, wherever it is by then.
        """
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

        Args:
            lines: how many.
            whole: whether a last line without an end counts for nothing.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
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
        begin = 0
        while (end := block.find(b"\n", begin)) >= 0:
            self._held += block[begin:end]
            yield from self._parts()
            yield self._take(len(self._held), has_newline=True)
            begin = end + 1
        self._held += block[begin:]
        yield from self._parts()

    def finish(self) -> Iterator[Piece]:
        """Take a last line that has no newline."""
        if self._held:
            yield self._take(len(self._held))

    def _parts(self) -> Iterator[Piece]:
        while len(self._held) > self._longest:
            yield self._take(self._longest, is_partial=True)

    def _take(self, size: int, *, is_partial: bool = False, has_newline: bool = False) -> Piece:
        piece = Piece(
            offset=self._offset,
            data=bytes(self._held[:size]),
            is_partial=is_partial,
            has_newline=has_newline,
        )
        del self._held[:size]
        self._offset += size + has_newline
        return piece
