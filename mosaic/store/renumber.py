"""Another id for a task: its row, its file and the file's name, and whatever speaks of it.

Of two tasks of one id, which two clones added, the younger gets the other id. What else speaks of
the id may mean either then, so it stays and is named.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mosaic.errors import GitRefusedError, HeldError, TaskIdError, UsageError
from mosaic.git.git import answer_of, find_work_tree
from mosaic.git.stages import command_to_go_on, stage_resolved
from mosaic.machine.disk import find_text
from mosaic.machine.transaction import Change, write_together
from mosaic.records import NamedTuple
from mosaic.store.draft import changing
from mosaic.store.ids import next_task_id
from mosaic.store.mission_file import load_mission
from mosaic.store.other_id import NewId, name_with_id, with_new_id, with_word
from mosaic.store.parsed import plain_value
from mosaic.store.reading import read_mission
from mosaic.store.scan import scan_tasks
from mosaic.store.written import note_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mosaic.machine.disk import TextFile
    from mosaic.store.layout import Layout
    from mosaic.store.parsed import FileRecord, RowRecord
    from mosaic.store.scan import Scan
    from mosaic.store.tasks import Snapshot

Move: TypeAlias = "tuple[Path, Path, TextFile, str]"
"""Where a file is, where it goes, what it is now and its text from then on."""
ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Renumbered(NamedTuple):
    """What another id changes, or would change."""

    old: str
    new: str
    file: str | None
    """The task's file by its new name; None where it has none."""
    changed: tuple[str, ...]
    """`path:line` of every line that speaks of the task."""
    left: tuple[str, ...]
    """What speaks of the old id and stays, with why."""
    written: bool


def find_twins(mission_file: Path) -> tuple[str, ...]:
    """Return the ids that more than one file, or more than one row of a table, has."""
    return _twins(scan_tasks(load_mission(mission_file).layout))


def _twins(scan: Scan) -> tuple[str, ...]:
    rows = Counter((row.id, row.table) for row in scan.rows if row.id and not row.why)
    found = {task_id for (task_id, _), count in rows.items() if count > 1}
    files = Counter(file.id for file in scan.files)
    return tuple(sorted(found | {task_id for task_id, count in files.items() if count > 1}))


def renumber_task(
    mission_file: Path, old: str, new: str | None = None, *, write: bool = False
) -> Renumbered:
    """Give a task another id, as one change; without `write` only say what that changes.

    Args:
        mission_file: path of mission.json.
        old: its id, or its file; of two tasks of one id the younger is meant.
        new: the other id; None takes the next free one.
        write: whether to do it.

    Raises UsageError, TaskNotFoundError, or HeldError while a session works on it.
    """
    if not write:
        snapshot = read_mission(mission_file)
        return _carry_out(snapshot, _meant(snapshot, old, new), write=False)
    with changing(mission_file, doing=f"renumbering {old}") as draft:
        return _carry_out(draft.snapshot, _meant(draft.snapshot, old, new), write=True)


def _meant(snapshot: Snapshot, old: str, new: str | None) -> NewId:
    try:
        return _plan(snapshot, scan_tasks(snapshot.layout), old, new)
    except _UncertainError as error:
        raise UsageError(
            f"it is not certain what becomes of `{old}`: {error}",
            hint="name its file: `mission renumber TASK-FILE.md NEW`",
        ) from None


def renumber_twins(mission_file: Path) -> list[str]:
    """Give the younger of two tasks of one id the next free id; say what was done or why not.

    Only where it is certain which is the younger, which row is whose, and that nothing else speaks
    of the id: a session or a task that depends on it may mean either.
    """
    done = []
    for task_id in find_twins(mission_file):
        with changing(mission_file, doing=f"renumbering {task_id}") as draft:
            snapshot = draft.snapshot
            try:
                plan = _plan(snapshot, scan_tasks(draft.layout), task_id, None)
                _refuse_mentions(snapshot, task_id)
                file = plan.file or ""
                _carry_out(snapshot, plan, write=True)
            except (_UncertainError, GitRefusedError, UsageError) as error:
                done.append(f"nothing was done about the two tasks `{task_id}`: {error}")
                continue
            place = draft.layout.tasks_dir / file if file else draft.layout.tasks_file
            shown = draft.layout.shown(place)
            done.append(f"`{shown}`, the younger of two `{task_id}`, is `{plan.new}` now")
    return done


class _UncertainError(Exception):
    """Which of two tasks should be renumbered, or how, has more than one answer."""


def _plan(snapshot: Snapshot, scan: Scan, old: str, new: str | None) -> NewId:
    name = Path(old).name
    named = next((each for each in scan.files if each.name == name), None)
    task_id = named.id if named else old
    files = [each for each in scan.files if each.id == task_id]
    rows = [each for each in scan.rows if each.id == task_id and not each.why]
    is_twin = len(files) > 1 or len({row.table for row in rows}) < len(rows)
    if not is_twin and not (files or rows):
        task_id = snapshot.get_task(task_id).id  # says which there are; case may differ
        files = [each for each in scan.files if each.id == task_id]
        rows = [each for each in scan.rows if each.id == task_id and not each.why]
    if not is_twin:
        snapshot.get_task(task_id)
    file = named or _younger(snapshot.layout, files)
    row = rows[-1] if rows else None
    if is_twin and file is not None and len(files) > 1:
        row = _row_of(rows, file, files)
    refuse_live(snapshot, task_id)
    own = file.name if file else None
    return NewId(task_id, _new_id(snapshot, new), own, row, is_twin)


