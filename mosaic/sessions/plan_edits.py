"""Edits of the plan by hand while an agent worked: other tasks' files, and the table.

They are allowed, and worth a look: an agent changes its own task, by `mission`. What `mission`
wrote, and what git put there, is not an edit by hand. Whether the agent or a person made it
cannot be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.git.diff import compare_trees
from mosaic.git.git import find_work_tree, run_git
from mosaic.runs.checkpoint import read_checkpoints
from mosaic.runs.events import EventLog, EventType, read_events
from mosaic.runs.snapshots import state_prefix
from mosaic.store.written import GONE, as_written, digest_of
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot
    from mosaic.store.written import Written


def note_plan_edits(run: Run, snapshot: Snapshot, task: Task) -> None:
    """Note in a run's record what of the plan was edited by hand while it went on.

    A worker's worktree has a copy of the plan that does not count, and is set back.
    """
    try:
        edited = [] if workspace_at(run.meta().cwd) else _edited(run, snapshot, task)
    except MissionError:
        return
    if edited:
        shown = ", ".join(f"`{path}`" for path in edited)
        EventLog(run).append(
            EventType.PLAN_EDITED,
            f"edited by hand while it worked: {shown}",
            level="warn",
            data={"paths": edited},
        )


def edits_on_record(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what runs' records say of edits of the plan, in words."""
    return tuple(
        event.message
        for run in runs
        for event in read_events(run).events
        if event.type == EventType.PLAN_EDITED
    )


def _edited(run: Run, snapshot: Snapshot, task: Task) -> list[str]:
    layout = snapshot.layout
    top = find_work_tree(layout.project)
    begin = run.state().begin_tree
    trees = [each.checkpoint.tree for each in read_checkpoints([run]).found]
    end = next((tree for tree in reversed(trees) if tree), None)
    table = state_prefix(layout.tasks_file, top) if top else None
    folder = state_prefix(layout.tasks_dir, top) if top else None
    if top is None or begin is None or end is None or table is None or folder is None:
        return []
    own = state_prefix(layout.project / task.file, top) if task.file else None
    changed = [
        change.path
        for change in compare_trees(top, begin, end, find_renames=False)
        if change.path == table or (change.path.startswith(f"{folder}/") and change.path != own)
    ]
    ours = as_written(layout, [top / path for path in changed])
    base = run.meta().base_commit
    return [
        path for path in changed if _is_by_hand(top, path, ours.get(top / path), (begin, base), end)
    ]


def _is_by_hand(
    top: Path, path: str, written: Written | None, before: Sequence[str | None], end: str
) -> bool:
    """Tell whether a content stood in a file that neither `mission` nor git had put there."""

    def digest(tree: str) -> str:
        answer = run_git(["cat-file", "blob", f"{tree}:{path}"], top, check=False)
        return digest_of(answer.stdout) if answer.exit_code == 0 else GONE

    of_git = {digest(tree) for tree in (*before, "@{upstream}") if tree}
    if written is not None:
        return not of_git.issuperset(written.found)
    return digest(end) not in of_git - {GONE}
