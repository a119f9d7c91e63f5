"""The figures of `fleet` as tables: on the screen, and in a page.

A page has a pair of lines for each part; what is between them is written anew:

    <!-- measured: one -->
    <!-- end of measured -->

That of `thousand` is what the others come to for a thousand runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .fields import HERE

BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end of measured -->)", re.DOTALL)
SIZES = {"rate": "workers", "live": "workers", "records": "records", "hosts": "hosts"}
SSH = "ssh"
THOUSAND = 1000
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
        lines = list(_thousand(figures)) if found[2] == "thousand" else tables(own)
        if not (own or found[2] == "thousand"):
            return found[0]
        return found[1] + "\n" + "\n".join(lines) + "\n\n" + found[3]

    return BLOCK.sub(written, text)


def _thousand(figures: Sequence[Figure]) -> Iterator[str]:
    """Return what a thousand runs at once would take, as lines of a table."""
    yield "| | of one run, measured | of 1,000, extrapolated |"
    yield "| --- | --- | --- |"
    most = max((each.size for each in figures if each.part == "live"), default=0)
    away = [each for each in figures if each.place == SSH]
    live = {each.name: each.value for each in away if (each.part, each.size) == ("live", most)}
    one = {each.name: each.value for each in away if each.part == "one"}
    for where in ("here", "there"):
        if f"memory {where}" in live:
            memory, count = live[f"memory {where}"], live[f"processes {where}"]
            idle = live[f"idle CPU {where}"]
            yield f"| memory {where} | {_number(memory)} MB | {_number(memory)} GB |"
            yield f"| processes {where} | {_number(count)} | {count * THOUSAND:,.0f} |"
            yield f"| CPU {where} while all wait | {_number(idle)} ms/s | {_number(idle)} cores |"
    for name in ("mission locked", "CPU here", "CPU there"):
        if name in one:
            words = f"{name}, for one hand-off from begin to end"
            yield f"| {words} | {_number(one[name])} ms | {_number(one[name] / 60)} min |"


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