def _new_id(snapshot: Snapshot, new: str | None) -> str:
    if new is None:
        return next_task_id(snapshot, warn=_refuse)
    if not ID.fullmatch(new):
        raise TaskIdError(new)
    names = [each.name for each in snapshot.layout.tasks_dir.glob(f"{new}*.md")]
    taken = [each for each in names if re.match(rf"{re.escape(new)}(?![A-Za-z0-9])", each)]
    if taken or snapshot.find_task(new) is not None:
        raise UsageError(f"`{new}` is in use", hint="without a new id the next free one is taken")
    return new


def _refuse(why: str) -> None:
    raise _UncertainError(why)


def refuse_live(snapshot: Snapshot, task_id: str) -> None:
    """Make sure that no session works on a task, from its id and from its file."""
    for session in snapshot.document.mission.sessions.without_end():
        if session.last_task_id == task_id:
            raise HeldError(
                f"session `{session.id}` works on `{task_id}`",
                hint=f"`mission stop {session.id}`, or wait for its end",
            )


def _refuse_mentions(snapshot: Snapshot, task_id: str) -> None:
    if any(snapshot.document.mission.sessions.of_task(task_id)):
        raise _UncertainError("sessions worked on that id")
    dependents = [task.id for task in snapshot.tasks if task_id in task.depends_on]
    if dependents:
        raise _UncertainError(f"`{dependents[0]}` depends on that id, and may mean either")


def _younger(layout: Layout, files: Sequence[FileRecord]) -> FileRecord | None:
    if len(files) < 2:  # noqa: PLR2004 - one alone is meant
        return files[0] if files else None
    ages: list[float] = []
    for file in files:
        command = ["log", "--no-show-signature", "--diff-filter=A", "--format=%ct", "--"]
        found = answer_of([*command, str(layout.tasks_dir / file.name)], layout.project)
        ages.append(float(found.split()[-1]) if found else float("inf"))
    if ages.count(max(ages)) > 1:
        raise _UncertainError("git does not tell which of them is older")
    return files[ages.index(max(ages))]


def _row_of(
    rows: Sequence[RowRecord], file: FileRecord, files: Sequence[FileRecord]
) -> RowRecord | None:
    titles = [each.texts["title"] for each in files]
    named = [plain_value(row.cells.get("title", "")) for row in rows]
    if not rows:
        return None
    if len(set(titles)) < len(titles) or sorted(named) != sorted(titles):
        raise _UncertainError("the titles do not tell which row goes with which file")
    return rows[named.index(file.texts["title"])]


def _carry_out(snapshot: Snapshot, plan: NewId, *, write: bool) -> Renumbered:
    layout = snapshot.layout
    changed: list[str] = []
    moves: list[Move] = []
    left: list[str] = []
    new_name = None
    for path, file in texts_of(layout):
        if plan.old not in file.text and path != layout.mission_file:
            continue
        is_own = plan.file is not None and path == layout.tasks_dir / plan.file
        text = with_new_id(plan, layout, path, file.text, is_own=is_own)
        lines = _changed_lines(file.text, text)
        changed += [f"{layout.shown(path)}:{line}" for line in lines]
        if plan.is_twin and not is_own:
            left += _mentions(plan, layout.shown(path), text, lines)
        target = path
        if is_own:
            target = layout.tasks_dir / name_with_id(plan, path.name)
            new_name = layout.shown(target)
        moves.append((path, target, file, text))
    if any((layout.runs_dir / plan.old).glob("*")):
        left.append(f"records of runs stay under `{plan.old}`")
    if write:
        write_moved(layout, moves)
    return Renumbered(plan.old, plan.new, new_name, tuple(changed), tuple(left), write)


def texts_of(layout: Layout) -> Iterator[tuple[Path, TextFile]]:
    """Yield the files of a mission that people read and commands change."""
    own = sorted(each for each in layout.tasks_dir.glob("*.md") if each.is_file())
    for path in (*layout.own_files, *own):
        if (file := find_text(path)) is not None:
            yield path, file


def write_moved(layout: Layout, moves: Iterable[Move]) -> None:
    """Write other texts into files, and move those that get another place, as one change."""
    changes = [change for move in moves for change in _changes(*move)]
    if not changes:
        return
    write_together(
        changes, intent=layout.intent_file, root=layout.project, also=layout.other_folders
    )
    note_files(layout, [change.path for change in changes])
    top = find_work_tree(layout.project)
    if top is not None and command_to_go_on(top):
        # It belongs to the merge that is under way, and is to be committed with it.
        stage_resolved(top, [change.path for change in changes])


def _changes(path: Path, target: Path, file: TextFile, text: str) -> Iterator[Change]:
    if target != path:
        yield Change(path=target, data=text.encode(), expect=None)
        yield Change(path=path, data=None, expect=file.signature)
    elif text != file.text:
        yield Change(path=path, data=text.encode(), expect=file.signature)


def _changed_lines(before: str, after: str) -> list[int]:
    pairs = zip(before.split("\n"), after.split("\n"), strict=False)
    return [number for number, (one, other) in enumerate(pairs, 1) if one != other]


def _mentions(plan: NewId, shown: str, text: str, changed: Sequence[int]) -> Iterator[str]:
    """Yield lines that speak of an id which two tasks have."""
    own = re.compile(rf"\s*(?:task_)?id\s*:|.*\|\s*{re.escape(plan.old)}\s*\|")
    for number, line in enumerate(text.split("\n"), 1):
        if number not in changed and with_word(plan, line) != line and not own.match(line):
            yield f"{shown}:{number} may mean either"
