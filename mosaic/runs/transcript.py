"""transcript.jsonl: the structured lines of stdout.log, in their order, and nothing else.

Where every line of the log is structured, both are one file by two names (a hard link) once
the run has ended: it would only be kept twice.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.machine.staging import temporary_beside

if TYPE_CHECKING:
    from mosaic.runs.record import Run

BLOCK_BYTES = 1 << 20


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
        try:
            file = self._opened()
            lines = self._without_known(lines)
            written = os.write(file, lines)
            if written < len(lines):  # half a line is none
                os.ftruncate(file, self._bytes)
                return
            self._bytes += written
        except OSError:
            return

    def share(self) -> None:
        """Make log and transcript one file where they hold the same.

        The transcript is made of lines of the log in their order: the same length is enough.
        """
        if self._file is None:
            return
        log, beside = self._run.stdout_log, temporary_beside(self._run.transcript)
        try:
            if os.stat(log).st_size != self._bytes:
                return
            os.link(log, beside, follow_symlinks=False)
            os.replace(beside, self._run.transcript)
        except OSError:
            return  # a file system without hard links keeps both

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
