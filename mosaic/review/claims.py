"""What a handoff claims, and the commands that it claims, in any form.

Bullets or none, backticks or none, `$ ` prompts, remarks behind a command, tables (their first
column), fenced blocks with one command a line. What says nothing (`none`, `n/a`, `无`) is not a
claim. Never raises, whatever the text.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.records import dataclass, replace
from mosaic.runs.masking import masked_line

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CLAIMS = 500
LONGEST_LINE = 2_000
LONGEST_SECTION = 1 << 18
NOTHING = {"", "-", "none", "nothing", "n/a", "na", "no", "todo", "tbd", "无", "没有", "待填写"}
BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
FENCE = re.compile(r"^\s*(?:```|~~~)")
CODE = re.compile(r"(?<!`)(`++)(.+?)(?<!`)\1(?!`)")
PROMPT = re.compile(r"^(?:[$%>❯]\s+)")
REMARK = re.compile(
    r"(?<!\s)(?:\s++(?:-{1,3}|–|—|→|=>|✅|❌|✔|✘|✓|✗)\s.*$|\s*+[:：,;，]\s.*$|\s++\(.*\)?$)|：.*$",
    re.DOTALL,
)
COMMENT = re.compile(r"(?<!\s)\s++#(?:\s.*)?$", re.DOTALL)
CD = re.compile(r"^cd\s+(?:'[^']*'|\"[^\"]*\"|\S+)\s*(?:&&|;)\s*")
FAILED = re.compile(
    r"^(?:[\s:：,，;(（—–→=>*_-]|\b(?:it|this|which|still|tests?|suite|first|initially|now|then|\d+"
    r"|passed|and|but)\b)*+(?:fail(?:s|ed|ing|ures?)?\b|errored\b|errors?(?: out)?\s*(?:$|[,;.)]))"
    r"|\b\d+ (?:failed|failures?|errors?)\b"
    r"|\b(?:exit(?:s|ed)?|returns?|returned|rc|status|code)(?:[ =:]+(?:with|code|status))*[ =:]+"
    r"[1-9]"
    r"|❌|✘|✗|失败",
    re.IGNORECASE,
)
"""What a remark says of a failure: as its first words, as a count, as an exit code."""
NO_FAILURE = re.compile(r"\b(?:0|no) (?:fail\w*|errors?)\b|\bfailed: 0\b", re.IGNORECASE)
PASSED = re.compile(r"\b(?:pass\w*|green|succe\w+|fixed|clean|ok)\b|✅|✓|✔|通过", re.IGNORECASE)
PASSED_LATER = re.compile(
    rf"\b(?:then|now|finally|after|later)\b.{{0,60}}(?:{PASSED.pattern})", re.IGNORECASE
)
SKIPPED = re.compile(
    r"\b(?:not|n't|n’t|never|unable to|without) (?:be(?:en)? )?(?:r[ua]n\b|running|execut)"
    r"|(?<!\d )\bskipp(?:ed|ing)\b|未运行|未执行",
    re.IGNORECASE,
)
PROGRAM = re.compile(r"[\w./~-]+(?:=\S*)?")
PROSE = re.compile(
    r"^(?:(?:all|the|i|we|it|no|ran|see|and|then|everything|tests?|using|manual|lint|types?)\b"
    r"|(?!sed\b|ping\b)\w{2,}(?:ed|ing|ly)\b|(?-i:[A-Z][a-z]+\b(?! -)))",
    re.IGNORECASE,
)
RAN = re.compile(
    r"\b(?:(?:re-?)?r[ua]n|running|execut|verif|check|test|via|with|using|use[ds]?|call|invok|buil"
    r"|lint|format|install|start|by)|运行|执行|验证",
    re.IGNORECASE,
)
JOINED = re.compile(r"(?:[,;、；，&+]|\band\b|\bthen\b|&&|→|和)\s*(?:and |then )?$")
OPTION = re.compile(r"\s-{1,2}\w")
FILE = re.compile(r"(?![./])[\w./-]+\.\w+")
"""A word that is rather a file than a program."""
MOST_LABEL_WORDS = 6


class Kind(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    DELETED = "deleted"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileClaim:
    """A file, folder or glob that is claimed to be changed."""

    text: str
    """The line as written."""
    path: str
    """With `/`, without `./`; may be a glob, or a folder that ends in `/`."""
    kind: Kind | None = None
    """What is claimed to have happened to it."""
    old_path: str | None = None
    is_mention: bool = False
    """Named in passing: it counts where it is true, and is not false where it is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandClaim:
    """A command that is claimed to have been run."""

    text: str
    command: str
    """Without prompt, backticks, remarks and a leading `cd x &&`."""
    says_failed: bool = False
    says_skipped: bool = False
    """Then it is not a claim to have run it."""
    is_mention: bool = False
    """Named in passing, as a file may be."""


