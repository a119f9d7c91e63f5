"""Front matter set by splicing the bytes of one value; parsed again and compared, else refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mosaic.errors import EditRefusedError, FrontMatterError
from mosaic.text.fields import keys_before
from mosaic.text.frontmatter import Block, FrontMatter, find_block, parse_front_matter
from mosaic.text.handler import YamlNode, compose
from mosaic.text.lines import Edit, line_end, line_of, line_start, newline_of, splice, splice_all
from mosaic.text.yaml_edits import (
    Placed,
    block_list_edits,
    comments_in,
    flow_list_edits,
    is_nothing,
    quote_scalar,
)


def set_front_matter(text: str, key: str, value: str | Sequence[str] | None) -> str:
    """Return a text with one front matter key set; every other byte is the same.

    A missing key is added after its natural neighbour; None removes one with its lines. A
    list keeps its style, and of its items only those that change are touched. One scalar
    stays one where it is set to a list of one. Raises FrontMatterError or EditRefusedError.
    """
    block = find_block(text)
    before = parse_front_matter(text)
    if block is None or before is None:
        raise EditRefusedError(
            "the file has no front matter", line=1, hint="begin it with `---`, keys, `---`"
        )
    wanted = value if value is None or isinstance(value, str) else list(value)
    if _reads_as(before, key, wanted):
        return text
    edited = _Editor(text, block).edit(key, wanted)
    try:
        after = parse_front_matter(edited)
    except FrontMatterError:
        after = None
    if (
        after is None
        or not _reads_as(after, key, wanted)
        or _others(before, key) != _others(after, key)
        or text[before.body_start :] != edited[after.body_start :]
    ):
        raise EditRefusedError(
            f"`{key}` cannot be set without changing anything else",
            line=before.lines.get(key, 1),
            hint="edit it by hand",
        )
    return edited


def _others(matter: FrontMatter, key: str) -> list[tuple[str, Any]]:
    return [
        (name, (value, matter.raw.get(name), matter.lists.get(name)))
        for name, value in matter.data.items()
        if name != key
    ]


def _reads_as(matter: FrontMatter, key: str, value: str | list[str] | None) -> bool:
    if value is None:
        return key not in matter.data
    if key not in matter.data:
        return False
    if isinstance(value, str):
        return matter.raw.get(key) == value
    if key in matter.lists:
        return list(matter.lists[key]) == value
    return key in matter.raw and list(matter.strings(key)) == value


class _Editor:
    """One edit of one text's front matter."""

    def __init__(self, text: str, block: Block) -> None:
        self._text = text
        self._block = block
        source = text[block.start : block.end]
        self._root: YamlNode | None = compose(source, line_of(text, block.start))
        self._placed = Placed(text=text, offset=block.start)
        self._newline = newline_of(text)
        self._pairs: list[tuple[Any, Any]] = list(self._root.value) if self._root else []

    def edit(self, key: str, value: str | list[str] | None) -> str:
        if self._root is not None and self._root.flow_style:
            message = "the front matter is one `{…}`"
            raise EditRefusedError(message, line=2, hint="write one `key: value` a line")
        pair = next((pair for pair in self._pairs if pair[0].value == key), None)
        if pair is None:
            return self._text if value is None else self._add(key, value)
        if value is None:
            return self._remove(pair)
        if isinstance(value, str):
            return self._set_scalar(*pair, value)
        return self._set_list(*pair, value)

    def _set_scalar(self, key: YamlNode, node: YamlNode, value: str) -> str:
        if node.id != "scalar" or is_nothing(node) or self._has_own_lines(node):
            return self._write(key, node, quote_scalar(value))
        start, end = self._placed.start(node), self._placed.end(node)
        if not value and not node.style and self._text[self._colon(key) + 1 : start] == " ":
            return splice(self._text, start - 1, end, "")  # `key:` is how an empty value looks
        return splice(self._text, start, end, quote_scalar(value, node))

    def _write(self, key: YamlNode, node: YamlNode, new: str) -> str:
        """Write something else where a value stands; what follows on its key's line stays."""
        end = self._placed.end(node)
        if not is_nothing(node) and not self._has_own_lines(node):
            return splice(self._text, self._placed.start(node), end, new)
        colon = self._colon(key)
        if is_nothing(node):
            return splice(self._text, colon + 1, colon + 1, f" {new}")
        head = self._text[colon + 1 : line_end(self._text, colon)].rstrip("\r\n")
        if node.id == "scalar":
            head = head.lstrip(" \t").lstrip("|>+-0123456789")
            return splice(self._text, colon + 1, end, f" {new}{head}")
        after = line_end(self._text, colon)
        lines = self._comment_lines(comments_in(self._placed, node, after))
        rest = self._text[end : line_end(self._text, end)].rstrip("\r\n")
        return splice(self._text, colon + 1, end + len(rest), f" {new}{head}{lines}")

    def _comment_lines(self, comments: Sequence[str]) -> str:
        return "".join(f"{self._newline}{self._indent()}{comment}" for comment in comments)

    def _has_own_lines(self, node: YamlNode) -> bool:
        return node.style in ("|", ">") if node.id == "scalar" else not node.flow_style

    def _colon(self, key: YamlNode) -> int:
        end = self._placed.end(key)
        colon = re.compile(r"[ \t]*:").match(self._text, end)
        if colon is None:  # written as `? key`
            raise EditRefusedError(
                f"`{key.value}` cannot be set without changing anything else",
                line=line_of(self._text, end),
                hint=f"write it as `{key.value}: value`",
            )
        return colon.end() - 1

    def _set_list(self, key: YamlNode, node: YamlNode, items: list[str]) -> str:
        one = items[0] if len(items) == 1 else ""
        if node.id == "scalar" and not is_nothing(node) and one and one == one.strip():
            return self._set_scalar(key, node, one)
        if node.id == "sequence" and all(child.id == "scalar" for child in node.value):
            edits: list[Edit] | None
            if node.flow_style:
                edits = flow_list_edits(self._placed, node, items)
            else:
                edits = block_list_edits(self._placed, node, items) if items else None
            if edits is not None:
                return splice_all(self._text, edits)
        new = self._new_list(items)
        if new.startswith(" "):
            return self._write(key, node, new[1:])
        return self._begin_block(key, node, new)

    def _begin_block(self, key: YamlNode, node: YamlNode, lines: str) -> str:
        colon = self._colon(key)
        if not is_nothing(node) and self._has_own_lines(node):
            return splice(self._text, colon + 1, self._placed.end(node), lines)
        text = self._text
        if not is_nothing(node):
            text = splice(text, colon + 1, self._placed.end(node), "")
        at = colon + 1 + len(text[colon + 1 : line_end(text, colon)].rstrip("\r\n"))
        return splice(text, at, at, lines)

    def _new_list(self, items: list[str]) -> str:
        """Return a list as it stands behind its key's colon, in the style of the others."""
        lists = [value for _, value in self._pairs if value.id == "sequence" and value.value]
        blocks = [value for value in lists if not value.flow_style]
        if not items or (lists and not blocks):
            return f" [{', '.join(quote_scalar(item, flow=True) for item in items)}]"
        indent = " " * int(blocks[0].start_mark.column) if blocks else self._indent() + "  "
        return "".join(f"{self._newline}{indent}- {quote_scalar(item)}" for item in items)

    def _indent(self) -> str:
        return " " * int(self._root.start_mark.column) if self._root is not None else ""

    def _add(self, key: str, value: str | list[str]) -> str:
        new = f" {quote_scalar(value)}" if isinstance(value, str) else self._new_list(value)
        at = self._place_for(key)
        written = f"{self._indent()}{quote_scalar(key)}:{new}{self._newline}"
        return splice(self._text, at, at, written)

    def _place_for(self, key: str) -> int:
        present = {pair[0].value: pair for pair in self._pairs}
        for neighbour in keys_before(key):
            if neighbour in present:
                return self._end_of_pair(*present[neighbour])
        return self._end_of_pair(*self._pairs[-1]) if self._pairs else self._block.end

    def _end_of_pair(self, key: YamlNode, value: YamlNode) -> int:
        end = self._placed.end(key) if is_nothing(value) else self._placed.end(value)
        return min(line_end(self._text, end), self._block.end)

    def _remove(self, pair: tuple[Any, Any]) -> str:
        """Take a key out with its lines; what people noted beside it stays."""
        key, value = pair
        start = line_start(self._text, self._placed.start(key))
        comments = comments_in(self._placed, value, self._placed.end(key))
        lines = self._comment_lines(comments).removeprefix(self._newline)
        kept = lines + self._newline if lines else ""
        return splice(self._text, start, self._end_of_pair(*pair), kept)
