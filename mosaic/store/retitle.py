"""A task's title in the heading of its file and in the file's name.

Neither follows the title by itself: people write headings, and others link to files. What
differs is offered, and is changed where a person asks for it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from mosaic.errors import GitRefusedError, UsageError
from mosaic.git.git import answer_of
from mosaic.machine.clock import utc_now
from mosaic.records import NamedTuple
from mosaic.store.adding import new_file
from mosaic.store.draft import changing
from mosaic.store.renumber import refuse_live, texts_of, write_moved
from mosaic.text.heading import find_heading, with_heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot

LAST_TOUCHED = ("log", "-1", "--no-show-signature", "--no-textconv", "--format=%H")
MOST_ASKED = 20
"""Tasks of which git is asked whether the heading or the title came last."""


class OtherHeading(NamedTuple):
    """A heading that gives its task another title than the task has."""

    task_id: str
    title: str
    heading: str
    line: int


def other_headings(snapshot: Snapshot) -> list[OtherHeading]:
    """Return the headings of open tasks that were changed after the titles, and say otherwise."""
    found = islice(_differing(snapshot), MOST_ASKED)
    with suppress(GitRefusedError):  # `check` says what git has against the repository
        return [each for each in found if _is_newer(snapshot, each)]
    return []


def _differing(snapshot: Snapshot) -> Iterator[OtherHeading]:
    for task in snapshot.tasks:
        if task.file and not task.status.is_closed and task.id not in snapshot.broken_ids:
            found = find_heading(snapshot.task_text(task), task.id)
            if found is not None and found.title.split() != task.title.split():
                yield OtherHeading(task.id, task.title, found.title, found.line)


def _is_newer(snapshot: Snapshot, each: OtherHeading) -> bool:
    """Tell whether a heading came after the title, as far as git knows; else it may have."""
    task, folder = snapshot.by_id[each.task_id], snapshot.layout.tasks_dir
    name = _name_of(task)
    before = answer_of(["cat-file", "blob", f"HEAD:./{name}"], folder)
    if before is None:
        return True
    lines = snapshot.task_text(task).split("\n")
    heading = lines[each.line - 1].rstrip("\r")
    title = next((line.rstrip("\r") for line in lines if line.startswith("title:")), "")
    there = {line.rstrip("\r") for line in before.split("\n")}
    if heading not in there or title not in there:
        return heading not in there
    commits = [
        answer_of([*LAST_TOUCHED, f"-S{line}", "--", name], folder) for line in (title, heading)
    ]
    first, second = (found.strip() if found else "" for found in commits)
    if not (first and second) or first == second:
        return False
    return answer_of(["merge-base", "--is-ancestor", first, second], folder) is not None


def take_headings(mission_file: Path, found: Iterable[OtherHeading]) -> None:
    """Make what headings of files say the titles of their tasks."""
    with changing(mission_file, doing="taking titles from headings") as draft:
        for each in found:
            draft.edit_task(each.task_id, {"title": each.heading}, utc_now().astimezone())
        draft.save()


def refuse_rename(draft: Draft, task: Task, title: str) -> None:
    """Make sure that a task's file can be named after a title: no session works from it."""
    if task.file is None:
        raise UsageError(
            f"`{task.id}` has no file that could be renamed", hint="leave `--rename` out"
        )
    refuse_live(draft.snapshot, task.id)
    place = new_file(draft, task.id, title)
    if place.name != _name_of(task) and place.exists():
        raise UsageError(f"`{draft.layout.shown(place)}` is there already")


def draft_heading(draft: Draft, task: Task, title: str) -> None:
    """Draft a title in the heading of a task's file."""
    draft.edit_text(task.id, lambda text: with_heading(text, task.id, title))


def rename_file(draft: Draft, task: Task) -> bool:
    """Name a task's file after its title, and have what links to it follow, as one change.

    All other drafts must have been saved. Tells whether it had another name.
    """
    layout, old = draft.layout, _name_of(task)
    new = new_file(draft, task.id, task.title).name
    if new == old:
        return False
    link = re.compile(rf"(?<![\w.-]){re.escape(old)}(?![\w-]|\.\w)")
    write_moved(
        layout,
        (
            (path, layout.tasks_dir / new if path == layout.tasks_dir / old else path, file, text)
            for path, file in texts_of(layout)
            for text in [link.sub(new, file.text)]
        ),
    )
    draft.start_over()
    return True


def keeps_old_title(snapshot: Snapshot, task: Task, before: str) -> bool:
    """Tell whether the heading of a task's file still gives the title that it had before."""
    found = find_heading(snapshot.task_text(task), task.id) if task.file else None
    return found is not None and found.title.split() == before.split() != task.title.split()


def _name_of(task: Task) -> str:
    return (task.file or "").rpartition("/")[2]
