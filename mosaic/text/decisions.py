"""A person's decisions on a task: the entries of the `## decisions` section of its file.

    ## decisions

    - 2026-11-26 remarked by Ana (1): Use the reader here.
      - at: src/a.py:41-42 in tree 3f2a9c1d5e6f
      - line: `total = total + line`
      - line: `return total`
      - answered: 2026-11-27 sess-004: uses read_lines now
    - 2026-11-26 rejected by Ana (2): The last line is lost.

      Say in the help that it is kept.
      - handoff: sess-003 (claude, 4m 12s, $0.31): Parser done; claimed 3 files, 2 commands; …
    - 2026-11-27 answered by Ana (3): blue
      - question: sess-005: which colour?
    - 2026-11-28 allowed by Ana (4): `README.md`
    - 2026-11-28 approved by Ana (5)
    - 2026-11-29 commented by bob (6): The name says too little.
      - from: l:17 https://github.com/acme/rocket/pull/7#discussion_r17

An entry is known by its number. Lines that are indented below it belong to it; whatever else
stands in the section stays as it is. A line of a person's text that looks like one of the notes
below an entry has a backslash before it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import EditRefusedError, UsageError
from mosaic.model import Status
from mosaic.records import dataclass, replace
from mosaic.text.harmless import harmless_line, harmless_text
from mosaic.text.lines import Edit, newline_of, splice, splice_all, split_lines
from mosaic.text.sections import DECISIONS, find_section, set_section, verified, written_span

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = re.compile(
    r"- (?P<date>\d{4}-\d\d-\d\d) "
    r"(?P<kind>rejected|reopened|answered|remarked|allowed|approved|commented) by "
    r"(?P<by>[^\n]*?)(?: \((?P<number>\d{1,9})\))?(?::(?: (?P<text>[^\n]*))?)?[ \t]*"
)
NOTE = re.compile(r"- (at|line|question|handoff|unfinished|answered|from): ?(.*)")
LIKE_NOTE = re.compile(r"\\*- (?:at|line|question|handoff|unfinished|answered|from):")
PLACE = re.compile(r"(?P<path>.+?):(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?")
BLOCK_BEGINS = re.compile(r"[-*+#>|]|\d+[.)]|`{3}|~{3}|<")
INDENT = "  "
FINISHED = (Status.REVIEW, Status.DONE, Status.CANCELLED)


class Kind(StrEnum):
    """What a person decided."""

    REJECTED = "rejected"
    REOPENED = "reopened"
    ANSWERED = "answered"
    REMARKED = "remarked"
    ALLOWED = "allowed"
    """A path outside of its write scope is accepted."""
    APPROVED = "approved"
    COMMENTED = "commented"
    """Said on its pull request, by people or by its checks: data for the next attempt."""


CLOSED = (Kind.ALLOWED, Kind.APPROVED)
"""What asks nothing of the next attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One entry."""

    kind: Kind
    date: str
    by: str
    number: int = 0
    text: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    """What stands below it, by keyword: see the module."""
    is_open: bool = False
    """Whether it waits for a later handoff; a remark, for an answer."""
    end: int = 0
    """Where it ends in the text that it was read from."""

    def notes_of(self, key: str) -> list[str]:
        """Return its notes of one keyword."""
        return [value for name, value in self.notes if name == key]

    @property
    def place(self) -> str:
        """Where a remark is: `path:line` or `path:line-line`; empty for other entries."""
        return next(iter(self.notes_of("at")), "").partition(" in ")[0]

    @property
    def quoted(self) -> list[str]:
        """The lines that a remark is on."""
        return [_uncoded(line) for line in self.notes_of("line")]

    @property
    def allowed(self) -> str:
        """The path that it accepts; empty for other entries."""
        return _uncoded(self.text) if self.kind is Kind.ALLOWED else ""

    @property
    def filed(self) -> str:
        """The handoff that it filed away, in words; empty where there was none."""
        return next(iter([*self.notes_of("handoff"), *self.notes_of("unfinished")]), "")

    @property
    def line(self) -> str:
        """The entry without its notes, on one line."""
        words = " ".join(self.text.split())
        return f"{self.date} {self.kind} by {self.by} ({self.number})" + (words and f": {words}")

    @property
    def identity(self) -> str:
        """What no agent may change of it, on one line."""
        notes = [f"{key}: {value}" for key, value in self.notes if key != "answered"]
        return "; ".join([self.line, *notes])

    def json_values(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        names = ("number", "kind", "date", "by", "text", "place", "quoted", "filed")
        values: dict[str, object] = {name: getattr(self, name) for name in names}
        answers = self.notes_of("answered")
        question = next(iter(self.notes_of("question")), "")
        return {**values, "question": question, "answers": answers, "open": self.is_open}


def read_decisions(text: str, status: Status | None = None) -> tuple[Decision, ...]:
    """Return the entries of a task file in their order.

    What is open depends on the task's status: one in review has handed off since.
    """
    section = find_section(text, DECISIONS)
    if section is None:
        return ()
    found: list[Decision] = []
    at, lines, head = section.start, list[str](), None
    end = at
    for line in split_lines(text[section.start : section.end]):
        bare = line.rstrip("\r\n")
        begun = HEAD.fullmatch(bare)
        if head is not None and (begun or not _goes_on(bare, lines)):
            found.append(_entry(head, lines, end, found))
            head = None
        if begun:
            head, lines = begun, []
        elif head is not None:
            lines.append(bare)
        at += len(line)
        if bare.strip():
            end = at - (len(line) - len(bare))
    if head is not None:
        found.append(_entry(head, lines, end, found))
    return _judged(found, status)


def last_filed_session(decisions: Sequence[Decision]) -> str:
    """Return the last session whose handoff was filed away; empty where there is none."""
    filed = [each.filed for each in decisions if each.filed]
    ids, _, facts = filed[-1].partition(" (") if filed else ("", "", "")
    return ids.rpartition(" ")[2] if facts else ""


def add_decision(text: str, new: Decision) -> tuple[str, Decision]:
    """Return a text with an entry added at the end of its section, and the entry as it stands.

    Its number is the next one. What of its text cannot stand there as it is, such as a fence that
    is never closed, is put on one line.
    """
    decision = replace(
        new,
        number=next_number(text),
        by=re.sub(r"[()\s:]+", " ", harmless_line(new.by)).strip() or "a person",
        text=harmless_text(new.text).replace("\t", " ").strip(),
        notes=tuple((key, harmless_line(value)) for key, value in new.notes),
        is_open=new.kind not in CLOSED,
    )
    try:
        return _with_entry(text, decision), decision
    except EditRefusedError:
        decision = replace(decision, text=" ".join(decision.text.split()))
        return _with_entry(text, decision), decision


def next_number(text: str) -> int:
    """Return the number of a task file's next entry."""
    return 1 + max((each.number for each in read_decisions(text)), default=0)


