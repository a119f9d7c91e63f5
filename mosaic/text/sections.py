"""The sections of a task file's body: the six of the handoff, and what stands in them.

A section is a top-level level-2 heading with all that follows, up to the next heading of
level 1 or 2. Blank lines around headings stay as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from mosaic.errors import BrokenFileError, EditRefusedError, TableError
from mosaic.records import NamedTuple
from mosaic.text.blocks import Outline, outline
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import line_end, newline_of, splice, without_comments

if TYPE_CHECKING:
    from collections.abc import Sequence

HANDOFF_SECTIONS = ("files_changed", "commands_run", "result", "risks", "next_handoff", "notes")
DECISIONS = "decisions"
"""What people decided on the task: see `mosaic.text.decisions`."""
PLACEHOLDERS = frozenset({"", "-", "todo", "tbd", "to be filled", "待填写"})
BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])(?:\s+\[[ xX]\])?(?:\s+|$)")
LIST_LINE = re.compile(r"[-*+] ")
RULE = re.compile(r"\s{0,3}(?:(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})\s*")
OPENING = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:`{3}|~{3}|<)")
"""What a line begins with that may open a block which is closed further down."""
MOST_OPENINGS = 50
"""Lines from the end that are looked at for what is never closed."""
SECTION_LEVEL = 2


class Section(NamedTuple):
    """One section of a text."""

    name: str
    """Canonical for the six of the handoff, else the heading as written."""
    line: int
    """1-based line of the heading."""
    heading_start: int
    start: int
    """Where its content begins: the line after the heading."""
    end: int
    content: str
    """Its content without blank lines around it."""


def find_sections(text: str) -> tuple[Section, ...]:
    """Return all sections of a text behind its front matter (or raise BrokenFileError)."""
    shape = _shape(text, body_offset(text))
    limits = [heading for heading in shape.headings if heading.level <= SECTION_LEVEL]
    ends = [*(shape.starts[heading.first_line] for heading in limits[1:]), len(text)]
    return tuple(
        Section(
            name=canonical_name(heading.title),
            line=heading.first_line + 1,
            heading_start=shape.starts[heading.first_line],
            start=shape.starts[heading.end_line],
            end=end,
            content=text[shape.starts[heading.end_line] : end].strip(),
        )
        for heading, end in zip(limits, ends, strict=False)
        if heading.level == SECTION_LEVEL
    )


@lru_cache
def canonical_name(title: str) -> str:
    """Return the canonical name of a section of ours for a heading, else the heading itself."""
    key = re.sub(r"[\s_-]+", "", title).casefold()
    own = (*HANDOFF_SECTIONS, DECISIONS)
    return next((n for n in own if n.replace("_", "") == key), title.strip())


def section_text(text: str, name: str) -> str | None:
    """Return the content of the first section of a name; None when there is none."""
    section = find_section(text, name)
    return section.content if section else None


def handoff_texts(text: str) -> dict[str, str]:
    """Return the six handoff sections; one that says nothing is empty."""
    return handoff_of(find_sections(text))


def handoff_of(sections: Sequence[Section]) -> dict[str, str]:
    """Return the same of sections that were found already."""
    found: dict[str, str] = dict.fromkeys(HANDOFF_SECTIONS, "")
    for section in sections:
        if found.get(section.name) == "" and not is_placeholder(section.content):
            found[section.name] = section.content
    return found


def missing_sections(text: str) -> tuple[str, ...]:
    """Return the handoff sections that are not there or say nothing."""
    return tuple(name for name, content in handoff_texts(text).items() if not content)


def is_placeholder(content: str) -> bool:
    """Tell whether a section's content says nothing: empty, or only a placeholder.

    Bullets, emphasis, brackets and comments around a placeholder do not make it a word, and a
    rule is none.
    """
    for line in without_comments(content).split("\n") if content else ():
        bare = BULLET.sub("", line).strip().strip("*_`.…。:：()（）").strip()
        if bare.casefold() not in PLACEHOLDERS and not RULE.fullmatch(line):
            return False
    return True


def set_section(text: str, name: str, content: str) -> str:
    """Return a text with a section replaced, or added when missing (or EditRefusedError).

    Where it said nothing, comments and rules that stand in it stay.
    """
    return _with_content(text, name, content, find_sections(text))


def append_section(text: str, name: str, content: str) -> str:
    """Return a text with lines added to a section; a placeholder goes (or EditRefusedError)."""
    sections = find_sections(text)
    section = _named(sections, name)
    if section is None or is_placeholder(section.content):
        return _with_content(text, name, content, sections)
    new = _lines(text, content)
    if not new:
        return text
    if not _is_closed(section.content):
        raise _never_closed(text, section.name)
    newline = newline_of(text)
    last = section.content.rsplit("\n", 1)[-1].lstrip()
    gap = newline if LIST_LINE.match(last) and LIST_LINE.match(new) else newline * 2
    end = written_span(text, section)[1]
    edited = splice(text, end, end, f"{gap}{new}")
    return verified(text, edited, name, f"{section.content}{gap}{new}", sections)


def _with_content(text: str, name: str, content: str, sections: tuple[Section, ...]) -> str:
    new = _lines(text, content)
    section = _named(sections, name)
    if section is None:
        edited = _with_new_section(text, canonical_name(name), new, sections)
    elif section.content:
        start, end = written_span(text, section)
        if new and is_placeholder(section.content):
            new = content = _around_kept(section.content, new, newline_of(text))
        edited = splice(text, start, end, new) if new else _emptied(text, section)
    else:
        edited = _filled(text, section, new, sections) if new else text
    return verified(text, edited, name, content, sections)


def _around_kept(old: str, new: str, newline: str) -> str:
    """Put lines where a section's placeholder stands, else in front of a rule that closes it."""
    lines = old.replace("\r\n", "\n").split("\n")
    masked = without_comments("\n".join(lines)).split("\n")
    words = [
        number
        for number, line in enumerate(masked)
        if line.strip() and lines[number] == line and not RULE.fullmatch(line)
    ]
    place = words[0] if words else len(lines)
    while not words and place and RULE.fullmatch(masked[place - 1] or "-"):
        place -= 1
    above = [line for number, line in enumerate(lines[:place]) if number not in words]
    below = [line for number, line in enumerate(lines) if number >= place and number not in words]
    parts = ["\n".join(above).rstrip(), new, "\n".join(below).strip("\n")]
    joined = "\n".join(filter(None, parts[:2])) + (f"\n\n{parts[2]}" if parts[2].strip() else "")
    return joined.replace("\r\n", "\n").replace("\n", newline)


