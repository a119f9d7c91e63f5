"""Where a markdown text's top-level headings and tables stand, line by line.

mistune decides what is a block; rules of our own record where, and read ragged tables.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from mosaic.errors import TableError
from mosaic.records import NamedTuple, dataclass
from mosaic.text.lines import BOM

_Found: TypeAlias = "tuple[int, int, int | None, str]"
"""Start, end, level and title of what was found; a table has no level."""

LONGEST_LINE = 1 << 20
LARGEST_TEXT = 16 << 20
MOST_COLUMNS = 1000
DELIMITER_CELL = re.compile(r":?-+:?")
# A line of text, then one of dashes that a pipe or colon tells from a heading's underline.
# Every part can match in one way only: hostile lines must not make it go back and forth.
TABLE_RULE = r"^(?= {0,3}[^ \t\n])[^\n]+\n(?= {0,3}[-:|])(?=[^\n]*[|:])[-:| \t]+(?:\n|\Z)"
"""What begins another block, and so can be neither a table's header nor a row of it."""
PLAIN_TABLE = re.compile(
    r"(?:\A|(?<=\n\n))\|[^\n]*\n\|[-:| ]*(?:\n(?:\|[^\n]*(?:\n|\Z))*+|\Z)(?=\n|\Z)"
)
"""A table with a pipe at the beginning of each line, and nothing right above or below."""
DOUBTFUL_SIGN = re.compile(r"[<|\t\r\0\v\f\x1c-\x1e\x85\u2028\u2029\ufeff]")
# Begins with a plain sign, which is what makes looking for it quick.
DOUBTFUL_LINE = re.compile(
    r"\n(?:[ ]*(?:[>\[]|[=-]+[ ]*$)|[ ]+#|#(?!\#{0,5} +[^# \n])|#[^\n]*#[ ]*$)", re.MULTILINE
)
"""These may make a line that begins with `#` no heading, or another line one: then mistune is
asked. In a text without them, but for plain tables, each such line is a heading."""
HEADING = re.compile(r"\n(#+) (.*)")
UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")
LONE_RETURN = re.compile(r"\r(?!\n)")
"""A line end to CommonMark, though hardly anybody writes one."""
LIST_DASH = re.compile(r" {0,3}-[ \t]")
"""A row of dashes that begins so is an item of a list."""


class Heading(NamedTuple):
    """A top-level heading: its level, text, and lines (0-based, end exclusive)."""

    level: int
    title: str
    first_line: int
    end_line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """A text's lines and its top-level blocks."""

    text: str
    starts: Sequence[int]
    """Offset of each line, and of the end."""
    headings: tuple[Heading, ...]
    tables: tuple[tuple[int, int], ...]
    """First and end line of each table: header, delimiter row, then rows (0-based)."""
    is_plain: bool = False
    """Whether each table is one of lines that begin with a pipe, with nothing right around it."""

    def span(self, line: int) -> tuple[int, int]:
        """Return where a line's text begins and ends, its newline left out."""
        start, end = self.starts[line], self.starts[line + 1]
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end


def outline(text: str, *, offset: int = 0) -> Outline:
    """Find a text's top-level headings and tables (or raise TableError)."""
    starts = _line_starts(text)
    skipped = bisect_right(starts, offset) - 1 if offset else 0
    source = text[starts[skipped] :].replace("\r\n", "\n").replace("\r", "\n")
    plain_tables = find_plain_tables(source)
    found = _ask_mistune(source) if plain_tables is None else _plain_blocks(source, plain_tables)
    source_starts = starts if source == text else [0, *_line_ends(source)]
    headings, tables = [], []
    for start, end, level, title in found:
        first = bisect_right(source_starts, start) - 1 + skipped
        # mistune ends the last line behind the text where that ends without a newline.
        end_line = min(bisect_right(source_starts, max(start, end - 1)) + skipped, len(starts) - 1)
        if level is None:
            tables.append((first, end_line))
        else:
            # A heading with an underline has its lines of text above that.
            first -= title.count("\n")
            headings.append(Heading(level, title.strip(), first, end_line))
    return Outline(
        text=text,
        starts=starts,
        headings=tuple(headings),
        tables=tuple(tables),
        is_plain=plain_tables is not None,
    )


