"""A task's title in the heading of its file and in the file's name.

Neither follows the title by itself: people write headings, and others link to files. What
differs is offered, and is changed where a person asks for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.errors import UsageError
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


class OtherHeading(NamedTuple):
    """A heading that gives its task another title than the task has."""

    task_id: str
    title: str
    heading: str
    line: int


def other_headings(snapshot: Snapshot) -> Iterator[OtherHeading]:
    """Yield the headings of open tasks that say something else than the titles."""
    for task in snapshot.tasks:
        if task.file and not task.status.is_closed and task.id not in snapshot.broken_ids:
            found = find_heading(snapshot.task_text(task), task.id)
            if found is not None and found.title.split() != task.title.split():
                yield OtherHeading(task.id, task.title, found.title, found.line)


def take_headings(mission_file: Path, found: Iterable[OtherHeading]) -> None:
    """Make what headings of files say the titles of their tasks."""
    with changing(mission_file, doing="taking titles from headings") as draft:
        for each in found:
            draft.edit_task(each.task_id, {"title": each.heading}, utc_now().astimezone())
        draft.save()


def draft_heading(draft: Draft, task: Task, title: str) -> None:
    """Draft a title in the heading of a task's file, which is to be named after it.

    Raises HeldError while a session works on the task, UsageError where the name is taken.
    """
    if task.file is None:
        raise UsageError(
            f"`{task.id}` has no file that could be renamed", hint="leave `--rename` out"
        )
    refuse_live(draft.snapshot, task.id)
    place = new_file(draft, task.id, title)
    if place.name != _name_of(task) and place.exists():
        raise UsageError(f"`{draft.layout.shown(place)}` is there already")
    draft.edit_text(task.id, lambda text: with_heading(text, task.id, title))


def follows_title(draft: Draft, before: Task, task: Task) -> bool:
    """Tell whether nothing in a task's file still says the title that it had before."""
    found = find_heading(draft.snapshot.task_text(task), task.id)
    if found is not None and found.title.split() != task.title.split():
        return False
    named = new_file(draft, before.id, before.title).name
    return _name_of(task) != named or named == new_file(draft, task.id, task.title).name


def rename_file(draft: Draft, task: Task) -> None:
    """Name a task's file after its title, and have what links to it follow, as one change.

    All other drafts must have been saved.
    """
    layout, old = draft.layout, _name_of(task)
    new = new_file(draft, task.id, task.title).name
    if new == old:
        return
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


def _name_of(task: Task) -> str:
    return (task.file or "").rpartition("/")[2]
