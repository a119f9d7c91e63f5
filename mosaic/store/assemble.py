"""From rows and files to tasks: each row and file of one id become one `Entry`.

Whatever is wrong becomes a `Problem` with its file and line; the rest goes on.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeVar

from mosaic.errors import (
    DuplicateTaskError,
    MergeConflictError,
    MissionError,
    SyncConflictError,
    TaskIdError,
)
from mosaic.model import Status, Task
from mosaic.plan.progress import milestone_of
from mosaic.plan.statuses import parse_status
from mosaic.records import replace
from mosaic.store.parsed import (
    FileRecord,
    LeftOut,
    RowRecord,
    cell_words,
    ids_in_cell,
    last_line,
    parse_task_file,
    plain_value,
)
from mosaic.store.sync import Merge, merge_sides
from mosaic.store.tasks import Entry, Problem, Snapshot, natural_key
from mosaic.text.fields import SYNCED, unsynced_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mosaic.store.history import Judged
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.scan import Scan
    from mosaic.store.sync import Base, Side, Value

Record = TypeVar("Record", FileRecord, RowRecord)
UNKNOWN = "?"
"""What a status begins with here that is not understood."""
CLOSED = tuple(status.value for status in Status if status.is_closed)
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
        from mosaic.store.rows import find_row, parse_row  # start-up: only writers

        found = find_row(table_text, row.line)
        row = parse_row(*found, row.headings) if found else row
    return build_entry(document, entry.task, row, file, {})


class _Assembly:
    def __init__(self, document: MissionDocument, base: Base, prefer: Side | None) -> None:
        self._document = document
        self._base = base
        self._prefer = prefer
        self._problems: list[Problem] = []
        self._unagreed: list[str] = []
        self._judged: Mapping[str, Judged] = {}
        self._known: dict[str, str] = {}
        self._milestones: dict[tuple[str, ...], str | None] = {}
        declared = document.mission.milestones
        self._ids_by_name = {each.name: each.id for each in declared if each.name != each.id}
        for each in declared:
            self._ids_by_name.pop(each.id, None)
        layout = document.layout
        self._table = layout.shown(layout.tasks_file)
        # Paths of thousands of files are made of texts: as path objects they would take longest.
        self._folder = layout.shown(layout.tasks_dir / "x")[:-1]

    def snapshot(self, scan: Scan) -> Snapshot:
        found, left_out = self._without_repeats(scan.rows)
        rows = self._unique(found)
        files = self._unique(_without_copies(scan.files))
        if scan.problems:
            self._problems[:0] = [_of_row(problem, rows) for problem in scan.problems]
        file_only = sorted((name for name in files if name not in rows), key=natural_key)
        order = [*rows, *file_only]
        # Of these git left a side in conflict: that is what is wrong with them.
        merging = {e.task_id for e in scan.problems if isinstance(e.error, MergeConflictError)}
        if self._document.conflict is not None:
            self._problems.insert(0, Problem(error=self._document.conflict))
        self._refuse_case_twins({name: rows.get(name) or files[name] for name in order})
        entries: dict[str, Entry] = {}
        for position, name in enumerate(order):
            try:
                entries[name] = self.entry(name, rows.get(name), files.get(name), position)
            except MissionError as error:
                self._problems.append(Problem(error=error, task_id=name))
        asks_git = self._judge_by_git(entries)
        for name, entry in entries.items():
            if entry.conflicts and name not in merging:
                self._problems.append(Problem(error=self._conflict_error(entry), task_id=name))
        left_out = sorted([*left_out, *(row for row in scan.rows if row.why)], key=_line_of)
        return Snapshot(
            self._document,
            entries,
            self._base,
            self._unagreed,
            tuple(self._problems),
            left_out=tuple(LeftOut(row.line, row.why, row.id) for row in left_out),
            asks_git=asks_git,
        )

    def _judge_by_git(self, entries: dict[str, Entry]) -> bool:
        """Merge again, by what git knows, where row and file differ; tell whether any did."""
        pairs = {
            name: (entry.row, entry.file)
            for name, entry in entries.items()
            if (entry.carries or entry.conflicts) and entry.row and entry.file
        }
        if not pairs:
            return False
        if os.path.lexists(self._document.layout.intent_file):
            return True  # both are just being written: what they agreed on tells all
        from mosaic.store.history import Reader, judge_by_git  # start-up: they hardly ever differ

        reader = Reader(self._row_values, self._file_values)
        judged = judge_by_git(self._document.layout, reader, pairs, self._base)
        if judged is None:
            return False
        self._judged = judged
        for name in self._judged:
            entries[name] = self.entry(name, *pairs[name], entries[name].task.position)
        return True

    def _without_repeats(
        self, rows: Iterable[RowRecord]
    ) -> tuple[list[RowRecord], list[RowRecord]]:
        """Return the rows that are tasks, and those that only name again a task of another table.

        One that says something else of its status stays: which is true, nobody can tell.
        """
        first: dict[str, RowRecord] = {}
        tasks: list[RowRecord] = []
        repeats: list[RowRecord] = []
        for row in rows:
            if row.why:
                continue
            earlier = first.setdefault(row.id, row)
            if earlier.table != row.table and self._same_status(earlier, row):
                from mosaic.text.grid import AGAIN  # start-up: hardly any plan repeats a task

                why = f"{AGAIN}, that of line {earlier.line}"
                repeats.append(replace(row, why=why))
            else:
                tasks.append(row)
        return tasks, repeats

    def _same_status(self, first: RowRecord, other: RowRecord) -> bool:
        words = [row.cells.get("status") for row in (first, other)]
        said = {self._status(word) for word in words if word is not None}
        return len(said) < len(words)

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
            by, unclear = self._judged.get(task_id, (base, ()))
            merge = merge_sides(row_values, file_values, by, prefer=self._prefer, unclear=unclear)
            unknown = next(
                (str(each["status"]) for each in (row_values, file_values) if _is_odd(each)), None
            )
            if unknown is not None:
                merge = _without_status(merge, unknown)
            if unknown is None and not merge.carries and not merge.conflicts:
                agreed = {name: file_values[name] for name in SYNCED if name in row.cells}
                if base != agreed:
                    self._unagreed.append(task_id)
        else:
            merge = Merge(values=file_values or {"status": UNKNOWN, **row_values})
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
            values["status"] = self._status(row.cells["status"])
        if row.cells.get("id", "").startswith("~~") and values.get("status") not in CLOSED:
            # Struck through, and not closed: what is meant is not plain.
            values["status"] = f"{UNKNOWN}~~{row.cells.get('status', '')}~~"
        return values

    def _file_values(self, file: FileRecord) -> dict[str, Value]:
        values: dict[str, Value] = {field: file.texts.get(field, "") for field in SYNCED}
        values["depends_on"] = file.lists.get("depends_on", ())
        values["status"] = self._status(file.texts["status"])
        return values

    def _status(self, word: str) -> str:
        """Return a status by its canonical word; one that is not understood behind a `?`."""
        if word not in self._known:
            status = parse_status(word, self._document.mission.statuses)
            self._known[word] = status.value if status else f"{UNKNOWN}{word.strip()}"
        return self._known[word]

    def _milestone(self, row: RowRecord) -> str | None:
        """Return the milestone that the headings of a row name."""
        if row.headings not in self._milestones:
            declared = self._document.mission.milestones
            self._milestones[row.headings] = milestone_of(row.headings, declared)
        return self._milestones[row.headings]

    def _conflict_error(self, entry: Entry) -> SyncConflictError:
        row, file, task_id = entry.row, entry.file, entry.task.id
        assert row is not None
        assert file is not None
        path = self._folder + file.name
        lines = []
        for conflict in entry.conflicts:
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
        word = _text(values, "status") or "todo"
        status = Status.UNKNOWN if word.startswith(UNKNOWN) else Status(word)
        if status is Status.UNKNOWN:
            own["more"] = {**own.get("more", {}), "status_word": word.removeprefix(UNKNOWN)}
        milestone = _text(values, "milestone")
        if milestone is None and row and row.headings:
            milestone = self._milestone(row)
        milestone = self._ids_by_name.get(milestone or "", milestone)
        notes = plain_value(row.cells.get("notes", "")) or None if row else None
        why = (file.last_note if file else "") or last_line(notes or "")
        return Task(
            **own,
            id=task_id,
            title=_text(values, "title") or task_id,
            status=status,
            milestone=milestone,
            depends_on=tuple(values.get("depends_on") or ()),
            pr=_text(values, "pr"),
            notes=notes,
            why=(why or None) if status is Status.BLOCKED else None,
            position=position,
            file=self._folder + file.name if file else None,
            file_line=file.lines.get("task_id", 1) if file else None,
            table_line=row.line if row else None,
            extra={**columns, **(file.extra if file else {})},
            criteria_done=file.criteria[0] if file else 0,
            criteria_total=file.criteria[1] if file else 0,
        )


def _without_copies(files: Sequence[FileRecord]) -> Sequence[FileRecord]:
    """Return task files without those that an editor or a sync tool made of another."""
    if len({file.id for file in files}) == len(files):
        return files
    from mosaic.store.aside import copied_name  # start-up: hardly any mission has copies

    by_name = {file.name: file.id for file in files}
    originals = ((file, copied_name(file.name, by_name)) for file in files)
    return [file for file, name in originals if name is None or by_name[name] != file.id]


def _line_of(row: RowRecord) -> int:
    return row.line


def _is_odd(values: Mapping[str, Value]) -> bool:
    return str(values.get("status", "")).startswith(UNKNOWN)


def _without_status(merge: Merge, unknown: str) -> Merge:
    """Return what is taken together where one side's status is not understood: that stays."""
    return Merge(
        values={**merge.values, "status": unknown},
        carries=tuple(each for each in merge.carries if each.field != "status"),
        conflicts=tuple(each for each in merge.conflicts if each.field != "status"),
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
