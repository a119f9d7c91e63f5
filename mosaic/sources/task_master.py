"""Task Master: `.taskmaster/tasks/tasks.json`, with its tags and subtasks.

The tasks of the first tag keep their numbers; those of others get the tag in front. Where there
are several tags, each is a milestone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mosaic.errors import BrokenFileError
from mosaic.sources.item import (
    Fields,
    Item,
    Place,
    Reading,
    status_word,
    whole_number,
    with_sections,
    without_sections,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAIN = "master"
SPECIAL = {"deferred": "blocked"}
WORDS = {"todo": "pending", "unknown": "pending"}
SECTIONS = ("Details", "Test strategy", "Acceptance")
KEYS = ("details", "testStrategy", "acceptanceCriteria")


def read(place: Place) -> Reading:
    """Read all tags."""
    data = place.json()
    if not isinstance(data, dict):
        raise BrokenFileError("the file is not a JSON object", path=place.shown, line=1)
    if isinstance(data.get("tasks"), list):
        data = {MAIN: data}
    tags = {name: tag for name, tag in data.items() if isinstance(tag, dict) and "tasks" in tag}
    if not tags:
        raise BrokenFileError("the file holds no `tasks`", path=place.shown, line=1)
    main = MAIN if MAIN in tags else next(iter(tags))
    items: list[Item] = []
    for name, tag in tags.items():
        milestone = name if len(tags) > 1 else ""
        if not isinstance(tag["tasks"], list):
            place.fault("", f"the tasks of tag `{name}` are not a list; they are not read")
            continue
        prefix = "" if name == main else f"{name}-"
        items += _tasks(place, tag["tasks"], f"{name}#", prefix, milestone, parent="")
    return place.reading(items)


def _tasks(
    place: Place, tasks: Sequence[Any], scope: str, prefix: str, milestone: str, *, parent: str
) -> Iterator[Item]:
    for count, data in enumerate(tasks, 1):
        if not isinstance(data, dict):
            place.fault("", f"entry {count} of {parent or scope} is not a task; it is not read")
            continue
        fields = Fields(data)
        number = fields.text("id")
        if not number:
            place.fault("", f"entry {count} of {parent or scope} has no `id`; it is not read")
            continue
        own = f"{parent}.{number}" if parent and not number.startswith(f"{parent}.") else number
        subtasks = fields.records("subtasks")
        names = (_key(each, parent) for each in fields.words("dependencies"))
        text = fields.text("description")
        sections = dict(zip(SECTIONS, (fields.text(key) for key in KEYS), strict=True))
        yield Item(
            key=scope + own,
            id=prefix + own,
            title=fields.text("title") or own,
            status=fields.status(SPECIAL),
            milestone=milestone,
            parent=scope + parent if parent else "",
            depends_on=tuple(scope + name for name in names),
            priority=fields.text("priority"),
            text=with_sections(text, sections),
            left=fields.left,
            where=f"{place.shown}: task {own}",
        )
        yield from _tasks(place, subtasks, scope, prefix, milestone, parent=own)


def _key(name: str, parent: str) -> str:
    """Return a task's number; that of a subtask in the same task may stand alone."""
    return name if not parent or "." in name else f"{parent}.{name}"


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write all tags."""
    tags: dict[str, list[Any]] = {}
    made: dict[str, dict[str, Any]] = {}
    for item in items:
        tag, mark, number = item.key.rpartition("#")
        tag, number = (tag, number) if mark else (MAIN, item.id)
        parent = made.get(item.parent)
        made[item.key] = task = _task(item, number)
        if parent is not None:
            task["id"] = whole_number(number.rpartition(".")[2])
            parent.setdefault("subtasks", []).append(task)
        else:
            tags.setdefault(tag, []).append(task)
    data = {tag: {"tasks": tasks, "metadata": {"description": name}} for tag, tasks in tags.items()}
    return {"": json.dumps(data, ensure_ascii=False, indent=2) + "\n"}


def _task(item: Item, number: str) -> dict[str, Any]:
    text, sections = without_sections(item.text, SECTIONS)
    own = item.parent.rpartition("#")[2]
    needs = [each.rpartition("#")[2] for each in item.depends_on]
    values = {
        "id": whole_number(number),
        "title": item.title,
        "description": text,
        "status": status_word(item, WORDS, SPECIAL),
        "priority": item.priority,
        "dependencies": [
            whole_number(each.removeprefix(f"{own}.") if own else each) for each in needs
        ],
        **dict(zip(KEYS, sections.values(), strict=True)),
    }
    left = {key: value for key, value in item.left.items() if key != "status"}
    return {key: value for key, value in values.items() if value not in ("", None)} | left
