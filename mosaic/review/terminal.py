"""Markdown that agents wrote as lines for a terminal: wrapped, aligned, and harmless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mosaic.review.markdown import RAW, as_it_stands, clean, cut_notice, parse, text_of
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mosaic.review.markdown import Token

MOST_LINES = 2_000
NARROWEST = 20
LEAST_ROOM = 10
"""Nested text is indented no further where less than this would be left for it."""
LEAST_COLUMN = 4
BOLD = "1"
DIM = "2"

_CJK = "ᄀ-ᅟ⺀-⿿〃-〈《「『【〒-꓏가-힣豈-﫿０-～￠-￦\U00020000-\U0003fffd"
# Between CJK letters a line may end anywhere but before closing signs.
_PART = re.compile(rf"\n| +|[{_CJK}][、。〉》」』】゙゚！），：；？\ufe00-\ufe0f]*|[^ \n{_CJK}]+")
_STANDS_ALONE = re.compile(rf"[ \n{_CJK}]")


class Piece(NamedTuple):
    """A stretch of a line in one style."""

    text: str
    style: str = ""


Line = list[Piece]


def render_terminal(markdown: str, *, width: int, color: bool) -> list[str]:
    """Return a text that nobody has checked as lines for a terminal.

    No line is wider than `width`, which counts as `NARROWEST` where it is less. The lines hold
    no control character and no escape sequence but those for bold and dim, and these only with
    `color`. There are at most `MOST_LINES`; where something is missing, the last says so.
    Any text is rendered, none raises.
    """
    room = max(width, NARROWEST)
    try:
        lines = _blocks(parse(markdown), room, color=color)
    except RecursionError:
        lines = _blocks(as_it_stands(markdown), room, color=color)
    notice = cut_notice(markdown)
    if len(lines) > MOST_LINES:
        notice = f"[… cut here after about {MOST_LINES} lines]"
    if notice:
        end = _wrap([Piece(notice, DIM)], room)
        lines = lines[: MOST_LINES - len(end)] + end
    return [_paint(line, color=color) for line in lines]


def _paint(line: Line, *, color: bool) -> str:
    if not color:
        return "".join(piece.text for piece in line).rstrip()
    joined: Line = []
    for piece in line:
        if joined and joined[-1].style == piece.style:
            joined[-1] = Piece(joined[-1].text + piece.text, piece.style)
        elif piece.text:
            joined.append(piece)
    painted = (f"\x1b[{style}m{text}\x1b[0m" if style else text for text, style in joined)
    return "".join(painted).rstrip()


def _blocks(tokens: Iterable[Token], width: int, *, color: bool, tight: bool = False) -> list[Line]:
    lines: list[Line] = []
    for token in tokens:
        block = _block(token, width, color=color)
        if block and lines and not tight:
            lines.append([])
        lines += block
    return lines


def _block(token: Token, width: int, *, color: bool) -> list[Line]:
    kind = token["type"]
    children: list[Token] = token.get("children") or []
    if kind == "blank_line":
        return []
    if kind == "heading":
        sign = "" if color else "#" * int(token["attrs"]["level"]) + " "
        return _wrap([Piece(sign, BOLD), *_inline(children, BOLD)], width)
    if kind == "block_code":
        code = clean(token["raw"]).rstrip("\n").expandtabs(4).split("\n")
        return [[Piece("    "), Piece(_cut(line, width - 4), DIM)] for line in code]
    if kind == "block_html":
        return _wrap([Piece(clean(token["raw"]).strip("\n").expandtabs(4))], width)
    if kind == "thematic_break":
        return [[Piece(("─" if color else "-") * width, DIM)]]
    if kind == "block_quote":
        bar = Piece("│ " if color else "> ", DIM)
        return _hang(children, width, bar, bar, color=color, tight=False)
    if kind == "list":
        return _list(token, width, color=color)
    if kind == "table":
        return _table(token, width, color=color)
    return _wrap(_inline(children or [token], ""), width)


def _list(token: Token, width: int, *, color: bool) -> list[Line]:
    attrs, tight = token.get("attrs", {}), bool(token.get("tight", True))
    items: list[Token] = token["children"]
    start = int(attrs.get("start", 1))
    ordered = attrs.get("ordered", False)
    widest = len(f"{start + len(items) - 1}. ")
    lines: list[Line] = []
    for number, item in enumerate(items, start):
        marker = f"{number}. ".rjust(widest) if ordered else "- "
        if item["type"] == "task_list_item":
            marker += "[x] " if item["attrs"]["checked"] else "[ ] "
        if lines and not tight:
            lines.append([])
        blank = Piece(" " * len(marker))
        lines += _hang(item["children"], width, Piece(marker), blank, color=color, tight=tight)
    return lines


def _hang(
    tokens: list[Token], width: int, first: Piece, rest: Piece, *, color: bool, tight: bool
) -> list[Line]:
    room = width - display_width(first.text)
    if room < LEAST_ROOM:
        return _wrap([first], width) + _blocks(tokens, width, color=color, tight=tight)
    lines = _blocks(tokens, room, color=color, tight=tight) or [[]]
    return [[rest if number else first, *line] for number, line in enumerate(lines)]


def _inline(tokens: Iterable[Token], style: str) -> list[Piece]:
    pieces: list[Piece] = []
    for token in tokens:
        kind = token["type"]
        children = token.get("children", ())
        if kind in ("linebreak", "softbreak"):
            pieces.append(Piece("\n" if kind == "linebreak" else " ", style))
        elif kind == "codespan":
            pieces.append(Piece(f"`{clean(token['raw'])}`", style))
        elif kind in ("link", "image"):
            pieces += _link(token, style)
        elif kind == "strikethrough":
            pieces += [Piece("~~", style), *_inline(children, style), Piece("~~", style)]
        elif children:
            pieces += _inline(children, style or (BOLD if kind == "strong" else ""))
        else:
            raw = clean(token["raw"]) if kind in RAW else text_of(token)
            pieces.append(Piece(raw, style))
    return pieces


def _link(token: Token, style: str) -> list[Piece]:
    pieces = _inline(token.get("children", ()), style)
    url = clean(str(token["attrs"].get("url", "")))
    shown = "".join(piece.text for piece in pieces)
    if shown in (url, url.removeprefix("mailto:")):
        return pieces
    return [*pieces, Piece(f" ({url})" if shown else url, style or DIM)]


def _wrap(pieces: Iterable[Piece], width: int) -> list[Line]:
    lines: list[Line] = [[]]
    used, gap = 0, Piece("")
    for word in _words(pieces):
        first = word[0].text[:1]
        if first == "\n":
            lines.append([])
            used, gap = 0, Piece("")
            continue
        if first == " ":
            gap = Piece(gap.text + word[0].text, word[0].style)
            continue
        size = _size(word)
        if used and used + len(gap.text) + size > width:
            lines.append([])
            used = 0
        elif used and gap.text:
            lines[-1].append(gap)
            used += len(gap.text)
        gap = Piece("")
        if size > width:
            lines[-1:] = _split(word, width)
            used = _size(lines[-1])
            continue
        lines[-1] += word
        used += size
    return lines if any(lines) else []


def _words(pieces: Iterable[Piece]) -> Iterator[Line]:
    word: Line = []
    for text, style in pieces:
        for part in _PART.findall(text.replace("\t", "    ")):
            if not _STANDS_ALONE.match(part):
                word.append(Piece(part, style))
                continue
            if word:
                yield word
                word = []
            yield [Piece(part, style)]
    if word:
        yield word


def _split(word: Line, width: int) -> Iterator[Line]:
    line: Line = []
    used = 0
    for text, style in word:
        start = 0
        for at, sign in enumerate(text):
            cells = display_width(sign)
            if used + cells > width:
                yield [*line, Piece(text[start:at], style)]
                line, start, used = [], at, 0
            used += cells
        line.append(Piece(text[start:], style))
    yield line


def _size(pieces: Iterable[Piece]) -> int:
    return sum(display_width(piece.text) for piece in pieces)


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    return next(_split([Piece(text)], width - 1))[0].text + "…"


def _table(token: Token, width: int, *, color: bool) -> list[Line]:
    head, *bodies = token["children"]
    aligns = [cell["attrs"].get("align") for cell in head["children"]]
    names = [_cell(cell, BOLD) for cell in head["children"]]
    rows = [
        [_cell(cell, "") for cell in row["children"]] for body in bodies for row in body["children"]
    ]
    naturals = [max(1, *map(_size, column)) for column in zip(names, names, *rows, strict=False)]
    widths = _column_widths(naturals, width - 2 * (len(naturals) - 1))
    if not widths:
        return _records(names, rows, width)
    rule = [Piece("  ".join(("─" if color else "-") * cells for cells in widths), DIM)]
    lines = [*_row(names, widths, aligns), rule]
    for row in rows:
        lines += _row(row, widths, aligns)
    return lines


def _cell(cell: Token, style: str) -> Line:
    pieces = _inline(cell.get("children", ()), style)
    return [Piece(piece.text.replace("\n", " "), piece.style) for piece in pieces]


def _column_widths(naturals: Sequence[int], room: int) -> list[int]:
    """Return how wide columns are, the widest cut first; nothing where there are too many."""
    if sum(naturals) <= room:
        return list(naturals)
    if LEAST_COLUMN * len(naturals) > room:
        return []
    caps = range(room, LEAST_COLUMN - 1, -1)
    cap = next(cap for cap in caps if sum(min(cells, cap) for cells in naturals) <= room)
    return [min(cells, cap) for cells in naturals]


def _row(cells: Sequence[Line], widths: Sequence[int], aligns: Sequence[str | None]) -> list[Line]:
    columns = [_wrap(cell, cells_wide) for cell, cells_wide in zip(cells, widths, strict=False)]
    lines: list[Line] = []
    for number in range(max(1, *map(len, columns), 1)):
        line: Line = []
        for column, cells_wide, align in zip(columns, widths, aligns, strict=False):
            text = column[number] if number < len(column) else []
            blank = cells_wide - _size(text)
            left = {"right": blank, "center": blank // 2}.get(align or "", 0)
            line += [Piece(" " * left), *text, Piece(" " * (blank - left + 2))]
        lines.append(line[:-1])
    return lines


def _records(names: Sequence[Line], rows: Sequence[Sequence[Line]], width: int) -> list[Line]:
    lines: list[Line] = []
    for row in rows or [[[] for _ in names]]:
        if lines:
            lines.append([])
        for name, cell in zip(names, row, strict=False):
            lines += _wrap([*name, Piece(": "), *cell], width)
    return lines
