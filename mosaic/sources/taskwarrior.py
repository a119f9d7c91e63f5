"""Taskwarrior: what `task export` prints, an array or one object a line.

Moments stay as they are written. A task is known by its `uuid`; here it gets the eight letters
by which Taskwarrior itself shortens one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from mosaic.errors import MissionError
from mosaic.sources.item import Fields, Item, Place, Reading, json_of, status_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPECIAL = {"waiting": "blocked", "recurring": "blocked"}
WORDS = {
    "todo": "pending",
    "in-progress": "pending",
    "review": "pending",
    "blocked": "pending",
    "done": "completed",
    "cancelled": "deleted",
}
PRIORITIES = {"H": "high", "M": "medium", "L": "low"}
SHORT = 8


def read(place: Place) -> Reading:
    """Read all tasks."""
    return place.reading(
        [_item(place, line, data) for line, data in _records(place) if data.get("uuid")]
    )


def _records(place: Place) -> list[tuple[int, Mapping[str, Any]]]:
    text = place.text()
    if text.lstrip().startswith("["):
        found = [(1, each) for each in place.json()]
    else:
        found = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                found += (
                    [(number, json_of(line.rstrip(", "), place.shown, number))]
                    if line.strip()
                    else []
                )
            except MissionError as error:
                place.fault("", f"is not JSON: {error.detail}; not read", number)
    for number, data in found:
        if not isinstance(data, dict) or not data.get("uuid"):
            place.fault("", "holds what is not a task with a `uuid`; not read", number)
    return [(number, data) for number, data in found if isinstance(data, dict)]


def _item(place: Place, line: int, data: Mapping[str, Any]) -> Item:
    fields = Fields({key: value for key, value in data.items() if key not in ("id", "urgency")})
    key = fields.text("uuid")
    needs = fields.words("depends")
    status = fields.status(SPECIAL)
    if status == "pending" and data.get("start"):
        status = "in-progress"
    title = fields.text("description")
    return Item(
        key=key,
        id=key[:SHORT],
        title=title,
        status="cancelled" if status == "deleted" else status,
        milestone=fields.text("project"),
        depends_on=tuple(name.strip() for each in needs for name in each.split(",")),
        labels=fields.words("tags"),
        priority=PRIORITIES.get(word := fields.text("priority"), word),
        left=fields.left,
        where=f"{place.shown}:{line}: {key[:SHORT]}",
        is_deleted=status == "deleted",
    )


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write an array, as `task import` reads it."""
    del name
    lines = ",\n".join(json.dumps(_task(item), ensure_ascii=False) for item in items)
    return {"": f"[\n{lines}\n]\n"}


def _task(item: Item) -> dict[str, Any]:
    words = {name: letter for letter, name in PRIORITIES.items()}
    left = {key: value for key, value in item.left.items() if key != "status"}
    if item.status == "in-progress":
        left.setdefault("start", left.get("entry", "20000101T000000Z"))
    else:
        left.pop("start", None)
    values = {
        "uuid": _uuid(item.key),
        "description": item.title,
        "status": status_word(item, WORDS, SPECIAL),
        "project": item.milestone,
        "priority": words.get(item.priority, item.priority),
        "depends": [_uuid(each) for each in item.depends_on],
        "tags": list(item.labels),
    }
    return {key: value for key, value in values.items() if value not in ("", [])} | left


def _uuid(key: str) -> str:
    """Return a key that is a uuid; one that is not gets the same uuid every time."""
    try:
        return str(UUID(key))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"mission:{key}"))
