"""Backlog.md: `backlog/tasks/*.md`, with `completed/`, `drafts/` and `archive/tasks/`.

The folder is a state too. Sections stand between marks of the program, in older files below
headings alone. `ordinal` is plan order.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError
from mosaic.plan.statuses import parse_status
from mosaic.sources.item import (
    Fields,
    Item,
    Place,
    Reading,
    natural,
    status_word,
    with_sections,
    without_sections,
)
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.new_frontmatter import front_matter_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import JsonValue
    from mosaic.text.frontmatter import FrontMatter

FOLDERS = ("tasks", "drafts", "completed", "archive/tasks")
SPECIAL = {"draft": "blocked"}
WORDS = {
    "todo": "To Do",
    "in-progress": "In Progress",
    "review": "In Progress",
    "blocked": "To Do",
    "done": "Done",
    "cancelled": "Done",
}
SECTIONS = {
    "DESCRIPTION": ("Description",),
    "AC": ("Acceptance criteria", "Acceptance Criteria"),
    "DOD": ("Definition of done", "Definition of Done"),
    "PLAN": ("Plan", "Implementation Plan"),
    "NOTES": ("Notes", "Implementation Notes"),
    "FINAL_SUMMARY": ("Final summary", "Final Summary"),
    "COMMENTS": ("Comments",),
}
"""What the program calls its sections, and their headings here and there."""
IN_TEXT = ("AC", "DOD", "PLAN", "COMMENTS")
BOX_NUMBER = re.compile(r"^([ \t]*- \[[^\]\r\n]\]) #\d+ ", re.MULTILINE)


def read(place: Place) -> Reading:
    """Read the tasks of all folders, or of one."""
    names = {key: title for key, title in map(_milestone, _texts(place, "milestones/*.md")) if key}
    patterns = [f"{folder}/*.md" for folder in FOLDERS]
    if place.path.name in ("tasks", "completed", "drafts"):
        patterns = ["*.md"]
    found = []
    for name, text in place.files(*patterns):
        if not name.startswith("milestones/"):
            try:
                matter = parse_front_matter(text)
            except MissionError as error:
                place.fault(name, f"{error.message}; not read", error.line)
                continue
            if matter is None or matter.text("id") is None:
                place.fault(name, "has no front matter with an `id`; not read")
                continue
            found.append(_item(place, name, text, matter, names))
    return place.reading([item for _, item in sorted(found, key=lambda each: each[0])])


def _texts(place: Place, pattern: str) -> list[tuple[str, str]]:
    return [(name, text) for name, text in place.files(pattern) if name.startswith("milestones/")]


def _milestone(file: tuple[str, str]) -> tuple[str, str]:
    try:
        matter = parse_front_matter(file[1])
    except MissionError:
        matter = None
    return (matter.text("id") or "", matter.text("title") or "") if matter else ("", "")


def _item(
    place: Place, name: str, text: str, matter: FrontMatter, milestones: Mapping[str, str]
) -> tuple[Any, Item]:
    """Return a task, and what it is sorted by."""
    fields = Fields({**matter.data, **matter.raw, **matter.lists})
    number, ordinal = fields.text("id"), fields.text("ordinal")
    body, said = _sections(text[matter.body_start :])
    folder = name.rpartition("/")[0]
    status = fields.status(SPECIAL)
    left: dict[str, JsonValue] = {}
    if folder == "drafts" and status != "blocked":
        status, left["status"] = "blocked", "Draft"
    known = parse_status(status, place.mission.statuses)
    if folder in ("completed", "archive/tasks") and not (known and known.is_closed):
        status = "done" if folder == "completed" else "cancelled"
    elif folder == "archive/tasks":
        status = "cancelled"
    rank = float(ordinal) if re.fullmatch(r"\d{1,15}(\.\d+)?", ordinal) else float("inf")
    milestone = fields.text("milestone")
    item = Item(
        key=number.lower(),
        id=number,
        title=fields.text("title"),
        status=status,
        milestone=milestones.get(milestone, milestone),
        parent=fields.text("parent_task_id").lower(),
        depends_on=tuple(each.lower() for each in fields.words("dependencies")),
        labels=fields.words("labels"),
        priority=fields.text("priority"),
        assignee=", ".join(fields.words("assignee")),
        text=with_sections(body, {SECTIONS[key][0]: said.get(key, "") for key in IN_TEXT}),
        result=said.get("FINAL_SUMMARY", ""),
        notes=said.get("NOTES", ""),
        left={key: value for key, value in fields.left.items() if key != "subtasks"} | left,
        where=f"{place.shown_file(name)}:{matter.lines['id']}",
    )
    return (rank, natural(number)), item


def _sections(body: str) -> tuple[str, dict[str, str]]:
    """Return a body's description, and its other sections by the program's names."""
    found: dict[str, str] = {}
    for key, headings in SECTIONS.items():
        mark = _mark(key)
        begin = body.find(f"<!-- {mark}:BEGIN -->")
        end = body.find(f"<!-- {mark}:END -->", begin)
        if 0 <= begin < end:
            head = body[:begin].rstrip()
            said = body[begin:end].partition("-->")[2]
            rest = body[end:].partition("-->")[2]
            line = head.rpartition("\n")[2].strip()
            head = head.removesuffix(line) if line in [f"## {each}" for each in headings] else head
            body = f"{head}\n\n{rest.lstrip()}"
        elif plain := _heading(headings).search(body):
            said = plain[1]
            body = body[: plain.start()] + body[plain.end() :]
        else:
            continue
        found[key] = BOX_NUMBER.sub(r"\1 ", said.strip())
    rest = re.sub(r"\n{3,}", "\n\n", body).strip()
    return "\n\n".join(filter(None, (found.pop("DESCRIPTION", ""), rest))), found


@cache
def _heading(names: tuple[str, ...]) -> re.Pattern[str]:
    titles = "|".join(map(re.escape, names))
    return re.compile(rf"^## (?:{titles})[ \t]*\n(.*?)(?=^##? |\Z)", re.DOTALL | re.MULTILINE)


def _mark(key: str) -> str:
    return key if key in ("AC", "DOD") else f"SECTION:{key}"


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write a file for each task."""
    del name
    return dict(_file(item, rank) for rank, item in enumerate(items, 1))


