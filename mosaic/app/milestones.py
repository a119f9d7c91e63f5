"""Milestones: the list, a new one, another name, finished and open again, another place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.app.change import editing, refuse_agent, save_change
from mosaic.errors import EditRefusedError, NotReadyError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import MilestoneStatus, Status
from mosaic.plan.names import named_milestone
from mosaic.plan.progress import milestone_of, milestone_progress
from mosaic.records import NamedTuple, replace
from mosaic.store.create import parse_milestone
from mosaic.store.mission_file import with_milestone
from mosaic.store.rows import parse_table
from mosaic.text.jsondoc import append_json, insert_json, move_json
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.model import Milestone
    from mosaic.plan.progress import MilestoneProgress
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Problem, Snapshot

SHORT_ID = re.compile(r"([A-Za-z]{1,9})(\d{1,6})")
"""An id such as `M3`, which may be counted on."""


class MilestoneList(NamedTuple):
    """All milestones, the declared ones first and in their order, then those that tasks name."""

    milestones: tuple[MilestoneProgress, ...]
    undeclared: tuple[str, ...]
    """Ids that tasks name and mission.json does not."""
    problems: tuple[Problem, ...]


class ChangedMilestone(NamedTuple):
    """A milestone after a change."""

    milestone: MilestoneProgress
    place: int
    """Its place among the declared ones, from 1."""
    changed: bool
    notices: tuple[str, ...] = ()


def list_milestones(snapshot: Snapshot) -> MilestoneList:
    """Return all milestones with how far each has come."""
    declared = snapshot.document.mission.milestones
    known = {each.id for each in declared}
    found = _progress(snapshot)
    others = tuple(each.milestone.id for each in found if each.milestone.id not in known)
    return MilestoneList(tuple(found), others, snapshot.problems)


def add_milestone(mission_file: Path, text: str, *, before: str | None = None) -> ChangedMilestone:
    """Declare a milestone, written as `M3: Its name`, or by its name alone; an agent may, too.

    It comes last, or before another one. Without an id it gets the next one. One that tasks name
    already is declared by its id.

    Raises:
        UsageError: it is there already, or it says nothing.
    """
    with editing(mission_file, f"adding milestone {text}") as draft:
        declared = draft.snapshot.document.mission.milestones
        named = {task.milestone for task in draft.snapshot.tasks if task.milestone}
        name = key = " ".join(text.split())
        if ":" in text:
            key, name = parse_milestone(name)
        elif not name:
            raise UsageError("a milestone needs a name", hint='`mission milestone add "M1: Name"`')
        elif name not in named and not SHORT_ID.fullmatch(name):
            key = _next_id(declared, named)
        for each in declared:
            for mine, theirs in ((key, each.id), (name, each.name), (name, each.id)):
                if mine.casefold() == theirs.casefold():
                    raise UsageError(
                        f"milestone `{each.id}` is called `{theirs}` already",
                        hint="`mission milestone list` shows all",
                    )
        entry = {"id": key, "name": name, "status": MilestoneStatus.PENDING.value}
        file = draft.layout.mission_file
        text = draft.text(file) or ""
        at = len(declared) if before is None else _number(draft.snapshot, before)
        if at < len(declared):
            draft.put(file, insert_json(text, ("milestones",), at, entry))
        else:
            draft.put(file, append_json(text, ("milestones",), entry))
        return _saved(draft, key)


def rename_milestone(
    mission_file: Path, word: str, name: str, actor: Actor | None = None
) -> ChangedMilestone:
    """Give a milestone another name; its id stays, and headings that name it follow.

    Raises:
        UsageError: an agent asks, or another one is called so.
        EditRefusedError: tasks under headings would come to another milestone.
    """
    name = " ".join(name.split())
    with editing(mission_file, f"renaming milestone {word}") as draft:
        declared = draft.snapshot.document.mission.milestones
        refuse_agent(draft.layout, actor, "rename a milestone")
        number = _number(draft.snapshot, word)
        for each in declared:
            is_other = each.id != declared[number].id
            if is_other and name.casefold() in (each.name.casefold(), each.id.casefold()):
                raise UsageError(f"milestone `{each.id}` is called `{name}` already")
        if not name:
            raise UsageError("a milestone needs a name")
        _put(draft, number, "name", name)
        _rename_mentions(draft, declared[number], name, utc_now().astimezone())
        return _saved(draft, declared[number].id)


def finish_milestone(
    mission_file: Path, word: str, *, force: bool = False, actor: Actor | None = None
) -> ChangedMilestone:
    """Call a milestone completed: none of its tasks is handed off any more.

    Raises:
        UsageError: an agent asks, or there is no such milestone.
        NotReadyError: it has open tasks, and `force` is not set.
    """
    with editing(mission_file, f"finishing milestone {word}") as draft:
        declared = draft.snapshot.document.mission.milestones
        refuse_agent(draft.layout, actor, "finish a milestone")
        number = _number(draft.snapshot, word)
        key = declared[number].id
        tasks = [task for task in draft.snapshot.tasks if task.milestone == key]
        left = [task.id for task in tasks if not task.status.is_closed]
        if left and not force:
            raise NotReadyError(
                f"milestone `{key}` has open tasks: {', '.join(left)}",
                hint=f"`mission milestone done {key} --force` finishes it all the same: "
                "they are not handed off then",
            )
        _put(draft, number, "status", MilestoneStatus.COMPLETED.value)
        return _saved(draft, key)


def reopen_milestone(mission_file: Path, word: str, actor: Actor | None = None) -> ChangedMilestone:
    """Call a milestone open again: in progress where a task of it was begun, else pending."""
    with editing(mission_file, f"reopening milestone {word}") as draft:
        declared = draft.snapshot.document.mission.milestones
        refuse_agent(draft.layout, actor, "reopen a milestone")
        number = _number(draft.snapshot, word)
        key = declared[number].id
        tasks = (task for task in draft.snapshot.tasks if task.milestone == key)
        is_begun = any(task.status not in (Status.TODO, Status.CANCELLED) for task in tasks)
        status = MilestoneStatus.IN_PROGRESS if is_begun else MilestoneStatus.PENDING
        if declared[number].status in (MilestoneStatus.COMPLETED, MilestoneStatus.BLOCKED):
            _put(draft, number, "status", status.value)
        return _saved(draft, key)


def move_milestone(
    mission_file: Path,
    word: str,
    *,
    before: str | None = None,
    after: str | None = None,
    actor: Actor | None = None,
) -> ChangedMilestone:
    """Move a milestone before or after another one: the first with open tasks is the current one.

    Raises:
        UsageError: an agent asks, or not one other milestone is named.
    """
    if (before is None) == (after is None):
        raise UsageError(
            "say where it goes: `--before ID` or `--after ID`",
            hint=f"`mission milestone mv {word} --before M1`",
        )
    with editing(mission_file, f"moving milestone {word}") as draft:
        declared = draft.snapshot.document.mission.milestones
        refuse_agent(draft.layout, actor, "reorder milestones")
        number = _number(draft.snapshot, word)
        beside = _number(draft.snapshot, str(before if after is None else after))
        if number == beside:
            raise UsageError(f"`{declared[number].id}` cannot stand beside itself")
        to = beside + (after is not None) - (number < beside)
        file = draft.layout.mission_file
        draft.put(file, move_json(draft.text(file) or "", ("milestones",), number, to))
        return _saved(draft, declared[number].id)


def _number(snapshot: Snapshot, word: str) -> int:
    """Return the place of a declared milestone, from 0."""
    declared = snapshot.document.mission.milestones
    key = named_milestone(word, declared, snapshot.tasks)
    for number, each in enumerate(declared):
        if each.id == key:
            return number
    raise UsageError(
        f"milestone `{key}` is named by tasks alone, and mission.json does not declare it",
        hint=f'`mission milestone add "{key}: Its name"` does',
    )


def _put(draft: Draft, number: int, key: str, value: str) -> None:
    file = draft.layout.mission_file
    draft.put(file, with_milestone(draft.text(file) or "", number, key, value))


def _saved(draft: Draft, key: str) -> ChangedMilestone:
    changed = save_change(draft)
    found = _progress(draft.snapshot)
    place = next(number for number, each in enumerate(found) if each.milestone.id == key)
    return ChangedMilestone(found[place], place + 1, changed, tuple(draft.notices))


def _progress(snapshot: Snapshot) -> list[MilestoneProgress]:
    unlanded = find_unlanded(snapshot.layout, snapshot.tasks)
    return milestone_progress(snapshot.tasks, snapshot.document.mission.milestones, unlanded)


def _next_id(declared: Sequence[Milestone], named: set[str]) -> str:
    """Return the next id of the form that the last declared one has: `M3` behind `M2`."""
    ids = [*(each.id for each in declared), *sorted(named)]
    found = [number for each in ids if (number := SHORT_ID.fullmatch(each))]
    head = found[-1][1] if found else "M"
    return f"{head}{max((int(each[2]) for each in found if each[1] == head), default=0) + 1}"


def _rename_mentions(draft: Draft, milestone: Milestone, name: str, now: datetime) -> None:
    """Draft another name where tasks and headings name a milestone by its name."""
    for task_id, entry in draft.snapshot.entries().items():
        file = entry.file.texts.get("milestone") if entry.file else None
        if milestone.name in (file, entry.row.cells.get("milestone") if entry.row else None):
            draft.edit_task(task_id, {"milestone": milestone.id}, now)
    path = draft.layout.tasks_file
    text = draft.text(path)
    if text is None:
        return
    declared = draft.snapshot.document.mission.milestones
    renamed = [replace(each, name=name) if each is milestone else each for each in declared]
    old = re.compile(re.escape(milestone.name), re.IGNORECASE)
    for headings in {row.headings for row in parse_table(text)}:
        if milestone_of(headings, declared) == milestone_of(headings, renamed):
            continue
        for title in headings:
            line = rf"^( {{0,3}}#+[ \t]+){re.escape(title)}(?=[ \t#]*\r?$)"
            parts = re.split(line, text, flags=re.MULTILINE)
            new = old.sub(name.replace("\\", r"\\"), title)
            text = "".join(part + new * (n % 2) for n, part in enumerate(parts))
    after = {row.line: milestone_of(row.headings, renamed) for row in parse_table(text)}
    for row in parse_table(draft.text(path) or ""):
        if row.headings and after.get(row.line) != milestone_of(row.headings, declared):
            raise EditRefusedError(
                f"`{row.id}` takes its milestone from the heading that it stands under",
                path=draft.layout.shown(path),
                line=row.line,
                hint=f"write `{milestone.id}` into that heading, then rename it again",
            )
    draft.put(path, text)
