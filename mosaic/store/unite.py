"""What another copy of the mission has changed, brought into this one by record and field.

Both copies began with the same files, and both went on: a task that an agent works on elsewhere
has such a copy there. What only one of them changed counts. Where they disagree, the side that is
`here`, where people are, wins, and the other value is returned, so that it can be shown.

A task that the other copy has added gets another id where its own is in use. Of mission.json only
milestones, removed tasks and the mission's status are taken: the rest says what is run, and where.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.model import Status
from mosaic.plan.statuses import parse_status
from mosaic.records import NamedTuple
from mosaic.store.ids import free_ids, taken_ids
from mosaic.store.merge_files import Form, form_of, merge_file
from mosaic.store.mission_file import REMOVED
from mosaic.store.other_id import renumbered
from mosaic.store.parsed import parse_task_file
from mosaic.store.rows import parse_table
from mosaic.text.merge3 import OURS, THEIRS, Disagreement, Merger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout

TAKEN_KEYS = ("milestones", REMOVED, "status")
"""What is taken of mission.json."""


class Version(NamedTuple):
    """One file of the other copy; None where it is not there."""

    before: str | None
    """As both copies began with it, or had it in common last."""
    after: str | None


class United(NamedTuple):
    """What became of the other copy's changes."""

    disagreements: tuple[Disagreement, ...] = ()
    """What both changed, each to something else; ours and theirs as the merge has them."""
    renumbered: tuple[tuple[str, str], ...] = ()
    """Tasks that got another id: the one they had there, and the one they have now."""
    passed_by: tuple[str, ...] = ()
    """Keys of mission.json that the other copy changed and that are not taken."""
    apart: tuple[Path, ...] = ()
    """Files of which the other copy has something that is not in this one."""
    faults: tuple[str, ...] = ()
    """Files that could not be put together, each with why."""


def unite(draft: Draft, others: Mapping[Path, Version], *, task_id: str, here: str) -> United:
    """Draft what another copy changed of the mission's files, by where they belong in this one.

    Args:
        draft: of this copy.
        others: files that the other copy changed.
        task_id: the task that is worked on elsewhere; as long as it is in progress here, its
            status is what is said there.
        here: which side has people: OURS is this copy, THEIRS the other one.

    Raises MissionError where ids of tasks cannot be settled; nothing is drafted then.
    """
    layout = draft.layout
    others, renumbering = _with_free_ids(draft, others, here)
    there = THEIRS if here == OURS else OURS
    is_open = _status_here(draft, others, task_id, here) in (Status.TODO, Status.IN_PROGRESS)
    status = f"{task_id}.status"
    answers = {status: there} if is_open else {}
    asked: dict[str, Disagreement] = {}
    apart: list[Path] = []
    faults: list[str] = []
    passed_by: tuple[str, ...] = ()
    for path, each in _as_named_here(draft, others):
        merger = Merger(answers, here)
        try:
            if path == layout.mission_file:
                passed_by = _unite_settings(draft, merger, each)
            else:
                _unite_file(draft, merger, path, each)
        except MissionError as error:  # the other files count all the same
            faults.append(f"`{layout.shown(path)}`: {error.summary}")
            apart.append(path)
        found = {name: one for name, one in merger.asked.items() if name not in answers}
        asked |= found
        apart += [path] if found else []
    return United(
        disagreements=tuple(asked.values()),
        renumbered=tuple(renumbering.items()),
        passed_by=passed_by,
        apart=tuple(apart),
        faults=tuple(faults),
    )


def _unite_file(draft: Draft, merger: Merger, path: Path, other: Version) -> None:
    ours = draft.text(path)
    sides = (other.before, ours, other.after)
    is_notes = path == draft.layout.scratchpad_file
    texts = [each for each in sides if each is not None]
    form = Form.NOTES if is_notes else form_of(path.name, texts)
    merged = merge_file(merger, form, path.name, sides)
    if merged is None:
        draft.remove(path)
    elif merged != ours:
        draft.put(path, merged)


def _unite_settings(draft: Draft, merger: Merger, other: Version) -> tuple[str, ...]:
    """Draft what is taken of mission.json, and return the keys that differ and are not."""
    path = draft.layout.mission_file
    ours = draft.text(path)
    if ours is None or other.before is None or other.after is None:
        return ()
    try:
        before, after = _object(other.before), _object(other.after)
    except ValueError:
        return ("mission.json",)
    wanted = {key: value for key, value in before.items() if key not in TAKEN_KEYS}
    wanted |= {key: after[key] for key in TAKEN_KEYS if key in after}
    known = draft.snapshot.entries()
    if isinstance(removed := wanted.get(REMOVED), list):
        # Renumbered there before, while this copy gave the id to a task of its own.
        gone = [each for each in removed if _id_of(each) not in known or each in _list(before)]
        wanted[REMOVED] = gone
    texts = (json.dumps(before), ours, json.dumps(wanted))
    merged = merge_file(merger, Form.JSON, path.name, texts)
    if merged is not None and merged != ours:
        draft.put(path, merged)
    keys = {**before, **after}
    own = (*TAKEN_KEYS, "sessions")
    return tuple(k for k in keys if k not in own and before.get(k) != after.get(k))


