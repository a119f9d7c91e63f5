"""The dependency graph: cycles, dangling ends, levels, and pictures of it.

Nothing here is recursive: a chain of ten thousand tasks is a plan too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from mosaic.model import Status
from mosaic.text.fields import shown_status
from mosaic.text.harmless import harmless_line

if TYPE_CHECKING:
    from mosaic.model import Task

MARKS = {
    Status.TODO: "○", Status.IN_PROGRESS: "◐", Status.REVIEW: "◑",
    Status.BLOCKED: "✗", Status.DONE: "●", Status.CANCELLED: "–", Status.UNKNOWN: "?",
}  # fmt: skip
TO_MERGE = "◉"
"""The mark of a done task whose work waits in a branch."""
ARROW = " → "
LONGEST_CYCLE_SHOWN = 6
"""Tasks of a cycle that are named wherever one of them is spoken of."""


def find_cycles(tasks: Sequence[Task]) -> list[tuple[str, ...]]:
    """Return one cycle of every group of tasks that wait for each other, first id again last.

    Groups are in plan order, and each cycle begins with its first task in plan order.
    """
    if _is_in_order(tasks):
        return []
    edges = _edges(tasks)
    rank = {task.id: n for n, task in enumerate(tasks)}
    cycles = [
        _shortest_cycle(min(group, key=rank.__getitem__), edges, set(group))
        for group in _strong_groups(edges)
        if len(group) > 1 or group[0] in edges[group[0]]
    ]
    return sorted(cycles, key=lambda cycle: rank[cycle[0]])


def cycle_words(cycle: Sequence[str]) -> str:
    """Return a cycle in a few words: its first tasks, and how many there are."""
    if len(cycle) <= LONGEST_CYCLE_SHOWN + 1:
        return ARROW.join(cycle)
    first = cycle[: LONGEST_CYCLE_SHOWN // 2]
    return f"{ARROW.join([*first, '…', cycle[-1]])} ({len(cycle) - 1} tasks)"


def _is_in_order(tasks: Sequence[Task]) -> bool:
    seen: set[str] = set()
    for task in tasks:
        if not seen.issuperset(task.depends_on):
            return False
        seen.add(task.id)
    return True


def dangling_dependencies(tasks: Sequence[Task]) -> list[tuple[Task, str]]:
    """Return each dependency on a task that does not exist, with the task that has it."""
    known = {task.id for task in tasks}
    return [(task, name) for task in tasks for name in task.depends_on if name not in known]


def needs_of(tasks: Sequence[Task], task: Task) -> set[str]:
    """Return the ids of all that a task depends on, directly and by others."""
    edges = _edges(tasks)
    found = dict.fromkeys(edges.get(task.id, ()))
    waiting = list(found)
    for name in waiting:  # grows while it is gone through
        waiting += [other for other in edges[name] if other not in found]
        found |= dict.fromkeys(edges[name])
    return set(found)


def levels(tasks: Sequence[Task]) -> dict[str, int]:
    """Return how many steps each task is away from tasks that wait for nothing.

    Tasks on a cycle, or behind one, are not in it.
    """
    edges = _edges(tasks)
    waiting = {name: len(targets) for name, targets in edges.items()}
    dependents = _reversed(edges)
    ready = [name for name, count in waiting.items() if count == 0]
    found = dict.fromkeys(ready, 0)
    for name in ready:  # grows while it is gone through
        for dependent in dependents[name]:
            waiting[dependent] -= 1
            found[dependent] = max(found.get(dependent, 0), found[name] + 1)
            if waiting[dependent] == 0:
                ready.append(dependent)
    return {name: found[name] for name in ready}


def render_text(tasks: Sequence[Task], unlanded: Collection[str] = ()) -> str:
    """Draw the graph for a terminal: tasks by level, each with what it waits for."""
    depth = levels(tasks)
    cycles = find_cycles(tasks)
    width = max((len(task.id) for task in tasks), default=0)
    ordered = sorted(tasks, key=lambda task: depth.get(task.id, len(tasks)))
    lines = []
    for task in ordered:
        indent = "  " * min(depth.get(task.id, 0), 20)
        waits = f"  ← {', '.join(map(harmless_line, task.depends_on))}" if task.depends_on else ""
        title = " ".join(harmless_line(task.title).split())
        mark, to_merge = MARKS[task.status], ""
        if task.id in unlanded:
            mark, to_merge = TO_MERGE, "  (to merge)"
        lines.append(f"{indent}{mark} {task.id:<{width}}  {title}{to_merge}{waits}")
    lines += [f"cycle: {ARROW.join(cycle)}" for cycle in cycles]
    return "\n".join(lines)


def render_mermaid(tasks: Sequence[Task], unlanded: Collection[str] = ()) -> str:
    """Draw the graph as a mermaid flowchart."""
    nodes = {task.id: f"t{n}" for n, task in enumerate(tasks)}
    lines = ["flowchart TD"]
    for task in tasks:
        label = _mermaid_text(harmless_line(f"{task.id}: {task.title}"))
        kind = "tomerge" if task.id in unlanded else task.status.replace("-", "")
        lines.append(f'    {nodes[task.id]}["{label}"]:::{kind}')
    lines += [
        f"    {nodes[name]} --> {nodes[target]}"
        for target, names in _edges(tasks).items()
        for name in names
    ]
    lines += [
        "    classDef done fill:#d4edda,stroke:#28a745",
        "    classDef inprogress fill:#fff3cd,stroke:#d39e00",
        "    classDef review fill:#d1ecf1,stroke:#17a2b8",
        "    classDef blocked fill:#f8d7da,stroke:#dc3545",
        "    classDef todo fill:#ffffff,stroke:#6c757d",
        "    classDef unknown fill:#ffffff,stroke:#dc3545,stroke-dasharray: 5 5",
        "    classDef cancelled fill:#eeeeee,stroke:#aaaaaa,color:#888888",
    ]
    if unlanded:
        lines.append("    classDef tomerge fill:#d4edda,stroke:#d39e00,stroke-dasharray: 5 5")
    return "\n".join(lines)


def render_dot(tasks: Sequence[Task], unlanded: Collection[str] = ()) -> str:
    """Draw the graph in Graphviz's language."""
    lines = ["digraph mission {", "  rankdir=LR;", "  node [shape=box];"]
    for task in tasks:
        status = shown_status(task) + (", to merge" if task.id in unlanded else "")
        label = _dot_text(f"{task.id}\n{harmless_line(task.title)}\n{harmless_line(status)}")
        lines.append(f"  {_dot_text(task.id)} [label={label}];")
    for target, names in _edges(tasks).items():
        lines += [f"  {_dot_text(name)} -> {_dot_text(target)};" for name in names]
    return "\n".join([*lines, "}"])


