"""The sections of a task file's body: the six of the handoff, and what stands in them.

A section is a top-level level-2 heading with all that follows, up to the next heading of
level 1 or 2. Names are matched without regard to case, blanks, `-` and `_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mosaic.errors import EditRefusedError
from mosaic.text.blocks import outline
from mosaic.text.frontmatter import find_block
from mosaic.text.lines import newline_of, splice

HANDOFF_SECTIONS = (
    "files_changed",
    "commands_run",
    "result",
    "risks",
    "next_handoff",
    "notes",
)
PLACEHOLDERS = frozenset({"", "-", "todo", "tbd", "(to be filled)", "to be filled", "待填写"})
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
CRITERION = re.compile(r"^\s*[-*+] \[([ xX])\] +(.*\S)\s*$")
SECTION_LEVEL = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One section of a text."""

    name: str
    """Canonical for the six of the handoff, else the heading as written."""
    line: int
    """1-based line of the heading."""
    start: int
    """Where its content begins: the line after the heading."""
    end: int
    content: str
    """Its content without blank lines around it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One acceptance criterion."""

    text: str
    checked: bool
    line: int


def find_sections(text: str) -> tuple[Section, ...]:
    """Return all sections of a text; front matter at its beginning is passed over."""
    block = find_block(text)
    shape = outline(text, offset=block.body_start if block else 0)
    limits = [h for h in shape.headings if h.level <= SECTION_LEVEL]
    sections = []
    for number, heading in enumerate(limits):
        if heading.level != SECTION_LEVEL:
            continue
        start = shape.starts[heading.end_line]
        after = number + 1 < len(limits)
        end = shape.starts[limits[number + 1].first_line] if after else len(text)
        sections.append(
            Section(
                name=canonical_name(heading.title),
                line=heading.first_line + 1,
                start=start,
                end=end,
                content=text[start:end].strip(),
            )
        )
    return tuple(sections)


def canonical_name(title: str) -> str:
    """Return a handoff section's canonical name for a heading, else the heading itself."""
    key = re.sub(r"[\s_-]+", "", title).casefold()
    return next((n for n in HANDOFF_SECTIONS if n.replace("_", "") == key), title.strip())


def section_text(text: str, name: str) -> str | None:
    """Return the content of the first section of a name; None when there is none."""
    wanted = canonical_name(name)
    return next((s.content for s in find_sections(text) if s.name == wanted), None)


def handoff_texts(text: str) -> dict[str, str]:
    """Return the six handoff sections; one that says nothing is empty."""
    found: dict[str, str] = dict.fromkeys(HANDOFF_SECTIONS, "")
    for section in find_sections(text):
        if found.get(section.name) == "" and not is_placeholder(section.content):
            found[section.name] = section.content
    return found


def missing_sections(text: str) -> tuple[str, ...]:
    """Return the handoff sections that are not there or say nothing."""
    return tuple(name for name, content in handoff_texts(text).items() if not content)


def is_placeholder(content: str) -> bool:
    """Tell whether a section's content says nothing: empty, or only a placeholder."""
    for line in COMMENT.sub("", content).splitlines():
        bare = re.sub(r"^\s*(?:[-*+]|\d+[.)])\s+", "", line).strip().strip("*_`.…。:：").strip()
        if bare.casefold() not in PLACEHOLDERS:
            return False
    return True


def set_section(text: str, name: str, content: str) -> str:
    """Return a text with one section's content replaced; the heading is added when missing.

    Raises:
        EditRefusedError: the content holds a heading that would end the section.
    """
    block_text = _clean(text, content)
    section = next((s for s in find_sections(text) if s.name == canonical_name(name)), None)
    newline = newline_of(text)
    if section is None:
        return _add_section(text, name, block_text)
    tail = text[section.end :]
    new = f"{block_text}{newline}" if block_text else ""
    if tail and new:
        new += newline if _has_blank_before_next(text, section) else ""
    lead = "" if text[: section.start].endswith("\n") else newline
    blank = newline if _blank_after_heading(text) else ""
    edited = splice(text, section.start, section.end, f"{lead}{blank if new else ''}{new}")
    if not new and tail and _has_blank_before_next(text, section):
        edited = splice(text, section.start, section.end, f"{lead}{newline}")
    return _verified(text, edited, name, content)


