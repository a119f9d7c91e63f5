"""The index: what the files said when they were read last, so that only changed ones are parsed.

`.state/index` is a cache. Deleting it loses nothing; one of another version, or with
wrong bytes, is ignored: checksums tell, as a damaged one may well be JSON and wrong. Its lines:

    {"version": 6, "stamp": 431, "tasks": 9120, "sums": [...]}   how many bytes the next two lines
                                       have, with checksums of the two and of what follows
    <the stamp>                        bytes: what all files were when the tasks were made of them
    {"id": [...], "title": [...], …}   the tasks themselves, a column for each field; and whether
                                       sync.json says all that table and files agree on, and
                                       what in the table is no task: lines with why
    {"table": signature}
    ["row", "T-001", 7, {cells}, 5, [headings], why]   a line for each row of the table
    ["file", "T-001-a.md", signature, …]   a line for each task file

Where the stamp is the same as that of the files now, the tasks are taken as they are: nothing
is parsed and nothing is merged. Elsewhere each row and file that has its old signature is
taken, the others are parsed, and the tasks are made anew. An entry is kept only where any later
change must give the file another signature: see `is_settled`.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any
from zlib import crc32

from mosaic.machine.signature import SIGNATURE
from mosaic.model import Status, Task
from mosaic.records import NamedTuple, dataclass, field
from mosaic.store.parsed import FileRecord, LeftOut, RowRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.machine.signature import Signature

FORMAT_VERSION = 6
SECOND_NS = 1_000_000_000
SETTLED_NS = 100_000_000
"""How old a change time must be, when read, for the entry to be kept."""
TORN = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading an index that may hold anything raises."""
STATUSES = {status.value: status for status in Status}
_OF_FILE = (
    "id", "texts", "lists", "extra", "lines", "missing_sections", "last_note", "criteria",
)  # fmt: skip
"""What the line of a file has after its name and signature."""
_MAKE_TASK = partial(tuple.__new__, Task)
"""As `Task._make`, which counts the values first: it takes twice as long."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(kw_only=True, slots=True)
class Index:
    """Parsed files by name, each with the signature it was parsed under."""

    files: dict[str, tuple[bytes, FileRecord]] = field(default_factory=dict)
    table: tuple[bytes, tuple[RowRecord, ...]] | None = None
    changed: bool = False
    """Whether saving it would save anything new."""

    def file(self, name: str, signature: bytes) -> FileRecord | None:
        """Return what is known of a file, if it still has this signature."""
        known = self.files.get(name)
        return known[1] if known and known[0] == signature else None

    def rows(self, signature: bytes) -> tuple[RowRecord, ...] | None:
        """Return what is known of the table, if it still has this signature."""
        if self.table and self.table[0] == signature:
            return self.table[1]
        return None

    def keep_file(self, record: FileRecord, signature: Signature, now_ns: int) -> None:
        """Remember a parsed file if its signature can be believed later."""
        if is_settled(signature.ctime_ns, now_ns):
            self.files[record.name] = (pack_signature(signature), record)
            self.changed = True

    def keep_rows(self, rows: tuple[RowRecord, ...], signature: Signature, now_ns: int) -> None:
        """Remember the parsed table if its signature can be believed later."""
        if is_settled(signature.ctime_ns, now_ns):
            self.table = (pack_signature(signature), rows)
            self.changed = True

    def drop_others(self, names: Sequence[str]) -> None:
        """Forget files that are gone."""
        for name in self.files.keys() - set(names):
            del self.files[name]
            self.changed = True


class _Parts(NamedTuple):
    stamp: int
    columns: int
    records: int


def is_settled(ctime_ns: int, now_ns: int) -> bool:
    """Tell whether any later change must give the file another change time."""
    return ctime_ns < now_ns - (SETTLED_NS if ctime_ns % SECOND_NS else SECOND_NS)


def pack_signature(signature: Signature) -> bytes:
    """Return a signature as the index holds it."""
    return SIGNATURE.pack(*(getattr(signature, name) for name in signature.__slots__))


def split_signatures(packed: bytes) -> list[bytes]:
    """Return the signatures that stand in a row."""
    size = SIGNATURE.size
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def parse_index(data: bytes) -> Index:
    """Read the rows and files of an index; one that cannot be read is empty."""
    try:
        parts = _parts(data)
        head, *lines = data[parts.records :].splitlines()
        table = json.loads(head)["table"]
        records = json.loads(b"[" + b",".join(lines) + b"]")
        rows = tuple(_row_record(values[1:]) for values in records if values[0] == "row")
        files = (_file_record(values[1:]) for values in records if values[0] == "file")
        return Index(
            files={record.name: (signature, record) for signature, record in files},
            table=(bytes.fromhex(table), rows) if table else None,
        )
    except TORN:
        return Index()


def dump_index(
    index: Index,
    *,
    stamp: bytes = b"",
    tasks: Sequence[Task] = (),
    agreed: bool = False,
    left_out: Sequence[LeftOut] = (),
) -> bytes:
    """Write an index.

    Args:
        index: the rows and files.
        stamp: what all files were when the tasks were made; empty where that is not certain.
        tasks: the tasks made of them, in plan order.
        agreed: whether sync.json says all that table and files agree on.
        left_out: what in the table is no task.
    """
    beside = {"agreed": agreed, "left_out": [*map(list, left_out)]}
    columns = compact({**beside, **_columns(tasks)} if stamp else None)
    first = b"".join([stamp, b"\n", columns, b"\n"])
    records = b"".join(line + b"\n" for line in _record_lines(index))
    head = {
        "version": FORMAT_VERSION,
        "stamp": len(stamp),
        "tasks": len(columns),
        "sums": [crc32(first), crc32(records)],
    }
    return b"".join([compact(head), b"\n", first, records])


class FoundTasks(NamedTuple):
    """The tasks of an index."""

    tasks: tuple[Task, ...]
    """In plan order."""
    is_agreed: bool
    """Whether sync.json says all that table and files agree on."""
    stamp: bytes
    """What all files were when the tasks were made: to be believed they must be that now."""
    left_out: tuple[LeftOut, ...]


def find_tasks(data: bytes) -> FoundTasks | None:
    """Return the tasks of an index, if it has any; the caller compares the stamp."""
    try:
        parts = _parts(data, sums=1)
        stamp = data[parts.stamp : parts.columns - 1]
        if not stamp:
            return None
        columns = json.loads(
            str(memoryview(data)[parts.columns : parts.records], "utf-8", "surrogatepass")
        )
        is_agreed = columns.pop("agreed")
        left_out = tuple(LeftOut(*each) for each in columns.pop("left_out"))
        count = len(columns["id"])
        columns["status"] = map(STATUSES.__getitem__, columns["status"])
        for name in ("depends_on", "write_scope", "labels"):
            if name in columns:
                columns[name] = map(tuple, columns[name])
        if "more" in columns:
            columns["more"] = map(_with_tuples, columns["more"])
        columns["position"] = range(count)
        defaults = Task._field_defaults
        values = [columns.get(name) or repeat(defaults.get(name), count) for name in Task._fields]
        tasks = tuple(map(_MAKE_TASK, zip(*values, strict=True)))
        return FoundTasks(tasks, is_agreed is True, stamp, left_out)
    except TORN:
        return None


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def find_records(data: bytes, task: Task) -> tuple[RowRecord | None, FileRecord | None] | None:
    """Return the row and the file that a task of a sound index was made of; None without them."""
    try:
        start = _parts(data, sums=0).records
        row = file = None
        if task.table_line is not None:
            row = _row_record(_line(data, start, ["row", task.id])[1:])
        if task.file is not None:
            name = task.file.rpartition("/")[2]
            _, file = _file_record(_line(data, start, ["file", name])[1:])
    except TORN:
        return None
    return row, file


def _columns(tasks: Sequence[Task]) -> dict[str, list[Any]]:
    """Return the fields of tasks by name; a field that no task uses is left out."""
    columns = {}
    for name, values in zip(Task._fields, zip(*tasks, strict=True), strict=False):
        if name != "position" and any(value != Task._field_defaults.get(name) for value in values):
            columns[name] = list(values)
    return {**columns, "id": columns.get("id", []), "status": columns.get("status", [])}


def _record_lines(index: Index) -> Iterator[bytes]:
    yield compact({"table": index.table[0].hex() if index.table else None})
    for row in index.table[1] if index.table else ():
        where = (row.table, row.headings, row.why)
        yield compact(["row", row.id, row.line, row.cells, *where])
    for name, (signature, record) in index.files.items():
        values = [getattr(record, field) for field in _OF_FILE]
        yield compact(["file", name, signature.hex(), *values])


def compact(value: object) -> bytes:
    """Return a value as JSON on one line, without blanks."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")  # a file name may not be text


