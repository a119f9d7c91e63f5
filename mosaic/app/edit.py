"""A task edited by a person: its text is kept before, and looked at afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent
from mosaic.app.tasks import TaskView
from mosaic.codec import dump_json
from mosaic.errors import FrontMatterError, MissionError, NotReadyError
from mosaic.machine.disk import find_text, write_private
from mosaic.records import NamedTuple
from mosaic.store.in_step import synchronize
from mosaic.store.parsed import parse_task_file
from mosaic.store.reading import read_mission
from mosaic.store.state import ensure_state_dir, find_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.store.layout import Layout
    from mosaic.store.sync import Carry
    from mosaic.store.tasks import Snapshot

RECORD = "before-edit.json"
"""In the state folder: the texts that tasks had before they were edited last, by id."""


class Editing(NamedTuple):
    """A file that is about to be edited."""

    task_id: str
    path: Path
    before: str


class EditedTask(NamedTuple):
    """A task after it was edited."""

    task_id: str
    path: str
    changed: bool
    task: TaskView | None = None
    """None where something is wrong with it."""
    carried: Sequence[Carry] = ()
    """What its row got by the edit, or its file."""
    problem: MissionError | None = None
    """What is wrong with it now."""


def begin_edit(mission_file: Path, task_id: str, actor: Actor | None = None) -> Editing:
    """Return the file that a task stands in, also one that is broken; its text is kept.

    Raises UsageError where an agent asks, or no task is called so.
    """
    snapshot = read_mission(mission_file)
    refuse_agent(snapshot.layout, actor, "be asked to edit in an editor")
    name = snapshot.meant(task_id)
    path = _place(snapshot, name)
    if path is None:
        path = snapshot.layout.tasks_file
        name = snapshot.get_task(task_id).id
    file = find_text(path)
    text = file.text if file else ""
    ensure_state_dir(snapshot.layout)
    record = snapshot.layout.state_dir / RECORD
    known = {**find_object(record), name: {"path": snapshot.layout.shown(path), "text": text}}
    write_private(record, dump_json(known), root=snapshot.layout.state_dir)
    return Editing(name, path, text)


def settle_edit(mission_file: Path, begun: Editing) -> EditedTask:
    """Look at a task after its edit, and bring its row or its file in step.

    What is wrong is in `problem`, with its place; nothing is taken back.
    """
    snapshot = read_mission(mission_file, use_index=False)
    name, shown = begun.task_id, snapshot.layout.shown(begun.path)
    file = find_text(begun.path)
    if file is not None and file.text == begun.before:
        return EditedTask(name, shown, changed=False, problem=_problem(snapshot, name, shown))
    text = file.text if file else None
    problem = _problem(snapshot, name, shown) or _other_task(snapshot, begun, text)
    if problem is None:
        carried, snapshot, _ = synchronize(mission_file, [name], None)
        task = TaskView(snapshot.get_task(name))
        changes = tuple(carry for _, carry in carried)
        return EditedTask(name, shown, changed=True, task=task, carried=changes)
    return EditedTask(name, shown, changed=True, problem=problem)


def undo_edit(mission_file: Path, task_id: str, actor: Actor | None = None) -> EditedTask:
    """Put back the text that a task's file had before it was edited last.

    Raises NotReadyError where none is kept.
    """
    with editing(mission_file, f"taking back the edit of {task_id}") as draft:
        refuse_agent(draft.layout, actor, "take an edit back")
        name = draft.snapshot.meant(task_id)
        kept = find_object(draft.layout.state_dir / RECORD).get(name)
        path = _named_path(draft.layout, kept.get("path")) if isinstance(kept, dict) else None
        if path is None or not isinstance(kept, dict) or not isinstance(kept.get("text"), str):
            raise NotReadyError(
                f"no text of `{name}` is kept", hint="`git diff` and `git log -p` show what it was"
            )
        draft.put(path, kept["text"])
        changed = draft.save()
        shown = draft.layout.shown(path)
        problem = _problem(draft.snapshot, name, shown)
        task = draft.snapshot.find_task(name) if problem is None else None
        return EditedTask(name, shown, changed, TaskView(task) if task else None, (), problem)


def _named_path(layout: Layout, shown: object) -> Path | None:
    paths = [layout.tasks_file, *layout.tasks_dir.glob("*.md")]
    return next((path for path in paths if layout.shown(path) == shown), None)


def _place(snapshot: Snapshot, name: str) -> Path | None:
    """Return the file of a task, also one that cannot be read; None where it has none."""
    layout, task = snapshot.layout, snapshot.find_task(name)
    places = [task.file if task else None]
    places += [each.error.path for each in snapshot.problems if each.task_id == name]
    files = (layout.tasks_dir / str(place).rpartition("/")[2] for place in places if place)
    return next((path for path in files if path.suffix == ".md" and path.is_file()), None)


def _problem(snapshot: Snapshot, name: str, shown: str) -> MissionError | None:
    """Return what is wrong with a task, or with the file that was edited."""
    for each in snapshot.problems:
        if each.task_id == name or each.error.path == shown:
            return each.error
    return None


def _other_task(snapshot: Snapshot, begun: Editing, text: str | None) -> MissionError | None:
    """Return what is wrong where a task is gone, or its file is that of another one by now."""
    name, shown = begun.task_id, snapshot.layout.shown(begun.path)
    if text is None or begun.path == snapshot.layout.tasks_file:
        is_there = text is not None and snapshot.find_task(name) is not None
        what = "row" if text is not None else "file"
        return None if is_there else FrontMatterError(f"the {what} of `{name}` is gone").at(shown)
    try:
        record = parse_task_file(begun.path.name, text)
    except MissionError as error:
        return error.at(shown)
    if record.id == name:
        return None
    return FrontMatterError(
        f"it is the file of `{record.id}` now, and no longer of `{name}`",
        line=record.lines.get("task_id", 1),
        hint=f"write `{name}` again; `mission renumber {name} {record.id}` gives it another id",
    ).at(shown)
