"""The table, the JSON, and the comparison with an earlier one."""

from __future__ import annotations

import itertools
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .processes import Figure

FORMAT_VERSION = 1
HEADERS = ("tasks", "work", "against", "ratio", "spread", "cpu", "wall", "limit", "")


def machine() -> dict[str, object]:
    """Say what a reader must know to judge the figures."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "typer": _version("typer"),
        "load": os.getloadavg()[0],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def table(figures: Sequence[Figure], earlier: dict[tuple[int, str], Figure]) -> list[str]:
    """Return the figures as aligned lines."""
    headers = (*HEADERS, "earlier", "change") if earlier else HEADERS
    rows = [headers, *(_row(figure, earlier) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(figure: Figure, earlier: dict[tuple[int, str], Figure]) -> tuple[str, ...]:
    unit = "" if figure.unit == "x" else f" {figure.unit}"
    missed = figure.limit is not None and figure.value > figure.limit
    cells = (
        f"{figure.tasks:,}",
        figure.work,
        figure.baseline,
        f"{figure.value:.2f}{unit}",
        f"{figure.low:.2f}–{figure.high:.2f}",
        f"{figure.cpu_value:.2f}" if figure.cpu_value is not None else "",
        f"{figure.wall_ms:.0f} ms" if figure.wall_ms is not None else "",
        f"{figure.limit:g}" if figure.limit is not None else "",
        "over" if missed else "",
    )
    if not earlier:
        return cells
    before = earlier.get((figure.tasks, figure.work))
    if before is None:
        return (*cells, "", "")
    change = (figure.value / before.value - 1) * 100 if before.value else 0.0
    return (*cells, f"{before.value:.2f}{unit}", f"{change:+.0f} %")


def dump(figures: Sequence[Figure], rounds: int) -> str:
    """Return the figures as JSON."""
    document = {
        "version": FORMAT_VERSION,
        "machine": machine(),
        "rounds": rounds,
        "figures": [asdict(figure) for figure in figures],
    }
    return json.dumps(document, indent=2) + "\n"


def load(path: Path) -> dict[tuple[int, str], Figure]:
    """Return the figures of an earlier JSON by size and work."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["version"] != FORMAT_VERSION:
        sys.exit(f"{path} is of another version")
    figures = [Figure(**values) for values in document["figures"]]
    return {(figure.tasks, figure.work): figure for figure in figures}


def growth(figures: Sequence[Figure]) -> list[str]:
    """Say how the time of each work grows with the number of tasks."""
    lines = []
    for work in dict.fromkeys(figure.work for figure in figures):
        own = sorted((f.tasks, f.wall_ms) for f in figures if f.work == work and f.wall_ms)
        if len(own) > 1:
            steps = [
                (after[1] - before[1]) / (after[0] - before[0]) * 1e3
                for before, after in itertools.pairwise(own)
            ]
            lines.append(f"{work}: {', '.join(f'{step:.2f}' for step in steps)} µs a task")
    return lines
