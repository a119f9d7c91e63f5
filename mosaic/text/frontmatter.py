"""Front matter: read from a task file's text.

The block is found by its two fences here, because python-frontmatter does not see one
behind a BOM, drops a root that is no mapping, and takes `----` for a fence. What stands
between them is scanned for anchors, aliases, merge keys and depth before anything is
built from it, and composed by libyaml, whose marks say where every value stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mosaic.errors import FrontMatterError
from mosaic.text.lines import BOM, line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mosaic.model import JsonValue

YamlNode: TypeAlias = Any
"""A node of PyYAML, whose stubs know neither its kind nor its style."""

OPENING = re.compile(r"---[ \t]*(?:\r\n|\n|\Z)")
CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?$|\r?\Z)", re.MULTILINE)
LARGEST_BLOCK = 256 << 10
DEEPEST = 20
LONGEST_LINE = 64 << 10
LONGEST_SHOWN = 80
UNQUOTED_COLON = re.compile(r"^(\s*(?:- )?([\w-]+):[ \t]+)([^\"'\[{|>&*!#%@`\s].*:(?:[ \t].*|))$")
NULL_TAG = "tag:yaml.org,2002:null"
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "null", "bool", "int", "float", "timestamp", "seq", "map", "value")
)


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
    """All keys, in order. Dates and times stay the text that they are written as."""
    raw: Mapping[str, str]
    """The text of every key that holds one scalar; nothing is an empty string."""
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
        value = self.data.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(not isinstance(item, list | dict) for item in value):
            return tuple(str(item) for item in value if item is not None)
        if not isinstance(value, list | dict):
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


def parse_front_matter(text: str) -> FrontMatter | None:
    """Read a text's front matter; None when it begins with none.

    Raises:
        FrontMatterError: it is not a plain YAML mapping; names the line and the likely cause.
    """
    block = find_block(text)
    if block is None:
        return None
    root = compose_block(text, block)
    data: dict[str, JsonValue] = {}
    raw: dict[str, str] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in root.value if root else ():
        key = key_node.value
        lines[key] = line_of(text, block.start + key_node.start_mark.index)
        data[key] = _plain(value_node)
        if value_node.id == "scalar":
            raw[key] = "" if value_node.tag == NULL_TAG else value_node.value
    return FrontMatter(data=data, raw=raw, lines=lines, body_start=block.body_start)


def compose_block(text: str, block: Block) -> YamlNode | None:
    """Return the YAML nodes of a front matter block; None when it holds nothing.

    Raises:
        FrontMatterError: it is not a plain YAML mapping.
    """
    import yaml  # start-up: only files that changed are parsed

    source = text[block.start : block.end]
    first_line = line_of(text, block.start)
    _refuse_dangerous(source, first_line)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_references(yaml.parse(source, Loader=loader), first_line)
        root: YamlNode = yaml.compose(source, Loader=loader)
    except yaml.YAMLError as error:
        raise _explain(error, source, first_line) from None
    if root is None:
        return None
    if root.id != "mapping":
        raise FrontMatterError(
            "the front matter is no mapping",
            line=first_line,
            detail=f"found a {'list' if root.id == 'sequence' else 'single value'}",
            hint="write `key: value` lines",
        )
    _refuse_odd_keys(root, first_line)
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
    try:
        if kind == "int" and re.fullmatch(r"[+-]?(?:0|[1-9][0-9]{0,17})", text):
            return int(text)
        if kind == "float" and re.fullmatch(r"[+-]?[0-9]+\.[0-9]*", text):
            return float(text)
    except ValueError:
        return text
    return text


def _refuse_dangerous(source: str, first_line: int) -> None:
    """Refuse what libyaml must not see: nesting that crashes it, and what YAML forbids."""
    depth = deepest = 0
    for sign in re.finditer(r"[\[{\]}]", source):
        depth += 1 if sign[0] in "[{" else -1
        deepest = max(deepest, depth)
        if deepest > DEEPEST * 50:  # brackets inside quotes count too, so this is generous
            raise FrontMatterError(
                "the front matter is nested too deeply",
                line=first_line + source.count("\n", 0, sign.start()),
            )
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", source)
    if bad:
        raise FrontMatterError(
            "the front matter holds a control character",
            line=first_line + source.count("\n", 0, bad.start()),
            detail=f"U+{ord(bad[0]):04X}",
            hint="remove it",
        )


def _refuse_references(events: Any, first_line: int) -> None:
    """Refuse anchors, aliases, tags and depth before anything is composed from them."""
    depth = 0
    for event in events:
        name = type(event).__name__
        line = first_line + event.start_mark.line
        if name == "AliasEvent" or getattr(event, "anchor", None):
            raise FrontMatterError(
                "anchors and aliases are not read in front matter",
                line=line,
                hint="write the value out",
            )
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in PLAIN_TAGS and tag != "!":
            raise FrontMatterError(f"the tag `{tag}` is not read", line=line, hint="remove it")
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
        if depth > DEEPEST:
            raise FrontMatterError("the front matter is nested too deeply", line=line)


def _refuse_odd_keys(root: YamlNode, first_line: int) -> None:
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if node.id == "sequence":
            pending.extend(node.value)
        if node.id != "mapping":
            continue
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = first_line + key.start_mark.line
            if key.id != "scalar":
                raise FrontMatterError("a key is not a single word", line=line)
            if key.tag.endswith(":merge"):
                raise FrontMatterError(
                    "merge keys are not read in front matter", line=line, hint="write the keys out"
                )
            if key.value in seen:
                raise FrontMatterError(
                    f"`{key.value}` stands twice",
                    line=line,
                    detail=f"also at line {seen[key.value]}",
                    hint="remove one of them",
                )
            seen[key.value] = line
            pending.append(value)


def _explain(error: Any, source: str, first_line: int) -> FrontMatterError:
    """Return a YAML complaint with its line and, where it shows, its likely cause."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    number = mark.line if mark is not None else 0
    lines = source.split("\n")
    problem = getattr(error, "problem", None) or "bad YAML"
    for at in (number, number - 1):
        if not 0 <= at < len(lines):
            continue
        line = lines[at].rstrip("\r")[:LONGEST_LINE]
        if found := UNQUOTED_COLON.match(line):
            value = found[3].replace("\\", "\\\\").replace('"', '\\"')
            return FrontMatterError(
                "the front matter is not YAML",
                line=first_line + at,
                detail=f"`{_short(line.strip())}` has an unquoted colon",
                hint=f'write `{found[2]}: "{_short(value)}"`',
            )
        if re.search(r":\s+'[^']*(?:\w'\w)", line):
            return FrontMatterError(
                "the front matter is not YAML",
                line=first_line + at,
                detail=f"`{_short(line.strip())}` has an apostrophe inside single quotes",
                hint="double the apostrophe, or use double quotes",
            )
    shown = _short(lines[number].strip()) if number < len(lines) else ""
    return FrontMatterError(
        "the front matter is not YAML",
        line=first_line + number,
        detail=f"`{shown}`: {problem}" if shown else str(problem),
        hint="quote values that hold `: `, ` #` or begin with a special sign",
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
