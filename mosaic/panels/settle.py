"""What a worker did to its worktree, once its run has ended: committed, or dropped.

A worker that may write finds its work committed on its branch, under a plain identity where
it did not commit itself. One that was to look only finds its worktree as it was given; what
it changed all the same is named, and stays in the run's last checkpoint.

    settled.json    {"commit": "…", "dropped": ["…"], "set_back": ["…"], "problem": null}
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitError, MissionError
from mosaic.git.diff import compare_trees
from mosaic.git.git import head_commit, run_git
from mosaic.git.snapshot import take_tree
from mosaic.machine.disk import find_bytes
from mosaic.machine.json_data import parse_json
from mosaic.panels.record import Panel
from mosaic.records import dataclass
from mosaic.runs.checked import checked
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.commit import commit_rest, set_own_files_back
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from mosaic.runs.record import Run, RunMeta
    from mosaic.workspaces.record import Workspace

SETTLED_NAME = "settled.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SettledTree:
    """What became of a worker's changes."""

    commit: str | None = None
    dropped: tuple[str, ...] = ()
    set_back: tuple[str, ...] = ()
    """The mission's own files, which are not a worker's to change."""
    problem: str | None = None


def settle_tree(run: Run) -> SettledTree:
    """Commit or drop what a worker changed; what was settled once stays so.

    A fault of git's is put on record, and keeps no end from being recorded.
    """
    known = find_settled(run)
    if known is not None:
        return known
    meta = run.meta()
    try:
        workspace = workspace_at(meta.cwd, load_mission(Path(meta.mission_file)).layout)
        if workspace is None or not workspace.is_there:
            raise GitError("its worktree is gone")
        plan = Panel(dir=run.dir.parent).plan()
        settled = _keep(meta, workspace) if plan.is_writable else _drop(workspace)
    except MissionError as error:
        words = "; ".join(filter(None, (error.message, error.detail)))
        settled = SettledTree(problem=words)
    values: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name in settled.__dataclass_fields__
        for value in (getattr(settled, name),)
    }
    run.write_json(SETTLED_NAME, values)
    return settled


def find_settled(run: Run) -> SettledTree | None:
    """Return what became of a worker's changes; None where that is not on record."""
    try:
        values = parse_json(find_bytes(run.dir / SETTLED_NAME) or b"null")
        if values is None:
            return None
        settled = SettledTree(
            commit=values["commit"],
            dropped=tuple(values["dropped"]),
            set_back=tuple(values["set_back"]),
            problem=values["problem"],
        )
        return checked(settled, texts=("dropped", "set_back", "problem"))
    except (MissionError, ValueError, KeyError, TypeError):
        return None


def _keep(meta: RunMeta, workspace: Workspace) -> SettledTree:
    layout = load_mission(Path(meta.mission_file)).layout
    back = set_own_files_back(workspace, own_prefixes(layout, workspace.home))
    message = f"{meta.task_id}: work of {meta.step_id}\n\nMission-Run: {meta.run_id}\n"
    commit_rest(workspace, message)
    return SettledTree(commit=head_commit(workspace.path), set_back=tuple(back))


def _drop(workspace: Workspace) -> SettledTree:
    top = workspace.path
    now = take_tree(top, scratch=top.parent).tree
    changes = compare_trees(top, workspace.base_commit, now, find_renames=False)
    run_git(["checkout", "--quiet", "--force", "--detach", workspace.base_commit], top)
    run_git(["clean", "-fdq"], top)
    return SettledTree(dropped=tuple(change.path for change in changes))