def parse_command_claims(section: str) -> tuple[CommandClaim, ...]:
    """Return the commands that a section names."""
    claims: list[CommandClaim] = []
    lines = [*claim_lines(section)]
    has_prompts = any(PROMPT.match(line.strip()) for line, in_fence in lines if in_fence)
    for line, in_fence in lines:
        is_output = in_fence and has_prompts and not PROMPT.match(line.strip())
        claims += () if is_output else _command_claims(_first_column(line), in_fence=in_fence)
        if len(claims) >= MOST_CLAIMS:
            break
    return tuple(claims[:MOST_CLAIMS])


def claim_lines(section: str) -> Iterator[tuple[str, bool]]:
    """Return the lines that may hold a claim, and whether each stands in a fenced block."""
    in_fence, joined = False, ""
    for raw in section[:LONGEST_SECTION].splitlines():
        line = joined + raw[:LONGEST_LINE]
        joined = ""
        if FENCE.match(raw):
            in_fence = not in_fence
        elif line.rstrip().endswith("\\") and in_fence and len(line) < LONGEST_LINE:
            joined = line.rstrip()[:-1]
        elif line.strip():
            yield line, in_fence


def _first_column(line: str) -> str:
    """Return the first cell of a table row, nothing of its head and rule, and other lines as is."""
    text = line.strip()
    if not text.startswith("|"):
        return line
    cell, *others = (part.strip() for part in text.strip("|").split("|"))
    if set(cell) <= set(":- ") or cell.lower() in ("command", "commands", "命令"):
        return ""
    return ": ".join([cell, *others[:1]])


def _command_claims(line: str, *, in_fence: bool) -> Iterator[CommandClaim]:
    text = (line if in_fence else BULLET.sub("", line)).strip()
    if text.strip("`*_. ").lower() in NOTHING or (in_fence and text.startswith("#")):
        return
    codes = [*CODE.finditer(text)] if not in_fence else []
    if codes:
        yield from _in_backticks(text, codes)
        return
    bare = COMMENT.sub("", PROMPT.sub("", text))
    command = bare if in_fence else REMARK.sub("", bare)
    if _is_command(command) and (in_fence or not PROSE.match(command)):
        around = text.partition(command)
        yield _claim(text, command, around[0], around[2])


def _in_backticks(text: str, codes: list[re.Match[str]]) -> Iterator[CommandClaim]:
    """Return the commands of a line: the first and what is listed with it; others are mentioned."""
    is_claim, end = None, 0
    for found, after in zip(codes, [*(code.start() for code in codes[1:]), len(text)], strict=True):
        command, between = found[2].strip(), text[end : found.start()]
        end = found.end()
        if not _is_command(command):
            continue
        is_listed = (
            _introduces(between) if is_claim is None else is_claim and JOINED.search(between)
        )
        is_claim = (
            bool(is_listed and not FILE.fullmatch(command)) or OPTION.search(command) is not None
        )
        claim = _claim(text, command, between, text[end:after])
        yield claim if is_claim else replace(claim, is_mention=True)


def _introduces(lead: str) -> bool:
    """Tell whether the words before a line's first command make it a claim."""
    bare = lead.strip(" \t*_")
    is_label = bare.endswith((":", "：", "—", "–", "-")) and len(bare.split()) <= MOST_LABEL_WORDS
    return not re.search(r"[^\W\d_]", bare) or is_label or RAN.search(bare) is not None


def _claim(text: str, command: str, before: str, after: str) -> CommandClaim:
    remark = NO_FAILURE.sub("", after)
    failed = FAILED.search(remark) or re.search("[❌✘✗]", before)
    # `1 failed, 3 passed` is a failure; `1 failed, then all passed` and `failed, fixed` are none.
    mended = PASSED_LATER if failed and re.search(r"\d", failed[0]) else PASSED
    is_mended = failed and mended.search(remark, failed.end() if failed.string is remark else 0)
    bare = COMMENT.sub("", PROMPT.sub("", command)).strip()
    return CommandClaim(
        text=text,
        command=masked_line(CD.sub("", bare)),
        says_failed=bool(failed and not is_mended),
        says_skipped=bool(SKIPPED.search(before) or SKIPPED.search(after)),
    )


def _is_command(text: str) -> bool:
    words = PROMPT.sub("", text.strip()).split()
    return bool(words) and PROGRAM.fullmatch(words[0]) is not None and not words[0].endswith("/")