def _file(item: Item, rank: int) -> tuple[str, str]:
    number = item.id if item.id.lower() == item.key else item.key
    text, sections = without_sections(item.text, [SECTIONS[key][0] for key in IN_TEXT])
    is_draft = item.status == "blocked" and str(item.left.get("status", "")).lower() == "draft"
    folder = "drafts" if is_draft else "archive/tasks" if item.status == "cancelled" else "tasks"
    left = {key: value for key, value in item.left.items() if key != "status"}
    data = {
        "id": number,
        "title": item.title,
        "status": status_word(item, WORDS, SPECIAL),
        "assignee": [each.strip() for each in item.assignee.split(",") if each.strip()],
        "labels": list(item.labels),
        "milestone": item.milestone,
        "dependencies": list(item.depends_on),
        "parent_task_id": item.parent,
        "priority": item.priority,
        "ordinal": rank * 1000,
        **left,
    }
    kept = ("assignee", "labels", "dependencies")
    values = {key: value for key, value in data.items() if value or key in kept}
    said = {
        "DESCRIPTION": text,
        **dict(zip(IN_TEXT, sections.values(), strict=True)),
        "NOTES": item.notes,
        "FINAL_SUMMARY": item.result,
    }
    body = "\n\n".join(_section(key, said[key]) for key in SECTIONS if said.get(key))
    title = re.sub(r"[^\w.-]+", " ", item.title)[:60].strip()
    return f"{folder}/{number.lower()} - {title}.md", front_matter_file(values, body)


def _section(key: str, said: str) -> str:
    mark = _mark(key)
    if key in ("AC", "DOD"):
        count = iter(range(1, 1 << 20))
        said = re.sub(
            r"^(- \[[^\]]\]) ", lambda box: f"{box[1]} #{next(count)} ", said, flags=re.MULTILINE
        )
    return f"## {SECTIONS[key][-1]}\n\n<!-- {mark}:BEGIN -->\n{said}\n<!-- {mark}:END -->"
