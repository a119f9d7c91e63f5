"""The dependency graph as a picture: tasks in columns, each to the right of what it waits for.

A column is as many steps away from tasks that wait for nothing. Links that pass a column go
through a place of their own in it, which all links from one task share. Columns are ordered so
that few links cross. Everything is decided by the tasks and their order alone, and nothing is
recursive: the same plan has the same picture, also one of a thousand tasks.

All text is escaped. Colours are those of the page that it stands in, by `STYLE`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, TypeAlias

from mosaic.plan.graph import MARKS, TO_MERGE
from mosaic.plan.ready import Reason
from mosaic.records import NamedTuple
from mosaic.text.harmless import harmless_line
from mosaic.text.lines import display_width

if TYPE_CHECKING:
    from mosaic.model import Task

WIDTH, HEIGHT = 196, 46
"""Of a task, in pixels."""
COLUMN, ROW, TRACK = 252, 62, 22
"""From one column to the next, from a task to the next, and for a link that passes."""
MARGIN = 12
CELLS = 25
"""Letters of a title that fit into a task."""
LONGEST_TITLE = 200
SWEEPS = 9
MOST_LINKS = 5_000
MOST_TRACKS = 4_000
"""Places of links that pass columns; where there would be more, links go straight."""
STYLE = """\
svg.drawing { display: block; font: 12px system-ui, sans-serif; }
svg.drawing text { fill: var(--ink); } svg.drawing a { text-decoration: none; }
.drawing .id { font-weight: 600; } .drawing .faint { fill: var(--faint); }
.drawing .edges { fill: none; stroke: var(--faint); stroke-opacity: .55; }
.drawing .tips { fill: var(--faint); } .drawing .cycle { stroke: var(--bad);
  stroke-dasharray: 5 3; stroke-opacity: 1; } .drawing .tips.cycle { fill: var(--bad); }
.drawing .node rect { fill: var(--paper); stroke: var(--line); }
.drawing .mark { fill: var(--faint); stroke: none; }
.drawing .done .mark, .drawing .finished .mark { fill: var(--good); }
.drawing .in-progress .mark, .drawing .review .mark, .drawing .to-merge .mark,
.drawing .ready .mark, .drawing .incomplete .mark, .drawing .needs-a-person .mark {
  fill: var(--open); }
