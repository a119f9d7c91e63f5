"""A task's acceptance criteria, as a reader of CommonMark sees them; and ticking one.

A criterion is an item of a list whose first paragraph begins with a box: `- [ ]`, `* [x]`,
`3. [X]`, `> - [~]`. Boxes in code, HTML and the handoff are none. Lines are read here, and not by
a parser, because ticking must know where a box stands; a test compares with a parser.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.text.commonmark import HTML_BLOCK_TAGS
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import splice, without_comments
from mosaic.text.sections import DECISIONS, HANDOFF_SECTIONS, find_sections, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mosaic.text.sections import Section

GOAL_NAMES = ("goal", "goals", "what", "目标")
DEEPEST = 32
"""Lists and quotes in each other; what is deeper is text."""
TICKED = ("x", "X")
DROPPED = ("~", "-")

_BOX = re.compile(r"\[([ xX~/-])\][ \t]+(?=\S)")
_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r"( {0,3})([-+*]|(\d{1,9})[.)])( +|$)")
_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$")
_HEADING = re.compile(r" {0,3}#{1,6}(?: |$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+) *$")
_RULE = re.compile(r" {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$")
_TAG = r"<[a-z][a-z0-9-]*(?: +[a-z_:][\w.:-]*(?: *= *(?:[^\s\"'=<>`]+|'[^']*'|\"[^\"]*\"))?)* */?>"
_HTML = (
    (re.compile(r" {0,3}<(?:script|pre|style|textarea)(?=[ >]|$)", re.IGNORECASE),
     re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)),
    (re.compile(r" {0,3}<!--"), re.compile(r"-->")),
    (re.compile(r" {0,3}<\?"), re.compile(r"\?>")),
    (re.compile(r" {0,3}<![a-z]", re.IGNORECASE), re.compile(r">")),
    (re.compile(r" {0,3}<!\[CDATA\["), re.compile(r"\]\]>")),
    (re.compile(rf" {{0,3}}</?(?:{HTML_BLOCK_TAGS})(?= |/?>|$)", re.IGNORECASE), None),
    (re.compile(rf" {{0,3}}(?:{_TAG}|</[a-z][a-z0-9-]* *>) *$", re.IGNORECASE), None),
)  # fmt: skip
"""How a block of HTML begins and ends; without an end, at a blank line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One acceptance criterion."""

    text: str
    """Whole, in one line."""
    number: int = 0
    """What it is ticked by: its place in the file, from 1."""
    checked: bool = False
    is_dropped: bool = False
    """Crossed out, `[~]` or `[-]`: it is not asked for any more."""
    line: int = 0
    box: int = 0
    """Where the sign in its box stands in the text."""

    @property
    def is_open(self) -> bool:
        """Whether it is asked for, and not ticked."""
        return not (self.checked or self.is_dropped)

    @property
    def state(self) -> str:
        """Return `open`, `ticked` or `dropped`."""
        return "dropped" if self.is_dropped else "ticked" if self.checked else "open"

    def json_values(self) -> dict[str, object]:
        """Return it as JSON has it."""
        values = {"number": self.number, "text": self.text}
        return {**values, "checked": self.checked, "state": self.state}


def find_goal(text: str) -> str:
    """Return what a task file says is to be done: its section `Goal`, else its first paragraph."""
    own = (*HANDOFF_SECTIONS, DECISIONS)
    sections = find_sections(text)
    for section in sections:
        if section.name.casefold() in GOAL_NAMES and not is_placeholder(section.content):
            return "\n\n".join(_before_boxes(section.content))
    end = min((each.heading_start for each in sections if each.name in own), default=len(text))
    for paragraph in _before_boxes(text[body_offset(text) : end]):
        lines = (line for line in paragraph.split("\n") if not _HEADING.match(line))
        words = "\n".join(lines).strip()
        if not is_placeholder(words):
            return words
    return ""


def _before_boxes(text: str) -> Iterator[str]:
    paragraphs = re.split(r"\n[ \t]*\n", without_comments(text.replace("\r\n", "\n")))
    return takewhile(lambda paragraph: _BOX.search(paragraph) is None, paragraphs)


def acceptance_criteria(
    text: str, sections: Sequence[Section] | None = None
) -> tuple[Criterion, ...]:
    """Return the criteria of a task file, in order; those of the handoff are none.

    `sections` are those of the text, where the caller has found them already.
    """
    if _BOX.search(text) is None:
        return ()
    found: list[Criterion] = []
    start = body_offset(text)
    # A heading ends every block before it, so that what is between can be read by itself.
    for section in find_sections(text) if sections is None else sections:
        if section.name in (*HANDOFF_SECTIONS, DECISIONS):
            found += _criteria_between(text, start, section.heading_start)
            start = section.end
    found += _criteria_between(text, start, len(text))
    return tuple(replace(each, number=number) for number, each in enumerate(found, 1))


def count_criteria(criteria: Sequence[Criterion]) -> tuple[int, int]:
    """Return how many are ticked, and how many are asked for."""
    asked = [each for each in criteria if not each.is_dropped]
    return sum(each.checked for each in asked), len(asked)


def _criteria_between(text: str, start: int, end: int) -> Iterable[Criterion]:
    return _Reader().read(text, start, end) if _BOX.search(text, start, end) else ()


def tick_criterion(text: str, number: int) -> str:
    """Return a text with one criterion ticked, counted from 1; no other byte changes.

    Raises EditRefusedError where there is none of this number, or it was dropped.
    """
    criteria = acceptance_criteria(text)
    if not 0 < number <= len(criteria):
        raise EditRefusedError(
            f"there is no acceptance criterion {number}",
            detail=f"there are {len(criteria)}" if criteria else "there are none",
            hint="`mission show ID` lists them with their numbers",
        )
    wanted = criteria[number - 1]
    if wanted.is_dropped:
        raise EditRefusedError(f"acceptance criterion {number} was dropped: {wanted.text}")
    if wanted.checked:
        return text
    edited = splice(text, wanted.box, wanted.box + 1, "x")
    expected = (*criteria[: number - 1], replace(wanted, checked=True), *criteria[number:])
    if acceptance_criteria(edited) != expected:
        raise EditRefusedError(
            f"criterion {number} cannot be ticked cleanly", hint="edit it by hand"
        )
    return edited


class _Container(NamedTuple):
    """A quote, or an item with the columns that what belongs to it is indented by."""

    width: int = 0
    """0 for a quote."""


class _Reader:
    """Follows the block structure of CommonMark line by line, as its specification describes."""

    def __init__(self) -> None:
        self.open: list[_Container] = []
        self.leaf = ""
        """What the last line belongs to: `paragraph`, `code`, `fence`, `html`; empty: nothing."""
        self.fence = ""
        self.html_end: re.Pattern[str] | None = None
        self.is_new_item = False
        """Whether the innermost item has no content yet."""
        self.found: list[Criterion] = []
        self.is_criterion = False
        """Whether the paragraph that goes on is that of the last criterion."""

    def read(self, text: str, start: int, end: int) -> Iterator[Criterion]:
        """Yield the criteria between two offsets."""
        number = text.count("\n", 0, start)
        for line in text[start:end].split("\n"):
            number += 1
            self._take(line.removesuffix("\r"), number, start)
            start += len(line) + 1
        for each in self.found:
            yield replace(each, text=" ".join(without_comments(each.text).split()))

    def _take(self, line: str, number: int, start: int) -> None:
        rest, kept = self._within(line.expandtabs(4))
        is_within = kept == len(self.open)
        if is_within and self._goes_on(rest):
            return
        if self.leaf in ("fence", "html"):
            self.leaf = ""
        was_paragraph = self.leaf == "paragraph"
        rest, opened = self._opened(rest, kept, is_paragraph=was_paragraph and is_within)
        is_blank, is_new = not rest.strip(" "), bool(opened) or not is_within
        if (
            was_paragraph
            and not opened
            and not is_blank
            and self._is_text(rest, lazy=not is_within)
        ):
            self._add(rest)  # also where it is not indented as it should be
            return
        if is_new:
            self.is_new_item = bool(opened and opened[-1].width)
            self.open[kept:] = opened
        if is_blank:
            self.leaf = ""
            return
        is_first, self.is_new_item = self.is_new_item, False
        self._begin(rest, was_paragraph=was_paragraph and not is_new)
        text = rest.lstrip(" ")
        box = _BOX.match(text) if is_first and self.leaf == "paragraph" else None
        self.is_criterion = box is not None
        if box is not None:
            self._note(text[box.end() :], line, number, start)

    def _within(self, rest: str) -> tuple[str, int]:
        """Return what is left of a line within the open quotes and items, and how many hold."""
        for kept, container in enumerate(self.open):
            quote = _QUOTE.match(rest)
            is_blank = not rest.strip(" ")
            if container.width == 0:
                if quote is None:
                    return rest, kept
                rest = rest[quote.end() :]
            elif not is_blank and rest.startswith(" " * container.width):
                rest = rest[container.width :]
            elif not is_blank or (self.is_new_item and kept == len(self.open) - 1):
                return rest, kept  # an item begins with one blank line at most
        return rest, len(self.open)

    def _goes_on(self, rest: str) -> bool:
        """Take a line of a fence or of HTML; tell whether it was one."""
        if self.leaf == "fence":
            close = rest.strip(" ")
            indent = len(rest) - len(rest.lstrip(" "))
            if indent < 4 and close.startswith(self.fence) and not close.strip(self.fence[0]):  # noqa: PLR2004 - a code block's
                self.leaf = ""
            return True
        if self.leaf == "html":
            if self.html_end is None:
                if not rest.strip(" "):
                    self.leaf = ""
                    return False
            elif self.html_end.search(rest):
                self.leaf = ""
            return True
        return False

    def _opened(self, rest: str, kept: int, *, is_paragraph: bool) -> tuple[str, list[_Container]]:
        """Return what is left of a line behind the quotes and items that begin in it."""
        opened: list[_Container] = []
        while kept + len(opened) < DEEPEST and not _RULE.match(rest):
            quote, item = _QUOTE.match(rest), _ITEM.match(rest)
            if quote is not None:
                rest, width = rest[quote.end() :], 0
            elif item is not None and not (
                is_paragraph and not opened and _cannot_interrupt(item, rest)
            ):
                blanks = len(item[4])
                is_code = blanks > 4 or item.end() == len(rest)  # noqa: PLR2004 - a code block's
                width = item.end() - blanks + (1 if is_code else blanks)
                rest = rest[width:]
            else:
                break
            opened.append(_Container(width))
        return rest, opened

    def _is_text(self, rest: str, *, lazy: bool) -> bool:
        """Tell whether a line within a paragraph begins nothing else."""
        if rest.startswith("    "):
            return True
        is_other = _FENCE.match(rest) or _HEADING.match(rest) or _RULE.match(rest)
        is_html = any(begin.match(rest) for begin, _ in _HTML[:-1])
        return not (is_other or is_html or (not lazy and _UNDERLINE.match(rest)))

    def _begin(self, rest: str, *, was_paragraph: bool) -> None:
        """Note what a line begins that does not go on with the one before."""
        fence = _FENCE.match(rest)
        if rest.startswith("    "):
            self.leaf = "code"
        elif fence is not None:
            self.leaf, self.fence = "fence", fence[1] or fence[2]
        elif was_paragraph and _UNDERLINE.match(rest):
            self.leaf = ""
            if self.is_criterion:
                self.found.pop()  # it was a heading
        elif _HEADING.match(rest) or _RULE.match(rest):
            self.leaf = ""
        else:
            self.leaf = "paragraph"
            for begin, end in _HTML:
                if begin.match(rest):
                    is_over = end is not None and end.search(rest)
                    self.leaf, self.html_end = "" if is_over else "html", end
                    break

    def _add(self, rest: str) -> None:
        if self.is_criterion:
            last = self.found[-1]
            self.found[-1] = replace(last, text=f"{last.text}\n{rest.strip()}")

    def _note(self, text: str, line: str, number: int, start: int) -> None:
        at = line.index("[")
        sign = line[at + 1]
        self.found.append(
            Criterion(
                text=text,
                checked=sign in TICKED,
                is_dropped=sign in DROPPED,
                line=number,
                box=start + at + 1,
            )
        )


def _cannot_interrupt(item: re.Match[str], rest: str) -> bool:
    """Tell whether an item cannot begin within a paragraph: empty, or numbered from another."""
    return not rest[item.end() :].strip(" ") or item[3] not in (None, "1")
