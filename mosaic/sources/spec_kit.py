"""spec-kit: `specs/NNN-name/tasks.md`; and OpenSpec's `openspec/changes/NAME/tasks.md`.

Phases are milestones and come in order. Within a phase a task marked `[P]` is free, another
follows the one before it. Ids begin anew in each folder, so they get its number.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from mosaic.records import dataclass, field, replace
from mosaic.sources.item import Item, Place, Reading, digest_of, is_closed, unboxed
from mosaic.text.commonmark import fence_behind
from mosaic.text.frontmatter import body_offset
from mosaic.text.lines import without_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAME = "tasks.md"
FREE = "P"
"""The mark of a task that may go on beside the one before it."""
PHASE = re.compile(r"##\s+(.*\S)\s*")
ENTRY = re.compile(r"\s*[-*+] \[([ xX])\] (?:(T\d+\w*|\d+(?:\.\d+)+)\b\s*)?(.*)")
MARK = re.compile(r"\[([^\]\s]+)\]\s*")
OF_PHASE = re.compile(r"\s*\*\*(Purpose|Goal|Independent Test|Checkpoint)\*\*:")
NEEDS = re.compile(r"\bdepends? on ([^.;)]*)", re.IGNORECASE)
TASK = re.compile(r"T\d{1,9}\w{0,9}|(?<!\d)\d{1,9}(?:\.\d{1,9})+")


@dataclass(kw_only=True, slots=True)
class _Task:
    id: str
    title: str
    is_done: bool
    phase: str
    line: int
    marks: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def read(place: Place) -> Reading:
    """Read one `tasks.md`, or those of all features."""
    if place.is_folder:
        found = place.files(NAME, f"*/{NAME}", f"archive/*/{NAME}")
    else:
        found = iter([(f"{place.path.absolute().parent.name}/{NAME}", place.text())])
    items: list[Item] = []
    for path, text in found:
        feature = path.rpartition("/")[0] or place.path.absolute().name
        items += _feature(place, path, feature, text)
    return place.reading(items)


def _feature(place: Place, path: str, feature: str, text: str) -> list[Item]:
    name = feature.removeprefix("archive/")
    number = re.match(r"\d+", name)
    prefix = number[0] if number else name
    tasks, lines = _parse(place, path, text)
    items: list[Item] = []
    ends: list[str] = []
    for _, grouped in groupby(tasks, key=lambda task: task.phase):
        phase = list(grouped)
        inside = {task.id for task in phase}
        needed: set[str] = set()
        for count, task in enumerate(phase):
            words = (each for found in NEEDS.findall(task.title) for each in TASK.findall(found))
            own = [phase[count - 1].id] if count and FREE not in task.marks else []
            own += [each for each in words if each not in (task.id, *own)]
            needed.update(own)
            before = ends if inside.isdisjoint(own) else []
            depends_on = dict.fromkeys([*before, *own])
            items.append(
                Item(
                    key=f"{name}#{task.id}",
                    id=f"{prefix}-{task.id}" if TASK.fullmatch(task.id) else "",
                    title=task.title,
                    status="done" if task.is_done or name != feature else "todo",
                    milestone=f"{name} {task.phase}".strip(),
                    depends_on=tuple(f"{name}#{each}" for each in depends_on),
                    labels=tuple(mark for mark in task.marks if mark != FREE),
                    text="\n".join([*task.notes, *lines.get(task.phase, [])]),
                    where=f"{place.shown_file(path)}:{task.line}",
                )
            )
        ends = [task.id for task in phase if task.id not in needed]
    return items


def _parse(place: Place, path: str, text: str) -> tuple[list[_Task], dict[str, list[str]]]:
    """Return the tasks of a file, and the lines that are about a phase as a whole."""
    tasks: list[_Task] = []
    lines: dict[str, list[str]] = {}
    phase = fence = ""
    start = body_offset(text)
    first = text.count("\n", 0, start) + 1
    for number, line in enumerate(without_comments(text[start:]).split("\n"), first):
        was_open = fence
        fence, is_end = fence_behind(line.lstrip(), fence)
        if was_open or is_end:
            continue
        if found := PHASE.fullmatch(line):
            phase = found[1]
        elif OF_PHASE.match(line):
            lines.setdefault(phase, []).append(line.strip())
        elif found := ENTRY.fullmatch(line):
            task = _task(found, phase, number)
            if "XXX" in found[3][:4] or not task.title:
                continue  # an item of the template
            while any(task.id == other.id for other in tasks):
                place.fault(path, f"`{task.id}` is there twice; this one is `{task.id}b`", number)
                task.id += "b"
            tasks.append(task)
        elif tasks and tasks[-1].phase == phase and line.startswith((" ", "\t")) and line.strip():
            tasks[-1].notes.append(line.strip())
    return tasks, lines


def _task(found: re.Match[str], phase: str, line: int) -> _Task:
    rest, marks = found[3].strip(), []
    while mark := MARK.match(rest):
        marks.append(mark[1])
        rest = rest[mark.end() :]
    return _Task(
        id=found[2] or digest_of(rest),
        title=rest.strip(),
        is_done=found[1] != " ",
        phase=phase,
        line=line,
        marks=tuple(marks),
    )


def write(items: Sequence[Item], name: str) -> Mapping[str, str]:
    """Write a `tasks.md` for each feature."""
    features: dict[str, list[Item]] = {}
    for item in items:
        feature, mark, own = item.key.rpartition("#")
        features.setdefault(feature or "mission", []).append(replace(item, id=own if mark else ""))
    return {
        f"{feature}/{NAME}": f"# Tasks: {name}\n{_write(feature, own)}"
        for feature, own in features.items()
    }


def _write(feature: str, items: Iterable[Item]) -> str:
    out, phase, before = "\n", "", ""
    phases = [(item.milestone.removeprefix(feature).strip(), item) for item in items]
    for own, item in sorted(phases, key=lambda each: each[0] != ""):
        lines = [line for line in unboxed(item.text) if line]
        about = [line for line in lines if OF_PHASE.match(line)]
        is_free = bool(before) and before not in item.depends_on
        if own != phase:
            phase, is_free = own, False
            out += f"\n## {own}\n\n" + "".join(f"{line}\n" for line in about)
            out += "\n" * bool(about)
        labels = [FREE] * is_free + ["-".join(label.split()) for label in item.labels]
        marks, before = "".join(f"[{label}] " for label in labels), item.key
        number = f"{item.id} " if TASK.fullmatch(item.id) else ""
        out += f"- [{'x' if is_closed(item.status) else ' '}] {number}{marks}{item.title}\n"
        out += "".join(f"  {line}\n" for line in lines if line not in about)
    return out
