"""Front matter: read from a task file's text.

The block is found by its two fences here, because python-frontmatter does not see one
behind a BOM, drops a root that is no mapping, and takes `----` for a fence. What stands
between them is read plainly where it is plain; else it is scanned for anchors, aliases,
merge keys and depth before anything is built from it, and composed by libyaml, whose marks
say where every value stands.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from mosaic.errors import FrontMatterError
from mosaic.records import dataclass
from mosaic.text.lines import BOM, line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue
    from mosaic.text.plain_frontmatter import PlainMatter

YamlNode: TypeAlias = Any
"""A node of PyYAML, whose stubs know neither its kind nor its style."""

OPENING = re.compile(r"---[ \t]*(?:\r\n|\n|\Z)")
CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
KEY_LINE = re.compile(r"[\w\"'{][^\n]*?:(?:[ \t]|\r?$)", re.MULTILINE)
LARGEST_BLOCK = 256 << 10
NULL_TAG = "tag:yaml.org,2002:null"
WHOLE_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
DECIMAL_NUMBER = re.compile(r"[+-]?[0-9]+\.[0-9]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Where a text's front matter stands."""

    start: int
    """Offset of the first character between the fences."""
    end: int
    """Offset of the closing fence."""
    body_start: int
    """Offset of the first character after the closing fence's line."""


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

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of scalars, or one scalar as a list of one.

        Raises:
            FrontMatterError: it holds something else.
        """
        if self.data.get(key) is None:
            return ()
        if key in self.lists:
            return self.lists[key]
        if key in self.raw:
            return (self.raw[key].strip(),) if self.raw[key].strip() else ()
        raise FrontMatterError(
            f"`{key}` is no list of words",
            line=self.lines[key],
            hint=f"write `{key}:` with one `- item` a line",
        )


def find_block(text: str) -> Block | None:
    """Return where the front matter stands; None when the text begins with none.

    Raises:
        FrontMatterError: it is opened and never closed, or larger than it may be.
    """
    start = len(BOM) if text.startswith(BOM) else 0
    opening = OPENING.match(text, start)
    if opening is None:
        return None
    closing = CLOSING.search(text, opening.end())
    if closing is None:
        raise FrontMatterError(
            "the front matter is never closed", line=1, hint="end it with a line `---`"
        )
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


def parse_front_matter(text: str) -> FrontMatter | None:
    """Read a text's front matter; None when it begins with none.

    Raises:
        FrontMatterError: it is not a plain YAML mapping; names the line and the likely cause.
    """
    from mosaic.text.plain_frontmatter import read_plainly  # start-up: only changed files are read

    block = find_block(text)
    if block is None:
        return None
    first_line = text.count("\n", 0, block.start) + 1
    plain = read_plainly(text[block.start : block.end], first_line)
    if plain is None:
        plain = read_as_yaml(text, block)
    return FrontMatter(
        data=plain.data,
        raw=plain.raw,
        lists=plain.lists,
        lines=plain.lines,
        body_start=block.body_start,
    )


def read_as_yaml(text: str, block: Block) -> PlainMatter:
    """Read a front matter block with libyaml.

    Raises:
        FrontMatterError: it is not a plain YAML mapping.
    """
    from mosaic.text.plain_frontmatter import PlainMatter

    root = compose_block(text, block)
    data: dict[str, JsonValue] = {}
    raw: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    line, seen = 1, 0
    for key_node, value_node in root.value if root is not None else ():
        key = key_node.value
        start = block.start + key_node.start_mark.index
        line, seen = line + text.count("\n", seen, start), start
        lines[key] = line
        data[key] = _plain(value_node)
        if value_node.id == "scalar":
            raw[key] = _text_of(value_node)
        elif value_node.id == "sequence" and all(item.id == "scalar" for item in value_node.value):
            lists[key] = tuple(_text_of(item) for item in value_node.value if not _is_null(item))
    return PlainMatter(data=data, raw=raw, lists=lists, lines=lines)


def _is_null(node: YamlNode) -> bool:
    return bool(node.tag == NULL_TAG)


def _text_of(node: YamlNode) -> str:
    return "" if _is_null(node) else str(node.value)


def has_libyaml() -> bool:
    """Tell whether YAML is read by libyaml; else Python does, which takes no tab between words."""
    import yaml

    return hasattr(yaml, "CSafeLoader")


def compose_block(text: str, block: Block) -> YamlNode | None:
    """Return the YAML nodes of a front matter block; None when it holds nothing.

    Raises:
        FrontMatterError: it is not a plain YAML mapping.
    """
    import yaml  # start-up: only files that changed are parsed

    from mosaic.text.yaml_faults import (
        explain,
        refuse_dangerous_text,
        refuse_odd_keys,
        refuse_references,
    )

    source = text[block.start : block.end]
    first_line = line_of(text, block.start)
    refuse_dangerous_text(source, first_line)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        refuse_references(yaml.parse(source, Loader=loader), first_line)
        root: YamlNode = yaml.compose(source, Loader=loader)
    except yaml.YAMLError as error:
        raise explain(error, source, first_line) from None
    if root is None:
        return None
    if root.id != "mapping":
        raise FrontMatterError(
            "the front matter is no mapping",
            line=first_line,
            detail=f"found a {'list' if root.id == 'sequence' else 'single value'}",
            hint="write `key: value` lines",
        )
    refuse_odd_keys(root, first_line)
    return root


def _plain(node: YamlNode) -> JsonValue:
    if node.id == "sequence":
        return [_plain(item) for item in node.value]
    if node.id == "mapping":
        return {str(key.value): _plain(value) for key, value in node.value}
    return _scalar(node)


def _scalar(node: Any) -> JsonValue:
    kind = node.tag.rpartition(":")[2]
    text: str = node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind == "int" and WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if kind == "float" and DECIMAL_NUMBER.fullmatch(text):
        number = float(text)
        return number if isfinite(number) else text
    return text
