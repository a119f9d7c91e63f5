"""From rows and files to tasks: each row and file of one id become one `Entry`.

Whatever is wrong becomes a `Problem` with its file and line; the rest goes on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from mosaic.errors import (
    DuplicateTaskError,
    MissionError,
    StatusUnknownError,
    SyncConflictError,
    TaskIdError,
)
from mosaic.model import Status, Task
from mosaic.plan.statuses import nearest_status, parse_status
from mosaic.records import replace
from mosaic.store.parsed import (
    FileRecord,
    RowRecord,
    cell_words,
    find_row,
    ids_in_cell,
    last_line,
    parse_row,
    parse_task_file,
    plain_value,
)
from mosaic.store.sync import Merge, merge_sides
from mosaic.store.tasks import Entry, Problem, Snapshot, natural_key
from mosaic.text.fields import SYNCED, unsynced_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.scan import Scan
    from mosaic.store.sync import Base, Side, Value

Record = TypeVar("Record", FileRecord, RowRecord)
KNOWN_COLUMNS = frozenset({"id", "notes", *SYNCED})


def build_snapshot(
    document: MissionDocument, scan: Scan, base: Base, *, prefer: Side | None = None
) -> Snapshot:
    """Take rows and files together into tasks."""
    return _Assembly(document, base, prefer).snapshot(scan)


def build_entry(
    document: MissionDocument,
    task: Task,
    row: RowRecord | None,
    file: FileRecord | None,
    base: Base,
) -> Entry:
    """Take the row and the file of one task together that is known to be in order."""
    return _Assembly(document, base, None).entry(task.id, row, file, task.position)


def build_changed(
    document: MissionDocument, entry: Entry, file_text: str | None, table_text: str | None
) -> Entry:
    """Read one task again; a text that is None is as it was."""
    file, row = entry.file, entry.row
    if file and file_text is not None:
        file = parse_task_file(file.name, file_text)
    if row and table_text is not None:
        found = find_row(table_text, row.line)
        row = parse_row(*found) if found else row
    return build_entry(document, entry.task, row, file, {})


class _Assembly:
    def __init__(self, document: MissionDocument, base: Base, prefer: Side | None) -> None:
        self._document = document
        self._base = base
        self._prefer = prefer
        self._problems: list[Problem] = []
        self._unagreed: list[str] = []
        self._known: dict[str, Status] = {}
        layout = document.layout
        self._table = layout.shown(layout.tasks_file)
        # Paths of thousands of files are made of texts: as path objects they would take longest.
        self._folder = layout.shown(layout.tasks_dir / "x")[:-1]

    def snapshot(self, scan: Scan) -> Snapshot:
        rows = self._unique(scan.rows)
        files = self._unique(scan.files)
        if scan.problems:
            self._problems[:0] = [_of_row(problem, rows) for problem in scan.problems]
        file_only = sorted((name for name in files if name not in rows), key=natural_key)
        order = [*rows, *file_only]
        self._refuse_case_twins({name: rows.get(name) or files[name] for name in order})
        entries: dict[str, Entry] = {}
        for position, name in enumerate(order):
            try:
                entries[name] = self.entry(name, rows.get(name), files.get(name), position)
            except MissionError as error:
                self._problems.append(Problem(error=error, task_id=name))
        return Snapshot(self._document, entries, self._base, self._unagreed, tuple(self._problems))

    def _place(self, record: FileRecord | RowRecord) -> tuple[str, int]:
        if isinstance(record, RowRecord):
            return self._table, record.line
        return self._folder + record.name, record.lines.get("task_id", 1)

    def _unique(self, records: Iterable[Record]) -> dict[str, Record]:
        """Index records by id; the first of several keeps its place, all are reported."""
        found: dict[str, list[Record]] = {}
        for record in records:
            found.setdefault(record.id, []).append(record)
        for task_id, same in found.items():
            if len(same) > 1:
                places = [f"{path}:{line}" for path, line in map(self._place, same)]
                error = DuplicateTaskError(task_id, places)
                self._problems.append(Problem(error=error, task_id=task_id))
        return {task_id: same[0] for task_id, same in found.items()}

    def _refuse_case_twins(self, records: Mapping[str, RowRecord | FileRecord]) -> None:
        """Report ids that only case tells apart: one folder or branch on many systems."""
        twins: dict[str, list[str]] = {}
        for task_id in records:
            twins.setdefault(task_id.casefold(), []).append(task_id)
        for same in twins.values():
            for task_id in same if len(same) > 1 else ():
                others = [task_id, *(name for name in same if name != task_id)]
                found = {name: self._place(records[name]) for name in others}
                places = [f"{path}:{line}: `{name}`" for name, (path, line) in found.items()]
                error = DuplicateTaskError(task_id, places)
                error.path, error.line = found[task_id]
                self._problems.append(Problem(error=error, task_id=task_id))

    def entry(
        self, task_id: str, row: RowRecord | None, file: FileRecord | None, position: int
    ) -> Entry:
        record = file or row
        # It must do as a branch name, a folder and one shell word.
        if record and not re.fullmatch(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}", task_id):
            raise TaskIdError(task_id).at(*self._place(record))
        row_values = self._row_values(row) if row else {}
        file_values = self._file_values(file) if file else {}
        if row and file:
            base = self._base.get(task_id, {})
            merge = merge_sides(row_values, file_values, base, prefer=self._prefer)
            if not merge.carries and not merge.conflicts:
                agreed = {name: file_values[name] for name in SYNCED if name in row.cells}
                if base != agreed:
                    self._unagreed.append(task_id)
            elif merge.conflicts:
                error = self._conflict_error(task_id, merge, row, file)
                self._problems.append(Problem(error=error, task_id=task_id))
        else:
            merge = Merge(values=file_values or row_values)
        return Entry(
            task=self._task(task_id, row, file, merge.values, position),
            row=row,
            file=file,
            carries=merge.carries,
            conflicts=merge.conflicts,
        )

    def _row_values(self, row: RowRecord) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for field in SYNCED:
            cell = row.cells.get(field)
            if cell is not None:
                is_list = field == "depends_on"
                values[field] = ids_in_cell(cell) if is_list else cell_words(field, cell)
        if values.get("status"):
            values["status"] = self._status(row.cells["status"], self._table, row.line)
        return values

    def _file_values(self, file: FileRecord) -> dict[str, Value]:
        values: dict[str, Value] = {field: file.texts.get(field, "") for field in SYNCED}
        values["depends_on"] = file.lists.get("depends_on", ())
        path, line = self._folder + file.name, file.lines.get("status", 1)
        values["status"] = self._status(file.texts["status"], path, line)
        return values

    def _status(self, word: str, path: str, line: int) -> str:
        status = self._known.get(word) or parse_status(word, self._document.mission.statuses)
        if status is None:
            raise StatusUnknownError(word, nearest_status(word)).at(path, line)
        self._known[word] = status
        return status.value

    def _conflict_error(
        self, task_id: str, merge: Merge, row: RowRecord, file: FileRecord
    ) -> SyncConflictError:
        path = self._folder + file.name
        lines = []
        for conflict in merge.conflicts:
            line = file.lines.get(conflict.field, file.lines.get("task_id", 1))
            lines.append(
                f"{conflict.field}: `{_shown(conflict.table)}` at {self._table}:{row.line}, "
                f"`{_shown(conflict.file)}` at {path}:{line}"
            )
        return SyncConflictError(task_id, "\n".join(lines)).at(self._table, row.line)

    def _task(
        self,
        task_id: str,
        row: RowRecord | None,
        file: FileRecord | None,
        values: Mapping[str, Value],
        position: int,
    ) -> Task:
        own = unsynced_values(file.texts, file.lists) if file else {}
        columns = {
            column: cell
            for column, cell in (row.cells if row else {}).items()
            if column not in KNOWN_COLUMNS and plain_value(cell)
        }
        status = Status(_text(values, "status") or "todo")
        notes = plain_value(row.cells.get("notes", "")) or None if row else None
        why = (file.last_note if file else "") or last_line(notes or "")
        return Task(
            **own,
            id=task_id,
            title=_text(values, "title") or task_id,
            status=status,
            milestone=_text(values, "milestone"),
            depends_on=tuple(values.get("depends_on") or ()),
            pr=_text(values, "pr"),
            notes=notes,
            why=(why or None) if status is Status.BLOCKED else None,
            position=position,
            file=self._folder + file.name if file else None,
            file_line=file.lines.get("task_id", 1) if file else None,
            table_line=row.line if row else None,
            extra={**columns, **(file.extra if file else {})},
        )


def _of_row(problem: Problem, rows: Iterable[str]) -> Problem:
    """Return a file's problem as that of the row which the file belongs to."""
    name = problem.task_id
    if name is None or name in (rows := list(rows)):
        return problem
    folded = name.casefold()
    begun = [row for row in rows if folded.startswith(row.casefold())]
    own = [row for row in begun if not folded[len(row) : len(row) + 1].isalnum()]
    return replace(problem, task_id=max(own, key=len)) if own else problem


def _text(values: Mapping[str, Value], field: str) -> str | None:
    value = values.get(field)
    return value if isinstance(value, str) and value else None


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(value)