def find_plain_tables(source: str) -> list[tuple[int, int]] | None:
    """Return the spans of a text's tables; None where headings or tables need a closer look."""
    found = list(PLAIN_TABLE.finditer(source)) if "|" in source else []
    if found and (_has_odd_sign(source) or not all(_is_table(match[0]) for match in found)):
        return None
    rest = PLAIN_TABLE.sub("\n", source) if found else source
    if DOUBTFUL_SIGN.search(rest) or "```" in rest or "~~~" in rest:
        return None
    return None if DOUBTFUL_LINE.search(f"\n{rest}") else [match.span() for match in found]


def is_plain_row(line: str) -> bool:
    """Tell whether a line, put in the place of a plain table's row, is one of its rows again."""
    is_row = line.startswith("|") and "\n" not in line and len(line) < LONGEST_LINE
    return is_row and not _has_odd_sign(line)


def _has_odd_sign(text: str) -> bool:
    return re.search(r"[\t\r\0\v\f\x1c-\x1e\x85\u2028\u2029\ufeff]", text) is not None


def _is_table(lines: str) -> bool:
    header, delimiter = lines.split("\n", 2)[:2]
    try:
        return is_delimiter_row(delimiter, len(split_row(header)))
    except TableError:
        return False  # beyond all measure: it is refused with its line where it is looked at


def _plain_blocks(source: str, tables: Iterable[tuple[int, int]]) -> list[_Found]:
    found: list[_Found] = [(start, end, None, "") for start, end in tables]
    marks = HEADING.finditer(f"\n{source}")
    return found + [(m.start(), m.end() - 1, len(m[1]), m[2]) for m in marks]


def _ask_mistune(source: str) -> list[_Found]:
    parser = _parser()
    state = parser.state_cls()
    found: list[_Found] = []
    state.env["mosaic_found"] = found
    state.process(source if source.endswith("\n") else source + "\n")
    parser.parse(state)
    return found


def _line_ends(text: str) -> list[int]:
    """Return where each line ends but the last, its newline included."""
    if "\r" in text:
        text = LONE_RETURN.sub("\n", text)
    *ends, _ = accumulate(map((1).__add__, map(len, text.split("\n"))))
    return ends


