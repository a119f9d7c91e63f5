"""What an import would do: items of a source beside the tasks that are here. Values only.

A task keeps, in `imported`, a digest of each value that its source had last. A value that only
the source has changed since is taken; one that only people here have changed stays; one that
both have changed is a conflict.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.model import Status, Task
from mosaic.plan.globs import bad_glob
from mosaic.plan.graph import find_cycles
from mosaic.plan.statuses import parse_status
from mosaic.records import NamedTuple, replace
from mosaic.sources.item import Fault, Item, digest_of, with_kept
from mosaic.sources.values import (
    PARENT,
    Value,
    dump_digests,
    embedded,
    has_words,
    one_line,
    read_digests,
    source_of,
    value_text,
    values_here,
)
from mosaic.text.harmless import harmless_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mosaic.sources.item import Reading
    from mosaic.store.tasks import Snapshot

LONGEST_TITLE = 500
LONGEST_TEXT = 1 << 20
VALID_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Arriving(NamedTuple):
    """An item with its id and values here."""

    item: Item
    id: str
    values: Mapping[str, Value]
    """By field; `text` is what stands in front of the handoff."""


class Update(NamedTuple):
    """What of a task follows its source."""

    task_id: str
    values: Mapping[str, Value]
    digests: str


class ImportConflict(NamedTuple):
    """A value that was changed here and in the source."""

    task_id: str
    field: str
    here: Value
    there: Value


class ImportPlan(NamedTuple):
    """What an import would do."""

    new: Sequence[Arriving]
    updates: Sequence[Update]
    conflicts: Sequence[ImportConflict]
    unchanged: int
    milestones: Sequence[tuple[str, str]]
    """Id and name of those that are not there yet."""
    gone: Sequence[str]
    """Tasks that the source does not have any more."""
    faults: Sequence[Fault]
    kept: Mapping[str, int]
    """Fields that have no place here, and in how many tasks: they stand in the text."""
    deleted: int
    """Tasks that the source deleted before they were here; they are left out."""


def plan_import(
    source: str, reading: Reading, snapshot: Snapshot, new_ids: Iterator[str], prefer: str = ""
) -> ImportPlan:
    """Compare what a source holds with what is here.

    `prefer` settles conflicts: `source` or `mission`.
    """
    return _Comparison(source, reading, snapshot).plan(new_ids, prefer)


class _Comparison:
    def __init__(self, source: str, reading: Reading, snapshot: Snapshot) -> None:
        self._source = source
        self._snapshot = snapshot
        self._mission = snapshot.document.mission
        self._faults = list(reading.faults)
        self._known = {
            str(task.more["source"]): task for task in snapshot.tasks if task.more.get("source")
        }
        self._here: dict[str, Task] = {}
        """Tasks that are here, by the keys of their items."""
        native = Counter(task.title.casefold() for task in self._natives())
        titles = Counter(one_line(item.title).casefold() for item in reading.items)
        by_title = {task.title.casefold(): task for task in self._natives()}
        for item in reading.items:
            title = one_line(item.title).casefold()
            found = self._known.get(source_of(source, item))
            if found is None and native[title] == titles[title] == 1:
                found = by_title[title]
            same = snapshot.by_id.get(item.id)
            if found is None and same and same.file and same.title.casefold() == title:
                found = same  # exported from here, most likely
            if found is not None:
                self._here[item.key] = found
        self._items = [i for i in reading.items if i.key in self._here or not i.is_deleted]
        self._deleted = len(reading.items) - len(self._items)
        self._by_key = {item.key: item for item in self._items}
        self._children: dict[str, list[str]] = {}
        for item in self._items:
            if item.parent in self._by_key:
                self._children.setdefault(item.parent, []).append(item.key)

    def _natives(self) -> Iterator[Task]:
        return (t for t in self._snapshot.tasks if t.file and not t.more.get("source"))

    def plan(self, new_ids: Iterator[str], prefer: str) -> ImportPlan:
        ids = self._ids(new_ids)
        milestones = self._milestones()
        arriving = []
        for item in self._items:
            try:
                arriving.append(self._arriving(item, ids, milestones))
            except MissionError as error:
                self._fault(item, f"cannot be taken in: {error.message}")
        self._name_cycles(arriving)
        new = [each for each in arriving if each.item.key not in self._here]
        updates: list[Update] = []
        conflicts: list[ImportConflict] = []
        for each in arriving:
            if each.item.key in self._here:
                update, found = self._compare(each, prefer)
                updates += [update] if update else []
                conflicts += found
        declared = {each.id for each in self._mission.milestones}
        prefix, here = f"{self._source}:", {task.id for task in self._here.values()}
        scopes = {_scope(source_of(self._source, item)) for item in self._items}
        gone = [
            task.id
            for name, task in self._known.items()
            if name.startswith(prefix) and task.id not in here and not task.status.is_closed
            if _scope(name) in scopes
        ]
        taken = {each.values["milestone"] for each in new}
        taken.update(each.values.get("milestone", "") for each in updates)
        return ImportPlan(
            new=new,
            updates=updates,
            conflicts=conflicts,
            unchanged=len(arriving) - len(new) - len({u.task_id for u in updates}),
            milestones=[
                (key, name)
                for name, key in milestones.items()
                if key and key not in declared and key in taken
            ],
            gone=gone,
            faults=self._faults,
            kept=Counter(name for each in new for name in each.item.left),
            deleted=self._deleted,
        )

    def _fault(self, item: Item, what: str) -> None:
        self._faults.append(Fault(item.where, f"`{one_line(item.key)}` {what}"))

    def _ids(self, new_ids: Iterator[str]) -> dict[str, str]:
        """Return the id of every item: its own where that is free here, else a new one."""
        taken = {name.casefold() for name in (*self._snapshot.by_id, *self._snapshot.broken_ids)}
        taken.update(each.id.casefold() for each in self._snapshot.left_out)
        ids = {key: task.id for key, task in self._here.items()}
        new = [item for item in self._items if item.key not in ids]
        for item in new:
            if VALID_ID.fullmatch(item.id) and item.id.casefold() not in taken:
                ids[item.key] = item.id
                taken.add(item.id.casefold())
        for item in new:
            if item.key not in ids:
                ids[item.key] = next(each for each in new_ids if each.casefold() not in taken)
                taken.add(ids[item.key].casefold())
        return ids

    def _milestones(self) -> dict[str, str]:
        """Return the id of every milestone that items name, by its name."""
        known = {each.name.casefold(): each.id for each in self._mission.milestones}
        known.update({each.id.casefold(): each.id for each in self._mission.milestones})
        found: dict[str, str] = {}
        number = 0
        for name in dict.fromkeys(one_line(item.milestone) for item in self._items):
            key = known.get(name.casefold(), "")
            if not key and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name):
                key = name
            while name and not key:
                number += 1
                key = f"M{number}" if f"m{number}" not in known else ""
            known.setdefault(key.casefold(), key)
            found[name] = key
        return found

    def _arriving(
        self, item: Item, ids: Mapping[str, str], milestones: Mapping[str, str]
    ) -> Arriving:
        title = one_line(item.title) or item.id or item.key
        left = dict(item.left)
        labels = [one_line(label) for label in item.labels]
        if item.parent:
            labels.append(f"{PARENT}{ids.get(item.parent, one_line(item.parent))}")
            if item.parent not in self._by_key:
                self._fault(item, f"is a part of `{one_line(item.parent)}`, which is not there")
        scope = [glob for glob in item.write_scope if not bad_glob(glob)]
        if bad := [glob for glob in item.write_scope if bad_glob(glob)]:
            left["write_scope"] = bad
        text = item.text
        if len(title) > LONGEST_TITLE:
            text = f"{title}\n\n{text}"
            title = f"{title[: LONGEST_TITLE - 1]}…"
        status = "cancelled" if item.is_deleted else item.status
        values: dict[str, Value] = {
            "title": title,
            "status": self._status(status),
            "milestone": milestones.get(one_line(item.milestone), ""),
            "depends_on": self._dependencies(item, ids),
            "labels": tuple(dict.fromkeys(filter(None, labels))),
            "priority": one_line(item.priority),
            "assignee": one_line(item.assignee),
            "write_scope": tuple(dict.fromkeys(scope)),
            "text": self._safe(item, with_kept(replace(item, text=text, left=left))),
            "result": self._safe(item, item.result, is_section=True),
            "notes": self._safe(item, item.notes, is_section=True),
        }
        return Arriving(replace(item, left=left), ids[item.key], values)

    def _status(self, word: str) -> str:
        found = parse_status(word, self._mission.statuses)
        return found.value if found else one_line(word) or "todo"

    def _dependencies(self, item: Item, ids: Mapping[str, str]) -> tuple[str, ...]:
        """Return what must be done before: its own, its parts, and what its wholes wait for."""
        keys = [*item.depends_on]
        own = set(keys)
        keys += [
            key for key in self._children.get(item.key, ()) if item.key not in self._needs(key)
        ]
        whole, seen = self._by_key.get(item.parent), {item.key}
        while whole is not None and whole.key not in seen:
            seen.add(whole.key)
            parts = self._children[whole.key]
            keys += [key for key in whole.depends_on if key not in parts and key not in seen]
            whole = self._by_key.get(whole.parent)
        found = []
        for key in dict.fromkeys(keys):
            if key == item.key:
                self._fault(item, "depends on itself; that is left out")
            elif key in ids:
                found.append(ids[key])
            else:
                found.append(self._missing(key))
                if key in own:
                    self._fault(item, f"depends on `{one_line(key)}`, which is not there")
        return tuple(dict.fromkeys(found))

    def _needs(self, key: str) -> tuple[str, ...]:
        return self._by_key[key].depends_on

    def _missing(self, key: str) -> str:
        """Return an id for a dependency that is not there, which no task has: it is waited for."""
        known = self._known.get(f"{self._source}:{key}")
        if known is not None:
            return known.id
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", key.rpartition("#")[2])[:40].strip("-") or "task"
        return f"missing-{name}"

    def _safe(self, item: Item, text: str, *, is_section: bool = False) -> str:
        """Return a text that neither hides nor names a section of the handoff."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
        shown = harmless_text(text).strip()
        if len(shown) != len(text):
            self._fault(item, "has control characters in its text; they are left out")
        if len(shown) > LONGEST_TEXT:
            self._fault(item, f"has a text of more than {LONGEST_TEXT:,} characters; it is cut")
            shown = shown[:LONGEST_TEXT]
        return embedded(shown, is_section=is_section)

    def _name_cycles(self, arriving: Iterable[Arriving]) -> None:
        tasks = {task.id: task for task in self._snapshot.tasks}
        where = {}
        for each in arriving:
            where[each.id] = each.item.where
            depends_on = each.values["depends_on"]
            assert isinstance(depends_on, tuple)
            tasks[each.id] = Task(each.id, "", Status.TODO, depends_on=depends_on)
        for cycle in find_cycles(list(tasks.values())):
            place = next((where[name] for name in cycle if name in where), None)
            if place is not None:
                self._faults.append(Fault(place, f"tasks wait for each other: {' → '.join(cycle)}"))

    def _compare(
        self, arriving: Arriving, prefer: str
    ) -> tuple[Update | None, list[ImportConflict]]:
        """Return what of a task is to follow its source, and what both have changed."""
        task = self._here[arriving.item.key]
        here = values_here(task, self._snapshot.task_text(task))
        last = read_digests(str(task.more.get("imported", "")))
        source = source_of(self._source, arriving.item)
        is_linked = task.more.get("source") == source
        changed: dict[str, Value] = {}
        conflicts = []
        for name, there in arriving.values.items():
            mine, then = here[name], last.get(name, "")
            is_new_there = digest_of(value_text(there)) != then
            is_new_here = digest_of(value_text(mine)) != then if then else bool(mine)
            if mine == there:
                last.update({name: digest_of(value_text(there))} if then or there else {})
            elif not is_linked and name != "status":
                # It was here before the source had it: only what is missing is taken.
                last.update({name: digest_of(value_text(there))} if there else {})
                is_missing = not has_words(mine) if name == "text" else not mine
                if there and is_missing and name != "depends_on":
                    changed[name] = there
            elif is_new_there and (then or there):
                if is_new_here and not prefer:
                    conflicts.append(ImportConflict(task.id, name, mine, there))
                    continue
                last[name] = digest_of(value_text(there))
                if not is_new_here or prefer == "source":
                    changed[name] = there
        digests = dump_digests(last)
        if not changed and digests == task.more.get("imported") and is_linked:
            return None, conflicts
        if not is_linked:
            changed["source"] = source
        return Update(task.id, changed, digests), conflicts


def _scope(source: str) -> str:
    return source.rpartition("#")[0]
