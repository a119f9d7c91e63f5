"""Tables: columns as wide as the terminal allows, broken at words; in a pipe, a line a row."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from mosaic.cli.output import STATUS_COLORS, clean, has_color, paint, room
from mosaic.records import NamedTuple
from mosaic.text.harmless import is_harmless_line
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GAP = "  "
NARROWEST = 10
"""Cells that are left of text however little room there is."""
LONGEST_FIXED = 40
"""A wider column is made narrower, whatever it holds."""


class Column(NamedTuple):
    """What a table knows of a column."""

    head: str = ""
    lines: int = 0
    """How many lines a cell may take where the table is too wide; 0: it keeps its width."""
    leaves: int = 0
    """Where the table is still too wide the columns that have the most leave; 0: it stays."""
    least: int = 26
    """Cells below which it is not squeezed while another column can leave."""
    is_number: bool = False
    colors: Mapping[str, str] = {}
    """Colours of cells, by what they hold."""


TEXT_LINES = 3
ID = Column("id")
STATUS = Column("status", colors=STATUS_COLORS)
TITLE = Column("title", lines=TEXT_LINES)
WHOLE = Column(lines=1000)
"""Text of which nothing is left out: a person decides by it."""


def table(
    rows: Iterable[Sequence[str]],
    columns: Sequence[Column],
    *,
    headed: bool = False,
    indent: int = 0,
    width: int | None = None,
) -> list[str]:
    """Return rows as aligned lines; a column without any value is left out.

    Args:
        rows: texts; anything that a terminal would obey is taken out.
        columns: one a cell.
        headed: whether the columns' names stand above them.
        indent: how far all is indented.
        width: cells of a line, 0 for as many as it takes; None: as stdout has.
    """
    blocks = table_blocks(rows, columns, headed=headed, width=width, indent=indent)
    if any("\n" in block for block in blocks):
        return [line for block in blocks for line in block.split("\n")]
    return blocks


def table_blocks(
    rows: Iterable[Sequence[str]],
    columns: Sequence[Column],
    *,
    headed: bool = False,
    indent: int = 0,
    width: int | None = None,
) -> list[str]:
    """Return the same, one text a row: other lines can be put between them."""
    every = [
        cells if is_harmless_line("".join(cells)) else tuple(map(clean, cells))
        for cells in zip(*rows, strict=True)
    ]
    filled = [(column, cells) for column, cells in zip(columns, every, strict=False) if any(cells)]
    if not filled:
        return []
    if headed:
        filled = [(column, (column.head, *cells)) for column, cells in filled]
    widths = [_width(cells) for _, cells in filled]
    limit = (room() if width is None else width) - indent
    if limit > 0 and sum(widths) + len(GAP) * (len(widths) - 1) > limit:
        kept, widths = _fit([column for column, _ in filled], widths, limit)
        filled = [filled[place] for place in kept]
        lines = _folded(filled, widths)
    else:
        # As most are: no cell is looked at one by one.
        colored = has_color()
        last = len(filled) - 1
        padded = [
            _padded(column, cells, size, is_last=place == last, colored=colored)
            for place, ((column, cells), size) in enumerate(zip(filled, widths, strict=True))
        ]
        lines = [*map(str.rstrip, map(GAP.join, zip(*padded, strict=True)))]
    if headed:
        lines[0] = paint(lines[0], "dim")
    if not indent:
        return lines
    begin = " " * indent
    return [begin + line.replace("\n", f"\n{begin}") for line in lines]


def _width(cells: Sequence[str]) -> int:
    return max(map(len if "".join(cells).isascii() else display_width, cells))


def _padded(
    column: Column, cells: Sequence[str], size: int, *, is_last: bool, colored: bool
) -> Sequence[str]:
    """Return the cells of a column, each as wide as it is."""
    colors = column.colors if colored else {}
    if is_last and not colors and not column.is_number:
        return cells
    if "".join(cells).isascii() and not colors:
        pad = str.rjust if column.is_number else str.ljust
        return [pad(cell, size) for cell in cells]
    return [_pad(column, cell, size, colors.get(cell, "")) for cell in cells]


def _pad(column: Column, text: str, size: int, color: str) -> str:
    blanks = " " * (size - display_width(text))
    shown = paint(text, color)
    return blanks + shown if column.is_number else shown + blanks


def _fit(columns: Sequence[Column], widths: list[int], limit: int) -> tuple[list[int], list[int]]:
    """Return which columns stay within a limit, and how wide they are then."""
    bends = [
        column.lines > 0 or size > LONGEST_FIXED
        for column, size in zip(columns, widths, strict=True)
    ]
    least = [
        min(size, column.least) if is_bent else size
        for column, size, is_bent in zip(columns, widths, bends, strict=True)
    ]
    kept = list(range(len(columns)))
    while sum(least[at] + len(GAP) for at in kept) - len(GAP) > limit:
        leaving = max(kept, key=lambda at: columns[at].leaves)
        if not columns[leaving].leaves:
            break
        kept.remove(leaving)
    fixed = sum(widths[at] for at in kept if not bends[at])
    free = limit - fixed - len(GAP) * (len(kept) - 1)
    bending = sorted((at for at in kept if bends[at]), key=widths.__getitem__)
    for number, at in enumerate(bending):
        share = max(free // (len(bending) - number), NARROWEST)
        widths[at] = min(widths[at], share)
        free -= widths[at]
    return kept, [widths[at] for at in kept]


def _folded(filled: Sequence[tuple[Column, Sequence[str]]], widths: Sequence[int]) -> list[str]:
    """Return rows of which some cells take several lines."""
    columns = [column for column, _ in filled]
    blocks = []
    for row in zip(*(cells for _, cells in filled), strict=True):
        colors = [column.colors.get(cell, "") for column, cell in zip(columns, row, strict=True)]
        cells = [*map(_cell_lines, row, widths, columns)]
        lines = zip_longest(*cells, fillvalue="")
        shown = (GAP.join(map(_pad, columns, line, widths, colors)) for line in lines)
        blocks.append("\n".join(map(str.rstrip, shown)))
    return blocks


def _cell_lines(text: str, size: int, column: Column) -> list[str]:
    if display_width(text) <= size:
        return [text]
    from mosaic.text.folding import fold, shorten  # start-up: in a pipe nothing is folded

    most = max(1, column.lines)
    if most == 1:
        return [shorten(text, size)]
    lines = fold(text, size, is_whole=False)
    return (
        lines if len(lines) <= most else [*lines[: most - 1], shorten(f"{lines[most - 1]} …", size)]
    )