def _object(text: str) -> dict[str, Any]:
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("no object")  # noqa: TRY004 - as what cannot be read at all
    return values


def _list(values: Mapping[str, Any]) -> list[Any]:
    removed = values.get(REMOVED)
    return removed if isinstance(removed, list) else []


def _id_of(item: Any) -> str:
    return str(item.get("id")) if isinstance(item, dict) else ""


def _with_free_ids(
    draft: Draft, others: Mapping[Path, Version], here: str
) -> tuple[Mapping[Path, Version], dict[str, str]]:
    """Give tasks other ids that the other copy has added where theirs are in use.

    Where people are the ids stay: if that is the other copy, the tasks of this one give way.
    """
    layout, snapshot = draft.layout, draft.snapshot
    titles = _titles(layout, {path: each.after for path, each in others.items()})
    known = _titles(layout, {path: each.before for path, each in others.items()})
    added = {
        each: title
        for each, title in titles.items()
        if each not in known and not _is_same(draft, each, title)
    }
    taken = taken_ids(snapshot, added, warn=draft.notices.append)
    free = (each for each in free_ids(snapshot, warn=draft.notices.append) if each not in titles)
    renumbering: dict[str, str] = {}
    for task_id in sorted(taken):
        new = renumbering[task_id] = next(free)
        if here == THEIRS:
            _renumber_own(draft, task_id, new)
            continue
        texts = {path: each.after for path, each in others.items() if each.after is not None}
        texts = renumbered(layout, texts, task_id, new)
        gone = {path: Version(each.before, None) for path, each in others.items() if each.before}
        changed = {
            path: Version(others[path].before if path in others else None, text)
            for path, text in texts.items()
        }
        others = {**gone, **changed}
    return others, renumbering


def _renumber_own(draft: Draft, old: str, new: str) -> None:
    layout = draft.layout
    paths = [*layout.own_files, *sorted(layout.tasks_dir.glob("*.md"))]
    texts = {path: text for path in paths if (text := draft.text(path)) is not None}
    after = renumbered(layout, texts, old, new)
    for path in texts.keys() - after.keys():
        draft.remove(path)
    for path, text in after.items():
        if text != texts.get(path):
            draft.put(path, text)


def _is_same(draft: Draft, task_id: str, title: str) -> bool:
    entry = draft.snapshot.find(task_id)
    return entry is not None and entry.task.id == task_id and entry.task.title == title


def _titles(layout: Layout, texts: Mapping[Path, str | None]) -> dict[str, str]:
    """Return the titles of tasks by id, as far as some files can be read."""
    found: dict[str, str] = {}
    for path, text in texts.items():
        if not text:
            continue
        try:
            if path == layout.tasks_file:
                rows = (row for row in parse_table(text) if row.id and not row.why)
                found |= {row.id: found.get(row.id) or row.cells.get("title", "") for row in rows}
            elif path.parent == layout.tasks_dir:
                file = parse_task_file(path.name, text)
                found[file.id] = file.texts["title"]
        except MissionError:
            continue
    return found


def _status_here(
    draft: Draft, others: Mapping[Path, Version], task_id: str, here: str
) -> Status | None:
    """Return a task's status in the copy where people are."""
    entry = draft.snapshot.find(task_id)
    if here == OURS or entry is None:
        return entry.task.status if entry else None
    layout = draft.layout
    for path, each in others.items():
        try:
            if path == layout.tasks_file:
                cells = [row.cells for row in parse_table(each.after or "") if row.id == task_id]
                word = cells[0].get("status") if cells else None
            elif path.parent == layout.tasks_dir and each.after:
                file = parse_task_file(path.name, each.after)
                word = file.texts["status"] if file.id == task_id else None
            else:
                word = None
        except MissionError:
            continue
        if word is not None:
            return parse_status(word)
    return entry.task.status


def _as_named_here(draft: Draft, others: Mapping[Path, Version]) -> Iterator[tuple[Path, Version]]:
    """Yield the files by their names here; one that was given another name there is one file."""
    folder = draft.layout.tasks_dir
    ids = {path: _own_id(path, each) for path, each in others.items() if path.parent == folder}
    gone = {ids[path]: path for path in ids if others[path].after is None}
    taken = set()
    for path, each in others.items():
        old = gone.get(ids[path]) if path in ids and each.before is None else None
        if path in taken or path in gone.values():
            continue
        entry = draft.snapshot.find(ids[path]) if path in ids else None
        name = entry.file.name if entry and entry.file and entry.task.id == ids[path] else ""
        if old is None:
            is_renamed_here = bool(name) and each.before is not None and draft.text(path) is None
            yield (folder / name if is_renamed_here else path), each
            continue
        taken.add(old)
        before = Version(others[old].before, each.after)
        if name == old.name:  # it follows
            text = draft.text(old)
            draft.remove(old)
            draft.put(path, text or "")
            yield path, before
        else:
            yield (folder / name if name else path), before
    for path in gone.values():
        if path not in taken:
            yield path, others[path]


def _own_id(path: Path, version: Version) -> str:
    try:
        return parse_task_file(path.name, version.after or version.before or "").id
    except MissionError:
        return path.name
