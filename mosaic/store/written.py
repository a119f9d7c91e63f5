"""What `mission` itself wrote last, while sessions were live: the plan, and what it merged.

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
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from mosaic.store.layout import Layout

RECORD_NAME = "written.json"
GONE = "gone"
"""Stands for the digest of a file that was removed."""


def note_written(layout: Layout, texts: Iterable[tuple[Path, str]]) -> None:
    """Remember texts that were just written, if a session is live; the mission lock is held."""
    _note(layout, lambda: [(path, digest_of(text.encode())) for path, text in texts])


def note_files(layout: Layout, paths: Iterable[Path]) -> None:
    """Remember files as they stand, or that they are gone, if a session is live."""
    _note(layout, lambda: [(path, _digest_of_file(path)) for path in paths])


def _note(layout: Layout, digests: Callable[[], list[tuple[Path, str]]]) -> None:
    record = layout.state_dir / RECORD_NAME
    if not _has_sessions(layout):
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
        return
    with contextlib.suppress(MissionError):
        known = dict(read_written(layout))
        known.update((layout.shown(path), digest) for path, digest in digests())
        write_private(record, dump_json(known), root=layout.state_dir)


def read_written(layout: Layout) -> Mapping[str, str]:
    """Return the digest of what was written last, by path as it is shown."""
    try:
        values: Any = parse_json(find_bytes(layout.state_dir / RECORD_NAME) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def as_written(layout: Layout, paths: Iterable[Path]) -> frozenset[Path]:
    """Return those of the files that are just as `mission` left them while a session was live."""
    known = read_written(layout)
    found = set()
    for path in paths if known else ():
        with contextlib.suppress(MissionError):
            if known.get(layout.shown(path)) == _digest_of_file(path):
                found.add(path)
    return frozenset(found)


def _digest_of_file(path: Path) -> str:
    data = find_bytes(path)
    return GONE if data is None else digest_of(data)


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
