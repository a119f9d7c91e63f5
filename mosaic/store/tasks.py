"""All tasks of a mission, table and files as one: what every command reads.

A bad file or row never hides the others: it becomes a `Problem` of its own, and the
task that it stands for cannot be handed off or changed until it is mended.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from mosaic.errors import FileChangedError, TaskNotFoundError, UsageError
from mosaic.machine.disk import find_text
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.errors import MissionError
    from mosaic.model import Task
    from mosaic.store.mission_file import MissionDocument
    from mosaic.store.parsed import FileRecord, LeftOut, RowRecord
    from mosaic.store.sync import Base, Carry, Conflict

VERSION_DIGITS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something broken that is reported."""

    error: MissionError
    task_id: str | None = None
    """The task that cannot be trusted because of it; None when all of the table cannot."""

    def json_values(self) -> dict[str, str | int | None]:
        """Return the error's facts and the task, as JSON holds them."""
        return {**self.error.json_values(), "task_id": self.task_id}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One task with where it comes from."""

    task: Task
    row: RowRecord | None
    file: FileRecord | None
    carries: tuple[Carry, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


class Snapshot:
    """The whole mission as it was read at one moment; all entries are made."""

    def __init__(
        self,
        document: MissionDocument,
        entries: Mapping[str, Entry],
        base: Base,
        unagreed: Sequence[str],
        problems: tuple[Problem, ...] = (),
        *,
        left_out: tuple[LeftOut, ...] = (),
        asks_git: bool = False,
    ) -> None:
        self.document = document
        self.layout = document.layout
        self.tasks = tuple(entry.task for entry in entries.values())
        """All tasks that could be read, in plan order."""
        self.problems = problems
        self.left_out = left_out
        """What looks like a task in the table and is none."""
        self.asks_git = asks_git
        """Whether a task's row and file differ: what is newer depends on what git knows."""
        self._entries = entries
        self._base = base
        self._unagreed = unagreed

    @property
    def session_problems(self) -> tuple[Problem, ...]:
        """What is wrong with sessions in mission.json, for those who read them all."""
        errors = self.document.mission.sessions.problems()
        return tuple(Problem(error=error.at(self.document.path)) for error in errors)

    def entries(self) -> Mapping[str, Entry]:
        """Return all tasks with where they come from, by id, in plan order."""
        return self._entries

    def entry(self, task: Task) -> Entry:
        """Return one of the tasks with where it comes from."""
        return self._entries[task.id]

    def base(self) -> Base:
        """Return what table and files last agreed on."""
        return self._base

    def unagreed(self) -> Sequence[str]:
        """Return ids of tasks whose row and file agree on what the base does not say."""
        return self._unagreed

    @cached_property
    def by_id(self) -> Mapping[str, Task]:
        """All tasks by id."""
        return {task.id: task for task in self.tasks}

    @property
    def rows_without_id(self) -> list[int]:
        """The lines of rows that are tasks but for an id."""
        if not self.left_out:
            return []
        from mosaic.text.grid import NO_ID  # start-up: hardly ever needed

        return [each.line for each in self.left_out if each.why == NO_ID]

    @property
    def left_out_words(self) -> str | None:
        """What is left out of the table, in a line; None where nothing is."""
        if not self.left_out:
            return None
        table, count = self.layout.shown(self.layout.tasks_file), len(self.left_out)
        first, beside = self.left_out[0], f" and {count - 1} more places" if count > 1 else ""
        return f"not read: {table}:{first.line} {first.why}{beside}; `mission check` names all"

    @property
    def broken_ids(self) -> frozenset[str]:
        """Ids of tasks that something is wrong with."""
        return frozenset(p.task_id for p in self.problems if p.task_id is not None)

    def get(self, task_id: str) -> Entry:
        """Return the entry of a task; see `get_task`."""
        return self.entry(self.get_task(task_id))

    def get_task(self, task_id: str) -> Task:
        """Return the task that a person names: see `meant`.

        Raises TaskNotFoundError, UsageError where a short id may be several, or BrokenFileError
        where the task cannot be trusted.
        """
        name = self.meant(task_id)
        task = self.find_task(name)
        for problem in self.problems:
            if problem.task_id == name:
                raise problem.error
        if task is None:
            from mosaic.plan.names import closest_names
            from mosaic.store.aside import find_aside

            error = TaskNotFoundError(task_id, closest_names(task_id, self.by_id))
            removed = self.document.mission.removed_tasks
            if not self.tasks:
                error.hint = '`mission add "A task"` makes the first one'
            if where := find_aside(self).get(task_id):
                error.detail, error.hint = where, "`mission check` says more"
            elif task_id in removed:
                error.detail = f"`{task_id}` is gone: {removed[task_id]}".removesuffix(": ")
                folder = self.layout.shown(self.layout.tasks_dir)
                error.hint = f"`git log -- '{folder}/{task_id}*'` shows what it was"
            raise error
        return task

    def meant(self, word: str) -> str:
        """Return the id that a word stands for, short (`1`, `t1`, `T-1`) or whole.

        A word that stands for none is returned as it is. Raises UsageError where it may be several.
        """
        if (task := self.find_task(word)) is not None:
            return task.id
        from mosaic.plan.names import meant_ids  # start-up: most ids are whole

        found = meant_ids(word, dict.fromkeys([*self.by_id, *self.broken_ids]))
        if len(found) > 1:
            raise UsageError(
                f"`{word}` may be any of {len(found)} tasks",
                detail=", ".join(f"`{each}`" for each in found),
                hint="write the whole id",
            )
        return found[0] if found else word

    def find(self, task_id: str) -> Entry | None:
        """Return the entry of a task, trusted or not."""
        task = self.find_task(task_id)
        return self.entry(task) if task is not None else None

    def find_task(self, task_id: str) -> Task | None:
        """Return a task, trusted or not; case may differ where that leaves no doubt."""
        if task_id in self.by_id:
            return self.by_id[task_id]
        folded = task_id.casefold()
        alike = [task for task in self.tasks if task.id.casefold() == folded]
        return alike[0] if len(alike) == 1 else None

    def task_text(self, task: Task) -> str:
        """Return what stands in a task's file; nothing where it has none."""
        if task.file is None:
            return ""
        file = find_text(self.layout.tasks_dir / task.file.rpartition("/")[2])
        return file.text if file else ""

    def version(self, task: Task) -> str:
        """Return what tells one state of a task's row and file, as they are now, from another."""
        from hashlib import sha256  # start-up: only boards and decisions ask

        row = ""
        if task.table_line is not None and (table := find_text(self.layout.tasks_file)):
            row = "".join(table.text.split("\n")[task.table_line - 1 : task.table_line])
        whole = f"{row}\n{self.task_text(task)}"
        return sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:VERSION_DIGITS]

    def refuse_moved(self, task_id: str, version: str) -> None:
        """Make sure that a task's row and file are as they were seen (or FileChangedError)."""
        task = self.get_task(task_id)
        if self.version(task) != version:
            raise FileChangedError(task.file or self.layout.shown(self.layout.tasks_file))

    def raise_problems(self) -> None:
        """Raise the first problem, if there is one."""
        for problem in self.problems:
            raise problem.error


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts `T-9` before `T-10`."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]
