"""Removing old run records, and nothing that anybody may still need.

Kept are the records of live runs, prepared ones, those that cannot be read, and of a task
that is not closed the last agent's run and the one with the last checkpoint.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.git import find_work_tree
from mosaic.machine.lock import hold_folder
from mosaic.machine.snapshot import forget_trees
from mosaic.model import RunStatus
from mosaic.records import dataclass
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.folders import (
    GONE_PREFIX,
    is_session_run,
    runs_in,
    sweep_half_laid_out,
    task_folders,
)
from mosaic.sessions.lost import recover_if_needed
from mosaic.sessions.recover import recover_steps
from mosaic.sessions.session_lock import find_locks
from mosaic.workspaces.record import list_workspaces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOnDisk:
    """One record that was looked at."""

    run: Run
    size_bytes: int
    kept_because: str | None = None
    """None: it is removed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """What was removed, and what is old and was kept all the same."""

    removed: tuple[RunOnDisk, ...]
    kept: tuple[RunOnDisk, ...]


def clean_runs(snapshot: Snapshot, *, older_than_seconds: float, dry_run: bool) -> Cleaned:
    """Remove the records of runs that ended longer ago than that, with their hidden refs.

    Raises:
        FileAccessError: a record cannot be removed.
        GitError: its hidden refs cannot be removed; the record is still there.
    """
    recover_if_needed(snapshot)
    layout = snapshot.layout
    live = {found.lock.run_id for found in find_locks(layout) if not found.is_dead}
    top = find_work_tree(layout.project)
    owners = {workspace.owner for workspace in list_workspaces(layout)}
    removed: list[RunOnDisk] = []
    kept: list[RunOnDisk] = []
    for folder in task_folders(layout.runs_dir):
        _sweep_gone(folder)
        if not dry_run:
            sweep_half_laid_out(folder)
        runs = runs_in(folder)
        recover_steps(runs, snapshot.document.mission)
        needed = _needed(runs, snapshot)
        for run in runs:
            if _age_seconds(run) < older_than_seconds:
                continue
            because = _why_kept(run, live, needed)
            if because is None and folder.name in owners and (folder / "panel.json").exists():
                because = "its panel has worktrees: `mission panel shutdown` ends it"
            found = RunOnDisk(run=run, size_bytes=folder_bytes(run.dir), kept_because=because)
            if because is None and not dry_run:
                found = _remove(found, top)
            (kept if found.kept_because else removed).append(found)
        is_kept = folder.name in owners or _is_recent_panel(folder, older_than_seconds)
        if not dry_run and not is_kept and not runs_in(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return Cleaned(removed=tuple(removed), kept=tuple(kept))


def _is_recent_panel(folder: Path, older_than_seconds: float) -> bool:
    """Tell whether a folder holds the record of a panel that is not old enough to go."""
    try:
        changed = (folder / "state.json").stat().st_mtime
    except OSError:
        return False
    return time.time() - changed < older_than_seconds


def folder_bytes(folder: Path) -> int:
    """Return how much a folder and all in it take."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                continue
    return total


def _why_kept(run: Run, live: set[str], needed: set[str]) -> str | None:
    try:
        status = run.state().status
    except MissionError:
        return "it cannot be read"
    if run.id in live or status is RunStatus.RUNNING:
        return "it is live"
    if status is RunStatus.PREPARED:
        return "it waits to be started"
    return "its task is open, and goes on from it" if run.id in needed else None


def _needed(runs: Sequence[Run], snapshot: Snapshot) -> set[str]:
    """Return the runs that an open task goes on from; of an unknown task all are free."""
    task_id = next((meta.task_id for run in runs if (meta := run.find_meta())), None)
    entry = snapshot.find(task_id) if task_id else None
    if entry is None or entry.task.status.is_closed:
        return set()
    agents = [run.id for run in runs if is_session_run(run)]
    saved = [run.id for run in runs if last_seq(run)]
    return {*agents[-1:], *saved[-1:]}


def _age_seconds(run: Run) -> float:
    try:
        state = run.state()
        ended = state.finished_at or state.updated_at or run.last_sign_of_life()
    except MissionError:
        ended = run.last_sign_of_life()
    return (utc_now() - ended).total_seconds()


def _remove(found: RunOnDisk, top: Path | None) -> RunOnDisk:
    run = found.run
    try:
        with hold_folder(run.dir):
            if top is not None:
                forget_trees(top, run.id)
            # At one stroke, so that a crash leaves no half of a record.
            gone = run.dir.parent / f"{GONE_PREFIX}{run.id}"
            run.dir.rename(gone)
    except HeldError:
        return RunOnDisk(run=run, size_bytes=found.size_bytes, kept_because="it is live")
    shutil.rmtree(gone)
    return found


def _sweep_gone(folder: Path) -> None:
    """Remove what an earlier cleaning had begun to remove."""
    for path in folder.glob(f"{GONE_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
