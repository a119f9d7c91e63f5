"""What is wrong with a mission: one function a check, values in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.plan.globs import bad_glob, is_plain
from mosaic.plan.graph import cycle_words, dangling_dependencies, find_cycles
from mosaic.plan.scope_index import ScopeIndex, numbers_in
from mosaic.plan.scope_meeting import Ground, ScopeComparison
from mosaic.plan.statuses import nearest_status
from mosaic.records import dataclass, field, replace
from mosaic.text.fields import unknown_word
from mosaic.text.grid import AGAIN, NO_ID
from mosaic.text.sections import HANDOFF_SECTIONS

if TYPE_CHECKING:
    from mosaic.model import Milestone, Session, Task

ERRORS = frozenset(
    {
        "DEPENDENCY_UNKNOWN", "DEPENDENCY_CYCLE", "SCOPE_INVALID", "RUNTIME_UNKNOWN",
        "STATUS_UNKNOWN",
    }
)  # fmt: skip
"""Findings that are errors; the others are warnings."""
FIXABLE = frozenset({"DRIFT", "SESSION_OPEN"})
"""Findings of which `check --fix` has the one right answer."""
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
    left_out: Sequence[tuple[int, str, str]] = ()
    """What looks like a task in the table and is none: line, why, and the id it seems to have."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """Where tasks stand that are not read, in words, by their id."""
    statuses: Mapping[str, Status] = field(default_factory=dict)
    """The project's own status words."""
    ground: Ground = Ground()
    """What write scopes are compared on."""
    headings: Sequence[tuple[str, str, int]] = ()
    """Headings that say something else than the titles: the task, what it says, its line."""
    status_places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Path and line of each status that is not understood, by task."""


def check_mission(checked: Checked) -> list[Finding]:
    """Run every check."""
    return [finding for check in CHECKS for finding in check(checked)]


def check_dependencies(checked: Checked) -> Iterator[Finding]:
    """Dependencies on tasks that do not exist, or on the task itself."""
    for task, name in dangling_dependencies(checked.tasks):
        message = f"`{task.id}` depends on `{name}`, which does not exist"
        hint = f"`mission set {task.id} depends_on-={name}` drops it"
        if where := checked.aside.get(name):
            message = f"`{task.id}` depends on `{name}`, which is not read: {where}"
            hint = f"mend that, and `{name}` is there again"
        yield _found("DEPENDENCY_UNKNOWN", task, checked, message, hint)


def check_rows(checked: Checked) -> Iterator[Finding]:
    """Lines of the table's file that look like tasks and are none."""
    for line, why, task_id in checked.left_out:
        yield Finding(
            code="ROW_LEFT_OUT",
            level=Level.WARNING if why.startswith(AGAIN) else Level.ERROR,
            message=f"{f'the row of `{task_id}`' if task_id else 'this line'} {why}",
            path=checked.table_path,
            line=line,
            hint="`mission check --fix` gives it one, and so does your next change"
            if why == NO_ID
            else None,
            fixable=why == NO_ID,
        )


def check_statuses(checked: Checked) -> Iterator[Finding]:
    """Status words that mean nothing here."""
    for task in checked.tasks:
        if word := unknown_word(task):
            near = nearest_status(word, checked.statuses)
            message = f"`{word}` of `{task.id}` is not a status"
            hint = (
                "use todo, in-progress, review, blocked, done or cancelled, "
                "or add the word under `statuses` in mission.json"
            )
            if "~~" in word:
                hint = "set it to done or cancelled, or take the `~~` away"
            elif near:
                hint = f"the nearest is `{near}`: `mission set {task.id} status={near}`"
            found = _found("STATUS_UNKNOWN", task, checked, message, hint)
            path, line = checked.status_places.get(task.id, (found.path, found.line))
            yield replace(found, path=path, line=line)


def check_cycles(checked: Checked) -> Iterator[Finding]:
    """Tasks that wait for each other."""
    by_id = {task.id: task for task in checked.tasks}
    for cycle in find_cycles(checked.tasks):
        message = f"these wait for each other: {cycle_words(cycle)}"
        hint = f"`mission set {cycle[0]} depends_on-={cycle[1]}` breaks it"
        yield _found("DEPENDENCY_CYCLE", by_id[cycle[0]], checked, message, hint)


