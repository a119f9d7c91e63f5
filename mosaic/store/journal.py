"""This machine's own journal of sessions: what git takes out of mission.json is known from here.

`stash`, `reset`, `checkout` and `clean` set mission.json back, or remove `.state`. So where
there is a repository, each session that is recorded here is noted in git's folder of the work
tree too, where they do not reach:

    .git/mosaic/sessions/<16 hex>.jsonl   a line for each change of a session, as mission.json has
                                          it, and `host`; the last counts, a torn line is passed
                                          over

The name stands for one mission: its place in the work tree, its id and when it was made.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.git_dir import find_git_dir
from mosaic.store.json_object import JsonObject
from mosaic.store.session_entries import journal_values
from mosaic.text.jsondoc import Lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from mosaic.model import Mission, Session
    from mosaic.store.layout import Layout

LARGEST_JOURNAL = 1 << 26
FOLDER = "sessions"
SPARE_LINES = 64
"""How many lines more than sessions there may be before the journal is written anew."""


def read_journal(layout: Layout, mission: Mission) -> dict[str, JsonObject]:
    """Return the sessions that ran here, by id, as entries of mission.json; none without any."""
    path = _journal_of(layout, mission, for_writing=False)
    try:
        data = find_bytes(path, limit_bytes=LARGEST_JOURNAL) if path else None
    except MissionError:
        return {}
    entries = {entry["sessionId"]: entry for entry in _entries(data or b"")}
    return {name: JsonObject(entry, lambda: Lines("{}", {})) for name, entry in entries.items()}


def note_sessions(layout: Layout, mission: Mission, sessions: Iterable[Session]) -> None:
    """Note sessions as they were just recorded; the mission lock is held.

    A journal that cannot be written is let be: mission.json has them.
    """
    path = _journal_of(layout, mission, for_writing=True)
    new = [journal_values(session) for session in sessions]
    if path is None or not new:
        return
    with contextlib.suppress(MissionError, OSError):
        create_private_dir(path.parent)
        data = find_bytes(path, limit_bytes=LARGEST_JOURNAL) or b""
        known = {entry["sessionId"]: entry for entry in _entries(data)}
        known |= {entry["sessionId"]: entry for entry in new}
        if data.count(b"\n") > 2 * len(known) + SPARE_LINES:
            write_private(path, _lines(known.values()), root=path.parent)
            return
        start = b"" if not data or data.endswith(b"\n") else b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, start + _lines(new))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def take_back_notes(layout: Layout, before: Mission, session_ids: Collection[str]) -> None:
    """Let sessions be in the journal as a mission had them before; the mission lock is held."""
    path = _journal_of(layout, before, for_writing=False)
    if path is None or not session_ids:
        return
    with contextlib.suppress(MissionError):
        data = find_bytes(path, limit_bytes=LARGEST_JOURNAL) or b""
        kept = [entry for entry in _entries(data) if entry["sessionId"] not in session_ids]
        write_private(path, _lines(kept), root=path.parent)
    note_sessions(layout, before, filter(None, map(before.sessions.find, session_ids)))


def _journal_of(layout: Layout, mission: Mission, *, for_writing: bool) -> Path | None:
    found = find_git_dir(layout.project)
    if found is None:
        return None
    folder = found[1] / "mosaic" / FOLDER
    if not (for_writing or os.path.isdir(folder)):
        return None
    from hashlib import sha256  # start-up: a mission without sessions has no journal

    place = os.path.relpath(os.path.realpath(layout.mission_file), os.path.realpath(found[0]))
    words = "\0".join((place, mission.id, mission.created_at or ""))
    name = sha256(os.fsencode(words)).hexdigest()[:16]
    return folder / f"{name}.jsonl"


def _lines(entries: Iterable[dict[str, Any]]) -> bytes:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return "".join(f"{encode(entry)}\n" for entry in entries).encode("utf-8", "surrogateescape")


def _entries(data: bytes) -> Iterable[dict[str, Any]]:
    for line in data.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            entry = parse_json(line)
            if isinstance(entry, dict) and isinstance(entry.get("sessionId"), str):
                yield entry
