"""One section of a text that is ours, between two marks; all the rest is somebody else's.

    <!-- mission:begin -->
    …
    <!-- mission:end -->

A new section comes last, behind a blank line, and ends with a newline only if the text does. So
it can be taken away again without a note of what was there: every byte of the text comes back.
"""

from __future__ import annotations

from mosaic.errors import EditRefusedError
from mosaic.text.lines import line_of, newline_of, splice, split_lines

BEGIN_MARK = "<!-- mission:begin -->"
END_MARK = "<!-- mission:end -->"


def find_section(text: str) -> tuple[int, int] | None:
    """Return where the section begins and ends, its marks included; None where there is none.

    EditRefusedError, with the line: the marks are not one pair in lines of their own.
    """
    found = []
    at = 0
    for line in split_lines(text):
        if (mark := line.strip()) in (BEGIN_MARK, END_MARK):
            found.append((mark, at, at + len(line.rstrip("\r\n"))))
        at += len(line)
    marks = [mark for mark, _, _ in found]
    if not marks:
        return None
    if marks == [BEGIN_MARK, END_MARK]:
        return found[0][1], found[1][2]
    is_ended = marks[:2] == [BEGIN_MARK, END_MARK]
    mark, at, _ = found[2 if is_ended else 0]
    raise EditRefusedError(
        "the marks around the section for agents are broken",
        line=line_of(text, at),
        detail=f"`{mark}` is here, and {'another section is above it' if is_ended else 'alone'}; "
        f"one `{BEGIN_MARK}` and below it one `{END_MARK}` belong together",
        hint="leave one pair of marks in the file, or none",
    )


def with_section(text: str | None, section: str) -> str:
    """Return a text with the section added, or in place of the one that it has.

    Args:
        text: None stands for no file.
        section: marks included, with plain newlines and none at its end.
    """
    found = find_section(text) if text else None
    if text and found:
        old = text[slice(*found)]
        return splice(text, *found, section.replace("\n", newline_of(old)))
    newline = newline_of(text or "")
    section = section.replace("\n", newline)
    if text is None:
        return section + newline
    if not text.endswith("\n"):
        return text + newline * 2 * bool(text) + section
    return text + newline + section + newline


def without_section(text: str | None) -> str | None:
    """Return what a text was before `with_section`; None where there was no file."""
    found = find_section(text) if text else None
    if text is None or found is None:
        return text
    newline = newline_of(text[slice(*found)])
    before, after = text[: found[0]], text[found[1] :]
    if not after:
        return before.removesuffix(newline * 2)
    after = after.removeprefix(newline)
    gap = before.removesuffix(newline)
    if gap != before and (not gap or gap.endswith("\n")):
        before = gap
    return before + after if found[0] or after else None