def is_sound(data: bytes) -> bool:
    """Tell whether an index is whole: of this version, and what its checksums say."""
    try:
        _parts(data)
    except TORN:
        return False
    return True


def _parts(data: bytes, *, sums: int = 2) -> _Parts:
    """Return where the parts of an index begin, or raise one of `TORN`.

    `sums` says how many of the two checksums are compared.
    """
    stamp = data.index(b"\n") + 1
    head = json.loads(data[:stamp])
    columns = stamp + int(head["stamp"]) + 1
    records = columns + int(head["tasks"]) + 1
    whole = memoryview(data)
    spans = (whole[stamp:records], whole[records:])
    if (
        head["version"] != FORMAT_VERSION
        or not stamp < columns < records <= len(data)
        or data[columns - 1 : columns] != b"\n"
        or any(crc32(spans[number]) != head["sums"][number] for number in range(sums))
    ):
        raise ValueError("it is damaged, or of another version")
    return _Parts(stamp, columns, records)


def _line(data: bytes, records: int, beginning: list[str]) -> list[Any]:
    start = data.index(b"\n" + compact(beginning)[:-1] + b",", records) + 1
    return json.loads(data[start : data.index(b"\n", start)])  # type: ignore[no-any-return]


def _file_record(values: list[Any]) -> tuple[bytes, FileRecord]:
    name, signature, *values = values
    given = dict(zip(_OF_FILE, values, strict=True))
    given["lists"] = _with_tuples(given["lists"])
    given["missing_sections"] = tuple(given["missing_sections"])
    given["criteria"] = tuple(given["criteria"])
    return bytes.fromhex(signature), FileRecord(name=name, **given)


def _row_record(values: list[Any]) -> RowRecord:
    task_id, line, cells, table, headings, why = values
    return RowRecord(
        id=task_id, line=line, cells=cells, table=table, headings=tuple(headings), why=why
    )