def unique_numbers(text: str) -> str:
    """Return a text in which of two entries with one number the later has the next free one."""
    section = find_section(text, DECISIONS)
    numbers = [each.number for each in read_decisions(text)] if section else []
    if section is None or len(set(numbers)) == len(numbers):
        return text
    seen: set[int] = set()
    free = max(numbers) + 1
    edits = []
    at = section.start
    for line in split_lines(text[section.start : section.end]):
        head = HEAD.fullmatch(line.rstrip("\r\n"))
        if head is not None and head["number"]:
            if (number := int(head["number"])) in seen:
                edits.append(Edit(at + head.start("number"), at + head.end("number"), str(free)))
                number, free = free, free + 1
            seen.add(number)
        at += len(line)
    return splice_all(text, edits)


def answer_remark(text: str, number: int, words: str) -> str | None:
    """Return a text in which a remark has one more answer; None where there is no such remark."""
    known = {each.number: each for each in read_decisions(text)}
    decision = known.get(number)
    if decision is None or decision.kind is not Kind.REMARKED:
        return None
    line = " ".join(harmless_line(words).split())
    return splice(text, decision.end, decision.end, f"{newline_of(text)}{INDENT}- answered: {line}")


def place_parts(place: str) -> tuple[str, int, int]:
    """Return path, first and last line of `path:line` or `path:line-line` (or UsageError)."""
    found = PLACE.fullmatch(place.strip())
    first = int(found["first"]) if found else 0
    last = int(found["last"] or first) if found else 0
    if found is None or not 1 <= first <= last:
        raise UsageError(f"`{place}` is not a line of a file", hint="write `src/a.py:41`")
    return found["path"], first, last


