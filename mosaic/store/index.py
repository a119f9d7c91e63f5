"""The index: what the files said when they were read last, so that only changed ones are parsed.

`.state/index` is a cache. Deleting it loses nothing; one of another version, or with
wrong bytes, is ignored. It is JSON:

    {"version": 1, "table": [signature, rows], "files": {"T-001-a.md": [signature, record]}}

Why an entry can be believed: its signature holds size, modification time, change time,
inode and device of the very descriptor that was read. The change time is set by the
kernel on every write, rename and change of times, and no program can set it back, so a
restored backup, a branch switch or a same-size edit with the old modification time all
show. What is left is a change within the clock's own step: an entry whose change time
lies within a second of the moment of reading is not kept, and parsed again next time.
A clock that steps backwards makes such young times look old or future ones: a change
time in the future is not kept either.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mosaic.records import dataclass, field
from mosaic.store.parsed import FileRecord, RowRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.machine.access import Signature

FORMAT_VERSION = 1
SETTLED_NS = 1_000_000_000
"""How old a change time must be, when read, for the entry to be kept."""


@dataclass(kw_only=True, slots=True)
class Index:
    """Parsed files by name, each with the signature it was parsed under."""

    files: dict[str, tuple[list[int], FileRecord]] = field(default_factory=dict)
    table: tuple[list[int], tuple[RowRecord, ...]] | None = None
    changed: bool = False
    """Whether saving it would save anything new."""

    def file(self, name: str, signature: Signature) -> FileRecord | None:
        """Return what is known of a file, if it still has this signature."""
        known = self.files.get(name)
        return known[1] if known and known[0] == signature_key(signature) else None

    def rows(self, signature: Signature) -> tuple[RowRecord, ...] | None:
        """Return what is known of the table, if it still has this signature."""
        if self.table and self.table[0] == signature_key(signature):
            return self.table[1]
        return None

    def keep_file(self, record: FileRecord, signature: Signature, now_ns: int) -> None:
        """Remember a parsed file if its signature can be believed later."""
        if is_settled(signature, now_ns):
            self.files[record.name] = (signature_key(signature), record)
            self.changed = True

    def keep_rows(self, rows: tuple[RowRecord, ...], signature: Signature, now_ns: int) -> None:
        """Remember the parsed table if its signature can be believed later."""
        if is_settled(signature, now_ns):
            self.table = (signature_key(signature), rows)
            self.changed = True

    def drop_others(self, names: set[str]) -> None:
        """Forget files that are gone."""
        for name in self.files.keys() - names:
            del self.files[name]
            self.changed = True


def is_settled(signature: Signature, now_ns: int) -> bool:
    """Tell whether any later change must give the file another change time."""
    return signature.ctime_ns < now_ns - SETTLED_NS


def signature_key(signature: Signature) -> list[int]:
    """Return a signature as the index holds it."""
    return [
        signature.size,
        signature.mtime_ns,
        signature.ctime_ns,
        signature.inode,
        signature.device,
    ]


def parse_index(data: bytes) -> Index:
    """Read an index; one that cannot be read is empty."""
    try:
        document = json.loads(data)
        if document["version"] != FORMAT_VERSION:
            return Index()
        table = document["table"]
        return Index(
            files={
                name: (list(key), _file_record(name, values))
                for name, (key, values) in document["files"].items()
            },
            table=(list(table[0]), tuple(_row_record(row) for row in table[1])) if table else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Index()


def dump_index(index: Index) -> bytes:
    """Write an index."""
    document = {
        "version": FORMAT_VERSION,
        "table": [index.table[0], [[row.id, row.line, row.cells] for row in index.table[1]]]
        if index.table
        else None,
        "files": {name: [key, _file_values(record)] for name, (key, record) in index.files.items()},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _file_values(record: FileRecord) -> list[Any]:
    return [
        record.id,
        record.texts,
        record.lists,
        record.extra,
        record.lines,
        record.missing_sections,
    ]


def _file_record(name: str, values: list[Any]) -> FileRecord:
    task_id, texts, lists, extra, lines, missing = values
    return FileRecord(
        name=name,
        id=str(task_id),
        texts=_object(texts),
        lists={key: tuple(items) for key, items in _object(lists).items()},
        extra=_object(extra),
        lines=_object(lines),
        missing_sections=tuple(missing),
    )


def _row_record(values: list[Any]) -> RowRecord:
    task_id, line, cells = values
    return RowRecord(id=str(task_id), line=int(line), cells=_object(cells))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
