"""python-frontmatter's YAML handler, with our fences, our guards and our marks (decision 0006)."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import frontmatter
import yaml
from frontmatter.default_handlers import SafeLoader, YAMLHandler

from mosaic.errors import FrontMatterError
from mosaic.text.lines import line_of
from mosaic.text.yaml_faults import (
    explain,
    may_hold_references,
    refuse_dangerous_text,
    refuse_odd_keys,
    refuse_references,
)

if TYPE_CHECKING:
    from mosaic.model import JsonValue
    from mosaic.text.frontmatter import Block

YamlNode: TypeAlias = Any
"""A node of PyYAML, whose stubs know neither its kind nor its style."""

NULL_TAG = "tag:yaml.org,2002:null"
WHOLE_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
DECIMAL_NUMBER = re.compile(r"[+-]?[0-9]+\.[0-9]*")


class GuardedHandler(YAMLHandler):
    """Reads one text's front matter; what it found beside the values stands in its fields."""

    def __init__(self, text: str, block: Block) -> None:
        super().__init__()
        self._text = text
        self._block = block
        self.raw: dict[str, str] = {}
        self.lists: dict[str, tuple[str, ...]] = {}
        self.lines: dict[str, int] = {}

    def read(self) -> dict[str, JsonValue]:
        """Return all keys with their values, in order (or raise FrontMatterError)."""
        metadata, _ = frontmatter.parse(self._text, handler=self)
        return cast("dict[str, JsonValue]", metadata)

    def split(self, text: str) -> tuple[str, str]:
        """Return what stands between the fences, with the newlines that the library changed."""
        del text
        return self._text[self._block.start : self._block.end], ""

    def load(self, fm: str, **_kwargs: object) -> dict[str, JsonValue]:
        """Return what the text between the fences says."""
        first_line = line_of(self._text, self._block.start)
        root = compose(fm, first_line)
        data: dict[str, JsonValue] = {}
        line, seen = first_line, 0
        for key_node, node in root.value if root is not None else ():
            key, start = key_node.value, key_node.start_mark.index
            line, seen = line + fm.count("\n", seen, start), start  # YAML knows other line ends
            self.lines[key] = line
            data[key] = _value(node)
            if node.id == "scalar":
                self.raw[key] = _text_of(node)
            elif node.id == "sequence" and all(item.id == "scalar" for item in node.value):
                words = (_text_of(item) for item in node.value if item.tag != NULL_TAG)
                self.lists[key] = tuple(words)
        return data


def compose(source: str, first_line: int) -> YamlNode | None:
    """Return the YAML nodes of the text between the fences, if any (or FrontMatterError)."""
    refuse_dangerous_text(source, first_line)
    try:
        if may_hold_references(source):
            refuse_references(yaml.parse(source, Loader=SafeLoader), first_line)
        root: YamlNode = yaml.compose(source, Loader=SafeLoader)
    except yaml.YAMLError as error:
        raise explain(error, source, first_line) from None
    if root is None:
        return None
    if root.id != "mapping":
        raise FrontMatterError(
            "the front matter is not a mapping",
            line=first_line,
            detail=f"found a {'list' if root.id == 'sequence' else 'single value'}",
            hint="write `key: value` lines",
        )
    refuse_odd_keys(root, first_line)
    return root


def _text_of(node: YamlNode) -> str:
    return "" if node.tag == NULL_TAG else str(node.value)


def _value(node: YamlNode) -> JsonValue:
    if node.id == "sequence":
        return [_value(item) for item in node.value]
    if node.id == "mapping":
        return {str(key.value): _value(value) for key, value in node.value}
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
