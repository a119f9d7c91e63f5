"""beads: `.beads/issues.jsonl`, one issue a line.

Of several lines of one id the newest counts. Types of dependencies other than `blocks` and
`parent-child` order nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.sources.item import (
    Fields,
    Item,
    Place,
    Reading,
    json_of,
    status_word,
    with_sections,
    without_sections,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPECIAL = {"deferred": "blocked", "pinned": "blocked", "hooked": "in-progress"}
WORDS = {
    "todo": "open",
    "in-progress": "in_progress",
    "review": "in_progress",
    "done": "closed",
    "cancelled": "closed",
}
SECTIONS = ("Design", "Acceptance criteria")
KEYS = ("design", "acceptance_criteria")
DROPPED = ("wont", "won't", "cancel", "duplicate", "obsolete", "not planned")
"""What a reason to close begins with where the work was not done."""


def read(place: Place) -> Reading:
    """Read all issues."""
    newest: dict[str, tuple[str, int, dict[str, Any]]] = {}
    for number, line in enumerate(place.text().split("\n"), 1):
        if not line.strip():
            continue
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
            place.fault(
                "", "is a mark of a merge that is not resolved; both sides are read", number
            )
            continue
        try:
            data = json_of(line, place.shown, number)
        except MissionError as error:
            place.fault("", f"is not JSON: {error.detail}; not read", number)
            continue
        if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
            place.fault("", "is not an issue with an `id`; not read", number)
            continue
        updated = str(data.get("updated_at", ""))
        known = newest.get(data["id"])
        if known is None or updated >= known[0]:
            newest[data["id"]] = (updated, known[1] if known else number, data)
    found = sorted(newest.values(), key=lambda each: each[1])
    return place.reading([_item(place, line, data) for _, line, data in found])


def _item(place: Place, line: int, data: Mapping[str, Any]) -> Item:
    fields = Fields(data)
    key = fields.text("id")
    needs: list[str] = []
    parent = ""
    others = []
    for each in fields.records("dependencies"):
        kind, other = each.get("type", "blocks"), str(each.get("depends_on_id") or "")
        if kind == "blocks" and other:
            needs.append(other)
        elif kind == "parent-child" and other and not parent:
            parent = other
        else:
            others.append(each)
    text = fields.text("description")
    sections = dict(zip(SECTIONS, (fields.text(name) for name in KEYS), strict=True))
    status = fields.status(SPECIAL)
    reason = str(data.get("close_reason") or "").lower()
    if status == "closed" and reason.startswith(DROPPED):
        status = "cancelled"
    is_deleted = status == "tombstone" or bool(data.get("deleted_at"))
    return Item(
        key=key,
        id=key,
        title=fields.text("title"),
        status="cancelled" if is_deleted else status,
        parent=parent,
        depends_on=tuple(dict.fromkeys(needs)),
        labels=fields.words("labels"),
        priority=fields.text("priority"),
        assignee=fields.text("assignee"),
        text=with_sections(text, sections),
        notes=fields.text("notes"),
        left=fields.left | ({"dependencies": others} if others else {}),
        where=f"{place.shown}:{line}",
        is_deleted=is_deleted,
    )


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write one file."""
    del name
    return {"": "".join(json.dumps(_issue(i), ensure_ascii=False) + "\n" for i in items)}


def _issue(item: Item) -> dict[str, Any]:
    text, sections = without_sections(item.text, SECTIONS)
    left = {key: value for key, value in item.left.items() if key != "status"}
    kinds = [*(("blocks", each) for each in item.depends_on)]
    kinds += [("parent-child", item.parent)] if item.parent else []
    others = left.pop("dependencies", [])
    links = [{"issue_id": item.key, "depends_on_id": other, "type": kind} for kind, other in kinds]
    if item.status == "cancelled":
        left.setdefault("close_reason", "cancelled")
    priority = item.priority.upper().removeprefix("P")
    values = {
        "id": item.key,
        "title": item.title,
        "description": text,
        **dict(zip(KEYS, sections.values(), strict=True)),
        "notes": item.notes,
        "status": status_word(item, WORDS, SPECIAL),
        "priority": int(priority) if priority in "01234" and priority else item.priority,
        "assignee": item.assignee,
        "labels": list(item.labels),
        "dependencies": [*links, *(others if isinstance(others, list) else [])],
    }
    return {key: value for key, value in values.items() if value not in ("", None, [])} | left