def append_section(text: str, name: str, content: str) -> str:
    """Return a text with lines added at the end of a section; a placeholder is replaced.

    Raises:
        EditRefusedError: the content holds a heading that would end the section.
    """
    section = next((s for s in find_sections(text) if s.name == canonical_name(name)), None)
    if section is None or is_placeholder(section.content):
        return set_section(text, name, content)
    new = _clean(text, content)
    old = text[section.start : section.end].rstrip()
    at = section.start + len(old)
    newline = newline_of(text)
    last = old.rsplit("\n", 1)[-1].lstrip()
    gap = newline if re.match(r"[-*+] ", last) and re.match(r"[-*+] ", new) else newline * 2
    edited = splice(text, at, at, f"{gap}{new}")
    return _verified(text, edited, name, f"{section.content}{gap}{new}")


def acceptance_criteria(text: str) -> tuple[Criterion, ...]:
    """Return the `- [ ]` items of a text's body that are outside fences and the handoff."""
    block = find_block(text)
    handoff = [s for s in find_sections(text) if s.name in HANDOFF_SECTIONS]
    found = []
    offset = 0
    fence: str | None = None
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        start, offset = offset, offset + len(line)
        if block and start < block.body_start:
            continue
        if mark := re.match(r" {0,3}(`{3,}|~{3,})", line):
            if fence is None:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = None
            continue
        item = CRITERION.match(line)
        inside = any(s.start <= start < s.end for s in handoff)
        if item and fence is None and not inside:
            found.append(Criterion(text=item[2], checked=item[1] != " ", line=number))
    return tuple(found)


def _clean(text: str, content: str) -> str:
    """Return content in the text's own newlines, without blank lines around it."""
    lines = content.replace("\r\n", "\n").strip("\n").rstrip()
    if any(h.level <= SECTION_LEVEL for h in outline(lines).headings):
        raise EditRefusedError(
            "the text holds a heading that would end its section",
            detail="a line begins with `# ` or `## `, or is underlined",
            hint="use `### ` headings inside a section",
        )
    return lines.replace("\n", newline_of(text))


def _has_blank_before_next(text: str, section: Section) -> bool:
    """Tell whether a blank line stands between a section and the next heading."""
    before = text[: section.end].replace("\r\n", "\n")
    return before.endswith("\n\n")


def _blank_after_heading(text: str) -> bool:
    """Tell whether this text's habit is a blank line after a level-2 heading."""
    filled = [s for s in find_sections(text) if s.content]
    blanks = [s for s in filled if not text[s.start :].split("\n", 1)[0].strip()]
    return len(blanks) * 2 > len(filled)


def _add_section(text: str, name: str, content: str) -> str:
    newline = newline_of(text)
    canonical = canonical_name(name)
    order = HANDOFF_SECTIONS.index(canonical) if canonical in HANDOFF_SECTIONS else -1
    later = [
        s
        for s in find_sections(text)
        if s.name in HANDOFF_SECTIONS and HANDOFF_SECTIONS.index(s.name) > order >= 0
    ]
    body = f"{content}{newline}" if content else ""
    if later:
        at = text.rfind("\n", 0, later[0].start - 1)
        at = text.rfind("\n", 0, at) + 1 if later[0].start > at + 1 else at + 1
        heading_at = _heading_start(text, later[0])
        edited = splice(text, heading_at, heading_at, f"## {canonical}{newline}{body}{newline}")
        return _verified(text, edited, name, content)
    gap = newline if text.endswith("\n") or not text else newline * 2
    edited = f"{text}{gap}## {canonical}{newline}{body}"
    return _verified(text, edited, name, content)


def _heading_start(text: str, section: Section) -> int:
    start = 0
    for _ in range(section.line - 1):
        start = text.index("\n", start) + 1
    return start


def _verified(before: str, after: str, name: str, content: str) -> str:
    """Return the edited text if every other section is as it was."""
    wanted = canonical_name(name)
    old = [(s.name, s.content) for s in find_sections(before) if s.name != wanted]
    new = [(s.name, s.content) for s in find_sections(after) if s.name != wanted]
    found = (section_text(after, wanted) or "").replace("\r\n", "\n")
    if old == new and found == content.replace("\r\n", "\n").strip():
        return after
    raise EditRefusedError(
        f"section `{wanted}` cannot be set without changing anything else",
        hint="edit it by hand",
    )