def _shape(text: str, offset: int) -> Outline:
    try:
        return outline(text, offset=offset)
    except TableError as error:
        raise BrokenFileError(error.message, line=error.line) from None


def find_section(text: str, name: str) -> Section | None:
    """Return the first section of a name."""
    return _named(find_sections(text), name)


def _named(sections: tuple[Section, ...], name: str) -> Section | None:
    wanted = canonical_name(name)
    return next((section for section in sections if section.name == wanted), None)


def _is_closed(text: str) -> bool:
    """Tell whether a heading behind a text would be one."""
    headings = _shape(f"{text}\n\n## end\n", body_offset(text)).headings
    return bool(headings) and headings[-1].title == "end"


def _never_closed(text: str, name: str) -> EditRefusedError:
    """Return what is said of a text whose end stands in something that was opened."""
    lines = text.split("\n")
    found = [number for number, line in enumerate(lines) if OPENING.match(line)]
    closed = (n for n in found[: -MOST_OPENINGS - 1 : -1] if _is_closed("\n".join(lines[:n])))
    number = next(closed, None)
    shown = f": `{lines[number].strip()[:40]}`" if number is not None else ""
    return EditRefusedError(
        f"section `{name}` cannot be written behind a block that is never closed",
        line=number + 1 if number is not None else None,
        detail=f"a fence, comment or tag is opened and not closed{shown}",
        hint="close it",
    )


