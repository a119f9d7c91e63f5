"""Where a markdown text's top-level headings and tables stand, line by line.

mistune decides what is a block; rules of our own record where. Its stock table plugin is
not used: it drops a whole table for one ragged row, and its tokens carry no positions.
What stands in fences, quotes, lists, indented code and HTML is not top-level.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mosaic.errors import TableError
from mosaic.text.lines import BOM

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_LINE = 1 << 20
MOST_COLUMNS = 1000
DELIMITER_CELL = re.compile(r":?-+:?")
TABLE_RULE = r"^ {0,3}(?=\S)[^\n]*\|[^\n]*\n {0,3}[ \t]*\|?[ \t]*:?-[-:| \t]*(?:\n|$)"
OTHER_BLOCK = re.compile(
    r" {0,3}(?:#{1,6}(?:\s|$)|>|(?:[-*+]|\d{1,9}[.)])\s|`{3}|~{3}|<[a-zA-Z/!?]|"
    r"(?:(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})$)"
)
UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A top-level heading: its level, text, and lines (0-based, end exclusive)."""

    level: int
    title: str
    first_line: int
    end_line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TableBlock:
    """The lines of a top-level table: header, delimiter row, then rows (0-based)."""

    first_line: int
    end_line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """A text's lines and its top-level blocks."""

    text: str
    starts: Sequence[int]
    """Offset of each line, and of the end."""
    headings: tuple[Heading, ...]
    tables: tuple[TableBlock, ...]

    def span(self, line: int) -> tuple[int, int]:
        """Return where a line's text begins and ends, its newline left out."""
        start, end = self.starts[line], self.starts[line + 1]
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end


def outline(text: str, *, offset: int = 0) -> Outline:
    """Find a text's top-level headings and tables.

    Args:
        text: the whole text.
        offset: where its markdown begins, behind a front matter block.

    Raises:
        TableError: a line is longer than anybody writes.
    """
    starts = [found.end() for found in re.finditer(r"\n", text)]
    first = len(BOM) if text.startswith(BOM) else 0
    starts = [first, *starts]
    if starts[-1] != len(text) or len(starts) == 1:
        starts.append(len(text))
    for number in range(len(starts) - 1):
        if starts[number + 1] - starts[number] > LONGEST_LINE:
            raise TableError(f"a line is longer than {LONGEST_LINE >> 20} MiB", line=number + 1)
    skipped = bisect_right(starts, offset) - 1 if offset else 0
    source = text[starts[skipped] :].replace("\r\n", "\n")
    recorder = _parser()
    found: list[tuple[str, int, int, Any]] = []
    state = recorder.state_cls()
    state.env["mosaic_found"] = found
    state.process(source if source.endswith("\n") else source + "\n")
    recorder.parse(state)
    source_starts = [0, *(m.end() for m in re.finditer(r"\n", source))]

    def line_at(position: int) -> int:
        return bisect_right(source_starts, position) - 1 + skipped

    headings, tables = [], []
    for kind, start, end, data in found:
        lines = {"first_line": line_at(start), "end_line": line_at(max(start, end - 1)) + 1}
        if kind == "table":
            tables.append(TableBlock(**lines))
        else:
            level, title = data
            headings.append(Heading(level=level, title=title, **lines))
    return Outline(text=text, starts=starts, headings=tuple(headings), tables=tuple(tables))


@dataclass(frozen=True, kw_only=True, slots=True)
class CellSpan:
    """Where a cell stands in its line: its text, and all that is between its pipes."""

    start: int
    end: int
    raw_start: int
    raw_end: int


def split_row(line: str) -> list[CellSpan]:
    """Return where a table row's cells stand in its line.

    As GFM says, only a backslash protects a pipe, also inside inline code.

    Raises:
        TableError: there are more of them than anybody writes.
    """
    pipes = [found.start() for found in UNESCAPED_PIPE.finditer(line)]
    if len(pipes) > MOST_COLUMNS:
        raise TableError(f"a table row has more than {MOST_COLUMNS:,} columns")
    edges = [-1, *pipes, len(line)]
    spans = [(edges[n] + 1, edges[n + 1]) for n in range(len(edges) - 1)]
    if len(spans) > 1 and not line[spans[0][0] : spans[0][1]].strip():
        spans = spans[1:]
    if len(spans) > 1 and not line[spans[-1][0] : spans[-1][1]].strip():
        spans = spans[:-1]
    return [_cell_span(line, start, end) for start, end in spans]


def _cell_span(line: str, start: int, end: int) -> CellSpan:
    text = line[start:end]
    left = len(text) - len(text.lstrip(" \t"))
    if left == len(text):
        at = start + min(1, len(text))  # an empty cell is written behind its first blank
        return CellSpan(start=at, end=at, raw_start=start, raw_end=end)
    return CellSpan(
        start=start + left, end=start + len(text.rstrip(" \t")), raw_start=start, raw_end=end
    )


def is_delimiter_row(line: str, columns: int) -> bool:
    """Tell whether a line is the row of dashes under a header of so many columns."""
    spans = split_row(line)
    return len(spans) == columns and all(
        DELIMITER_CELL.fullmatch(line[span.start : span.end]) for span in spans
    )


@cache
def _parser() -> Any:
    from mistune.block_parser import BlockParser  # start-up: only changed files are parsed

    class Recorder(BlockParser):
        """Records where top-level headings and tables stand."""

        def parse_method(self, m: re.Match[str], state: Any) -> int | None:
            end = super().parse_method(m, state)
            if end and state.parent is None and m.lastgroup in ("atx_heading", "setex_heading"):
                _record_heading(m, end, state)
            return end

    parser = Recorder(max_nested_level=4)
    parser.register("table", TABLE_RULE, _parse_table, before="indent_code")
    parser.block_quote_rules = [r for r in parser.block_quote_rules if r != "table"]
    return parser


def _parse_table(_block: object, m: re.Match[str], state: Any) -> int | None:
    source: str = state.src
    start = m.start()
    header_end = source.index("\n", start)
    header = source[start:header_end]
    delimiter_end = source.find("\n", header_end + 1)
    delimiter = source[header_end + 1 : delimiter_end]
    if OTHER_BLOCK.match(header) or not is_delimiter_row(delimiter, len(split_row(header))):
        return None
    position = delimiter_end + 1
    while position < state.cursor_max:
        end = source.find("\n", position)
        end = state.cursor_max if end < 0 else end
        line = source[position:end]
        if not line.strip() or (OTHER_BLOCK.match(line) and not line.lstrip().startswith("|")):
            break
        position = end + 1
    state.append_token({"type": "blank_line"})
    if state.parent is None:
        state.env["mosaic_found"].append(("table", start, position, None))
    return position


def _record_heading(m: re.Match[str], end: int, state: Any) -> None:
    token = state.last_token()
    if not token or token.get("type") != "heading":
        return
    start = m.start()
    if m.lastgroup == "setex_heading":
        # The text above the underline is the paragraph that became the heading.
        start = max(0, m.start() - len(token["text"]) - 1)
    data = (int(token["attrs"]["level"]), str(token["text"]))
    state.env["mosaic_found"].append(("heading", start, end, data))