def check_cancelled_dependencies(checked: Checked) -> Iterator[Finding]:
    """Open tasks that wait for one that will not be done."""
    cancelled = {task.id for task in checked.tasks if task.status is Status.CANCELLED}
    for task in checked.tasks:
        for name in task.depends_on if not task.status.is_closed else ():
            if name in cancelled:
                message = f"`{task.id}` waits for `{name}`, which is cancelled"
                hint = f"`mission set {task.id} depends_on-={name}` drops it"
                yield _found("DEPENDENCY_CANCELLED", task, checked, message, hint)


def check_scopes(checked: Checked) -> Iterator[Finding]:
    """Globs that cannot be, and tasks in progress that may get in each other's way."""
    folder = checked.ground.folder
    depth = folder.count("/") + 1 if folder else 0
    for task in checked.tasks:
        for glob in task.write_scope:
            if problem := bad_glob(glob, depth):
                message = f"`{glob}` of `{task.id}`: {problem}"
                yield _found("SCOPE_INVALID", task, checked, message)
    working = [t for t in checked.tasks if t.status is Status.IN_PROGRESS and t.write_scope]
    index = ScopeIndex([task.write_scope for task in working], folder)
    comparison = ScopeComparison(checked.ground)
    count = 0
    for number, task in enumerate(working, 1):
        later = index.meeting(task.write_scope) >> number
        if index.is_exhausted or comparison.is_exhausted:
            message = (
                f"the write scopes of `{task.id}` and of the tasks after it were not compared: "
                "those in progress have too many globs"
            )
            hint = "name folders instead of many patterns, or close tasks that nobody works on"
            yield _found("SCOPES_NOT_COMPARED", task, checked, message, hint)
            break
        for place in numbers_in(later):
            other = working[number + place]
            found = comparison.meeting(task.write_scope, other.write_scope)
            count += found is not None
            if found and count <= MOST_OVERLAPS:
                words = f"`{found[0]}` meets `{found[1]}`"
                message = f"`{task.id}` and `{other.id}` are in progress on the same files: {words}"
                yield _found("SCOPE_OVERLAP", other, checked, message)
    if more := max(0, count - MOST_OVERLAPS):
        message = f"and {more} more pairs of tasks are in progress on the same files"
        yield _found("SCOPE_OVERLAP", None, checked, message)


def check_names_in_scopes(checked: Checked) -> Iterator[Finding]:
    """Globs that meant something else once: any file of that name, or one from git's root on."""
    folder = checked.ground.folder
    globs = [
        (task, glob, glob.strip().lstrip("!").rstrip("/"))
        for task in checked.tasks
        if not task.status.is_closed
        for glob in task.write_scope
    ]
    plain = {name for *_, name in globs if "/" not in name and is_plain(name)}
    deeper = _only_deeper(plain, checked.ground) if plain else {}
    for task, glob, name in globs:
        hint = None
        if name in deeper:
            hint = f"`{deeper[name]}` is that one, and `**/{name}` is any"
        elif folder and name.startswith(f"{folder}/"):
            hint = f"from the project on it is `{name.removeprefix(f'{folder}/')}`"
        if hint:
            message = f"`{glob}` of `{task.id}` begins at the project's root, and is not there"
            yield _found("SCOPE_ELSEWHERE", task, checked, message, hint)


def _only_deeper(names: set[str], ground: Ground) -> dict[str, str]:
    """Return where names are that are not at the project's root: a path of the project each."""
    begin = f"{ground.folder}/" if ground.folder else ""
    deeper: dict[str, str] = {}
    at_root: set[str] = set()
    for path in sorted(ground.find_paths() or ()):
        parts = path.removeprefix(begin).split("/") if path.startswith(begin) else [""]
        at_root.add(parts[0])
        for name in names.intersection(parts[1:]):
            deeper.setdefault(name, "/".join(parts[: parts.index(name, 1) + 1]))
    return {name: path for name, path in deeper.items() if name not in at_root}


