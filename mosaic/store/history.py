"""What git says where a task's row and its file differ: which of the two was edited.

`checkout`, `stash`, `reset` and the like put another version of one file back: that is no edit.
So what is as in HEAD is taken for older than what is not; and where both are as in HEAD, what
they agreed on in the latest commit in which they did is the base. Nothing is decided where the
other side was put back from a commit too, or came back to what HEAD has after both had agreed
on something newer: `git checkout FILE` and a hand that undoes a change look the same then.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from mosaic.errors import MissionError
from mosaic.git.branches import contents_of
from mosaic.git.git import answer_of, find_work_tree, run_git
from mosaic.records import NamedTuple
from mosaic.store.parsed import parse_task_file
from mosaic.store.rows import parse_table
from mosaic.store.sync import same_value
from mosaic.text.fields import SYNCED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord
    from mosaic.store.sync import Base, Value

MOST_COMMITS = 30
MOST_TASKS = 50
"""How many tasks are looked up in older commits: each costs two git processes."""
_WRITTEN = "updated_at"
_COMMITTED = ("--branches", "--remotes", "--tags", "HEAD")


Values: TypeAlias = "tuple[Mapping[str, Value], Mapping[str, Value]]"
"""Of the row and of the file."""


class Judged(NamedTuple):
    """What row and file of a task are to be merged by."""

    base: Mapping[str, Value]
    unclear: frozenset[str]
    """Fields of which neither value can be taken for the newer."""


class Reader(NamedTuple):
    """How a row and a file are turned into values."""

    of_row: Callable[[RowRecord], Mapping[str, Value]]
    of_file: Callable[[FileRecord], Mapping[str, Value]]


def judge_by_git(
    layout: Layout, read: Reader, pairs: Mapping[str, tuple[RowRecord, FileRecord]], base: Base
) -> Mapping[str, Judged] | None:
    """Return what to merge those tasks by that git knows; None without a repository."""
    top = find_work_tree(layout.project)
    if top is None:
        return None
    try:
        return _History(layout, top, read).judge(pairs, base)
    except MissionError:
        return {}  # git does not work here: what they last agreed on is all there is


class _History:
    def __init__(self, layout: Layout, top: Path, read: Reader) -> None:
        self._layout = layout
        self._top = top
        self._read = read
        self._table = self._path(layout.tasks_file)
        self._tables: dict[bytes, Mapping[str, Mapping[str, Value]]] = {}
        self._committed: dict[str, bool] = {}

    def judge(
        self, pairs: Mapping[str, tuple[RowRecord, FileRecord]], base: Base
    ) -> dict[str, Judged]:
        files = [self._path(self._layout.tasks_dir / file.name) for _, file in pairs.values()]
        table, *texts = contents_of(self._top, [f"HEAD:{path}" for path in (self._table, *files)])
        judged: dict[str, Judged] = {}
        searched = 0
        for (task_id, pair), path, text in zip(pairs.items(), files, texts, strict=True):
            head = self._values(task_id, table, text)
            if head is None:
                continue
            now = self._read.of_row(pair[0]), self._file_values(pair[1])
            known = base.get(task_id, {})
            found, unclear = dict(known), set()
            # A value that came back to what HEAD has is of now, where we wrote the file since.
            is_older = now[1][_WRITTEN] == head[1][_WRITTEN]
            committed = []
            for field, row, file in _differing(*now):
                row_stands = field in head[0] and same_value(row, head[0][field])
                file_stands = is_older and same_value(file, head[1].get(field) or "")
                if row_stands and file_stands:
                    committed.append(field)
                elif row_stands or file_stands:
                    found[field], edited = (row, file) if row_stands else (file, row)
                    is_back = field in known and same_value(known[field], edited)
                    if is_back or self._is_committed(path if row_stands else self._table):
                        unclear.add(field)
            if committed and searched < MOST_TASKS:
                searched += 1
                self._look_back(task_id, path, committed, found, unclear)
            judged[task_id] = Judged(found, frozenset(unclear))
        return judged

    def _look_back(
        self, task_id: str, path: str, fields: Iterable[str], found: dict[str, Value],
        unclear: set[str],
    ) -> None:  # fmt: skip
        """Find what row and file agreed on in the latest commit in which they did.

        Unclear is what both have changed since.
        """
        command = ["log", f"--max-count={MOST_COMMITS}", "--format=%H", "HEAD", "--"]
        commits = (answer_of([*command, self._table, path], self._top) or "").split()
        names = [f"{commit}:{each}" for commit in commits for each in (self._table, path)]
        texts = contents_of(self._top, names)
        pairs = [self._values(task_id, *pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
        for field in fields:
            since: list[Values] = []
            for pair in filter(None, pairs):
                agreed = pair[0].get(field, "")
                if not same_value(agreed, pair[1].get(field) or ""):
                    since.append(pair)
                    continue
                found[field] = agreed
                row_moved = any(not same_value(row.get(field, ""), agreed) for row, _ in since)
                # A file that we wrote since was edited since, whatever its value is now.
                file_moved = any(
                    not same_value(file.get(field) or "", agreed)
                    or file[_WRITTEN] != pair[1][_WRITTEN]
                    for _, file in since
                )
                if row_moved and file_moved:
                    unclear.add(field)
                break

    def _values(self, task_id: str, table: bytes | None, text: bytes | None) -> Values | None:
        row = self._rows(table or b"").get(task_id)
        if row is None or text is None:
            return None
        try:
            file = parse_task_file(task_id, text.decode())
        except (MissionError, UnicodeDecodeError):
            return None
        return row, self._file_values(file)

    def _file_values(self, file: FileRecord) -> Mapping[str, Value]:
        return {**self._read.of_file(file), _WRITTEN: file.texts.get(_WRITTEN, "")}

    def _rows(self, table: bytes) -> Mapping[str, Mapping[str, Value]]:
        if table not in self._tables:
            try:
                rows: Iterable[RowRecord] = parse_table(table.decode())
            except (MissionError, UnicodeDecodeError):
                rows = ()
            self._tables[table] = {row.id: self._read.of_row(row) for row in rows if not row.why}
        return self._tables[table]

    def _is_committed(self, path: str) -> bool:
        """Tell whether a file is just as it is in some commit: git has put it there."""
        if path not in self._committed:
            command = ["hash-object", "--", path]
            blob = answer_of(command, self._top)
            command = ["log", "--max-count=1", "--format=%H", f"--find-object={blob}", *_COMMITTED]
            self._committed[path] = bool(
                blob
                and answer_of(["cat-file", "-e", blob], self._top) is not None
                and run_git([*command, "--", path], self._top, check=False).text
            )
        return self._committed[path]

    @cached_property
    def _real_top(self) -> str:
        return os.path.realpath(self._top)

    def _path(self, path: Path) -> str:
        real = os.path.join(os.path.realpath(path.parent), path.name)
        return os.path.relpath(real, self._real_top).replace(os.sep, "/")


def _differing(
    row: Mapping[str, Value], file: Mapping[str, Value]
) -> Iterator[tuple[str, Value, Value]]:
    for field in SYNCED:
        if field in row and not same_value(row[field], file.get(field) or ""):
            yield field, row[field], file.get(field) or ""
