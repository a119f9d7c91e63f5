"""Removing old run records and what killed processes left, and nothing that is needed or not ours.

Kept are the records of live runs, prepared ones, those that cannot be read, and of a task
that is not closed the last agent's run and the one with the last checkpoint. What is removed
is found by `mosaic.sessions.survey` first; no symlink is followed on the way to it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError
from mosaic.git.git import find_work_tree
from mosaic.git.hidden_refs import forget_trees
from mosaic.machine.leftovers import Leftover, find_leftovers
from mosaic.machine.lock import hold_folder
from mosaic.machine.removing import (
    remove_empty_folder,
    remove_file,
    remove_folder,
    rename_folder,
)
from mosaic.records import dataclass, replace
from mosaic.runs.folders import GONE_PREFIX, runs_in, task_folders
from mosaic.sessions.liveness import recover_if_needed
from mosaic.sessions.survey import (
    Found,
    Kind,
    folder_bytes,
    link_to_state,
    panel_files,
    survey_runs,
)
from mosaic.workspaces.record import list_workspaces

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

__all__ = ["Cleaned", "checkpoint_bytes", "clean_runs", "folder_bytes", "sweep_leftovers"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """What was removed, and what is old or unknown and was kept all the same."""

    removed: tuple[Found, ...]
    kept: tuple[Found, ...]
    leftovers: tuple[Leftover, ...] = ()
    """Temporary files of killed processes that were removed."""


def clean_runs(
    snapshot: Snapshot,
    *,
    older_than_seconds: float,
    dry_run: bool,
    gone_worktrees: Collection[str] = (),
) -> Cleaned:
    """Remove what is ours and old in the folder of runs, records with their hidden refs.

    Args:
        snapshot: the mission.
        older_than_seconds: how long ago a run must have ended.
        dry_run: only say what would be removed.
        gone_worktrees: names of the worktrees that were removed, or would have been.
    """
    recover_if_needed(snapshot)
    layout = snapshot.layout
    owners = {each.owner for each in list_workspaces(layout) if each.name not in gone_worktrees}
    found = survey_runs(snapshot, older_than_seconds=older_than_seconds, owners=owners)
    if not dry_run:
        top = find_work_tree(layout.project)
        found = [each if each.kept_because else _remove(each, layout, top) for each in found]
    gone = [each.path for each in found if each.kept_because is None]
    left = [each for each in find_all_leftovers(layout) if not _is_in(each.path, gone)]
    return Cleaned(
        removed=tuple(each for each in found if each.kept_because is None),
        kept=tuple(each for each in found if each.kept_because is not None),
        leftovers=tuple(left if dry_run else _remove_leftovers(left)),
    )


def checkpoint_bytes(runs_dir: Path) -> int:
    """Return how much the checkpoints in all run records take, patches and logs."""
    runs = (run for folder in task_folders(runs_dir) for run in runs_in(folder))
    return sum(folder_bytes(run.checkpoints) for run in runs)


def find_all_leftovers(layout: Layout) -> list[Leftover]:
    """Return the temporary files that killed processes left in a mission's folders."""
    has_intent = os.path.lexists(layout.intent_file)
    state = [layout.state_dir, layout.session_locks_dir, layout.worktrees_dir, layout.runs_dir]
    if link_to_state(layout, layout.runs_dir) is None:
        for folder in task_folders(layout.runs_dir):
            runs = runs_in(folder)
            state += [folder, *(p for r in runs for p in (r.dir, r.checkpoints, r.artifacts))]
    files = (layout.mission_file, layout.tasks_file, layout.scratchpad_file, layout.manifest_file)
    shared = {layout.tasks_dir, *(path.parent for path in files)} - set(state)
    found = []
    for folder in (*state, *sorted(shared)):
        if link_to_state(layout, folder) is None:
            is_own = folder not in shared
            found += find_leftovers(folder, is_own=is_own, has_intent=has_intent)
    return found


def sweep_leftovers(layout: Layout) -> list[Leftover]:
    """Remove the temporary files that killed processes left, and return them."""
    return _remove_leftovers(find_all_leftovers(layout))


def _remove_leftovers(left: Collection[Leftover]) -> list[Leftover]:
    removed = []
    for each in left:
        try:
            remove_file(each.path.parent, each.path)
        except MissionError:
            continue
        removed.append(each)
    return removed


def _remove(found: Found, layout: Layout, top: Path | None) -> Found:
    root, path = layout.state_dir, found.path
    try:
        if found.kind is Kind.FOLDER:
            is_gone = remove_empty_folder(root, path)
            return found if is_gone else replace(found, kept_because="it is not empty any more")
        if found.kind is Kind.PANEL:
            for file in panel_files(path):
                remove_file(root, file)
            is_gone = remove_empty_folder(root, path)
            return found if is_gone else replace(found, kept_because="it is not empty any more")
        if found.kind is not Kind.RECORD:
            with hold_folder(path):
                remove_folder(root, path)
            return found
        with hold_folder(path):
            if top is not None:
                forget_trees(top, found.run.id)
            # At one stroke, so that a crash leaves no half of a record.
            gone = rename_folder(root, path, f"{GONE_PREFIX}{found.run.id}")
        remove_folder(root, gone)
    except HeldError:
        return replace(found, kept_because="it is live")
    except MissionError as error:
        words = ": ".join(filter(None, (error.message, error.detail)))
        return replace(found, kept_because=words)
    return found


def _is_in(path: Path, folders: Collection[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