def _line_starts(text: str) -> list[int]:
    if len(text) > LARGEST_TEXT:
        raise TableError(f"the text is larger than {LARGEST_TEXT >> 20} MiB", line=1)
    starts = [len(BOM) if text.startswith(BOM) else 0, *_line_ends(text)]
    if starts[-1] != len(text) or len(starts) == 1:
        starts.append(len(text))
    if len(text) > LONGEST_LINE:
        for number, (start, end) in enumerate(pairwise(starts), 1):
            if end - start > LONGEST_LINE:
                raise TableError(f"a line is longer than {LONGEST_LINE >> 20} MiB", line=number)
    return starts


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell: its text as meant, where it is written, and all that is between its pipes."""

    text: str
    start: int
    end: int
    raw_start: int
    raw_end: int


def split_row(line: str, offset: int = 0) -> list[Cell]:
    """Return the cells of a table's row that begins at an offset (or raise TableError).

    As GFM says, only a backslash protects a pipe, also inside inline code.
    """
    pipes = [found.start() for found in UNESCAPED_PIPE.finditer(line)]
    if len(pipes) > MOST_COLUMNS:
        raise TableError(f"a table row has more than {MOST_COLUMNS:,} columns")
    spans = list(pairwise([-1, *pipes, len(line)]))
    if len(spans) > 1 and not line[: spans[0][1]].strip():
        spans = spans[1:]
    if len(spans) > 1 and not line[spans[-1][0] + 1 :].strip():
        spans = spans[:-1]
    cells = []
    for before, raw_end in spans:
        raw_start = before + 1
        raw = line[raw_start:raw_end]
        text = raw.strip(" \t")
        # An empty cell is written behind its first blank.
        start = raw_start + (len(raw) - len(raw.lstrip(" \t")) if text else min(1, len(raw)))
        cell = Cell(
            text=text.replace("\\|", "|"),
            start=offset + start,
            end=offset + start + len(text),
            raw_start=offset + raw_start,
            raw_end=offset + raw_end,
        )
        cells.append(cell)
    return cells


def is_delimiter_row(line: str, columns: int) -> bool:
    """Tell whether a line is the row of dashes under a header of so many columns."""
    cells = split_row(line)
    return len(cells) == columns and all(DELIMITER_CELL.fullmatch(cell.text) for cell in cells)


@cache
def _parser() -> Any:
    from mistune.block_parser import BlockParser  # start-up: only changed files are parsed

    from mosaic.text.commonmark import HTML_AFTER_LIST, CommonMark

    class Recorder(CommonMark, BlockParser):
        """Records where top-level headings and tables stand."""

        def compile_sc(self, rules: list[str] | None = None) -> re.Pattern[str]:
            # mistune lets a quote swallow a heading that follows without a blank line.
            if rules and "block_html" in rules and "atx_heading" not in rules:
                rules = [*rules, "atx_heading"]
            return super().compile_sc(rules)

        def parse_atx_heading(self, m: re.Match[str], state: Any) -> int:
            end = super().parse_atx_heading(m, state)
            if state.parent is None:
                token = state.last_token()
                _record(state, m.start(), end, token["text"].strip())
            return end

        def parse_setex_heading(self, m: re.Match[str], state: Any) -> int | None:
            token = state.last_token()
            above = token["text"] if token and token["type"] == "paragraph" else None
            end = super().parse_setex_heading(m, state)
            if above is not None and state.parent is None and token["type"] == "heading":
                _record(state, m.start(), end or m.end(), above.rstrip("\n") + "\n")
            return end

        def parse_table(self, m: re.Match[str], state: Any) -> int | None:
            try:
                end = _end_of_table(state.src, m.start())
            except TableError as error:
                error.line = state.src.count("\n", 0, m.start()) + 1
                raise
            if end is None:
                others = self.compile_sc([rule for rule in self.rules if rule != "table"])
                other = others.match(state.src, m.start())
                return self.parse_method(other, state) if other else None
            state.append_token({"type": "blank_line"})
            _record(state, m.start(), end, "")
            return end

    parser = Recorder(max_nested_level=4)
    parser.specification["block_html"] = HTML_AFTER_LIST
    parser.register(
        "table",
        TABLE_RULE,
        lambda block, m, state: block.parse_table(m, state),
        before="indent_code",
    )
    return parser


def _record(state: Any, start: int, end: int, title: str) -> None:
    level = state.last_token().get("attrs", {}).get("level")
    state.env["mosaic_found"].append((start, end, level, title))


def _end_of_table(source: str, start: int) -> int | None:
    header_end = source.index("\n", start)
    delimiter_end = source.find("\n", header_end + 1)
    header, delimiter = source[start:header_end], source[header_end + 1 : delimiter_end]
    from mosaic.text.commonmark import OTHER_BLOCK

    is_other = re.compile(OTHER_BLOCK, re.IGNORECASE).match
    if (
        is_other(header)
        or LIST_DASH.match(delimiter)
        or not is_delimiter_row(delimiter, len(split_row(header)))
    ):
        return None
    position = delimiter_end + 1
    while position < len(source):
        end = source.index("\n", position)
        line = source[position:end]
        if not line.strip(" \t") or is_other(line):
            break
        position = end + 1
    return position
