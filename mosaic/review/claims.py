"""What a handoff claims: the files and commands that its sections name, in any form.

One claim a line: bullets or none, backticks or none, `$ ` prompts, remarks behind a path or a
command, tables (their first column), fenced blocks with one command a line. What says nothing
(`none`, `n/a`, `无`) is not a claim. Never raises, whatever the text.
"""

from __future__ import annotations

import posixpath
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.records import dataclass
from mosaic.runs.masking import masked_line

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CLAIMS = 500
LONGEST_LINE = 2_000
LONGEST_SECTION = 1 << 18
NOTHING = {"", "-", "none", "nothing", "n/a", "na", "no", "todo", "tbd", "无", "没有", "待填写"}
KIND_WORDS = {
    "added": ("new", "added", "add", "created", "create", "新增", "新建", "添加"),
    "deleted": ("deleted", "delete", "removed", "remove", "删除", "移除"),
    "renamed": ("renamed", "moved", "重命名"),
    "changed": ("changed", "modified", "updated", "edited", "修改", "更新"),
}
BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
FENCE = re.compile(r"^\s*(?:```|~~~)")
CODE = re.compile(r"(?<!`)(`++)(.+?)(?<!`)\1(?!`)")
LINK = re.compile(r"\[([^\]\[]{1,500})\]\([^)\s]{0,500}\)")
# A run of blanks is tried once, from its begin: else many cost the square of their number.
ARROW = re.compile(r"(?<!\s)\s++(?:->|→|=>)\s+")
PROMPT = re.compile(r"^(?:[$%>❯]\s+)")
REMARK = re.compile(
    r"(?<!\s)(?:\s++(?:-{1,3}|–|—|→|=>|✅|❌|✔|✘|✓|✗)\s.*$|\s*+[:：,;，]\s.*$|\s++\(.*\)?$)|：.*$",
    re.DOTALL,
)
COMMENT = re.compile(r"(?<!\s)\s++#(?:\s.*)?$", re.DOTALL)
PATH_WORD = re.compile(r"[^\s`'\"<>|()，；：]+")
CD = re.compile(r"^cd\s+(?:'[^']*'|\"[^\"]*\"|\S+)\s*(?:&&|;)\s*")
FAILED = re.compile(
    r"\bfail(?:s|ed|ing|ures?)?\b|\bexit(?:ed)?(?: with)?(?: code)? [1-9]|❌|✘|✗|失败|\berror",
    re.IGNORECASE,
)
NO_FAILURE = re.compile(r"\b(?:0|no) (?:fail\w*|errors?)\b|\bfailed: 0\b", re.IGNORECASE)
SKIPPED = re.compile(
    r"\bnot run\b|\bskipped\b|\bdid not run\b|\bnot executed\b|未运行|未执行", re.IGNORECASE
)
PROGRAM = re.compile(r"[\w./~-]+(?:=\S*)?")
PROSE = re.compile(r"^(?:all|the|i|we|it|no|ran|see|and|then|everything|tests?)\b", re.IGNORECASE)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandClaim:
    """A command that is claimed to have been run."""

    text: str
    command: str
    """Without prompt, backticks, remarks and a leading `cd x &&`."""
    says_failed: bool = False
    says_skipped: bool = False
    """Then it is not a claim to have run it."""


def parse_file_claims(section: str) -> tuple[FileClaim, ...]:
    """Return the files that a section names."""
    found: dict[tuple[str, str | None], FileClaim] = {}
    for line, in_fence in _lines(section):
        for claim in _file_claims(line, in_fence=in_fence):
            found.setdefault((claim.path, claim.old_path), claim)
        if len(found) >= MOST_CLAIMS:
            break
    return tuple(found.values())[:MOST_CLAIMS]


def parse_command_claims(section: str) -> tuple[CommandClaim, ...]:
    """Return the commands that a section names."""
    claims: list[CommandClaim] = []
    has_prompts = any(PROMPT.match(line.strip()) for line, in_fence in _lines(section) if in_fence)
    for line, in_fence in _lines(section):
        is_output = in_fence and has_prompts and not PROMPT.match(line.strip())
        claims += () if is_output else _command_claims(line, in_fence=in_fence)
        if len(claims) >= MOST_CLAIMS:
            break
    return tuple(claims[:MOST_CLAIMS])


def _lines(section: str) -> Iterator[tuple[str, bool]]:
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
            yield _first_column(line), in_fence


