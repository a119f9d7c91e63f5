"""The figures of `fleet` as tables: on the screen, and in a page.

A page has a pair of lines for each part; what is between them is written anew:

    <!-- measured: one -->
    <!-- end of measured -->
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .fields import HERE

BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end of measured -->)", re.DOTALL)
SIZES = {"rate": "workers", "live": "workers", "records": "records", "hosts": "hosts"}
_LARGE, _SMALL = 100, 10


@dataclass(frozen=True)
class Figure:
    """One value: the median of several rounds, and the least and the most of them."""

    part: str
    place: str
    size: int
    """Workers, records or hosts, as the part has it."""
    name: str
    unit: str
    value: float
    low: float
    high: float


def tables(figures: Sequence[Figure]) -> list[str]:
    """Return the figures of a part as lines of a table in Markdown."""
    places = list(dict.fromkeys(each.place for each in figures))
    sizes = list(dict.fromkeys(each.size for each in figures))
    known = {(each.name, each.place, each.size): each for each in figures}
    columns = [(place, size) for place in places for size in sizes]
    counted = SIZES.get(figures[0].part, "") if figures else ""
    heads = [f"{place}, {size:,} {counted}" if counted else place for place, size in columns]
    lines = ["| | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    for name in dict.fromkeys(each.name for each in figures):
        cells = [_cell(known, name, place, size) for place, size in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def page_with(text: str, figures: Sequence[Figure]) -> str:
    """Return a page with its tables written anew from figures; others stay."""

    def written(found: re.Match[str]) -> str:
        own = [each for each in figures if each.part == found[2]]
        if not own:
            return found[0]
        return found[1] + "\n" + "\n".join(tables(own)) + "\n\n" + found[3]

    return BLOCK.sub(written, text)


def _cell(known: dict[tuple[str, str, int], Figure], name: str, place: str, size: int) -> str:
    """Return a value, what it lies between, and its ratio to the one of here."""
    figure, base = known.get((name, place, size)), known.get((name, HERE, size))
    if figure is None:
        return ""
    unit = f" {figure.unit}" if figure.unit else ""
    text = f"{_number(figure.value)}{unit}"
    if figure.low != figure.high:
        text += f" ({_number(figure.low)}–{_number(figure.high)})"
    if base is not None and base is not figure and base.value:
        text += f", × {_number(figure.value / base.value)}"
    return text


def _number(value: float) -> str:
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _SMALL else f"{value:.2f}"
