"""Markdown that agents wrote, as lines for a terminal: nothing in it is obeyed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from mosaic.text.lines import display_width
from mosaic.text.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGEST_TEXT = 200_000
MOST_LINES = 2_000
DEEPEST = 12
BOLD, DIM, END = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def render_terminal(markdown: str, *, width: int, color: bool) -> list[str]:
    """Return markdown as lines: wrapped, aligned, with no control character but our colours.

    Args:
        markdown: any text; what is too long is cut, and says so.
        width: columns of the terminal.
        color: whether headings and code are set off by colour.
    """
    import mistune  # start-up: only a review needs it

    text = harmless(markdown[:LARGEST_TEXT])
    parse = mistune.create_markdown(renderer=None, plugins=["table", "task_lists"])
    try:
        tokens = parse(text)
    except RecursionError:
        return text.splitlines()[:MOST_LINES]
    drawn = _Drawing(color=color)
    lines = list(drawn.blocks(tokens if isinstance(tokens, list) else [], max(20, width), 0))
    while lines and not lines[-1]:
        lines.pop()
    if len(markdown) > LARGEST_TEXT or len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], "[… cut here]"]
    return lines


class _Drawing:
    def __init__(self, *, color: bool) -> None:
        self._color = color

    def blocks(self, tokens: Sequence[Mapping[str, Any]], width: int, depth: int) -> Iterator[str]:
        for token in tokens:
            kind = token.get("type")
            if kind in ("blank_line", "thematic_break") or depth > DEEPEST:
                continue
            yield from self._block(str(kind), token, width, depth)
            if kind not in ("block_text", "list_item") and depth == 0:
                yield ""

    def _block(self, kind: str, token: Mapping[str, Any], width: int, depth: int) -> Iterator[str]:
        children = token.get("children") or []
        if kind == "heading":
            yield self._paint(_inline(children), BOLD)
        elif kind in ("paragraph", "block_text"):
            yield from _wrapped(_inline(children), width)
        elif kind == "list":
            yield from self._list(token, width, depth)
        elif kind == "block_quote":
            for line in self.blocks(children, width - 2, depth + 1):
                yield f"> {line}".rstrip()
        elif kind in ("block_code", "block_html"):
            for line in str(token.get("raw") or "").rstrip("\n").split("\n"):
                yield self._paint(f"    {_cut(line, width - 4)}", DIM)
        elif kind == "table":
            yield from _table(token, width)
        else:
            yield from self.blocks(children, width, depth + 1)

    def _list(self, token: Mapping[str, Any], width: int, depth: int) -> Iterator[str]:
        attrs = token.get("attrs") or {}
        number = int(attrs.get("start") or 1)
        for item in token.get("children") or []:
            mark = f"{number}. " if attrs.get("ordered") else "- "
            number += 1
            if item.get("type") == "task_list_item":
                checked = (item.get("attrs") or {}).get("checked")
                mark += "[x] " if checked else "[ ] "
            inner = max(10, width - len(mark))
            first = True
            for line in self.blocks(item.get("children") or [], inner, depth + 1):
                yield (mark if first else " " * len(mark)) + line
                first = False

    def _paint(self, text: str, sign: str) -> str:
        return f"{sign}{text}{END}" if self._color and text.strip() else text


def _inline(tokens: Sequence[Mapping[str, Any]], depth: int = 0) -> str:
    parts = []
    for token in tokens:
        kind = token.get("type")
        if kind == "codespan":
            parts.append(f"`{token.get('raw', '')}`")
        elif kind in ("softbreak", "linebreak"):
            parts.append(" ")
        elif kind in ("link", "image") and depth < DEEPEST:
            words = _inline(token.get("children") or [], depth + 1)
            url = str((token.get("attrs") or {}).get("url", ""))
            parts.append(words if words == url else f"{words} ({url})")
        elif token.get("children") and depth < DEEPEST:
            parts.append(_inline(token["children"], depth + 1))
        else:
            parts.append(str(token.get("raw", "")))
    return "".join(parts).replace("\n", " ")


def _wrapped(text: str, width: int) -> list[str]:
    if display_width(text) == len(text):
        return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    lines, line, used = [], "", 0
    for letter in text:  # wide letters take two columns, and may be parted anywhere
        size = display_width(letter)
        if used + size > width:
            lines.append(line.rstrip())
            line, used = "", 0
        line, used = line + letter, used + size
    return [*lines, line.rstrip()]


def _cut(line: str, width: int) -> str:
    text = line.expandtabs(4)
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[: max(0, len(text) - max(1, (display_width(text) - width) // 2))]
    return f"{text}…"


def _table(token: Mapping[str, Any], width: int) -> Iterator[str]:
    rows = []
    for part in token.get("children") or []:
        cells_of = [part] if part.get("type") == "table_head" else part.get("children") or []
        rows += [[_inline(cell.get("children") or []) for cell in row.get("children") or []]
                 for row in cells_of]  # fmt: skip
    columns = max((len(row) for row in rows), default=0)
    widths = [
        max((display_width(row[n]) for row in rows if n < len(row)), default=0)
        for n in range(columns)
    ]
    for row in rows:
        sized = zip(row, widths, strict=False)
        cells = [cell + " " * (size - display_width(cell)) for cell, size in sized]
        yield _cut("  ".join(cells).rstrip(), width)