def _lines(text: str, content: str) -> str:
    """Return content in the text's own newlines, trimmed (or raise EditRefusedError)."""
    lines = re.sub(r"\A(?:[ \t]*\n)+", "", content.replace("\r\n", "\n")).rstrip()
    headings = _shape(f"{lines}\n\n## end\n", 0).headings
    ending = [heading for heading in headings[:-1] if heading.level <= SECTION_LEVEL]
    if ending:
        raise EditRefusedError(
            "the text holds a heading that would end its section",
            detail=f"its line {ending[0].first_line + 1} begins with `# ` or `## `, "
            "or is underlined",
            hint="use `### ` headings inside a section",
        )
    if not headings or headings[-1].title != "end":
        raise EditRefusedError(
            "the text would swallow the section behind it",
            detail="a fence or a comment is never closed",
            hint="close it",
        )
    return lines.replace("\n", newline_of(text))


def written_span(text: str, section: Section) -> tuple[int, int]:
    """Return where a section's content begins and ends, without the blank lines around it."""
    region = text[section.start : section.end]
    blank = re.match(r"(?:[ \t]*\r?\n)*", region)
    return section.start + (blank.end() if blank else 0), section.start + len(region.rstrip())


def _filled(text: str, section: Section, new: str, sections: tuple[Section, ...]) -> str:
    """Write into an empty section; blank lines that stand there go on parting it from the next."""
    newline = newline_of(text)
    blank = newline if _blank_after_headings(text, sections) else ""
    if section.start == len(text) and not text.endswith("\n"):
        return f"{text}{newline}{blank}{new}"
    parting = blank if section.end < len(text) and section.start == section.end else ""
    return splice(text, section.start, section.start, f"{blank}{new}{newline}{parting}")


def _emptied(text: str, section: Section) -> str:
    end = written_span(text, section)[1]
    if end == len(text):
        return text[: section.start].rstrip("\r\n")
    return splice(text, section.start, line_end(text, end), "")


def _blank_after_headings(text: str, sections: tuple[Section, ...]) -> bool:
    """Tell whether this text's habit is a blank line after a level-2 heading."""
    filled = [s for s in sections if s.content]
    blanks = [s for s in filled if not text[s.start : line_end(text, s.start)].strip()]
    return len(blanks) * 2 > len(filled)


def _with_new_section(text: str, name: str, new: str, sections: tuple[Section, ...]) -> str:
    """Add a section in front of the first that comes later in the handoff, else at the end."""
    newline = newline_of(text)
    blank = newline if new and _blank_after_headings(text, sections) else ""
    rank = HANDOFF_SECTIONS.index(name) if name in HANDOFF_SECTIONS else len(HANDOFF_SECTIONS)
    later = HANDOFF_SECTIONS[rank + 1 :]
    starts = (s.heading_start for s in sections if s.name in later)
    at = next(starts, len(text))
    written = f"## {name}{newline}{blank}{new}" + (newline if new else "")
    is_parted = text[:at].endswith(("\n\n", "\n\r\n"))
    if at < len(text):
        return splice(text, at, at, written + (newline if is_parted else ""))
    if text and not text.endswith("\n"):  # and it goes on ending without one
        return f"{text}{newline * 2}{written.rstrip()}"
    return f"{text}{'' if is_parted or not text else newline}{written}"


def verified(
    before: str,
    after: str,
    name: str,
    content: str,
    sections: tuple[Section, ...] | None = None,
) -> str:
    """Return the edited text if every other section is as it was, and this one as wanted.

    `sections` are those of the text before, where the caller knows them.
    """
    sections = find_sections(before) if sections is None else sections
    wanted = canonical_name(name)
    old = [(s.name, s.content) for s in sections]
    new = [(s.name, s.content) for s in find_sections(after)]
    place = next((n for n, (found, _) in enumerate(new) if found == wanted), None)
    written = content.replace("\r\n", "\n").strip()
    if place is not None and new[place][1].replace("\r\n", "\n") == written:
        if all(found != wanted for found, _ in old):
            old.insert(place, new[place])
        else:
            old[place] = new[place]
        if old == new:
            return after
    if not _is_closed(before):
        raise _never_closed(before, wanted)
    section = _named(sections, wanted)
    raise EditRefusedError(
        f"section `{wanted}` cannot be set without changing anything else",
        line=section.line if section else None,
        detail="what stands around it would read differently",
        hint="edit it by hand",
    )
