"""Reading the tasks folder and the table: parse what changed, take the rest from the index."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, MissionError
from mosaic.machine.access import Signature
from mosaic.machine.disk import find_bytes, find_text, read_text, write_private
from mosaic.records import dataclass
from mosaic.store.index import Index, dump_index, parse_index
from mosaic.store.parsed import parse_table, parse_task_file
from mosaic.store.state import is_own_state
from mosaic.store.tasks import Problem

if TYPE_CHECKING:
    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord

IGNORED_NAMES = frozenset({"readme.md", "index.md"})
MOST_FILES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """All rows and files, and what could not be read."""

    rows: tuple[RowRecord, ...]
    files: tuple[FileRecord, ...]
    problems: tuple[Problem, ...]


def scan_tasks(layout: Layout, *, use_index: bool = True) -> Scan:
    """Read every task file and the tasks table.

    Args:
        layout: where they are.
        use_index: False parses everything, whatever the index says.
    """
    data = find_bytes(layout.index_file) if use_index else None
    index = parse_index(data) if data else Index()
    problems: list[Problem] = []
    rows = _scan_table(layout, index, problems)
    files = _scan_files(layout, index, problems)
    if index.changed:
        _save_index(layout, index)
    return Scan(rows=rows, files=files, problems=tuple(problems))


def _scan_table(layout: Layout, index: Index, problems: list[Problem]) -> tuple[RowRecord, ...]:
    try:
        signature = _signature(layout.tasks_file)
        if signature is None:
            return ()
        known = index.rows(signature)
        if known is not None:
            return known
        now_ns = time.time_ns()
        file = read_text(layout.tasks_file)
        rows = parse_table(file.text)
    except MissionError as error:
        problems.append(Problem(error=error.at(layout.shown(layout.tasks_file))))
        return ()
    index.keep_rows(rows, file.signature, now_ns)
    return rows


def _scan_files(layout: Layout, index: Index, problems: list[Problem]) -> tuple[FileRecord, ...]:
    found: list[FileRecord] = []
    names: set[str] = set()
    for name, signature in _task_files(layout):
        names.add(name)
        record = index.file(name, signature)
        if record is None:
            path = layout.tasks_dir / name
            try:
                now_ns = time.time_ns()
                file = find_text(path)
                if file is None:
                    continue
                record = parse_task_file(name, file.text)
            except MissionError as error:
                error.at(layout.shown(path))
                problems.append(Problem(error=error, task_id=id_in_name(name)))
                continue
            index.keep_file(record, file.signature, now_ns)
        found.append(record)
    index.drop_others(names)
    return tuple(found)


def _task_files(layout: Layout) -> list[tuple[str, Signature]]:
    try:
        with os.scandir(layout.tasks_dir) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(".md")
                and not entry.name.startswith((".", "_"))
                and entry.name.lower() not in IGNORED_NAMES
            )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileAccessError(
            f"`{layout.shown(layout.tasks_dir)}` cannot be listed",
            path=layout.tasks_dir,
            detail=str(error.strerror),
        ) from None
    if len(names) > MOST_FILES:
        raise FileAccessError(
            f"more than {MOST_FILES:,} task files", path=layout.tasks_dir, hint="split the mission"
        )
    signatures = ((name, _signature(layout.tasks_dir / name)) for name in names)
    return [(name, signature) for name, signature in signatures if signature is not None]


def _signature(path: os.PathLike[str]) -> Signature | None:
    try:
        return Signature.of(os.stat(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileAccessError(
            "the file cannot be read", path=os.fspath(path), detail=str(error.strerror)
        ) from None


def id_in_name(name: str) -> str | None:
    """Return the id that a task file's name begins with, for files that cannot tell it."""
    found = re.match(r"[A-Za-z0-9]+-\d+", name)
    return found[0] if found else name.removesuffix(".md")


def _save_index(layout: Layout, index: Index) -> None:
    """Save the index where that is possible; it is a cache and not worth an error."""
    if is_own_state(layout):
        try:
            write_private(layout.index_file, dump_index(index), root=layout.state_dir)
        except (MissionError, OSError):
            return
