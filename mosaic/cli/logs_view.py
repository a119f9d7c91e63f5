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
from typing import TYPE_CHECKING, Any

from mosaic.cli.output import SCHEMA_VERSION
from mosaic.runs.events import EventType
from mosaic.runs.reading import LineSplitter, parse_time
from mosaic.sessions.output import words_for
from mosaic.text.harmless import HarmlessText, harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mosaic.ports import OutputReader
    from mosaic.runs.reading import Piece, Stream

LONGEST_PIECE_BYTES = 1 << 20
TYPE_WIDTH = max(len(kind) for kind in EventType)


class View:
    """Turns a log into what is printed; this one prints the very bytes."""

    damaged = 0
    """How many lines could not be read."""

    def feed(self, block: bytes) -> bytes:
        """Take a block, and return what is to be printed of it."""
        return block

    def finish(self) -> bytes:
        """Return what is to be printed when nothing more comes."""
        return b""


class TextView(View):
    """Text that no terminal obeys."""

    def __init__(self) -> None:
        self._text = HarmlessText()

    def feed(self, block: bytes) -> bytes:
        """Return its text."""
        return encoded(self._text.feed(block))

    def finish(self) -> bytes:
        """Return what was kept back."""
        return encoded(self._text.finish())


class JsonLinesView(View):
    """One object a line of what an agent wrote."""

    def __init__(self, run_id: str, stream: Stream, offset: int) -> None:
        self._names = {"run_id": run_id, "stream": stream.value}
        self._lines = LineSplitter(offset, LONGEST_PIECE_BYTES)
        self._text = HarmlessText()

    def feed(self, block: bytes) -> bytes:
        """Return the lines that are complete."""
        return b"".join(map(self._object, self._lines.feed(block)))

    def finish(self) -> bytes:
        """Return a last line without a newline."""
        return b"".join(map(self._object, self._lines.finish()))

    def _object(self, piece: Piece) -> bytes:
        if piece.has_newline:
            text = self._text.feed(piece.data + b"\n").removesuffix("\n")
        else:
            text = self._text.feed(piece.data)
            text += "" if piece.is_partial else self._text.finish()
        values = {**self._names, "offset": piece.offset, "text": text}
        return dumped("log.line", values | ({"partial": True} if piece.is_partial else {}))


class ObjectsView(View):
    """What views of JSON lines have in common: blocks are of complete lines."""

    needs_objects = True
    """Whether a line that is not an object is left out."""

    def __init__(self, since: datetime | None, time_key: str) -> None:
        self._since = since
        self._time_key = time_key

    def feed(self, block: bytes) -> bytes:
        """Take a block of complete lines."""
        return encoded("".join(f"{line}\n" for line in self.lines(block)))

    def lines(self, block: bytes) -> Iterator[str]:
        """Return what is to be printed of a block as lines."""
        for line in block.removesuffix(b"\n").split(b"\n"):
            values = parse_object(line)
            if values is None and self.needs_objects:
                self.damaged += 1
            else:
                yield from self.words(line, values or {})

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is to be printed of one line."""
        raise NotImplementedError

    def is_recent(self, values: Mapping[str, Any]) -> bool:
        """Tell whether a line was written since the moment; one without a time counts."""
        if self._since is None:
            return True
        written = parse_time(values.get(self._time_key))
        return written is None or written >= self._since


class EventsView(ObjectsView):
    """What happened to a run: time, type, message."""

    def __init__(self, *, since: datetime | None) -> None:
        super().__init__(since, "created_at")

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:  # noqa: ARG002
        """Return an event in one line."""
        if self.is_recent(values):
            written = parse_time(values.get("created_at"))
            when = f"{written.astimezone():%H:%M:%S.%f}"[:-3] if written else "--:--:--.---"
            kind = one_line(values.get("type", ""))
            yield f"{when}  {kind:<{TYPE_WIDTH}}  {one_line(values.get('message', ''))}".rstrip()


class TranscriptView(ObjectsView):
    """What an agent did, in words; without a reader for its events, the lines themselves."""

    def __init__(self, reader: OutputReader | None, *, since: datetime | None) -> None:
        super().__init__(since, "timestamp")
        self._reader = reader
        self.needs_objects = reader is not None

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is seen in a line."""
        if self._reader is None:
            seen = [harmless_text(line.decode("utf-8", "replace"))]
        else:  # it gets every line, for it remembers them
            seen = [one_line(words_for(each)) for each in self._reader.feed(line)]
        if self.is_recent(values):
            yield from (words for words in seen if words)


class JsonObjectsView(ObjectsView):
    """The objects themselves, one a line, under a key of their own where one is given."""

    def __init__(self, kind: str, time_key: str, *, key: str = "", since: datetime | None) -> None:
        super().__init__(since, time_key)
        self._kind = kind
        self._key = key

    def words(self, line: bytes, values: Mapping[str, Any]) -> Iterator[str]:  # noqa: ARG002
        """Return the object with its kind."""
        if self.is_recent(values):
            body = {self._key: values} if self._key else values
            try:
                yield dumped(self._kind, body).decode("ascii").removesuffix("\n")
            except (ValueError, RecursionError):  # what Python reads and JSON cannot express
                self.damaged += 1


def dumped(kind: str, values: Mapping[str, Any]) -> bytes:
    """Return an object as one line of JSON."""
    head = {"schema_version": SCHEMA_VERSION, "kind": kind}
    return json.dumps({**head, **values, **head}, allow_nan=False).encode("ascii") + b"\n"


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Return a line's object; None when it is not one."""
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
