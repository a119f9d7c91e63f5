"""Reading the tasks folder and the table: parse what changed, take the rest from the index."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, MergeConflictError, MissionError
from mosaic.machine.disk import find_text, read_text
from mosaic.machine.signature import BETWEEN_NAMES, list_task_files, pack_statuses
from mosaic.records import NamedTuple, dataclass
from mosaic.store.index import Index, split_signatures
from mosaic.store.parsed import parse_task_file
from mosaic.store.tasks import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord

MOST_FILES = 100_000
MOST_SEARCHED = 4096
"""Characters of a broken file that are searched for its id."""
UNKNOWN = b""
"""The signature of what cannot be looked at: like that of nothing."""


class Listing(NamedTuple):
    """What stands where tasks are, before anything of it is read."""

    joined_names: bytes
    """Of the task files, in order, as the system has them; zero bytes between them."""
    signatures: bytes
    """One for each of them, in a row."""
    table: bytes | None
    """That of the table; None where there is none."""

    @property
    def names(self) -> list[str]:
        """Names of the task files, in order."""
        names = self.joined_names.split(BETWEEN_NAMES) if self.joined_names else []
        return list(map(os.fsdecode, names))


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """All rows and files, and what could not be read."""

    rows: tuple[RowRecord, ...]
    files: tuple[FileRecord, ...]
    problems: tuple[Problem, ...]


def scan_tasks(layout: Layout) -> Scan:
    """Parse every task file and the tasks table, whatever the index says."""
    return scan_listed(layout, list_files(layout), Index())


def list_files(layout: Layout) -> Listing:
    """Look at the table and at every task file, without reading them."""
    names, signatures = _look_at_files(layout)
    try:
        table = look_at(layout.tasks_file)
    except MissionError:
        table = UNKNOWN  # reading it will tell what is wrong
    return Listing(joined_names=names, signatures=signatures, table=table)


def look_at(path: Path) -> bytes | None:
    """Return the signature of a file; None where there is none."""
    try:
        return pack_statuses([os.stat(path)])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _cannot_look(path, error) from None


def scan_listed(layout: Layout, listing: Listing, index: Index) -> Scan:
    """Take what the index knows of the files that are listed, and parse the others."""
    problems: list[Problem] = []
    rows = _scan_table(layout, listing, index, problems)
    files = _scan_files(layout, listing, index, problems)
    return Scan(rows=rows, files=files, problems=tuple(problems))


def _scan_table(
    layout: Layout, listing: Listing, index: Index, problems: list[Problem]
) -> tuple[RowRecord, ...]:
    if listing.table is None:
        return ()
    known = index.rows(listing.table)
    if known is not None:
        return known
    try:
        now_ns = time.time_ns()
        file = read_text(layout.tasks_file)
        _refuse_conflict(file.text)
        from mosaic.store.rows import parse_table  # start-up: the index has most tables

        rows = parse_table(file.text)
    except MergeConflictError as error:
        from mosaic.store.both_sides import read_both_tables  # start-up: few merges conflict

        rows, found = read_both_tables(file.text, error.at(layout.shown(layout.tasks_file)))
        problems += found
        return rows
    except MissionError as error:
        problems.append(Problem(error=error.at(layout.shown(layout.tasks_file))))
        return ()
    index.keep_rows(rows, file.signature, now_ns)
    return rows


def _scan_files(
    layout: Layout, listing: Listing, index: Index, problems: list[Problem]
) -> tuple[FileRecord, ...]:
    found: list[FileRecord] = []
    signatures = split_signatures(listing.signatures)
    for name, signature in zip(listing.names, signatures, strict=True):
        record = index.file(name, signature)
        if record is None:
            path, text = layout.tasks_dir / name, ""
            try:
                now_ns = time.time_ns()
                file = find_text(path)
                if file is None:
                    continue
                text = file.text
                _refuse_conflict(text)
                record = parse_task_file(name, text)
            except MissionError as error:
                from mosaic.store.aside import copied_name  # start-up: few files are broken

                if copied_name(name, listing.names):
                    continue  # `mission check` names it
                task_id = _id_of_broken(name, text)
                problems.append(Problem(error=error.at(layout.shown(path)), task_id=task_id))
                if isinstance(error, MergeConflictError):
                    from mosaic.store.both_sides import read_our_file

                    found += read_our_file(name, text)
                continue
            index.keep_file(record, file.signature, now_ns)
        found.append(record)
    index.drop_others(listing.names)
    return tuple(found)


def _id_of_broken(name: str, text: str) -> str:
    """Return the id that a file most likely has: what it says by itself, else its name's."""
    head = text[:MOST_SEARCHED]
    said = re.search(r"^(?:task_)?id[ \t]*:[ \t]*([^\s#][^#\n]*)", head, re.MULTILINE)
    if said and (task_id := said[1].strip("\"' ")):
        return task_id
    found = re.match(r"[A-Za-z0-9]+-\d+", name)
    return found[0] if found else name.removesuffix(".md")


def _refuse_conflict(text: str) -> None:
    from mosaic.text.lines import refuse_conflict  # start-up: the index holds none

    refuse_conflict(text)


def _look_at_files(layout: Layout) -> tuple[bytes, bytes]:
    folder = layout.tasks_dir
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", b""
    except OSError as error:
        raise FileAccessError(
            f"`{layout.shown(folder)}` cannot be listed", path=folder, detail=str(error.strerror)
        ) from None
    try:
        names = list_task_files(os.fsencode(folder))
        found = {name: status for name in names if (status := _status_of(name, descriptor))}
    except OSError as error:
        raise _cannot_look(folder, error) from None
    finally:
        os.close(descriptor)
    if len(found) > MOST_FILES:
        raise FileAccessError(
            f"more than {MOST_FILES:,} task files", path=folder, hint="split the mission"
        )
    return BETWEEN_NAMES.join(found), pack_statuses(found.values())


def _status_of(name: bytes, descriptor: int) -> os.stat_result | None:
    """Return what a file is; None where it is gone, and something that no file has elsewhere.

    A link in a circle, or one that leads to a name that is too long, is passed on: reading it
    tells what is wrong, as with every other file that cannot be read.
    """
    try:
        return os.stat(name, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    except OSError:
        try:
            return os.lstat(name, dir_fd=descriptor)
        except OSError:
            return os.fstat(descriptor)


def _cannot_look(path: Path, error: OSError) -> FileAccessError:
    return FileAccessError("the file cannot be read", path=path, detail=str(error.strerror))