.drawing .blocked .mark, .drawing .failed .mark, .drawing .unknown .mark,
.drawing .crashed .mark, .drawing .timed-out .mark { fill: var(--bad); }
.drawing .live .mark { fill: var(--live); } .drawing .live rect { stroke: var(--live); }
.drawing .cancelled text { fill: var(--faint); } .drawing .missing rect { stroke-dasharray: 4 3; }
.drawing a:focus-visible rect, .drawing a:hover rect { stroke: var(--ink); stroke-width: 2; }
.drawing .axis { stroke: var(--line); } .drawing .gap { fill: var(--block); }
"""
"""For a page that sets `--ink --paper --line --faint --block --good --bad --open --live`."""


Slot: TypeAlias = "str | tuple[str, int]"
"""What takes room in a column: a task, or the links from a task that pass the column."""


class Node(NamedTuple):
    """A task as it is drawn."""

    id: str
    title: str
    state: str
    """The class that colours it: a status, `ready`, `live`, `to-merge` or `missing`."""
    needs: tuple[str, ...] = ()
    words: str = ""
    """Where it stands, shown with its title where a pointer rests on it."""
    mark: str = ""
    """A sign before its id, for those who see no colours."""
    href: str = ""
    """Where it leads; escaped, and otherwise taken as it is."""


class Place(NamedTuple):
    """A task by the corner that it is drawn at."""

    node: Node
    x: float
    y: float


class Line(NamedTuple):
    """A piece of one or more links: from a task or a passing place to the next."""

    x1: float
    y1: float
    x2: float
    y2: float
    reach: float = 0.0
    """How far it goes straight on behind its end, where it passes a column."""
    is_back: bool = False
    """Whether it closes a cycle: then it leads to a column that is not further right."""


class Graph(NamedTuple):
    """A picture before it is drawn."""

    places: tuple[Place, ...]
    lines: tuple[Line, ...]
    width: float
    height: float
    links: int
    left_out: int
    """Links that are not drawn because there are too many."""


def nodes_of(
    judged: Iterable[tuple[Task, Reason, str]], href: Callable[[str], str] = lambda _: ""
) -> list[Node]:
    """Return tasks as they are drawn, and then those that they name and that are not there.

    Args:
        judged: tasks with why each is ready, or is not, and the same in words.
        href: where a task leads, by its id.
    """
    nodes = []
    for task, reason, words in judged:
        state, mark = task.status.value, MARKS[task.status]
        if reason is Reason.TO_MERGE:
            state, mark = "to-merge", TO_MERGE
        elif reason is Reason.LIVE_SESSION:
            state = "live"
        elif reason is Reason.READY:
            state = "ready"
        needs = task.depends_on
        nodes.append(Node(task.id, task.title, state, needs, words, mark, href(task.id)))
    known = {node.id for node in nodes}
    named = dict.fromkeys(name for node in nodes for name in node.needs if name not in known)
    return nodes + [Node(name, "", "missing", words="there is no such task") for name in named]


def lay_out(nodes: Sequence[Node]) -> Graph:
    """Return where each task and link is drawn.

    Needs that name no node are passed over. Tasks without links stand in rows below the others.
    """
    by_id = {node.id: node for node in nodes}
    needs = {
        node.id: [name for name in dict.fromkeys(node.needs) if name in by_id and name != node.id]
        for node in nodes
    }
    total = sum(map(len, needs.values()))
    left_out = max(0, total - MOST_LINKS)
    if left_out:
        needs = _first_links(needs)
    linked = {name for target, names in needs.items() for name in (target, *names) if names}
    depth = _depths({name: needs[name] for name in needs if name in linked})
    columns, chains = _columns(needs, depth)
    _untangle(columns, chains)
    middles, height = _middles(columns, chains)
    spots = [
        (by_id[name], depth[name] * COLUMN, middles[name] - HEIGHT / 2)
        for name in needs
        if name in linked
    ]
    lines = [_line(one, other, depth, middles) for one in chains for other in chains[one]]
    lines += [
        _line(name, target, depth, middles)._replace(is_back=True)
        for target, names in needs.items()
        for name in names
        if depth[name] >= depth[target]
    ]
    alone = [node for node in nodes if node.id not in linked]
    across = max(3, len(columns)) if linked else max(1, min(4, len(alone)))
    top = height + (ROW / 2 if linked else 0)
    spots += [
        (node, number % across * COLUMN, top + number // across * ROW)
        for number, node in enumerate(alone)
    ]
    places = [Place(node, x + MARGIN, y + MARGIN) for node, x, y in spots]
    return Graph(
        places=tuple(places),
        lines=tuple(lines),
        width=max((place.x for place in places), default=0) + WIDTH + MARGIN,
        height=max((place.y for place in places), default=0) + HEIGHT + MARGIN,
        links=total - left_out,
        left_out=left_out,
    )


def draw_graph(graph: Graph, label: str) -> str:
    """Return a picture as an SVG element; it needs `STYLE`.

    Args:
        graph: from `lay_out`.
        label: what it shows, for those who do not see it.
    """
    parts = [opening(graph.width, graph.height, label)]
    for is_back, kind in ((False, ""), (True, " cycle")):
        lines = [line for line in graph.lines if line.is_back is is_back]
        if lines:
            ends = [line for line in lines if not line.reach]
            tips = "".join(f"M{line.x2:.0f} {line.y2:.0f}l-7-3.5v7z" for line in ends)
            parts.append(f'<path class="edges{kind}" d="{"".join(map(_curve, lines))}"/>')
            parts.append(f'<path class="tips{kind}" d="{tips}"/>')
    parts += map(_drawn, graph.places)
    return "\n".join([*parts, "</svg>"])


def _first_links(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    room = MOST_LINKS
    kept: dict[str, list[str]] = {}
    for name, names in needs.items():
        kept[name] = list(names[:room])
        room -= len(kept[name])
    return kept


def _depths(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the column of each task; of tasks on a cycle the first in order begins it."""
    dependents: dict[str, list[str]] = {name: [] for name in needs}
    for name, targets in needs.items():
        for target in targets:
            dependents[target].append(name)
    waiting = {name: len(targets) for name, targets in needs.items()}
    found: dict[str, int] = {}
    least = dict.fromkeys(needs, 0)
    for first in (*[name for name in needs if not waiting[name]], *needs):
        queue = [] if first in found else [first]
        for name in queue:  # grows while it is gone through
            found[name] = least[name]
            for dependent in dependents[name]:
                waiting[dependent] -= 1
                least[dependent] = max(least[dependent], found[name] + 1)
                if not waiting[dependent] and dependent not in found:
                    queue.append(dependent)
    return found


