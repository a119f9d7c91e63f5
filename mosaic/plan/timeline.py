"""Sessions by time as a picture: a row for each task, a bar for each session on it.

A mission works for minutes and rests for days, so long rests are squeezed to a narrow gap. The
same sessions have the same picture. All text is escaped; it needs `mosaic.plan.drawing.STYLE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from mosaic.plan.drawing import MARGIN, css_class, fitting, opening
from mosaic.records import NamedTuple
from mosaic.text.harmless import harmless_line

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = 96
"""Pixels for the names of rows, and how many letters fit."""
LABEL_CELLS = 13
ROW = 24
BAR = 14
AXIS = 34
GAP = 26
"""What a long rest is squeezed to."""
MOST_GAPS = 12
NARROWEST_BAR = 4.0
LEAST_REST = timedelta(minutes=2)
TICK_EVERY = 92
STEPS = [
    timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
]


class Span(NamedTuple):
    """Something that took time."""

    row: str
    """The name of the row that it stands in."""
    start: datetime
    end: datetime
    """For what still goes on, the moment of the picture."""
    state: str
    """The class that colours it: `finished`, `failed`, `stopped`, `blocked`, `live` …"""
    words: str
    """Shown where a pointer rests on it."""


class Bar(NamedTuple):
    """A span by its place."""

    span: Span
    x: float
    width: float
    row: int


class Tick(NamedTuple):
    """A moment on the axis."""

    x: float
    words: str


class Timeline(NamedTuple):
    """A picture before it is drawn."""

    bars: tuple[Bar, ...]
    rows: tuple[str, ...]
    ticks: tuple[Tick, ...]
    gaps: tuple[float, ...]
    """Where rests are squeezed."""
    width: float
    height: float


class _Piece(NamedTuple):
    """A stretch of time in which something went on, and where it begins."""

    start: datetime
    end: datetime
    x: float


def lay_out_timeline(spans: Sequence[Span], width: float = 960) -> Timeline:
    """Return where each span is drawn; rows are in the order in which their first ones begin."""
    ordered = sorted(spans, key=lambda span: span.start)
    pieces, per_second = _pieces(ordered, width - LABEL - 2 * MARGIN)
    rows = list(dict.fromkeys(span.row for span in ordered))
    number_of = {name: number for number, name in enumerate(rows)}
    bars = []
    for span in ordered:
        begin = _x_of(span.start, pieces, per_second)
        long = _x_of(max(span.start, span.end), pieces, per_second) - begin
        bars.append(Bar(span, begin, max(NARROWEST_BAR, long), number_of[span.row]))
    return Timeline(
        bars=tuple(bars),
        rows=tuple(rows),
        ticks=tuple(_ticks(pieces, per_second)),
        gaps=tuple(piece.x - GAP for piece in pieces[1:]),
        width=width,
        height=AXIS + ROW * len(rows) + MARGIN,
    )


def draw_timeline(timeline: Timeline, label: str) -> str:
    """Return a picture as an SVG element.

    Args:
        timeline: from `lay_out_timeline`.
        label: what it shows, for those who do not see it.
    """
    bottom = timeline.height - MARGIN
    parts = [opening(timeline.width, timeline.height, label)]
    parts += [
        f'<rect class="gap" x="{x:.0f}" y="{AXIS - 6}" width="{GAP}" '
        f'height="{bottom - AXIS + 6:.0f}"><title>a rest, not to scale</title></rect>'
        for x in timeline.gaps
    ]
    for tick in timeline.ticks:
        parts.append(f'<path class="axis" d="M{tick.x:.0f} {AXIS - 6}V{bottom:.0f}"/>')
        parts.append(
            f'<text class="faint" x="{tick.x:.0f}" y="{AXIS - 14}">{escape(tick.words)}</text>'
        )
    for number, name in enumerate(timeline.rows):
        shown = fitting(harmless_line(name), LABEL_CELLS)
        y = AXIS + ROW * number + ROW / 2 + 4
        parts.append(f'<text class="id" x="{MARGIN}" y="{y:.0f}">{escape(shown)}</text>')
    for span, x, width, row in timeline.bars:
        y = AXIS + ROW * row + (ROW - BAR) / 2
        parts.append(
            f'<g class="{css_class(span.state)}"><title>{escape(harmless_line(span.words))}</title>'
            f'<rect class="mark" x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" '
            'rx="2"/></g>'
        )
    return "\n".join([*parts, "</svg>"])


def _pieces(ordered: Sequence[Span], room: float) -> tuple[list[_Piece], float]:
    """Return the stretches of time that are drawn to scale, and pixels for each second."""
    busy: list[tuple[datetime, datetime]] = []
    for span in ordered:
        end = max(span.start, span.end)
        if busy and span.start <= busy[-1][1]:
            busy[-1] = (busy[-1][0], max(busy[-1][1], end))
        else:
            busy.append((span.start, end))
    if not busy:
        return [], 0.0
    worked = sum((end - start for start, end in busy), timedelta())
    least = max(LEAST_REST, worked / MOST_GAPS)
    rests = {number: busy[number][0] - busy[number - 1][1] for number in range(1, len(busy))}
    longest = sorted(rests, key=lambda number: (-rests[number], number))[:MOST_GAPS]
    begins = [0, *sorted(number for number in longest if rests[number] > least), len(busy)]
    stretches = [(busy[first][0], busy[beyond - 1][1]) for first, beyond in pairwise(begins)]
    total = sum((end - start for start, end in stretches), timedelta()).total_seconds()
    per_second = (room - GAP * (len(stretches) - 1)) / max(total, 1.0)
    x, pieces = float(LABEL + MARGIN), []
    for start, end in stretches:
        pieces.append(_Piece(start, end, x))
        x += (end - start).total_seconds() * per_second + GAP
    return pieces, per_second


def _x_of(moment: datetime, pieces: Sequence[_Piece], per_second: float) -> float:
    piece = next(piece for piece in reversed(pieces) if piece.start <= moment)
    return piece.x + (min(moment, piece.end) - piece.start).total_seconds() * per_second


def _ticks(pieces: Sequence[_Piece], per_second: float) -> Iterator[Tick]:
    """Yield a moment for the start of each stretch, and further ones where there is room."""
    free, day = 0.0, None
    step = next((s for s in STEPS if s.total_seconds() * per_second >= TICK_EVERY), None)
    for piece in pieces:
        moments = [piece.start]
        if step is not None:
            midnight = piece.start.astimezone(UTC).replace(
                hour=0, minute=0, second=0, microsecond=0
            )
            later = midnight + ((piece.start - midnight) // step + 1) * step
            while later < piece.end:
                moments.append(later)
                later += step
        for moment in moments:
            x = piece.x + (moment - piece.start).total_seconds() * per_second
            if x >= free:
                shown = moment.astimezone(UTC)
                yield Tick(
                    x,
                    f"{shown:%H:%M}"
                    if shown.date() == day
                    else f"{shown:%b} {shown.day}, {shown:%H:%M}",
                )
                day, free = shown.date(), x + TICK_EVERY
