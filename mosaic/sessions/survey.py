"""What stands in the folder of runs: which of it is ours and old, and why the rest is kept.

Looks only. `mosaic.sessions.housekeeping` removes what is found here, and nothing else, so
that a dry run tells what a real one does.
"""

from __future__ import annotations

import os
import re
import stat
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import find_bytes
from mosaic.machine.lock import is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.machine.removing import find_symlink
from mosaic.machine.staging import is_temporary
from mosaic.model import RunStatus
from mosaic.records import dataclass
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.folders import (
    BEGUN_NAME,
    GONE_NAME,
    RUN_NAME,
    is_half_laid_out,
    is_session_run,
    runs_in,
)
from mosaic.runs.record import Run
from mosaic.sessions.recovery import recover_steps
from mosaic.sessions.session_lock import find_locks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

PANEL_NAME = re.compile(r"panel-\d{3,}")
PANEL_LAYOUT = 1
_PANEL_FILE = re.compile(
    r"panel\.json|state\.json|events\.jsonl|question\.md|mailbox-[^/]+\.jsonl|panel\.lock(\.holder)?"
)


class Kind(StrEnum):
    """What was found in the folder of runs."""

    RECORD = "run record"
    HALF_MADE = "run record that was not made to its end"
    REST = "rest of an interrupted removal"
    PANEL = "panel record"
    FOLDER = "empty folder"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One thing that is old enough to go, or that is not known at all."""

    path: Path
    kind: Kind
    size_bytes: int = 0
    kept_because: str | None = None
    """None: it goes."""

    @property
    def run(self) -> Run:
        """The run whose record it is."""
        return Run(dir=self.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What the decisions about one folder need."""

    snapshot: Snapshot
    older_than_seconds: float
    live: Collection[str]
    owners: Collection[str]
    """Tasks and panels that have worktrees."""

    def is_old(self, moment: float) -> bool:
        return time.time() - moment >= self.older_than_seconds


def survey_runs(
    snapshot: Snapshot, *, older_than_seconds: float, owners: Collection[str]
) -> list[Found]:
    """Return what is old in the folder of runs, and what is not known there.

    Args:
        snapshot: the mission.
        older_than_seconds: how long ago a run must have ended, or anything else must have
            been changed last.
        owners: the tasks and panels that have worktrees.
    """
    layout = snapshot.layout
    link = link_to_state(layout, layout.runs_dir)
    if link is not None:
        why = "it is a symlink, and what it leads to is not ours"
        return [Found(path=link, kind=Kind.UNKNOWN, kept_because=why)]
    look = _Look(
        snapshot=snapshot,
        older_than_seconds=older_than_seconds,
        live={found.lock.run_id for found in find_locks(layout) if not found.is_dead},
        owners=owners,
    )
    return [each for entry in _entries(layout.runs_dir) for each in _survey_entry(entry, look)]


def link_to_state(layout: Layout, folder: Path) -> Path | None:
    """Return the symlink on the way to a folder of the mission; the folder where it is elsewhere.

    None: it is reached by folders alone.
    """
    root = next(
        (r for r in (layout.project, layout.state_dir.parent) if _is_below(folder, r)), None
    )
    return folder if root is None else find_symlink(root, folder)


def _is_below(folder: Path, root: Path) -> bool:
    return folder.is_relative_to(root) and ".." not in folder.relative_to(root).parts


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


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _survey_entry(entry: os.DirEntry[str], look: _Look) -> Iterator[Found]:
    folder = look.snapshot.layout.runs_dir / entry.name
    if not entry.is_dir(follow_symlinks=False):
        if not is_temporary(entry.name):
            yield _unknown(folder, "not a folder of runs")
        return
    runs = runs_in(folder)
    recover_steps(runs, look.snapshot.document.mission)
    needed = _needed(runs, look.snapshot)
    has_panel = (folder / "panel.json").exists()
    found: list[Found] = []
    panel_files, others = [], 0
    for inner in _entries(folder):
        place = folder / inner.name
        if _is_panel_file(inner, folder.name):
            panel_files.append(place)
            continue
        others += 1
        if inner.is_dir(follow_symlinks=False):
            try:
                each = _survey_run(place, look, needed, has_panel=has_panel)
            except (MissionError, OSError) as error:
                each = _unknown(place, f"it cannot be looked at: {error}")
        else:
            each = None if is_temporary(inner.name) else _unknown(place)
        found += [each] if each is not None else []
    yield from found
    going = sum(each.kept_because is None for each in found)
    if panel_files and going == others:
        yield from _survey_panel(folder, panel_files, look)
    elif not panel_files and going == others and (going or look.is_old(entry.stat().st_mtime)):
        yield Found(path=folder, kind=Kind.FOLDER)


