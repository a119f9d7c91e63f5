"""What of table and files was deleted by hand, or by git, and what brings it back.

What was there is known from what row and file last agreed on (`sync.json`), and from git: HEAD
tells what is deleted and not committed, its history what was deleted with a commit. A task that
another branch has is not gone; neither is one that `mission rm` removed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.branches import contents_of
from mosaic.git.git import answer_of, find_work_tree
from mosaic.records import NamedTuple
from mosaic.store.aside import ID_OF_NAME, find_aside
from mosaic.store.rows import parse_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

MOST_COMMITS = 1000
"""Commits that are searched for files which they deleted."""


class Gone(NamedTuple):
    """Something that was deleted by hand, or by git."""

    what: str
    """`table`, `row`, `file` or `task`: row and file, or the only one of them."""
    task_id: str
    """Empty for the table."""
    path: str
    way_back: str
    """What brings it back, as a hint."""


def find_gone(snapshot: Snapshot) -> list[Gone]:
    """Return what of table and files was deleted, and nobody removed by `mission rm`."""
    layout, base, by_id = snapshot.layout, snapshot.base(), snapshot.by_id
    past = _Past.of(layout)
    table = layout.shown(layout.tasks_file)
    passed = {*find_aside(snapshot), *snapshot.document.mission.removed_tasks}
    known = [each for each in dict.fromkeys([*base, *past.rows, *past.files]) if each not in passed]
    had_rows = any(each in base or each in past.rows for each in known)
    is_read = all(problem.error.path != table for problem in snapshot.problems)
    found = []
    if is_table_gone := had_rows and is_read and not any(t.table_line for t in snapshot.tasks):
        found.append(Gone("table", "", table, past.way_back_of_table(table)))
    for name in known:
        task, back = by_id.get(name), past.way_back_of_table(table)
        path = past.files.get(name) or past.deleted.get(name)
        if task is None:
            is_of_table = is_table_gone and not path and name not in base
            if is_of_table or not past.held(name, is_agreed=name in base):
                continue
            back = past.way_back_of_file(path) if path else back
            back += f"; `mission rm {name}` lets it be gone, and nothing else gets its id"
            found.append(Gone("task", name, path or table, back))
        elif not task.file and (name in base or name in past.files):
            back = past.way_back_of_file(path) if path else f"write `{name}.md` again"
            back += f"; `mission sync {name}` lets it be in the table alone"
            found.append(Gone("file", name, path or table, back))
        elif not task.table_line and not is_table_gone and (name in base or name in past.rows):
            back = back if name in past.rows else f"`mission mv {name} --after ID` makes a new one"
            back += f"; `mission sync {name}` lets it be in its file alone"
            found.append(Gone("row", name, table, back))
    return found


class _Past(NamedTuple):
    """What git knows of the mission's tasks."""

    is_asked: bool = False
    """Whether there is a repository, and git works with it."""
    rows: frozenset[str] = frozenset()
    """Ids in HEAD's table."""
    files: Mapping[str, str] = {}
    """Task files of HEAD, by id, as they are shown."""
    deleted: Mapping[str, str] = {}
    """Task files that commits deleted."""

    @classmethod
    def of(cls, layout: Layout) -> _Past:
        try:
            top = find_work_tree(layout.project)
            return cls._read(layout, top) if top is not None else cls()
        except MissionError:
            return cls()

    @classmethod
    def _read(cls, layout: Layout, top: Path) -> _Past:
        folder, table = (path_in(path, top) for path in (layout.tasks_dir, layout.tasks_file))
        if folder is None or table is None:
            return cls()
        text = contents_of(top, [f"HEAD:{table}"])[0]
        listed = answer_of(["ls-tree", "-z", "--name-only", f"HEAD:{folder}"], top)
        if text is None and listed is None:
            # Also where the last commit is damaged: `git log` would mend a part of it unasked.
            return cls(is_asked=True)
        try:
            found = parse_table((text or b"").decode("utf-8", "replace"))
            rows = frozenset(row.id for row in found if row.id and not row.why)
        except MissionError:
            rows = frozenset()
        command = ["log", "--no-show-signature", "-M", "--diff-filter=D", "--name-only", "-z"]
        command += [f"--max-count={MOST_COMMITS}", "--format=", "HEAD", "--", folder]
        gone = (answer_of(command, top) or "").split("\0")
        names = [name.strip("\n").rpartition("/")[2] for name in gone]
        files = _by_id(layout, (listed or "").split("\0"))
        return cls(is_asked=True, rows=rows, files=files, deleted=_by_id(layout, names))

    def held(self, name: str, *, is_agreed: bool) -> bool:
        """Tell whether a task was here: in HEAD, or in an earlier commit and on this machine."""
        if name in self.rows or name in self.files:
            return True
        return is_agreed and (name in self.deleted or not self.is_asked)

    def way_back_of_file(self, path: str) -> str:
        if path in self.files.values():
            return f"`git checkout HEAD -- {path}` brings it back"
        log = f"`git log --diff-filter=D -- {path}` names the commit that deleted it"
        return f"{log}, `git checkout COMMIT^ -- {path}` brings it back"

    def way_back_of_table(self, table: str) -> str:
        if self.rows:
            shown = f"`git diff HEAD -- {table}` shows what it was"
            return f"{shown}, `git checkout HEAD -- {table}` brings the table back"
        return f"`git log -p -- {table}` shows what it was" if self.is_asked else "write it again"


def _by_id(layout: Layout, names: Sequence[str]) -> dict[str, str]:
    found = ((ID_OF_NAME.match(name), name) for name in names if name.endswith(".md"))
    return {i[0]: layout.shown(layout.tasks_dir / name) for i, name in found if i}


def path_in(path: Path, top: Path) -> str | None:
    """Return where a file is from the top of a work tree on; None where it is outside."""
    real = os.path.join(os.path.realpath(path.parent), path.name)
    inner = os.path.relpath(real, os.path.realpath(top))
    return None if inner.startswith("..") else inner.replace(os.sep, "/")
