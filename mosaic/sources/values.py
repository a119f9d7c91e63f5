"""The values of a task that imports bring: as they stand here, and as a source last had them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from mosaic.sources.item import Item, digest_of
from mosaic.text.frontmatter import body_offset
from mosaic.text.harmless import harmless_line
from mosaic.text.sections import DECISIONS, HANDOFF_SECTIONS, find_sections, section_text

if TYPE_CHECKING:
    from mosaic.model import Task

Value: TypeAlias = "str | tuple[str, ...]"

OWN = (*HANDOFF_SECTIONS, DECISIONS)
EMPTY_HANDOFF = "\n\n" + "\n".join(f"## {name}\n" for name in HANDOFF_SECTIONS)
PARENT = "parent:"
"""What a label begins with that names the task which another is a part of."""


def source_of(source: str, item: Item) -> str:
    """Return what a task's `source` says of an item."""
    return f"{source}:{one_line(item.key)}"


def one_line(text: str) -> str:
    """Return a text on one line, without anything that a terminal would obey."""
    return " ".join(harmless_line(text).split())


def embedded(text: str, *, is_section: bool) -> str:
    """Return a text that stands in front of a handoff, or in a section of it, and ends there.

    A heading that a section of the handoff has becomes one of level 3; where that is not enough,
    the text is shown as it is.
    """
    if not text:
        return ""
    for section in reversed(find_sections(f"# x\n\n{text}")):
        if is_section or section.name in OWN:
            at = section.heading_start - len("# x\n\n")
            text = f"{text[:at]}#{text[at:]}" if text.startswith("## ", at) else text
    names = [section.name for section in find_sections(f"# x\n\n{text}{EMPTY_HANDOFF}")]
    own = [name for name in names if name in OWN or is_section]
    if own == list(HANDOFF_SECTIONS) and not (
        is_section and re.search(r"^#[ \t]", text, re.MULTILINE)
    ):
        return text
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def text_here(file_text: str) -> tuple[int, int]:
    """Return where in a task's file its own text stands: between its title and the handoff."""
    start = body_offset(file_text)
    title = re.compile(r"\s*# [^\n]*\n?").match(file_text, start)
    start = title.end() if title else start
    own = (s.heading_start for s in find_sections(file_text) if s.name in OWN)
    end = next(own, len(file_text))
    stripped = file_text[start:end]
    lead = len(stripped) - len(stripped.lstrip())
    return start + lead, max(start + lead, start + len(stripped.rstrip()))


def values_here(task: Task, file_text: str) -> dict[str, Value]:
    """Return what a task holds in the fields that imports bring."""
    start, end = text_here(file_text)
    word = task.more.get("status_word")
    return {
        "title": task.title,
        "status": str(word) if word is not None else task.status.value,
        "milestone": task.milestone or "",
        "depends_on": task.depends_on,
        "labels": task.labels,
        "priority": task.priority or "",
        "assignee": task.assignee or "",
        "write_scope": task.write_scope,
        "text": file_text[start:end].replace("\r\n", "\n"),
        "result": (section_text(file_text, "result") or "").replace("\r\n", "\n"),
        "notes": (section_text(file_text, "notes") or "").replace("\r\n", "\n"),
    }


def digests_of(values: Mapping[str, Value]) -> str:
    """Return what a task keeps of the values that it was imported with."""
    return dump_digests(
        {name: digest_of(value_text(value)) for name, value in values.items() if value}
    )


def dump_digests(digests: Mapping[str, str]) -> str:
    """Return digests as `imported` has them."""
    return " ".join(f"{name}={digest}" for name, digest in digests.items())


def read_digests(text: str) -> dict[str, str]:
    """Return the digests that `imported` has."""
    return dict(re.findall(r"\b(\w+)=([0-9a-f]{8})", text))


def has_words(text: Value) -> bool:
    """Tell whether a task's text says more than an empty template."""
    lines = (line.strip() for line in str(text).split("\n"))
    return any(line and not line.startswith("#") and line != "- [ ]" for line in lines)


def value_text(value: Value) -> str:
    """Return a value as the text that its digest is made of."""
    return value if isinstance(value, str) else "\n".join(value)
