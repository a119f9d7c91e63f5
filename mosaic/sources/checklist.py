"""Checklists: `- [ ] text` in TASKS.md, TODO.md or a note, with the marks of Obsidian.

A heading below the first level is a milestone, an item below another one a subtask, indented
text a note. An item is known by its text, or by its `🆔`: another text is another task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.records import NamedTuple, replace
from mosaic.sources.item import Item, Place, Reading, digest_of, unboxed
from mosaic.text.commonmark import fence_behind
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import without_comments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")
ENTRY = re.compile(r"([ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\[(.)\][ \t]+(.*\S)[ \t]*")
BOXES = {" ": "todo", "x": "done", "X": "done", "/": "in-progress", "-": "cancelled"}
PRIORITIES = {"🔺": "critical", "⏫": "high", "🔼": "medium", "🔽": "low", "⏬": "lowest"}
DATES = {
    "➕": "created",
    "⏳": "scheduled",
    "🛫": "start",
    "📅": "due",
    "✅": "done",
    "❌": "cancelled",
}
DATE = re.compile(rf"\s{{0,9}}([{''.join(DATES)}])\ufe0f? ?(\d{{4}}-\d\d-\d\d)")
NAMED = re.compile(r"\s{0,9}🆔\ufe0f? ?([\w.-]*[\w-])")
NEEDS = re.compile(r"\s{0,9}⛔\ufe0f? ?([\w.-]*[\w-](?: ?, ?[\w.-]*[\w-])*)")
AGAIN = re.compile(r"\s{0,9}🔁\ufe0f? ?([\w ]*\w)")
FIELD = re.compile(r"\s{0,9}[\[(]([\w-]+)::\s*([^\])]*)[\])]")
LABEL = re.compile(r"(?:^|\s)#([^\s#,.;:!?()\[\]]*[^\W\d][^\s#,.;:!?()\[\]]*)")


class _Open(NamedTuple):
    """An item that others may stand below."""

    indent: int
    key: str
    path: str


def read(place: Place) -> Reading:
    """Read all items of a file."""
    text = place.text()
    items: list[Item] = []
    seen: dict[str, int] = {}
    heading = fence = ""
    opened: list[_Open] = []
    start = body_offset(text)
    first = text.count("\n", 0, start) + 1
    for number, line in enumerate(without_comments(text[start:]).split("\n"), first):
        was_open = fence
        fence, is_end = fence_behind(line.lstrip(), fence)
        is_indented = line.startswith((" ", "\t"))
        if was_open or is_end or fence:
            if opened and is_indented:
                items[-1] = replace(items[-1], text=f"{items[-1].text}\n{line.strip()}".strip())
        elif found := HEADING.fullmatch(line):
            heading, opened = found[2] if len(found[1]) > 1 else "", []
        elif entry := ENTRY.fullmatch(line):
            indent = len(entry[1].expandtabs(4))
            opened = [each for each in opened if each.indent < indent]
            above = opened[-1] if opened else _Open(-1, "", "")
            item = _item(entry)
            path = f"{above.path}\n{item.title}"
            digest = digest_of(path)
            seen[digest] = seen.get(digest, 0) + 1
            key = item.key or (digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
            where = f"{place.shown}:{number}"
            items.append(replace(item, key=key, parent=above.key, milestone=heading, where=where))
            opened.append(_Open(indent, key, path))
        elif line.strip() and opened and is_indented:
            items[-1] = replace(items[-1], text=f"{items[-1].text}\n{line.strip()}".strip())
        elif line.strip():
            opened = []
    return place.reading(items)


def _item(entry: re.Match[str]) -> Item:
    """Read one item; its key is empty where it names none."""
    rest, left = entry[3], {}
    for sign, name in PRIORITIES.items():
        if sign in rest:
            rest, left["priority"] = rest.replace(sign, "").strip(), name
    for sign, day in DATE.findall(rest):
        left[DATES[sign]] = day
    for name, value in FIELD.findall(rest):
        left[name] = value.strip()
    named, needs, again = NAMED.search(rest), NEEDS.search(rest), AGAIN.search(rest)
    left.update({"id": named[1]} if named else {})
    left.update({"dependsOn": needs[1]} if needs else {})
    left.update({"recurrence": again[1]} if again else {})
    for pattern in (DATE, FIELD, NAMED, NEEDS, AGAIN):
        rest = pattern.sub("", rest)
    labels = tuple(dict.fromkeys(LABEL.findall(rest)))
    key = left.pop("id", "")
    return Item(
        key=key,
        id=key,
        title=" ".join(LABEL.sub(" ", rest).split()) or entry[3].strip(),
        status=BOXES.get(entry[2], f"[{entry[2]}]"),
        depends_on=tuple(filter(None, re.split(r"[ ,]+", left.pop("dependsOn", "")))),
        labels=labels,
        priority=left.pop("priority", ""),
        assignee=left.pop("assignee", ""),
        left=left,
    )


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write one file, with a heading for each milestone."""
    out, heading = f"# {name}\n", ""
    wanted = {key for item in items for key in item.depends_on}
    paths: dict[str, tuple[int, str]] = {"": (-1, "")}
    below: dict[str, list[Item]] = {}
    known = {item.key for item in items}
    for item in items:
        below.setdefault(item.parent if item.parent in known else "", []).append(item)
    waiting = below.get("", [])[::-1]
    while waiting:
        item = waiting.pop()
        depth, path = paths[item.parent if item.parent in known else ""]
        if depth < 0 and item.milestone != heading:
            heading = item.milestone
            out += f"\n## {heading}\n\n" if heading else f"\n# {name}\n\n"
        elif out.count("\n") == 1:
            out += "\n"
        paths[item.key] = depth + 1, f"{path}\n{item.title}"
        is_named = item.key in wanted or not item.key.startswith(digest_of(paths[item.key][1]))
        indent = "  " * (depth + 1)
        out += f"{indent}- {_line(item, named=is_named)}\n"
        out += "".join(f"{indent}  {line}\n" for line in unboxed(item.text) if line)
        waiting += below.get(item.key, [])[::-1]
    return {"": out}


def _line(item: Item, *, named: bool) -> str:
    signs = {name: sign for sign, name in DATES.items()}
    box = next((sign for sign, word in BOXES.items() if word == item.status), " ")
    own = re.fullmatch(r"\[(.)\]", item.status)
    parts = [f"[{own[1] if own else box}] {item.title}", *(f"#{label}" for label in item.labels)]
    parts += [sign for sign, name in PRIORITIES.items() if name == item.priority]
    left = dict(item.left)
    if item.priority and item.priority not in PRIORITIES.values():
        left["priority"] = item.priority
    left.update({"assignee": item.assignee} if item.assignee else {})
    if again := left.pop("recurrence", None):
        parts.append(f"🔁 {again}")
    for key, value in left.items():
        parts.append(f"{signs[key]} {value}" if key in signs else f"[{key}:: {value}]")
    parts += [f"🆔 {item.key}"] if named else []
    parts += [f"⛔ {','.join(item.depends_on)}"] if item.depends_on else []
    return " ".join(parts)
