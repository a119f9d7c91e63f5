"""Reading along while an agent writes its logs: lines, observations, signs of life."""

from __future__ import annotations

import os
from dataclasses import dataclass
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.model import Usage
    from mosaic.ports import OutputReader
    from mosaic.runs.record import Run

CHUNK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 16 << 20
"""A longer line stays in the log but is not read for what it says."""
TAIL_BYTES = 8192


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How a run is getting on."""

    elapsed_seconds: float
    last: str
    """What it did last, in words; empty at first."""
    output_bytes: int
    usage: Usage | None


class OutputFollower:
    """Reads stdout.log as it grows, line by line, and keeps the structured lines apart."""

    def __init__(self, run: Run, reader: OutputReader, *, conversation: str | None = None) -> None:
        self._run = run
        self._reader = reader
        self.conversation = conversation
        self._source: int | None = None
        self._transcript: int | None = None
        self._partial = bytearray()
        self._skipping = False
        self._bytes = 0
        self._last = ""
        self._usage: Usage | None = None

    def read(self) -> Iterator[Observation]:
        """Take what was written since the last call."""
        if self._source is None:
            try:
                self._source = os.open(self._run.stdout_log, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        while chunk := os.read(self._source, CHUNK_BYTES):
            self._bytes += len(chunk)
            yield from self._take(chunk)

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
        )

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._source, self._transcript):
            if descriptor is not None:
                os.close(descriptor)
        self._source = self._transcript = None

    def _take(self, chunk: bytes) -> Iterator[Observation]:
        lines = chunk.split(b"\n")
        for line in lines[:-1]:
            if self._skipping:
                self._skipping = False
            else:
                whole = bytes(self._partial) + line if self._partial else line
                for seen in self._line(whole):
                    self._remember(seen)
                    yield seen
            self._partial.clear()
        if not self._skipping:
            self._partial += lines[-1]
            if len(self._partial) > LONGEST_LINE_BYTES:
                self._skipping = True
                self._partial.clear()

    def _line(self, line: bytes) -> list[Observation]:
        if self._reader.structured(line):
            self._keep(line)
        return list(self._reader.feed(line))

    def _keep(self, line: bytes) -> None:
        if self._transcript is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._transcript = os.open(self._run.transcript, flags, 0o600)
        try:
            os.write(self._transcript, line + b"\n")
        except OSError:
            return  # stdout.log has the line too

    def _remember(self, seen: Observation) -> None:
        if isinstance(seen, ConversationKnown):
            self.conversation = seen.conversation
        elif isinstance(seen, UsageSeen):
            self._usage = seen.usage
        else:
            self._last = words_for(seen)


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


def tail_text(path: Path, limit_bytes: int = TAIL_BYTES) -> str:
    """Return the last few kilobytes of a log as text; nothing when there is none."""
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - limit_bytes))
            return log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