def _columns(
    needs: Mapping[str, Sequence[str]], depth: Mapping[str, int]
) -> tuple[list[list[Slot]], Mapping[Slot, list[Slot]]]:
    """Return the columns, and what each of their slots leads to in the next ones."""
    columns: list[list[Slot]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    dependents: dict[str, list[str]] = defaultdict(list)
    for target, names in needs.items():
        if target in depth:
            columns[depth[target]].append(target)
        for name in names:
            if depth[name] < depth[target]:
                dependents[name].append(target)
    lengths = (max(depth[t] for t in found) - depth[name] for name, found in dependents.items())
    has_tracks = sum(length - 1 for length in lengths) <= MOST_TRACKS
    chains: dict[Slot, list[Slot]] = defaultdict(list)
    for name, targets in dependents.items():
        slot: Slot = name
        column = depth[name] + 1
        for target in sorted(targets, key=depth.__getitem__):
            while has_tracks and column < depth[target]:
                track = (name, column)
                columns[column].append(track)
                chains[slot].append(track)
                slot, column = track, column + 1
            chains[slot].append(target)
    return columns, dict(chains)


def _untangle(columns: Sequence[list[Slot]], chains: Mapping[Slot, Sequence[Slot]]) -> None:
    """Order each column by the middle of what its slots are linked with, from both sides."""
    before = _reversed(chains)
    place = {
        slot: (number + 0.5) / len(column)
        for column in columns
        for number, slot in enumerate(column)
    }
    for sweep in range(SWEEPS):
        beside = chains if sweep % 2 else before
        for column in reversed(columns) if sweep % 2 else columns:
            wanted = {
                slot: _mean([place[other] for other in beside.get(slot, ())], place[slot])
                for slot in column
            }
            column.sort(key=wanted.__getitem__)
            place.update((slot, (number + 0.5) / len(column)) for number, slot in enumerate(column))


def _middles(
    columns: Sequence[Sequence[Slot]], chains: Mapping[Slot, Sequence[Slot]]
) -> tuple[dict[Slot, float], float]:
    """Return the middle of each slot, near to what it comes from, and how far down they go."""
    before = _reversed(chains)
    found: dict[Slot, float] = {}
    height = 0.0
    for column in columns:
        top, moved = 0.0, []
        for slot in column:
            half = (ROW if isinstance(slot, str) else TRACK) / 2
            wanted = _mean([found[other] for other in before.get(slot, ())], top + half)
            found[slot] = max(top + half, wanted)
            moved.append(found[slot] - wanted)
            top = found[slot] + half
        half = (ROW if isinstance(column[0], str) else TRACK) / 2
        shift = min(found[column[0]] - half, _mean(moved, 0.0))
        found.update((slot, found[slot] - shift) for slot in column)
        height = max(height, top - shift)
    return found, height


def _reversed(chains: Mapping[Slot, Sequence[Slot]]) -> dict[Slot, list[Slot]]:
    before: dict[Slot, list[Slot]] = {}
    for slot, others in chains.items():
        for other in others:
            before.setdefault(other, []).append(slot)
    return before


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _line(one: Slot, other: Slot, depth: Mapping[str, int], middles: Mapping[Slot, float]) -> Line:
    begin, end = (
        MARGIN + COLUMN * (depth[slot] if isinstance(slot, str) else slot[1])
        for slot in (one, other)
    )
    reach = 0 if isinstance(other, str) else WIDTH
    return Line(begin + WIDTH, MARGIN + middles[one], end, MARGIN + middles[other], reach)


def _curve(line: Line) -> str:
    x1, y1, x2, y2, reach, is_back = line
    bend = COLUMN / 2 if is_back else (x2 - x1) / 2
    path = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f"{path}h{reach:.0f}" if reach else path


def _drawn(place: Place) -> str:
    node, x, y = place
    title = fitting(" ".join(harmless_line(node.title).split()), LONGEST_TITLE)
    words = ": ".join(filter(None, (f"{node.id} {title}", harmless_line(node.words))))
    tag = f'a href="{escape(harmless_line(node.href))}"' if node.href else "g"
    head = fitting(" ".join(filter(None, (node.mark, harmless_line(node.id)))), CELLS)
    return (
        f'<{tag} class="node {css_class(node.state)}"><title>{escape(words)}</title>'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<rect class="mark" x="{x:.0f}" y="{y:.0f}" width="5" height="{HEIGHT}" rx="2"/>'
        f'<text class="id" x="{x + 13:.0f}" y="{y + 19:.0f}">{escape(head)}</text>'
        f'<text x="{x + 13:.0f}" y="{y + 36:.0f}">{escape(fitting(title, CELLS))}</text></{tag[0]}>'
    )


def opening(width: float, height: float, label: str) -> str:
    """Return the start of an SVG element of ours, with what it shows in words."""
    return (
        f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" role="group" '
        f'aria-label="{escape(harmless_line(label))}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">'
    )


def css_class(state: str) -> str:
    """Return a word as a class of CSS, whatever it is."""
    return re.sub(r"[^a-z]+", "-", state.lower()).strip("-") or "none"


def fitting(text: str, cells: int) -> str:
    """Return as much of a line as fits into so many letters, wide ones counted twice."""
    if display_width(text) <= cells:
        return text
    widths = accumulate(map(display_width, text))
    kept = sum(1 for _ in takewhile(lambda width: width < cells, widths))
    return f"{text[:kept].rstrip()}…"
