"""Front matter: found in a task file's text, and read through python-frontmatter.

The block is found by its two fences here; `mosaic.text.handler` reads what stands between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mosaic.errors import FrontMatterError
from mosaic.records import dataclass
from mosaic.text.lines import BOM

if TYPE_CHECKING:
    from mosaic.model import JsonValue

OPENING = re.compile(r"---[ \t]*(?:\r\n|\n|\Z)")
CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
KEY_LINE = re.compile(r"[\w\"'{][^\n]*?:(?:[ \t]|\r?$)", re.MULTILINE)
CUT_VALUE = re.compile(r"(\w[\w-]*):[ \t]+((?![\"'|>\[{&*!#])\S[^\n]*? #[\w-].*)")
LARGEST_BLOCK = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Where a text's front matter stands."""

    start: int
    """The first character between the fences."""
    end: int
    """The closing fence."""
    body_start: int
    """The first character after the closing fence's line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontMatter:
    """What a text's front matter says."""

    data: Mapping[str, JsonValue]
    """All keys, in order. Dates and times, and numbers in notations that few people mean
    (octal, sexagesimal, `.nan`), stay the text that they are written as."""
    raw: Mapping[str, str]
    """The text of every key that holds one scalar; nothing is an empty string."""
    lists: Mapping[str, tuple[str, ...]]
    """The texts of every key that holds a list of scalars; those that are empty left out."""
    lines: Mapping[str, int]
    """The 1-based line that each key stands on."""
    body_start: int
    """Offset of the body."""

    def text(self, key: str) -> str | None:
        """Return a key's scalar as it is written; None when it is missing or empty."""
        return self.raw.get(key, "").strip() or None

    def joined(self, key: str) -> str | None:
        """Return what a key holds in one line, whatever it is; None where that is nothing."""
        if key in self.lists:
            return ", ".join(self.lists[key]) or None
        if key in self.raw or not self.data.get(key):
            return self.text(key)
        from json import dumps  # start-up: hardly any file needs it

        return dumps(self.data[key], ensure_ascii=False)

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of scalars, or one scalar as a list of one (or raise FrontMatterError)."""
        if self.data.get(key) is None:
            return ()
        if key in self.lists:
            return self.lists[key]
        if key in self.raw:
            return (self.raw[key].strip(),) if self.raw[key].strip() else ()
        raise FrontMatterError(
            f"`{key}` is not a list of words",
            line=self.lines[key],
            hint=f"write `{key}:` with one `- item` a line",
        )


def find_block(text: str) -> Block | None:
    """Return where the front matter stands; None when there is none (or FrontMatterError)."""
    start = len(BOM) if text.startswith(BOM) else 0
    opening = OPENING.match(text, start)
    if opening is None:
        return None
    closing = CLOSING.search(text, opening.end())
    if closing is None:
        message = "the front matter is never closed"
        raise FrontMatterError(message, line=1, hint="end it with a line `---`")
    if closing.start() - opening.end() > LARGEST_BLOCK:
        raise FrontMatterError(f"the front matter is larger than {LARGEST_BLOCK >> 10} KiB", line=1)
    rest = text.find("\n", closing.start())
    return Block(
        start=opening.end(),
        end=closing.start(),
        body_start=len(text) if rest < 0 else rest + 1,
    )


def body_offset(text: str) -> int:
    """Return where a text's markdown begins: behind its front matter, if it has any.

    Never raises. A text that begins with a rule `---` and not with front matter, as a
    body alone may, begins at 0; so does one whose front matter is never closed.
    """
    try:
        block = find_block(text)
    except FrontMatterError:
        return 0
    if block is None:
        return 0
    for line in text[block.start : block.end].split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            return block.body_start if KEY_LINE.match(line.lstrip()) else 0
    return 0 if text[block.start : block.end].strip() else block.body_start


def cut_values(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield values that end at ` #` and a word: line, key, and the value as it may be meant."""
    block = find_block(text)
    lines = text[: block.end].split("\n") if block else []
    for number, line in enumerate(lines, 1):
        if found := CUT_VALUE.fullmatch(line.rstrip()):
            quoted = found[2].replace("\\", "\\\\").replace('"', '\\"')
            yield number, found[1], f'"{quoted}"'


def parse_front_matter(text: str) -> FrontMatter | None:
    """Read a text's front matter; None when it begins with none (or raise FrontMatterError)."""
    block = find_block(text)
    if block is None:
        return None
    from mosaic.text.handler import GuardedHandler  # start-up: only changed files are parsed

    handler = GuardedHandler(text, block)
    return FrontMatter(
        data=handler.read(),
        raw=handler.raw,
        lists=handler.lists,
        lines=handler.lines,
        body_start=block.body_start,
    )


def has_libyaml() -> bool:
    """Tell whether YAML is read by libyaml; else Python does, which takes no tab between words."""
    import yaml

    return hasattr(yaml, "CSafeLoader")
