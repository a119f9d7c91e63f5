"""Files and rows that are beside the plan: copies of editors and sync tools, files in folders.

None of them changes anything; `mission check` names them, and so does whoever asks for their task.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from mosaic.store.tasks import Snapshot

COPY = re.compile(
    r"(?P<stem>.+?)(?: \d{1,3}| \(\d{1,3}\)| \([^()]*conflict[^()]*\)| copy(?: \d+)?"
    r"| - Copy(?: \(\d+\))?|\.sync-conflict-[\w-]+|\.orig|\.bak|~\d*)(?P<end>\.md|\.json)",
    re.IGNORECASE,
)
BACKUP = re.compile(r"(?P<stem>.+\.(?:md|json))(?P<end>)(?:\.orig|\.bak|\.rej|~)", re.IGNORECASE)
COPY_OF = re.compile(r"Copy of (?P<stem>.+)(?P<end>\.md|\.json)", re.IGNORECASE)
ID_OF_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._]*-\d+(?![A-Za-z0-9])")
MOST_FOLDERS = 1000


def copied_name(name: str, names: Collection[str]) -> str | None:
    """Return the name of the file that another is a copy of, by its name; None for others."""
    for pattern in (COPY, BACKUP, COPY_OF):
        found = pattern.fullmatch(name)
        if found and found["stem"] + found["end"] in names:
            return found["stem"] + found["end"]
    return None


def find_copies(snapshot: Snapshot) -> Iterator[tuple[Path, str]]:
    """Yield files that are copies of one of the mission's, with the name of that one."""
    layout = snapshot.layout
    read = {entry.file.name for entry in snapshot.entries().values() if entry.file}
    own = {path.name for path in (layout.tasks_file, layout.mission_file)}
    for folder, known in ((layout.tasks_dir, read), (layout.tasks_file.parent, own)):
        for name in _names_in(folder):
            if name not in known and (original := copied_name(name, known)):
                yield folder / name, original


def find_moved(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield the ids of task files that stand in folders of the tasks folder, with their paths."""
    top = os.fspath(snapshot.layout.tasks_dir)
    for count, (folder, folders, names) in enumerate(os.walk(top)):
        folders.sort()
        if count == MOST_FOLDERS:
            return
        for name in sorted(names) if folder != top else ():
            if name.endswith(".md") and (found := ID_OF_NAME.match(name)):
                yield found[0], snapshot.layout.shown(snapshot.layout.tasks_dir / folder / name)


def find_aside(snapshot: Snapshot) -> dict[str, str]:
    """Return where tasks stand that are not read, in words, by their id."""
    table = snapshot.layout.shown(snapshot.layout.tasks_file)
    found = {task_id: f"`{path}` stands in a folder" for task_id, path in find_moved(snapshot)}
    found |= {each.id: f"{table}:{each.line} {each.why}" for each in snapshot.left_out if each.id}
    for problem in snapshot.problems:
        if problem.task_id is not None:
            place = f"{problem.error.path}:{problem.error.line or 1}"
            found[problem.task_id] = f"{place} cannot be read: {problem.error.message}"
    return found


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
