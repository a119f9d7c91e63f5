"""The heading of a task's file: the first line of its text, `# ID title`."""

from __future__ import annotations

from mosaic.records import NamedTuple
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import line_of, splice

BEHIND_ID = " \t:.)–—-"
"""What may stand between an id and a title."""


class TitleHeading(NamedTuple):
    """A heading that gives a task's title behind its id."""

    title: str
    start: int
    """Where the title begins."""
    line: int


def find_heading(text: str, task_id: str) -> TitleHeading | None:
    """Return the heading of a task's file; None where its text does not begin with one.

    What does not name the task's id may be about anything, and is none.
    """
    at = body_offset(text)
    while at < len(text) and text[at] in "\r\n":
        at += 1
    end = text.find("\n", at)
    line = text[at : len(text) if end < 0 else end].rstrip("\r")
    words = line[1:].strip(" \t")
    behind = words[len(task_id) :]
    if (
        not line.startswith(("# ", "#\t"))
        or words[: len(task_id)].casefold() != task_id.casefold()
        or not behind.startswith(tuple(BEHIND_ID))
    ):
        return None
    without_marks = behind.rstrip("#")
    if without_marks.endswith((" ", "\t")):  # a closing sequence of `#`
        behind = without_marks
    title = behind.strip(BEHIND_ID)
    if not title:
        return None
    title = behind.lstrip(BEHIND_ID).rstrip(" \t")
    return TitleHeading(title, at + line.index(title, line.index(behind)), line_of(text, at))


def with_heading(text: str, task_id: str, title: str) -> str:
    """Return a task's file with another title in its heading; the same where it has none."""
    found = find_heading(text, task_id)
    return splice(text, found.start, found.start + len(found.title), title) if found else text
