"""Logs for people and for programs: what blocks of a log become on stdout.

    {"schema_version": 1, "kind": "log.line", "run_id": …, "stream": "stdout", "offset": 0,
     "text": …}                                 a very long line: pieces, `"partial": true`
    {"schema_version": 1, "kind": "log.event", …}           the event's own keys
    {"schema_version": 1, "kind": "log.transcript", "event": …}

JSON is written in ASCII, so that no terminal obeys what an agent put into it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

from mosaic.cli.output import SCHEMA_VERSION
from mosaic.runs.events import EventType
from mosaic.runs.moments import parse_time
from mosaic.runs.reading import LineSplitter
from mosaic.sessions.output import words_for
from mosaic.text.harmless import HarmlessText, harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mosaic.ports import OutputReader
    from mosaic.runs.reading import Piece, Stream

LONGEST_PIECE_BYTES = 1 << 20
TYPE_WIDTH = max(len(kind) for kind in EventType)


class View(Protocol):
    """Turns a log into what is printed."""

    def feed(self, block: bytes) -> bytes:
        """Take a block, and return what is to be printed of it."""

    def finish(self) -> bytes:
        """Return what is to be printed when nothing more comes."""


class RawView:
    """The very bytes."""

    def feed(self, block: bytes) -> bytes:
        """Return it."""
        return block

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


class TextView:
    """Text that no terminal obeys."""

    def __init__(self) -> None:
        self._text = HarmlessText()

    def feed(self, block: bytes) -> bytes:
        """Return its text."""
        return encoded(self._text.feed(block))

    def finish(self) -> bytes:
        """Return what was held back."""
        return encoded(self._text.finish())


class JsonLinesView:
    """One object a line of what an agent wrote."""

    def __init__(self, run_id: str, stream: Stream, offset: int) -> None:
        self._names = {"run_id": run_id, "stream": stream.value}
        self._lines = LineSplitter(offset, LONGEST_PIECE_BYTES)
        self._text = HarmlessText()

    def feed(self, block: bytes) -> bytes:
        """Return the lines that are whole."""
        return b"".join(self._object(piece) for piece in self._lines.feed(block))

    def finish(self) -> bytes:
        """Return a last line that has no newline."""
        return b"".join(self._object(piece) for piece in self._lines.finish())

    def _object(self, piece: Piece) -> bytes:
        if piece.has_newline:
            text = self._text.feed(piece.data + b"\n").removesuffix("\n")
        else:
            text = self._text.feed(piece.data)
            text += "" if piece.is_partial else self._text.finish()
        values = {**self._names, "offset": piece.offset, "text": text}
        return dumped("log.line", values | ({"partial": True} if piece.is_partial else {}))


class ObjectsView:
    """What files of JSON lines have in common; `damaged` counts lines that are no objects."""

    needs_objects = True
    """Whether a line that is no object is left out."""

    def __init__(self, since: datetime | None, time_key: str) -> None:
        self.damaged = 0
        self._since = since
        self._time_key = time_key

    def feed(self, block: bytes) -> bytes:
        """Take a block of whole lines."""
        return encoded("".join(f"{line}\n" for line in self.lines(block)))

    def lines(self, block: bytes) -> Iterator[str]:
        """Return the same as lines."""
        for line in block.removesuffix(b"\n").split(b"\n"):
            values = parse_object(line)
            if values is None and self.needs_objects:
                self.damaged += 1
            else:
                yield from self.words(line, values or {})

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is to be printed of one line."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return nothing: every line was whole."""
        return b""

    def is_asked_for(self, values: Mapping[str, Any]) -> bool:
        """Tell whether a line was written since the moment; one that does not tell counts."""
        if self._since is None:
            return True
        written = parse_time(values.get(self._time_key))
        return written is None or written >= self._since


class EventsView(ObjectsView):
    """What happened to a run: time, type, message."""

    def __init__(self, *, since: datetime | None) -> None:
        super().__init__(since, "created_at")

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return an event in one line."""
        del line
        if not self.is_asked_for(values):
            return
        written = parse_time(values.get("created_at"))
        when = f"{written.astimezone():%H:%M:%S.%f}"[:-3] if written else "--:--:--.---"
        kind = one_line(values.get("type", ""))
        yield f"{when}  {kind:<{TYPE_WIDTH}}  {one_line(values.get('message', ''))}".rstrip()


class TranscriptView(ObjectsView):
    """What an agent did, in the words of whoever understands it; without one, as it stands."""

    def __init__(self, reader: OutputReader | None, *, since: datetime | None) -> None:
        super().__init__(since, "timestamp")
        self._reader = reader
        self.needs_objects = reader is not None

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is seen in a line; the reader gets every line, it remembers them."""
        if self._reader is None:
            seen = [harmless_text(line.decode("utf-8", "replace"))]
        else:
            seen = [one_line(words_for(each)) for each in self._reader.feed(line)]
        if self.is_asked_for(values):
            yield from (words for words in seen if words)


class JsonObjectsView(ObjectsView):
    """The objects themselves, one a line."""

    def __init__(self, kind: str, time_key: str, *, key: str = "", since: datetime | None) -> None:
        super().__init__(since, time_key)
        self._kind = kind
        self._key = key

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return an object with its kind, under a key of its own where that has one."""
        del line
        if self.is_asked_for(values):
            body = {self._key: values} if self._key else values
            try:
                yield dumped(self._kind, body).decode("ascii").removesuffix("\n")
            except (ValueError, RecursionError):  # what we may read and JSON has no word for
                self.damaged += 1


def dumped(kind: str, values: Mapping[str, Any]) -> bytes:
    """Return an object as one line of JSON."""
    head = {"schema_version": SCHEMA_VERSION, "kind": kind}
    return json.dumps({**head, **values, **head}, allow_nan=False).encode("ascii") + b"\n"


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Return a line's object; None when it is none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def one_line(value: object) -> str:
    """Return a value as harmless text on one line."""
    return " ".join(harmless_text(str(value)).split())


def encoded(text: str) -> bytes:
    """Return a text as stdout takes it, whatever the locale can show."""
    return text.encode(sys.stdout.encoding or "utf-8", "replace")
