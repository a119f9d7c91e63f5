"""What an export writes: tasks as items of a source, and what the source cannot hold. Values only.

What a form cannot hold is found by reading back what was written.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.plan.statuses import parse_status
from mosaic.records import NamedTuple
from mosaic.sources.item import Item, Place, digest_of, is_closed, without_kept
from mosaic.sources.values import PARENT, has_words, read_digests, values_here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import Mission, Task
    from mosaic.sources.item import Reading, Source
    from mosaic.store.tasks import Snapshot


class Push(NamedTuple):
    """An issue that is to be closed, or opened again."""

    task_id: str
    key: str
    status: str
    """The task's."""
    conflict: str = ""
    """The issue's, where somebody changed it there since the last import."""


COMPARED = (
    "title", "status", "milestone", "depends_on", "labels", "priority", "assignee",
    "write_scope", "text", "result", "notes", "parent", "left",
)  # fmt: skip


def items_of(snapshot: Snapshot, source: str) -> list[Item]:
    """Return all tasks as items of a source; those that came from it have their own keys."""
    keys = {task.id: key_of(task, source) or task.id for task in snapshot.tasks}
    names = {each.id: each.name for each in snapshot.document.mission.milestones}
    parents = {task.id: _parent(task) for task in snapshot.tasks}
    return [
        _item(snapshot, task, keys, names, parents, is_own=key_of(task, source) != "")
        for task in snapshot.tasks
    ]


def key_of(task: Task, source: str) -> str:
    """Return what a source knows a task by; empty where it does not come from there."""
    name, _, key = str(task.more.get("source", "")).partition(":")
    return key if name == source else ""


def _parent(task: Task) -> str:
    named = (label.removeprefix(PARENT) for label in task.labels if label.startswith(PARENT))
    return next(named, "")


def _item(
    snapshot: Snapshot,
    task: Task,
    keys: Mapping[str, str],
    milestones: Mapping[str, str],
    parents: Mapping[str, str],
    *,
    is_own: bool,
) -> Item:
    file_text = snapshot.task_text(task)
    values = values_here(task, file_text)
    text, left = without_kept(str(values["text"]))
    parent = parents[task.id]
    needs = [name for name in task.depends_on if parents.get(name) != task.id]
    whole, seen = parent, {task.id}
    while whole in parents and whole not in seen:
        seen.add(whole)
        implied = set(snapshot.by_id[whole].depends_on)
        needs = [name for name in needs if name not in implied or parents.get(name) == whole]
        whole = parents[whole]
    return Item(
        key=keys[task.id],
        id=task.id,
        title=task.title,
        status=str(values["status"]),
        milestone=milestones.get(task.milestone or "", task.milestone or ""),
        parent=keys.get(parent, ""),
        depends_on=tuple(keys.get(name, name.removeprefix("missing-")) for name in needs),
        labels=tuple(label for label in task.labels if label != f"{PARENT}{parent}"),
        priority=task.priority or "",
        assignee=task.assignee or "",
        write_scope=task.write_scope,
        text=text if is_own or has_words(text) else "",
        result=str(values["result"]),
        notes=str(values["notes"]),
        left=left,
    )


def losses(
    source: Source, items: Sequence[Item], texts: Mapping[str, str], mission: Mission
) -> dict[str, int]:
    """Return in how many tasks each field does not come back when what was written is read."""
    place = Place(Path("mission"), "", mission, texts)
    read = source.read(place).items
    by_key = {item.key.rpartition("#")[2]: item for item in read}
    by_title = {item.title: item for item in read}
    lost: Counter[str] = Counter()
    for item in items:
        found = by_key.get(item.key.rpartition("#")[2]) or by_title.get(item.title)
        if found is None:
            lost["the task itself"] += 1
            continue
        for name in COMPARED:
            before, after = getattr(item, name), getattr(found, name)
            if name in ("depends_on", "parent"):
                before, after = (_own(value) for value in (before, after))
            if name == "status":
                before, after = (parse_status(word) or word for word in (before, after))
            if before and before != after:
                lost[name] += 1
    return dict(lost)


def pushes(reading: Reading, snapshot: Snapshot) -> tuple[Push, ...]:
    """Return the issues whose tasks were closed, or opened, here since their last import."""
    tasks = {key: task for task in snapshot.tasks if (key := key_of(task, "github"))}
    found = []
    for item in reading.items:
        task = tasks.get(item.key)
        if task is None or task.status.is_closed == is_closed(item.status):
            continue
        last = read_digests(str(task.more.get("imported", ""))).get("status")
        if digest_of(task.status.value) == last:
            continue  # an import follows what changed there
        known = parse_status(item.status, snapshot.document.mission.statuses)
        there = known.value if known else item.status
        conflict = there if digest_of(there) != last else ""
        found.append(Push(task.id, item.key, task.status.value, conflict))
    return tuple(found)


def _own(value: str | tuple[str, ...]) -> object:
    if isinstance(value, str):
        return value.rpartition("#")[2]
    return sorted(each.rpartition("#")[2] for each in value)
