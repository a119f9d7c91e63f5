"""Claude Code's own task lists: `~/.claude/tasks/LIST/N.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError, UsageError
from mosaic.sources.item import Fields, Item, Place, Reading, json_of, status_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORDS = {
    "todo": "pending",
    "in-progress": "in_progress",
    "review": "in_progress",
    "blocked": "pending",
    "done": "completed",
    "cancelled": "completed",
}
LARGEST_LISTS = 10


def usual_place() -> Path:
    """Return the folder of the one list that there is (or raise UsageError)."""
    home = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude")
    folder = Path(home) / "tasks"
    lists = sorted(path for path in folder.glob("*") if any(path.glob("*.json")))
    if len(lists) != 1:
        names = ", ".join(f"`{each.name}`" for each in lists[:LARGEST_LISTS]) or "none"
        raise UsageError(
            "name the list that is meant",
            detail=f"in `{folder}`: {names}",
            hint=f"`mission import claude-tasks {folder}/LIST`",
        )
    return lists[0]


def read(place: Place) -> Reading:
    """Read one list."""
    items = []
    scope = place.path.absolute().name
    for name, text in place.files("*.json"):
        try:
            data = json_of(text, place.shown_file(name))
        except MissionError as error:
            place.fault(name, f"{error.message}: {error.detail}; not read", error.line)
            continue
        if not isinstance(data, dict) or not data.get("id"):
            place.fault(name, "is not a task with an `id`; not read")
            continue
        fields = Fields(data)
        key = fields.text("id")
        items.append(
            Item(
                key=f"{scope}#{key}",
                id=key,
                title=fields.text("subject"),
                status=fields.status({}),
                depends_on=tuple(f"{scope}#{each}" for each in fields.words("blockedBy")),
                assignee=fields.text("owner"),
                text=fields.text("description"),
                left={name: value for name, value in fields.left.items() if name != "blocks"},
                where=f"{place.shown_file(name)}:1",
            )
        )
    return place.reading(items)


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write a file for each task."""
    del name
    blocks: dict[str, list[str]] = {}
    for item in items:
        for key in item.depends_on:
            blocks.setdefault(key, []).append(_number(item.key))
    return {f"{_number(item.key)}.json": _text(item, blocks.get(item.key, [])) for item in items}


def _number(key: str) -> str:
    return key.rpartition("#")[2]


def _text(item: Item, blocks: list[str]) -> str:
    values: dict[str, Any] = {
        "id": _number(item.key),
        "subject": item.title,
        "description": item.text,
        "status": status_word(item, WORDS),
        "blocks": blocks,
        "blockedBy": [_number(key) for key in item.depends_on],
    }
    values |= {"owner": item.assignee} if item.assignee else {}
    return json.dumps(values | dict(item.left), ensure_ascii=False, indent=2) + "\n"
