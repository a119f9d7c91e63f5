"""Front matter: set, by splicing only the bytes of the value that changes.

Every edit is checked: the result is parsed again and must equal the old data plus the
change, with the body as it was; else it is refused and nothing is changed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mosaic.errors import EditRefusedError, MissionError
from mosaic.text.frontmatter import (
    Block,
    YamlNode,
    compose_block,
    find_block,
    parse_front_matter,
)
from mosaic.text.lines import line_end, line_start, newline_of, splice

if TYPE_CHECKING:
    from collections.abc import Sequence


NATURAL_ORDER = (
    "task_id",
    "id",
    "title",
    "status",
    "milestone",
    "repo",
    "branch",
    "base_ref",
    "priority",
    "runtime",
    "assignee",
    "labels",
    "depends_on",
    "write_scope",
    "pr",
    "attempts",
    "updated_at",
)
"""A missing key is added after the nearest of those before it here."""

PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<~]|-(?=\S)", re.UNICODE)
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


def set_front_matter(text: str, key: str, value: str | Sequence[str] | None) -> str:
    """Return a text with one front matter key set; every other byte is the same.

    Args:
        text: the whole file.
        key: a top-level key; added after its natural neighbour when it is missing.
        value: a text, a list of texts, or None to remove the key.

    Raises:
        FrontMatterError: the front matter cannot be read.
        EditRefusedError: the change cannot be made without touching anything else.
    """
    block = find_block(text)
    if block is None:
        raise EditRefusedError("the file has no front matter", line=1)
    editor = _Editor(text, block)
    edited = editor.edit(key, value)
    _verify(text, edited, key, value)
    return edited


def _verify(before: str, after: str, key: str, value: str | Sequence[str] | None) -> None:
    try:
        old, new = parse_front_matter(before), parse_front_matter(after)
    except MissionError:
        old, new = parse_front_matter(before), None
    assert old is not None
    if new is not None and before[old.body_start :] == after[new.body_start :]:
        others_old = {k: v for k, v in old.data.items() if k != key}
        others_new = {k: v for k, v in new.data.items() if k != key}
        order_kept = [k for k in new.data if k != key] == list(others_old)
        if isinstance(value, str):
            right = key in new.raw and new.raw[key] == value
        elif value is None:
            right = key not in new.data
        else:
            right = key in new.data and new.strings(key) == tuple(value)
        if right and order_kept and others_old == others_new:
            return
    raise EditRefusedError(
        f"`{key}` cannot be set without changing anything else",
        line=old.lines.get(key, 1),
        hint="edit it by hand",
    )


class _Editor:
    """One edit of one text's front matter."""

    def __init__(self, text: str, block: Block) -> None:
        self._text = text
        self._block = block
        self._root: YamlNode | None = compose_block(text, block)
        self._newline = newline_of(text)
        self._pairs: list[tuple[Any, Any]] = list(self._root.value) if self._root else []

    def edit(self, key: str, value: str | Sequence[str] | None) -> str:
        if self._root is not None and self._root.flow_style:
            raise EditRefusedError(
                "the front matter is one `{…}`", line=1, hint="write one key a line"
            )
        pair = next((pair for pair in self._pairs if pair[0].value == key), None)
        if pair is None:
            return self._text if value is None else self._add(key, value)
        if value is None:
            return self._remove(pair)
        if isinstance(value, str):
            return self._set_scalar(*pair, value)
        return self._set_list(*pair, list(value))

    def _at(self, mark: Any) -> int:
        return self._block.start + int(mark.index)

    # -- scalars

    def _set_scalar(self, key: YamlNode, node: YamlNode, value: str) -> str:
        if node.id != "scalar":
            return self._replace_whole(key, node, f" {quote_scalar(value)}")
        if node.style in ("|", ">"):
            return self._replace_whole(key, node, f" {quote_scalar(value)}")
        new = quote_scalar(value, node)
        if _is_nothing(node):
            return self._fill(key, f" {new}")
        start, end = self._at(node.start_mark), self._at(node.end_mark)
        return splice(self._text, start, end, new)

    def _fill(self, key: YamlNode, new: str) -> str:
        """Write a value behind the colon of a key that has none."""
        colon = self._text.index(":", self._at(key.end_mark))
        rest = self._text[colon + 1 : line_end(self._text, colon)]
        # A blank that stands there already is used, so that setting it back is exact.
        if new.startswith(" ") and rest.startswith(" ") and rest.strip(" \r\n"):
            new = f"{new} " if not rest.lstrip(" ").startswith(" ") else new
            return splice(self._text, colon + 1, colon + 1, new.rstrip(" "))
        return splice(self._text, colon + 1, colon + 1, new)

    def _replace_whole(self, key: YamlNode, node: YamlNode, new: str) -> str:
        """Replace a value that spans lines of its own by one that stands behind the colon."""
        colon = self._text.index(":", self._at(key.end_mark))
        end = self._value_end(node)
        return splice(self._text, colon + 1, end, new)

    def _value_end(self, node: YamlNode) -> int:
        """Return where a value really ends: marks of blocks point at the next token."""
        if node.id == "scalar" or node.flow_style:
            end = self._at(node.end_mark)
            if node.id == "scalar" and node.style in ("|", ">"):
                text = self._text[:end]
                return len(text.rstrip("\r\n \t")) if text.strip() else end
            return end
        children = (
            [item for pair in node.value for item in pair] if node.id == "mapping" else (node.value)
        )
        return max(
            (self._empty_end(child) if _is_nothing(child) else self._value_end(child))
            for child in children
        )

    def _empty_end(self, node: YamlNode) -> int:
        """Return the end of what stands before an empty value: its dash or colon."""
        return len(self._text[: self._at(node.start_mark)].rstrip())

    # -- lists

    def _set_list(self, key: YamlNode, node: YamlNode, items: list[str]) -> str:
        if node.id != "sequence":
            new = self._new_list(items)
            if _is_nothing(node):
                return self._fill(key, new)
            return self._replace_whole(key, node, new)
        old = [child.value if child.id == "scalar" else None for child in node.value]
        if old == items:
            return self._text
        if not items or not old:
            return self._replace_whole(key, node, self._new_list(items, flow=not items))
        if node.flow_style:
            return self._set_flow(node, items)
        return self._set_block(node, old, items)

    def _new_list(self, items: list[str], *, flow: bool | None = None) -> str:
        if flow if flow is not None else self._prefers_flow():
            return f" [{', '.join(quote_scalar(item, flow=True) for item in items)}]"
        indent = self._list_indent()
        return "".join(f"{self._newline}{indent}- {quote_scalar(item)}" for item in items)

    def _prefers_flow(self) -> bool:
        styles = [value.flow_style for _, value in self._pairs if value.id == "sequence"]
        return bool(styles) and all(styles)

    def _list_indent(self) -> str:
        for _, value in self._pairs:
            if value.id == "sequence" and not value.flow_style and value.value:
                return " " * int(value.start_mark.column)
        return "  "

    def _set_flow(self, node: YamlNode, items: list[str]) -> str:
        """Keep the items that stay as they are written; write the new ones beside them."""
        kept = {
            child.value: self._text[self._at(child.start_mark) : self._at(child.end_mark)]
            for child in node.value
        }
        first, last = node.value[0], node.value[-1]
        start, end = self._at(first.start_mark), self._at(last.end_mark)
        between = ", "
        if len(node.value) > 1:
            between = self._text[self._at(first.end_mark) : self._at(node.value[1].start_mark)]
        new = between.join(kept.get(item) or quote_scalar(item, flow=True) for item in items)
        return splice(self._text, start, end, new)

    def _set_block(self, node: YamlNode, old: list[str | None], items: list[str]) -> str:
        """Take out the lines of items that go, and put in lines for those that come."""
        kept = [n for n, item in enumerate(old) if item in items]
        if [old[n] for n in kept] != items[: len(kept)]:
            return self._rewrite_block(node, items)
        indent = self._text[
            line_start(self._text, self._at(node.start_mark)) : self._at(node.start_mark)
        ]
        if indent.strip():
            return self._rewrite_block(node, items)
        text = self._text
        added = "".join(
            f"{self._newline}{indent}- {quote_scalar(item)}" for item in items[len(kept) :]
        )
        if added:
            anchor = node.value[kept[-1]] if kept else node.value[-1]
            at = self._value_end(anchor)
            at = len(text[at : line_end(text, at)].rstrip("\r\n")) + at  # behind its comment
            text = splice(text, at, at, added)
        for n in reversed([n for n in range(len(old)) if n not in kept]):
            start = line_start(text, self._at(node.value[n].start_mark))
            text = splice(text, start, line_end(text, self._value_end(node.value[n])), "")
        return text

    def _rewrite_block(self, node: YamlNode, items: list[str]) -> str:
        start, end = self._at(node.start_mark), self._value_end(node)
        column = " " * int(node.start_mark.column)
        lines = f"{self._newline}{column}".join(f"- {quote_scalar(item)}" for item in items)
        return splice(self._text, start, end, lines)

    # -- whole keys

    def _add(self, key: str, value: str | Sequence[str]) -> str:
        new = (
            f" {quote_scalar(value)}"
            if isinstance(value, str)
            else self._new_list(list(value), flow=None if value else True)
        )
        at = self._place_for(key)
        return splice(self._text, at, at, f"{key}:{new}{self._newline}")

    def _place_for(self, key: str) -> int:
        present = {pair[0].value: pair for pair in self._pairs}
        before = NATURAL_ORDER[: NATURAL_ORDER.index(key)] if key in NATURAL_ORDER else ()
        for neighbour in reversed(before):
            if neighbour in present:
                return self._end_of_pair(*present[neighbour])
        if self._pairs:
            return self._end_of_pair(*self._pairs[-1])
        return self._block.end

    def _end_of_pair(self, key: YamlNode, value: YamlNode) -> int:
        """Return where the line after a key and its value begins."""
        end = self._at(key.end_mark) if _is_nothing(value) else self._value_end(value)
        return min(line_end(self._text, end), self._block.end)

    def _remove(self, pair: tuple[Any, Any]) -> str:
        start = line_start(self._text, self._at(pair[0].start_mark))
        return splice(self._text, start, self._end_of_pair(*pair), "")


