"""The mission's own index: mission.json without its sessions, and these a line each.

A mission that is worked on for months lists thousands of sessions in mission.json, and most
commands ask for none of them, or for those of one task. `.state/mission.index` answers that
without reading mission.json. Like `.state/index` it is a cache: deleting it loses nothing, and
one that is damaged, or of another version, is ignored. It is made of lines:

    {"version": "0.1.0", "signature": "…", "head": 812, "sums": [...]}   of mission.json; how
                                       long the next line is; checksums of it and of what follows
    {"data": {…}, "count": 5000, "open": [{…}], "last": {…}, "usage": {…}}
    ["T-001",{…}]                      a line for each session: its task, its entry

Why it can be believed: it is kept under the signature of the very descriptor that mission.json
was read from, by the same argument as the other index (see `mosaic.store.index`).
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zlib import crc32

from mosaic import __version__
from mosaic.machine.disk import read_text
from mosaic.machine.signature import pack_statuses
from mosaic.model import Sessions, Usage
from mosaic.records import asdict
from mosaic.store.index import TORN, compact, is_settled, pack_signature
from mosaic.store.layout import STATE
from mosaic.store.state import save_cache
from mosaic.store.trust import look_at_state
from mosaic.text.strict_json import parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.machine.signature import Signature
    from mosaic.model import Mission, Session
    from mosaic.store.layout import Layout
    from mosaic.store.mission_reader import MissionReader

MANY_BYTES = 64 * 1024
"""Below, reading mission.json itself takes no time that anyone notices."""
FILE_NAME = "mission.index"
BEGINNING_BYTES = 16 * 1024
LARGEST = 1 << 30


class IndexedSessions(Sessions):
    """Sessions that are made of their entries when somebody asks for them."""

    def __init__(
        self, reader: MissionReader, head: Mapping[str, Any], read_lines: Callable[[], bytes]
    ) -> None:
        """Take what is known of them all at once.

        Args:
            reader: makes a session of its entry.
            head: the second line of the index.
            read_lines: returns those below, a newline before the first and behind the last.
        """
        super().__init__()
        self._reader = reader
        self._head = head
        self._read_lines = read_lines

    def every(self) -> tuple[Session, ...]:
        """Return them all."""
        return self._every

    def of_task(self, task_id: str) -> list[Session]:
        """Return those whose last task this was."""
        beginning = b"\n[" + compact(task_id) + b","
        found = []
        start = self._lines.find(beginning)
        while start >= 0:
            end = self._lines.index(b"\n", start + 1)
            found.append(json.loads(self._lines[start:end])[1])
            start = self._lines.find(beginning, end)
        return list(map(self._reader.session, found))

    def without_end(self) -> list[Session]:
        """Return those that have not ended, as far as is listed."""
        return list(map(self._reader.session, self._head["open"]))

    def usage(self) -> Usage | None:
        """Return what they consumed together; None when none of them tells."""
        usage = self._head["usage"]
        return Usage(**usage) if usage else None

    def last(self) -> Session | None:
        """Return the newest."""
        entry = self._head["last"]
        return self._reader.session(entry) if entry else None

    def __len__(self) -> int:
        return int(self._head["count"])

    @cached_property
    def _every(self) -> tuple[Session, ...]:
        entries = json.loads(b"[" + b",".join(self._lines.split(b"\n")[1:-1]) + b"]")
        return tuple(self._reader.session(entry) for _, entry in entries)

    @cached_property
    def _lines(self) -> bytes:
        return self._read_lines()


def find_indexed(
    mission_file: Path, reader: MissionReader
) -> tuple[dict[str, Any], IndexedSessions] | None:
    """Return what mission.json holds beside its sessions, and these; None where it must be read.

    Args:
        mission_file: path of mission.json.
        reader: makes sessions of their entries.
    """
    place = mission_file.parent / STATE / FILE_NAME
    try:
        beginning = _read(place, 0, BEGINNING_BYTES)
        size = beginning.index(b"\n") + 1
        first = json.loads(beginning[:size])
        signature = pack_statuses([os.stat(mission_file)])
        if first["version"] != __version__ or bytes.fromhex(first["signature"]) != signature:
            return None
        length, (sum_of_head, sum_of_lines) = int(first["head"]), first["sums"]
        second = beginning[size : size + length]
        if len(second) < length:
            second = _read(place, size, length)
        if crc32(second) != sum_of_head:
            return None
        head = json.loads(second)
    except (*TORN, OSError):
        return None
    if not look_at_state(place.parent, mission_file).is_ours:
        return None

    def read_lines() -> bytes:
        try:
            lines = _read(place, size + length, LARGEST)
        except OSError:
            lines = b""
        if crc32(lines) == sum_of_lines:
            return lines
        # Damaged, or replaced since, as mission.json then was: what it says now is as good.
        entries = parse_json_document(read_text(mission_file).text).get("sessions") or []
        return _lines(entries, [reader.session(entry) for entry in entries])

    return head["data"], IndexedSessions(reader, head, read_lines)


def _read(place: Path, start: int, most: int) -> bytes:
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(descriptor).st_size - start
        return os.pread(descriptor, max(0, min(size, most)), start)
    finally:
        os.close(descriptor)


def save_indexed(
    layout: Layout, data: Mapping[str, Any], mission: Mission, signature: Signature, now_ns: int
) -> None:
    """Keep what mission.json holds, where it is long, can be believed later, and may be kept.

    Args:
        layout: where it is.
        data: what it holds, parsed.
        mission: what that means.
        signature: of the descriptor that it was read from.
        now_ns: the time just before that.
    """
    place = layout.mission_file.parent / STATE
    if signature.size < MANY_BYTES or not is_settled(signature.ctime_ns, now_ns):
        return
    if layout.state_dir != place:
        return
    sessions = mission.sessions
    entries = data.get("sessions") or []
    usage = sessions.usage()
    head = {
        "data": {key: value for key, value in data.items() if key != "sessions"},
        "count": len(sessions),
        "open": [
            entry
            for entry, session in zip(entries, sessions, strict=True)
            if session.ended_at is None
        ],
        "last": entries[-1] if entries else None,
        "usage": asdict(usage) if usage else None,
    }
    second, lines = compact(head), _lines(entries, sessions)
    first = {
        "version": __version__,
        "signature": pack_signature(signature).hex(),
        "head": len(second),
        "sums": [crc32(second), crc32(lines)],
    }
    whole = compact(first) + b"\n" + second + lines
    save_cache(layout, place / FILE_NAME, whole)


def _lines(entries: Sequence[Mapping[str, Any]], sessions: Sequence[Session]) -> bytes:
    lines = (
        compact([session.last_task_id, entry])
        for entry, session in zip(entries, sessions, strict=True)
    )
    return b"\n".join([b"", *lines, b""])