def _first_column(line: str) -> str:
    """Return the first cell of a table row, nothing of its head and rule, and other lines as is."""
    text = line.strip()
    if not text.startswith("|"):
        return line
    cell = text.strip("|").split("|")[0].strip()
    head = {"file", "files", "path", "command", "commands", "文件", "命令"}
    return "" if set(cell) <= set(":- ") or cell.lower() in head else cell


def _file_claims(line: str, *, in_fence: bool) -> Iterator[FileClaim]:
    text = BULLET.sub("", LINK.sub(r"`\1`", line)).strip()
    if text.strip("`*_. ").lower() in NOTHING:
        return
    kind = _kind(CODE.sub(" ", text) if CODE.search(text) else text)
    codes = [found[2].strip() for found in CODE.finditer(text)]
    pair = ARROW.split(text)
    if len(pair) == 2 and all(_is_path(_path_word(part)) for part in pair):  # noqa: PLR2004 - a pair
        old, new = (_normal(_path_word(part)) for part in pair)
        yield FileClaim(text=text, path=new, kind=Kind.RENAMED, old_path=old)
        return
    named = [code for code in codes if _is_path(code)] or [_path_word(text)]
    for name in named:
        if not _is_path(name, alone=in_fence or bool(codes) or name == text):
            continue
        for path in _braces(_normal(name)):
            yield FileClaim(text=text, path=path, kind=kind)


def _path_word(text: str) -> str:
    found = PATH_WORD.search(text.strip().lstrip("`'\""))
    return found[0].rstrip(".,;:") if found else ""


def _is_path(word: str, *, alone: bool = False) -> bool:
    """Tell whether a word names a file: by a slash, a dot, a star, or by standing alone."""
    if not word or " " in word or len(word) > LONGEST_LINE or "://" in word:
        return False
    looks = "/" in word or "\\" in word or "*" in word or re.search(r"\w\.\w|^\.\w", word)
    known = word in ("Makefile", "Dockerfile", "LICENSE", "README", "CHANGELOG", "Justfile")
    return bool(looks or known) or (alone and re.fullmatch(r"[\w.@+-]+", word) is not None)


def _normal(path: str) -> str:
    """Return a path with `/` and without `./`; that of a folder keeps its last `/`."""
    text = path.strip().strip("`'\"").replace("\\", "/")
    folder = "/" if text.endswith("/") and len(text) > 1 else ""
    return (posixpath.normpath(text) if text else "") + folder


def _braces(path: str) -> list[str]:
    """Return `src/{a,b}.py` as two paths."""
    found = re.search(r"\{([^{}]{1,300})\}", path)
    if found is None or "," not in found[1]:
        return [path]
    return [path[: found.start()] + part + path[found.end() :] for part in found[1].split(",")][:50]


def _kind(text: str) -> Kind | None:
    words = set(re.findall(r"[A-Za-z]+|[\u4e00-\u9fff]+", text.lower()))
    for kind, names in KIND_WORDS.items():
        if words.intersection(names):
            return Kind(kind)
    return None


def _command_claims(line: str, *, in_fence: bool) -> Iterator[CommandClaim]:
    text = (line if in_fence else BULLET.sub("", line)).strip()
    if text.strip("`*_. ").lower() in NOTHING or (in_fence and text.startswith("#")):
        return
    codes = [found[2].strip() for found in CODE.finditer(text)] if not in_fence else []
    if codes:
        rest = CODE.sub(" ", text)
        named = [code for code in codes if _is_command(code)]
    else:
        bare = COMMENT.sub("", PROMPT.sub("", text))
        command = bare if in_fence else REMARK.sub("", bare)
        rest = text[len(command) :] if text.startswith(command) else text.replace(command, "", 1)
        named = [command] if _is_command(command) and (in_fence or not PROSE.match(command)) else []
    failed = bool(FAILED.search(NO_FAILURE.sub("", rest)))
    for name in named:
        command = COMMENT.sub("", PROMPT.sub("", name)).strip()
        yield CommandClaim(
            text=text,
            command=masked_line(CD.sub("", command)),
            says_failed=failed,
            says_skipped=bool(SKIPPED.search(rest)),
        )


def _is_command(text: str) -> bool:
    words = PROMPT.sub("", text.strip()).split()
    return bool(words) and PROGRAM.fullmatch(words[0]) is not None