def _is_nothing(node: YamlNode) -> bool:
    """Tell whether a node is a value that is not written at all."""
    return bool(node.id == "scalar" and node.start_mark.index == node.end_mark.index)


def quote_scalar(value: str, node: YamlNode | None = None, *, flow: bool = False) -> str:
    """Return a text as a YAML scalar that reads back as the same.

    Double quotes that stand there are kept. Single quotes are kept where they were not
    needed; where they were, they say nothing about anybody's taste: a plain value that
    needs quotes gets single ones, and loses them when it needs them no more.

    Args:
        value: the text.
        node: the scalar that stands there now.
        flow: whether it stands inside `[…]`, where more signs need quotes.
    """
    style = node.style if node is not None else None
    if style == '"' or not value.isprintable():
        return _double_quoted(value)
    plain = _is_plain(value, flow=flow)
    needless = node is not None and style == "'" and _is_plain(node.value, flow=flow)
    if plain and not needless:
        return value
    return "'" + value.replace("'", "''") + "'"


def _double_quoted(value: str) -> str:
    """JSON's escapes are YAML's too; what neither may hold raw is escaped as well."""
    quoted = json.dumps(value, ensure_ascii=False)
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]",
        lambda sign: f"\\u{ord(sign[0]):04x}",
        quoted,
    )


def _is_plain(value: str, *, flow: bool) -> bool:
    """Tell whether a text may stand without quotes and still be read as that very text."""
    if not value or value != value.strip() or not PLAIN_START.match(value):
        return False
    if ": " in value or " #" in value or value.endswith(":") or "\t" in value:
        return False
    if flow and re.search(r"[,\[\]{}]", value):
        return False
    if value.startswith(("---", "...")):
        return False
    return _resolves_to_text(value)


def _resolves_to_text(value: str) -> bool:
    """Tell whether YAML reads a plain scalar as text, or as a time, which we read as text."""
    import yaml  # start-up: only writers need it

    if WHOLE_NUMBER.fullmatch(value):
        return True  # read as text here, and as the same digits everywhere
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in (*resolvers.get(value[:1], []), *resolvers.get(None, [])):
        if pattern.match(value):
            return bool(tag == TIMESTAMP_TAG)
    return True
