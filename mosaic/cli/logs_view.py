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

from mosaic.cli.output import SCHEMA_VERSION, folded
from mosaic.runs.events import EventType
from mosaic.runs.reading import LineSplitter, parse_time
from mosaic.sessions.output import words_for
from mosaic.text.harmless import HarmlessText, harmless_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from mosaic.ports import OutputReader
    from mosaic.runs.reading import Piece, Stream

LONGEST_PIECE_BYTES = 1 << 20
TYPE_WIDTH = max(len(kind) for kind in EventType)


class View:
    """Turns a log into what is printed: `feed` takes a block, `finish` is called at the end."""

    damaged = 0
    """How many lines could not be read."""

    def __init__(
        self, feed: Callable[[bytes], bytes], finish: Callable[[], bytes] = lambda: b""
    ) -> None:
        self.feed = feed
        self.finish = finish


def text_view() -> View:
    """Return a view of text that no terminal obeys."""
    text = HarmlessText()
    return View(lambda block: encoded(text.feed(block)), lambda: encoded(text.finish()))


def json_lines_view(run_id: str, stream: Stream, offset: int) -> View:
    """Return a view of what an agent wrote, one object a line."""
    lines, text = LineSplitter(offset, LONGEST_PIECE_BYTES), HarmlessText()

    def show(piece: Piece) -> str:
        shown = text.feed(piece.data + b"\n" * piece.has_newline)
        if not (piece.has_newline or piece.is_partial):
            shown += text.finish()
        values = {
            "run_id": run_id,
            "stream": stream.value,
            "offset": piece.offset,
            "text": shown.removesuffix("\n") if piece.has_newline else shown,
        }
        return _dumped("log.line", values | ({"partial": True} if piece.is_partial else {}))

    return View(
        lambda block: joined(map(show, lines.feed(block))),
        lambda: joined(map(show, lines.finish())),
    )


class ObjectsView(View):
    """JSON lines, in blocks of whole lines.

    Args:
        show: returns what is printed of a line and its object; ValueError: it cannot be shown.
        time_key: where an object has its time.
        since: only what was written then or later is printed, and what has no time.
        needs_objects: whether a line that is not an object is left out.
    """

    def __init__(
        self,
        show: Callable[[bytes, dict[str, Any]], Iterable[str]],
        time_key: str,
        since: datetime | None,
        *,
        needs_objects: bool = True,
    ) -> None:
        super().__init__(lambda block: joined(self.lines(block)))
        self._show = show
        self._time_key = time_key
        self._since = since
        self._needs_objects = needs_objects

    def lines(self, block: bytes) -> Iterator[str]:
        """Return what is to be printed of a block as lines."""
        for line in block.removesuffix(b"\n").split(b"\n"):
            values = _parse_object(line)
            if values is None and self._needs_objects:
                self.damaged += 1
                continue
            is_recent = self._is_recent(values or {})
            try:
                shown = [*self._show(line, values or {})]  # also of old ones: readers remember them
            except (ValueError, RecursionError):
                self.damaged += is_recent
            else:
                yield from shown if is_recent else ()

    def _is_recent(self, values: Mapping[str, Any]) -> bool:
        written = parse_time(values.get(self._time_key)) if self._since else None
        return self._since is None or written is None or written >= self._since


def events_view(since: datetime | None) -> ObjectsView:
    """Return a view of what happened to a run: time, type, message."""

    def show(_: bytes, values: dict[str, Any]) -> Iterator[str]:
        written = parse_time(values.get("created_at"))
        when = f"{written.astimezone():%H:%M:%S.%f}"[:-3] if written else "--:--:--.---"
        kind = _one_line(values.get("type", ""))
        line = f"{when}  {kind:<{TYPE_WIDTH}}  {_one_line(values.get('message', ''))}".rstrip()
        yield from folded([line], hang=len("00:00:00.000") + TYPE_WIDTH + 4)

    return ObjectsView(show, "created_at", since)


def transcript_view(reader: OutputReader | None, since: datetime | None) -> ObjectsView:
    """Return a view of what an agent did, in words; without a reader, of the lines themselves."""

    def show(line: bytes, _: object) -> Iterable[str]:
        if reader is None:
            words = [harmless_text(line.decode("utf-8", "replace"))]
        else:
            words = folded(_one_line(words_for(seen)) for seen in reader.feed(line))
        return filter(None, words)

    return ObjectsView(show, "timestamp", since, needs_objects=reader is not None)


def json_view(kind: str, time_key: str, since: datetime | None, *, key: str = "") -> ObjectsView:
    """Return a view of the objects, one a line, under a key of their own where one is given."""

    def show(_: bytes, values: dict[str, Any]) -> list[str]:
        return [_dumped(kind, {key: values} if key else values)]

    return ObjectsView(show, time_key, since)


def _dumped(kind: str, values: Mapping[str, Any]) -> str:
    """Return an object as one line of JSON, in ASCII.

    Raises:
        ValueError: Python has read what JSON cannot express.
    """
    head = {"schema_version": SCHEMA_VERSION, "kind": kind}
    return json.dumps({**head, **values, **head}, allow_nan=False)


def _parse_object(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _one_line(value: object) -> str:
    return " ".join(harmless_text(str(value)).split())


def joined(lines: Iterable[str]) -> bytes:
    """Return lines as stdout takes them."""
    return encoded("".join(f"{line}\n" for line in lines))


def encoded(text: str) -> bytes:
    """Return a text as stdout takes it, whatever the locale can show."""
    return text.encode(sys.stdout.encoding or "utf-8", "replace")
