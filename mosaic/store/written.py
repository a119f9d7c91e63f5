"""What `mission` itself wrote last, while sessions were live: the plan, and what it merged.

    written.json   {"coordination/TASKS.md": {"last": "sha256 …", "found": ["sha256 …"]}, …}

`last` is what was written, `found` what stood there before a write that was not its last. By
these the end of a session tells an edit by hand from one that `mission` made. They are kept
only while a session is live; a record that is lost costs a warning too many, nothing else.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mosaic.codec import dump_json, dump_value, load_record
from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.lock import hold_folder
from mosaic.records import dataclass
from mosaic.store.state import find_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mosaic.store.layout import Layout

RECORD_NAME = "written.json"
MOST_FOUND = 50
TURN_SECONDS = 30.0
GONE = "gone"
"""Stands for the digest of a file that was removed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What is known of the writes of one file."""

    last: str
    """Digest of what was written last."""
    found: tuple[str, ...] = ()
    """Digests of what others had put there before a write."""


def note_written(layout: Layout, texts: Iterable[tuple[Path, str | None, str | None]]) -> None:
    """Remember texts that were just written, if a session is live; the mission lock is held.

    None stands for no file.
    """
    _note(layout, ((path, _digest(before), _digest(after)) for path, before, after in texts))


def _digest(text: str | None) -> str:
    return GONE if text is None else digest_of(text.encode())


def note_files(layout: Layout, paths: Iterable[Path]) -> None:
    """Remember files as they stand, or that they are gone, if a session is live."""
    _note(layout, ((path, None, digest_of_file(path)) for path in paths))


@contextlib.contextmanager
def turn_at_home(worktrees_dir: Path) -> Iterator[None]:
    """Have who merges into the mission's own work tree, and who looks at it, take turns.

    In between it has files that are not yet noted as written. Who does not get a turn within half
    a minute goes on without: at worst that is a warning too many.
    """
    turn: AbstractContextManager[object] = contextlib.nullcontext()
    with contextlib.suppress(MissionError):
        turn = hold_folder(worktrees_dir, wait_seconds=TURN_SECONDS)
    with turn:
        yield


def _note(layout: Layout, digests: Iterable[tuple[Path, str | None, str]]) -> None:
    record = layout.state_dir / RECORD_NAME
    if not _has_sessions(layout):
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
        return
    with contextlib.suppress(MissionError):
        known = _read_written(layout)
        for path, before, after in digests:
            earlier = known.get(layout.shown(path))
            found = earlier.found if earlier else ()
            if before is not None and (earlier is None or before != earlier.last):
                found = (*found, before)[-MOST_FOUND:]
            known[layout.shown(path)] = Written(last=after, found=found)
        write_private(record, dump_json(dump_value(known)), root=layout.state_dir)


def _read_written(layout: Layout) -> dict[str, Written]:
    """Return what is known of writes, by path as it is shown; nothing where it is damaged."""
    record = layout.state_dir / RECORD_NAME
    try:
        values = find_object(record)
        return {path: load_record(Written, each, record) for path, each in values.items()}
    except MissionError:
        return {}


def as_written(layout: Layout, paths: Iterable[Path]) -> Mapping[Path, Written]:
    """Return those of the files that are just as `mission` left them while a session was live."""
    known = _read_written(layout)
    found = {}
    for path in paths if known else ():
        with contextlib.suppress(MissionError):
            written = known.get(layout.shown(path))
            if written is not None and written.last == digest_of_file(path):
                found[path] = written
    return found


def digest_of_file(path: Path) -> str:
    """Return the digest of a file's content, or `GONE`."""
    data = find_bytes(path)
    return GONE if data is None else digest_of(data)


def digest_of(data: bytes) -> str:
    """Return the digest that the record knows a content by."""
    from hashlib import sha256  # start-up: hardly any change needs it

    return sha256(data).hexdigest()


def _has_sessions(layout: Layout) -> bool:
    if os.path.lexists(layout.session_lock):
        return True
    try:
        return any(name.endswith(".lock") for name in os.listdir(layout.session_locks_dir))
    except OSError:
        return False