def _survey_run(
    place: Path, look: _Look, needed: Collection[str], *, has_panel: bool
) -> Found | None:
    """Return what is to be said of a folder; None where it is ours, and too young."""
    run = Run(dir=place)
    kind = Kind.RECORD
    if GONE_NAME.fullmatch(place.name) or BEGUN_NAME.fullmatch(place.name):
        kind = Kind.REST
    elif is_half_laid_out(run):
        kind = Kind.HALF_MADE
    elif (problem := _why_not_ours(run)) is not None:
        is_being_made = RUN_NAME.fullmatch(place.name) and is_folder_held(place)
        return _unknown(place, "it is live" if is_being_made else f"not a run record: {problem}")
    if kind is Kind.RECORD:
        if _age_seconds(run) < look.older_than_seconds:
            return None
        because = _why_kept(run, look.live, needed)
        if because is None and place.parent.name in look.owners and has_panel:
            because = "its panel has worktrees: `mission panel shutdown` ends it"
    else:
        if not look.is_old(_last_change(place)):
            return None
        because = "it is live" if is_folder_held(place) else None
    return Found(path=place, kind=kind, size_bytes=folder_bytes(place), kept_because=because)


def _survey_panel(folder: Path, files: Sequence[Path], look: _Look) -> Iterator[Found]:
    """Look at the record of a panel that keeps no run."""
    moments = [os.lstat(path).st_mtime for path in files if os.path.lexists(path)]
    if folder.name in look.owners or not look.is_old(max(moments, default=0.0)):
        return
    problem = _why_no_panel(folder)
    if problem is not None:
        yield _unknown(folder, f"not a panel's record: {problem}")
        return
    size = sum(os.lstat(path).st_size for path in files if os.path.lexists(path))
    yield Found(path=folder, kind=Kind.PANEL, size_bytes=size)


def panel_files(folder: Path) -> list[Path]:
    """Return the files of a panel's own record."""
    return [folder / e.name for e in _entries(folder) if _is_panel_file(e, folder.name)]


def _is_panel_file(entry: os.DirEntry[str], folder: str) -> bool:
    is_named = PANEL_NAME.fullmatch(folder) and _PANEL_FILE.fullmatch(entry.name)
    return bool(is_named) and entry.is_file(follow_symlinks=False)


def _why_no_panel(folder: Path) -> str | None:
    """Say why a folder holds no panel's record; one that was not made to its end is one."""
    path = folder / "panel.json"
    if not path.exists():
        return None
    try:
        version = parse_json(find_bytes(path) or b"")["layout_version"]
    except (MissionError, ValueError, KeyError, TypeError, RecursionError):
        return "`panel.json` cannot be read"
    return None if version == PANEL_LAYOUT else "`panel.json` is of another layout"


def _why_not_ours(run: Run) -> str | None:
    """Say why a folder is not the record of a run of ours; None where it is."""
    if not RUN_NAME.fullmatch(run.id):
        return "it has another name"
    for name in ("meta.json", "state.json"):
        try:
            mode = os.lstat(run.dir / name).st_mode
        except OSError:
            return f"it has no `{name}`"
        if not stat.S_ISREG(mode):
            return f"`{name}` is not a file"
    try:
        meta = run.meta()
    except MissionError as error:
        return error.message
    folders = (safe_segment(meta.task_id), meta.task_id)
    if meta.run_id != run.id or run.dir.parent.name not in folders:
        return f"it is a copy of `{meta.run_id}` of `{meta.task_id}`"
    return None


def _unknown(path: Path, why: str = "not a run record") -> Found:
    return Found(path=path, kind=Kind.UNKNOWN, kept_because=why)


def _why_kept(run: Run, live: Collection[str], needed: Collection[str]) -> str | None:
    try:
        status = run.state().status
    except MissionError:
        return "it cannot be read"
    if run.id in live or status is RunStatus.RUNNING or is_folder_held(run.dir):
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
        ended = datetime.fromtimestamp(_last_change(run.dir), UTC)
    return (utc_now() - ended).total_seconds()


def _last_change(folder: Path) -> float:
    """Return when a folder, or a file in it, was changed last, in seconds since the epoch."""
    moments = [os.lstat(folder).st_mtime]
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                moments.append(os.lstat(os.path.join(path, name)).st_mtime)
            except OSError:
                continue
    return max(moments)
