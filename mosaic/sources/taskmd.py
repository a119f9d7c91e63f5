"""taskmd: `tasks/**/NNN-slug.md`, front matter and text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.sources.item import Fields, Item, Place, Reading, status_word
from mosaic.store.create import slug_of
from mosaic.text.frontmatter import parse_front_matter
from mosaic.text.new_frontmatter import front_matter_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORDS = {"todo": "pending", "review": "in-review", "done": "completed"}
GROUP = "group:"
"""What a label begins with that names the folder of a task."""


def read(place: Place) -> Reading:
    """Read all tasks below a folder."""
    items = []
    for name, text in place.files("*.md", "*/**/*.md"):
        try:
            matter = parse_front_matter(text)
        except MissionError as error:
            place.fault(name, f"{error.message}; not read", error.line)
            continue
        key = matter.text("id") if matter else None
        if matter is None or key is None:
            continue  # a text beside the tasks
        fields = Fields({**matter.data, **matter.raw, **matter.lists})
        group = fields.text("group") or name.rpartition("/")[0]
        title = fields.text("title")
        body = text[matter.body_start :].strip()
        fields.text("id")
        items.append(
            Item(
                key=key,
                id=key,
                title=title,
                status=fields.status({}),
                milestone=fields.text("phase"),
                parent=fields.text("parent"),
                depends_on=fields.words("dependencies"),
                labels=(*fields.words("tags"), *([f"{GROUP}{group}"] if group else [])),
                priority=fields.text("priority"),
                assignee=fields.text("owner"),
                write_scope=fields.words("touches"),
                text=re.sub(rf"\A# {re.escape(title)}[ \t]*(?:\n+|\Z)", "", body),
                left=fields.left,
                where=f"{place.shown_file(name)}:{matter.lines['id']}",
            )
        )
    return place.reading(items)


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write a file for each task."""
    del name
    return dict(_file(item) for item in items)


def _file(item: Item) -> tuple[str, str]:
    groups = [label.removeprefix(GROUP) for label in item.labels if label.startswith(GROUP)]
    data = {
        "id": item.key,
        "title": item.title,
        "status": status_word(item, WORDS),
        "priority": item.priority,
        "dependencies": list(item.depends_on),
        "tags": [label for label in item.labels if not label.startswith(GROUP)],
        "group": groups[0] if groups else "",
        "owner": item.assignee,
        "phase": item.milestone,
        "touches": list(item.write_scope),
        "parent": item.parent,
        **item.left,
    }
    values = {key: value for key, value in data.items() if value not in ("", [])}
    folder = "".join(f"{slug_of(group) or 'group'}/" for group in groups[:1])
    file = "-".join(filter(None, (re.sub(r"[^\w.-]", "-", item.key), slug_of(item.title))))
    return f"{folder}{file}.md", front_matter_file(values, f"# {item.title}\n\n{item.text}")
