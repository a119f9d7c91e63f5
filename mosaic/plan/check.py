"""What is wrong with a mission: one function a check, values in, findings out."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.plan.globs import bad_glob
from mosaic.plan.graph import cycle_words, dangling_dependencies, find_cycles
from mosaic.plan.scope_index import ScopeIndex, numbers_in
from mosaic.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from mosaic.model import Milestone, Session, Task

ERRORS = frozenset({"DEPENDENCY_UNKNOWN", "DEPENDENCY_CYCLE", "SCOPE_INVALID", "RUNTIME_UNKNOWN"})
"""Findings on tasks that are errors; the others are warnings."""
MOST_OVERLAPS = 100
"""Pairs of tasks that are named one by one: two thousand tasks make two million pairs."""


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong."""

    code: str
    level: Level
    message: str
    path: str | None = None
    line: int | None = None
    detail: str | None = None
    hint: str | None = None
    fixable: bool = False
    """Whether `check --fix` has the one right answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """Everything that the checks look at."""

    tasks: Sequence[Task]
    milestones: Sequence[Milestone]
    open_sessions: Sequence[Session] = ()
    live_sessions: Collection[str] = ()
    table_path: str = "coordination/TASKS.md"
    missing_sections: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Handoff sections that say nothing, by task; only tasks with a file."""
    drift: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What one side of a task would carry to the other, in words."""
    runtimes: Collection[str] = ()


def check_mission(checked: Checked) -> list[Finding]:
    """Run every check."""
    return [finding for check in CHECKS for finding in check(checked)]


def _of_task(
    task: Task,
    checked: Checked,
    code: str,
    message: str,
    *,
    hint: str | None = None,
    fixable: bool = False,
) -> Finding:
    return Finding(
        code=code,
        level=Level.ERROR if code in ERRORS else Level.WARNING,
        message=message,
        path=task.file or checked.table_path,
        line=task.file_line if task.file else task.table_line,
        hint=hint,
        fixable=fixable,
    )


def check_dependencies(checked: Checked) -> Iterator[Finding]:
    """Dependencies on tasks that do not exist, or on the task itself."""
    for task, name in dangling_dependencies(checked.tasks):
        yield _of_task(
            task,
            checked,
            "DEPENDENCY_UNKNOWN",
            f"`{task.id}` depends on `{name}`, which does not exist",
            hint=f"`mission set {task.id} depends_on-={name}` drops it",
        )


def check_cycles(checked: Checked) -> Iterator[Finding]:
    """Tasks that wait for each other."""
    by_id = {task.id: task for task in checked.tasks}
    for cycle in find_cycles(checked.tasks):
        yield _of_task(
            by_id[cycle[0]],
            checked,
            "DEPENDENCY_CYCLE",
            f"these wait for each other: {cycle_words(cycle)}",
            hint=f"`mission set {cycle[0]} depends_on-={cycle[1]}` breaks it",
        )


def check_cancelled_dependencies(checked: Checked) -> Iterator[Finding]:
    """Open tasks that wait for one that will not be done."""
    by_id = {task.id: task for task in checked.tasks}
    for task in checked.tasks:
        for name in task.depends_on if not task.status.is_closed else ():
            other = by_id.get(name)
            if other is not None and other.status is Status.CANCELLED:
                yield _of_task(
                    task,
                    checked,
                    "DEPENDENCY_CANCELLED",
                    f"`{task.id}` waits for `{name}`, which is cancelled",
                    hint=f"`mission set {task.id} depends_on-={name}` drops it",
                )


def check_scopes(checked: Checked) -> Iterator[Finding]:
    """Globs that cannot be, and tasks in progress that may get in each other's way."""
    for task in checked.tasks:
        for glob in task.write_scope:
            if problem := bad_glob(glob):
                yield _of_task(
                    task, checked, "SCOPE_INVALID", f"`{glob}` of `{task.id}`: {problem}"
                )
    working = [t for t in checked.tasks if t.status is Status.IN_PROGRESS and t.write_scope]
    yield from _overlaps(working, checked)


