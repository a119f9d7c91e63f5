"""Another title for a task, which its heading, its file's name and links to that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.change import change_tasks, editing
from mosaic.app.tasks import TaskView
from mosaic.errors import UsageError
from mosaic.store.retitle import draft_heading, refuse_rename, rename_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import Change, ChangedTask


def retitle_task(mission_file: Path, task_id: str, changes: Sequence[Change]) -> ChangedTask:
    """Change fields of a task, its title among them, and have everything follow the title.

    Raises UsageError where no title is given or the file's new name is taken, HeldError while a
    session works on the task; then nothing was changed. Else what `change_tasks` does.
    """
    titles = [change.text.strip() for change in changes if change.field.lower() == "title"]
    if not titles:
        raise UsageError("`--rename` needs a title", hint='`title="…"` gives it one')
    with editing(mission_file, f"renaming {task_id}") as draft:
        refuse_rename(draft, draft.snapshot.get_task(task_id), titles[-1])
    (changed,) = change_tasks(mission_file, [task_id], changes)
    with editing(mission_file, f"renaming {task_id}") as draft:
        task = draft.snapshot.get_task(task_id)
        draft_heading(draft, task, task.title)
        is_other = draft.save()
        is_moved = rename_file(draft, task)
        task = draft.snapshot.get_task(task_id)
    is_other = changed.changed or is_other or is_moved
    return changed._replace(task=TaskView(task), changed=is_other)
