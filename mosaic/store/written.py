"""What `mission` itself wrote last into each of a mission's files while sessions were live.

    written.json   {"coordination/TASKS.md": "sha256 of its content", …}

By it the end of a session tells an edit by hand from one that `mission` made. It is kept only
while a session is live, and a record that is lost costs a warning too many, nothing else.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.json_data import dump_json, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mosaic.store.layout import Layout

RECORD_NAME = "written.json"


def note_written(layout: Layout, texts: Iterable[tuple[Path, str]]) -> None:
    """Remember what was just written, if a session is live; the mission lock is held."""
    record = layout.state_dir / RECORD_NAME
    if not _has_sessions(layout):
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
        return
    known: dict[str, str] = dict(read_written(layout))
    known.update((layout.shown(path), digest_of(text.encode())) for path, text in texts)
    with contextlib.suppress(MissionError):
        write_private(record, dump_json(known), root=layout.state_dir)


def read_written(layout: Layout) -> Mapping[str, str]:
    """Return the digest of what was written last, by path as it is shown."""
    try:
        values: Any = parse_json(find_bytes(layout.state_dir / RECORD_NAME) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def is_as_written(layout: Layout, path: Path) -> bool:
    """Tell whether a file holds just what `mission` wrote last, while a session was live."""
    wanted = read_written(layout).get(layout.shown(path))
    try:
        data = find_bytes(path) if wanted else None
    except MissionError:
        return False
    return data is not None and digest_of(data) == wanted


def digest_of(data: bytes) -> str:
    """Return the digest that the record knows a content by."""
    from hashlib import sha256  # start-up: hardly any change needs it

    return sha256(data).hexdigest()


def _has_sessions(layout: Layout) -> bool:
    """Tell whether a session is locked, so perhaps live; nobody is judged here."""
    if os.path.lexists(layout.session_lock):
        return True
    try:
        return any(name.endswith(".lock") for name in os.listdir(layout.session_locks_dir))
    except OSError:
        return False