def _overlaps(working: Sequence[Task], checked: Checked) -> Iterator[Finding]:
    index = ScopeIndex([task.write_scope for task in working])
    count = 0
    for number, task in enumerate(working):
        later = index.meeting(task.write_scope) >> number + 1
        if index.is_exhausted:
            yield _not_compared(task, checked)
            break
        for other in islice(numbers_in(later), max(0, MOST_OVERLAPS - count)):
            yield _of_task(
                working[number + 1 + other],
                checked,
                "SCOPE_OVERLAP",
                f"`{task.id}` and `{working[number + 1 + other].id}` are in progress "
                "on the same files",
            )
        count += later.bit_count()
    if count > MOST_OVERLAPS:
        yield Finding(
            code="SCOPE_OVERLAP",
            level=Level.WARNING,
            message=f"and {count - MOST_OVERLAPS} more pairs of tasks are in progress "
            "on the same files",
            path=checked.table_path,
        )


def _not_compared(task: Task, checked: Checked) -> Finding:
    return _of_task(
        task,
        checked,
        "SCOPES_NOT_COMPARED",
        f"the write scopes of `{task.id}` and of the tasks after it were not compared: "
        "those in progress have too many globs",
        hint="name folders instead of many patterns, or close tasks that nobody works on",
    )


def check_drift(checked: Checked) -> Iterator[Finding]:
    """Rows and files that are not in step, where it is plain which is the newer."""
    by_id = {task.id: task for task in checked.tasks}
    for task_id, words in checked.drift.items():
        yield _of_task(
            by_id[task_id],
            checked,
            "DRIFT",
            f"table and file of `{task_id}` are out of step: {'; '.join(words)}",
            hint="`mission sync` brings them in step",
            fixable=True,
        )


def check_handoffs(checked: Checked) -> Iterator[Finding]:
    """Tasks that say they are finished, with a handoff that says nothing."""
    for task in checked.tasks:
        missing = checked.missing_sections.get(task.id, ())
        if missing and task.status in (Status.REVIEW, Status.DONE):
            names = ", ".join(f"`{name}`" for name in missing)
            yield _of_task(
                task,
                checked,
                "HANDOFF_INCOMPLETE",
                f"`{task.id}` is {task.status}, and its handoff lacks {names}",
                hint="fill the sections at the end of its file",
            )


def check_milestones(checked: Checked) -> Iterator[Finding]:
    """Tasks of milestones that mission.json does not name."""
    known = {milestone.id for milestone in checked.milestones}
    for task in checked.tasks:
        if task.milestone and known and task.milestone not in known:
            yield _of_task(
                task,
                checked,
                "MILESTONE_UNKNOWN",
                f"`{task.id}` is of milestone `{task.milestone}`, unknown to mission.json",
                hint="add it under `milestones`",
            )


def check_runtimes(checked: Checked) -> Iterator[Finding]:
    """Tasks that name an unknown runtime."""
    for task in checked.tasks:
        if task.runtime and checked.runtimes and task.runtime not in checked.runtimes:
            yield _of_task(
                task,
                checked,
                "RUNTIME_UNKNOWN",
                f"`{task.id}` names the runtime `{task.runtime}`, which is unknown",
                hint="add it under `runtimes` in mission.json",
            )


def check_file_names(checked: Checked) -> Iterator[Finding]:
    """Task files named after another task."""
    for task in checked.tasks:
        name = (task.file or "").rpartition("/")[2]
        begins = name.removesuffix(".md") == task.id or name.startswith(
            (f"{task.id}-", f"{task.id}_", f"{task.id}.")
        )
        if name and not begins:
            yield _of_task(
                task,
                checked,
                "FILE_NAME",
                f"`{name}` holds `{task.id}`",
                hint=f"rename it so that it begins with `{task.id}`",
            )


def check_sessions(checked: Checked) -> Iterator[Finding]:
    """Sessions that have no end and are not alive."""
    for session in checked.open_sessions:
        if session.id not in checked.live_sessions:
            yield Finding(
                code="SESSION_OPEN",
                level=Level.WARNING,
                message=f"session `{session.id}` has no end, and no process of it is known here",
                hint="`mission status` ends it, on the machine that it ran on",
                fixable=True,
            )


CHECKS: tuple[Callable[[Checked], Iterator[Finding]], ...] = (
    check_dependencies,
    check_cycles,
    check_cancelled_dependencies,
    check_scopes,
    check_drift,
    check_handoffs,
    check_milestones,
    check_runtimes,
    check_file_names,
    check_sessions,
)