def check_drift(checked: Checked) -> Iterator[Finding]:
    """Rows and files that are not in step, where it is plain which is the newer."""
    by_id = {task.id: task for task in checked.tasks}
    for task_id, words in checked.drift.items():
        message = f"table and file of `{task_id}` are out of step: {'; '.join(words)}"
        hint = "`mission sync` brings them in step"
        yield _found("DRIFT", by_id[task_id], checked, message, hint)


def check_handoffs(checked: Checked) -> Iterator[Finding]:
    """Tasks that say they are finished, with a handoff that says nothing."""
    for task in checked.tasks:
        missing = checked.missing_sections.get(task.id, ())
        if task.more.get("source") and len(missing) == len(HANDOFF_SECTIONS):
            continue  # it was done elsewhere, before it was imported
        if missing and task.status in (Status.REVIEW, Status.DONE):
            names = ", ".join(f"`{name}`" for name in missing)
            message = f"`{task.id}` is {task.status}, and its handoff lacks {names}"
            hint = "fill the sections at the end of its file"
            yield _found("HANDOFF_INCOMPLETE", task, checked, message, hint)


def check_milestones(checked: Checked) -> Iterator[Finding]:
    """Tasks of milestones that mission.json does not name."""
    known = {milestone.id for milestone in checked.milestones}
    for task in checked.tasks:
        if task.milestone and known and task.milestone not in known:
            message = f"`{task.id}` is of milestone `{task.milestone}`, unknown to mission.json"
            hint = "add it under `milestones`"
            yield _found("MILESTONE_UNKNOWN", task, checked, message, hint)


def check_runtimes(checked: Checked) -> Iterator[Finding]:
    """Tasks that name an unknown runtime."""
    for task in checked.tasks:
        if task.runtime and checked.runtimes and task.runtime not in checked.runtimes:
            message = f"`{task.id}` names the runtime `{task.runtime}`, which is unknown"
            hint = "add it under `runtimes` in mission.json"
            yield _found("RUNTIME_UNKNOWN", task, checked, message, hint)


def check_headings(checked: Checked) -> Iterator[Finding]:
    """Titles that the headings of the files do not give."""
    by_id = {task.id: task for task in checked.tasks}
    for task_id, heading, line in checked.headings:
        task = by_id[task_id]
        message = f"the heading of `{task_id}` says `{heading}`, and its title `{task.title}`"
        hint = (
            f"`mission sync --titles {task_id}` takes the heading's, "
            f"`mission set {task_id} {quote(f'title={task.title}')} --rename` the title's"
        )
        yield replace(_found("TITLE_HEADING", task, checked, message, hint), line=line)


def check_file_names(checked: Checked) -> Iterator[Finding]:
    """Task files named after another task."""
    for task in checked.tasks:
        name = (task.file or "").rpartition("/")[2]
        begins = tuple(f"{task.id}{sign}" for sign in "-_.")
        if name and not name.startswith(begins):
            message = f"`{name}` holds `{task.id}`"
            hint = f"rename it so that it begins with `{task.id}`"
            yield _found("FILE_NAME", task, checked, message, hint)


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


def _found(
    code: str, task: Task | None, checked: Checked, message: str, hint: str | None = None
) -> Finding:
    """Return a finding at a task's place; at the table's where it is of no single task."""
    path, line = checked.table_path, task.table_line if task else None
    if task and task.file:
        path, line = task.file, task.file_line
    return Finding(
        code=code,
        level=Level.ERROR if code in ERRORS else Level.WARNING,
        message=message,
        path=path,
        line=line,
        hint=hint,
        fixable=code in FIXABLE,
    )


CHECKS: tuple[Callable[[Checked], Iterator[Finding]], ...] = (
    check_rows,
    check_statuses,
    check_dependencies,
    check_cycles,
    check_cancelled_dependencies,
    check_scopes,
    check_names_in_scopes,
    check_drift,
    check_handoffs,
    check_milestones,
    check_runtimes,
    check_headings,
    check_file_names,
    check_sessions,
)