def _reversed(edges: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {name: [] for name in edges}
    for name, targets in edges.items():
        for target in targets:
            dependents[target].append(name)
    return dependents


def _edges(tasks: Sequence[Task]) -> dict[str, list[str]]:
    known = {task.id for task in tasks}
    return {task.id: [name for name in task.depends_on if name in known] for task in tasks}


def _strong_groups(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the strongly connected groups (Kosaraju's algorithm with a stack of its own)."""
    finished: list[str] = []
    seen: set[str] = set()
    work = [(name, False) for name in edges]
    while work:
        name, is_finished = work.pop()
        if is_finished:
            finished.append(name)
        elif name not in seen:
            seen.add(name)
            work.append((name, True))
            work += [(target, False) for target in edges[name]]
    dependents = _reversed(edges)
    groups = []
    for root in reversed(finished):
        group = [root] if root in seen else []
        seen.discard(root)
        for name in group:  # grows while it is gone through
            for other in dependents[name]:
                if other in seen:
                    seen.discard(other)
                    group.append(other)
        if group:
            groups.append(group)
    return groups


def _shortest_cycle(
    start: str, edges: Mapping[str, Sequence[str]], group: set[str]
) -> tuple[str, ...]:
    came_from: dict[str, str] = {}
    queue = [start]
    for name in queue:  # grows while it is gone through
        for target in edges[name]:
            if target == start:
                back = [start, name]
                while back[-1] != start:
                    back.append(came_from[back[-1]])
                return tuple(reversed(back))
            if target in group and target not in came_from:
                came_from[target] = name
                queue.append(target)
    raise AssertionError(start)  # every member of a strong group lies on a cycle


def _mermaid_text(text: str) -> str:
    return re.sub(r"[^\w .,:()/+-]", lambda sign: f"#{ord(sign[0])};", text)


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