def find_lines(lines: Sequence[str], quoted: Sequence[str], first: int) -> int | None:
    """Return where quoted lines stand now, nearest to the line where they stood first."""
    for strip in (str.rstrip, str.strip):
        wanted = [strip(harmless_line(line)) for line in quoted]
        there = [strip(harmless_line(line)) for line in lines]
        places = [
            at + 1
            for at in range(len(there) - len(wanted) + 1)
            if there[at : at + len(wanted)] == wanted
        ]
        if wanted and places:
            return min(places, key=lambda at: abs(at - first))
    return None


def coded(line: str) -> str:
    """Return a line of code as it stands below a remark."""
    bare = harmless_line(line.rstrip("\r\n"))
    ticks = "`" * (1 + max(map(len, re.findall("`+", bare)), default=0))
    pad = " " if bare.startswith("`") or bare.endswith("`") or not bare.strip() else ""
    return f"{ticks}{pad}{bare}{pad}{ticks}"


def _uncoded(value: str) -> str:
    bare = value.strip()
    ticks = len(bare) - len(bare.lstrip("`"))
    if not ticks or len(bare) < 2 * ticks or not bare.endswith("`" * ticks):
        return value
    inner = bare[ticks:-ticks]
    padded = inner.startswith((" `", "  ")) or inner.endswith("` ") or not inner.strip()
    return inner[1:-1] if padded and inner.startswith(" ") and inner.endswith(" ") else inner


def _goes_on(line: str, before: Sequence[str]) -> bool:
    """Tell whether a line belongs to the entry above it."""
    if not line.strip() or line[0] in " \t":
        return True
    is_after_blank = bool(before) and not before[-1].strip()
    return not is_after_blank and BLOCK_BEGINS.match(line) is None


def _entry(
    head: re.Match[str], lines: Sequence[str], end: int, before: Sequence[Decision]
) -> Decision:
    words, notes = [head["text"] or ""], []
    for line in lines:
        bare = line.removeprefix(INDENT) if line.startswith(INDENT) else line.strip()
        if note := NOTE.fullmatch(bare):
            notes.append((note[1], note[2].rstrip()))
        elif not notes or bare.strip():
            words.append(bare.removeprefix("\\") if LIKE_NOTE.match(bare) else bare)
    number = int(head["number"] or 0)
    return Decision(
        number=number or max((each.number for each in before), default=0) + 1,
        kind=Kind(head["kind"]),
        date=head["date"],
        by=head["by"],
        text="\n".join(words).strip(),
        notes=tuple(notes),
        end=end,
    )


def _judged(found: Sequence[Decision], status: Status | None) -> tuple[Decision, ...]:
    """Return entries, each with whether it is open.

    What a person says is answered by the next handoff: one in review now, or one that was filed
    away later. An approval closes all that was before it; a remark waits for an answer of its own.
    """
    closes_all = max((n for n, e in enumerate(found) if e.kind is Kind.APPROVED), default=-1)
    handed = max((n for n, e in enumerate(found) if e.notes_of("handoff")), default=-1)
    is_handed_off = status in FINISHED
    judged = []
    for place, each in enumerate(found):
        if each.kind in CLOSED or place < closes_all:
            is_open = False
        elif each.kind is Kind.REMARKED:
            is_open = not each.notes_of("answered")
        else:
            is_open = place >= handed and not is_handed_off
        judged.append(replace(each, is_open=is_open))
    return tuple(judged)


def _with_entry(text: str, decision: Decision) -> str:
    first, *more = decision.text.split("\n")
    head = f"- {decision.date} {decision.kind} by {decision.by} ({decision.number})"
    lines = [f"{head}: {first}" if decision.text else head]
    for line in more:
        escaped = re.sub(r"^(\\*- )", r"\\\1", line) if LIKE_NOTE.match(line) else line
        lines.append(f"{INDENT}{escaped}".rstrip())
    lines += [f"{INDENT}- {key}: {value}" for key, value in decision.notes]
    section = find_section(text, DECISIONS)
    if section is None or not section.content:
        return set_section(text, DECISIONS, "\n".join(lines))
    newline = newline_of(text)
    entry = newline.join(lines)
    end = written_span(text, section)[1]
    last = text[:end].rsplit("\n", 1)[-1]
    known = read_decisions(text)
    gap = newline if (known and known[-1].end == end) or last.startswith("- ") else newline * 2
    after = splice(text, end, end, f"{gap}{entry}")
    return verified(text, after, DECISIONS, f"{section.content}{gap}{entry}")
