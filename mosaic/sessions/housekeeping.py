"""Removing old run records and what killed processes left; nothing that is needed or not ours.

Kept are the records of live runs, prepared ones, those that cannot be read, and of a task
that is not closed the last agent's run and the one with the last checkpoint. All that goes is
found first, so that a dry run says what a real one does; no symlink is followed on the way.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import HeldError, MissionError
from mosaic.git.checkpoint_store import forget_trees, has_old, tidy_store
from mosaic.git.git import find_work_tree
from mosaic.machine import removing
from mosaic.machine.disk import find_bytes
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.machine.paths import safe_segment
from mosaic.machine.staging import Leftover, find_leftovers, is_temporary
from mosaic.model import RunStatus
from mosaic.records import NamedTuple, dataclass
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.folders import (
    BEGUN_NAME,
    GONE_NAME,
    GONE_PREFIX,
    RUN_NAME,
    is_half_laid_out,
    is_session_run,
    runs_in,
    task_folders,
)
from mosaic.runs.record import Run
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import find_locks
from mosaic.sessions.recovery import recover_steps
from mosaic.workspaces.record import list_workspaces

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


class Found(NamedTuple):
    """One thing that is old enough to go, or that is not known at all."""

    path: Path
    kind: Kind
    size_bytes: int = 0
    kept_because: str | None = None
    """None: it goes."""


class Cleaned(NamedTuple):
    """What was removed, and what is old or unknown and was kept all the same."""

    removed: tuple[Found, ...]
    kept: tuple[Found, ...]
    leftovers: tuple[Leftover, ...] = ()
    """Temporary files of killed processes that were removed."""


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


def clean_runs(
    snapshot: Snapshot,
    *,
    older_than_seconds: float,
    dry_run: bool,
    gone_worktrees: Collection[str] = (),
) -> Cleaned:
    """Remove what is ours and old in the folder of runs, records with their hidden refs.

    The worktrees of `gone_worktrees` were removed just now, or in a dry run would have been.
    """
    recover_if_needed(snapshot)
    layout = snapshot.layout
    look = _Look(
        snapshot=snapshot,
        older_than_seconds=older_than_seconds,
        live={found.lock.run_id for found in find_locks(layout) if not found.is_dead},
        owners={each.owner for each in list_workspaces(layout) if each.name not in gone_worktrees},
    )
    link = link_to_state(layout, layout.runs_dir)
    if link is not None:
        found = [_unknown(link, "it is a symlink, and what it leads to is not ours")]
    else:
        found = [f for entry in _entries(layout.runs_dir) for f in _survey_entry(entry, look)]
    if not dry_run:
        top = find_work_tree(layout.project)
        found = [each if each.kept_because else _remove(each, layout, top) for each in found]
        is_less = any(each.kind is Kind.RECORD and each.kept_because is None for each in found)
        if top is not None and (is_less or has_old(top)):
            tidy_store(top)
    removed = tuple(each for each in found if each.kept_because is None)
    kept = tuple(each for each in found if each.kept_because is not None)
    left = find_all_leftovers(layout)
    left = [each for each in left if not any(each.path.is_relative_to(r.path) for r in removed)]
    leftovers = tuple(left if dry_run else remove_leftovers(left))
    return Cleaned(removed, kept, leftovers)


def checkpoint_bytes(runs_dir: Path) -> int:
    """Return how much the checkpoints in all run records take, patches and logs."""
    runs = (run for folder in task_folders(runs_dir) for run in runs_in(folder))
    return sum(folder_bytes(run.checkpoints) for run in runs)


def folder_bytes(folder: Path) -> int:
    """Return how much a folder and all in it take."""
    return sum(each.st_size for each in _stats_in(folder))


def find_all_leftovers(layout: Layout) -> list[Leftover]:
    """Return the temporary files that killed processes left in a mission's folders."""
    own = [layout.state_dir, layout.session_locks_dir, layout.worktrees_dir, layout.runs_dir]
    if link_to_state(layout, layout.runs_dir) is None:
        for folder in task_folders(layout.runs_dir):
            runs = runs_in(folder)
            own += [folder, *(p for r in runs for p in (r.dir, r.checkpoints, r.artifacts))]
    files = (layout.mission_file, layout.tasks_file, layout.scratchpad_file, layout.manifest_file)
    shared = {layout.tasks_dir, *(path.parent for path in files)} - set(own)
    has_intent = os.path.lexists(layout.intent_file)
    found = []
    for folder in (*own, *sorted(shared)):
        if link_to_state(layout, folder) is None:
            found += find_leftovers(folder, is_own=folder not in shared, has_intent=has_intent)
    return found


def remove_leftovers(left: Collection[Leftover]) -> list[Leftover]:
    """Remove temporary files, and return those that could be removed."""
    removed = []
    for each in left:
        with contextlib.suppress(MissionError):
            removing.remove_file(each.path.parent, each.path)
            removed.append(each)
    return removed


def link_to_state(layout: Layout, folder: Path) -> Path | None:
    """Return the symlink on the way to a folder; itself where it is elsewhere; None: no link."""
    outside = [place.parent for place in layout.outside.values()]
    for root in (layout.project, layout.state_dir.parent, *outside):
        if folder.is_relative_to(root) and ".." not in folder.relative_to(root).parts:
            return removing.find_symlink(root, folder)
    return folder


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    return []


def _survey_entry(entry: os.DirEntry[str], look: _Look) -> list[Found]:
    folder = look.snapshot.layout.runs_dir / entry.name
    if not entry.is_dir(follow_symlinks=False):
        return [] if is_temporary(entry.name) else [_unknown(folder, "not a folder of runs")]
    runs = runs_in(folder)
    recover_steps(runs, look.snapshot.document.mission)
    needed = _needed(runs, look.snapshot)
    files = _panel_files(folder)
    others = [each for each in _entries(folder) if folder / each.name not in files]
    surveyed = [_survey_inner(folder / each.name, each, look, needed) for each in others]
    found = [each for each in surveyed if each is not None]
    if sum(each.kept_because is None for each in found) == len(others):
        if files:
            found += _survey_panel(folder, files, look)
        elif found or look.is_old(entry.stat().st_mtime):
            found.append(Found(folder, Kind.FOLDER))
    return found


def _survey_inner(
    place: Path, entry: os.DirEntry[str], look: _Look, needed: Collection[str]
) -> Found | None:
    """Return what is to be said of something in a folder of runs; None where it stays."""
    if not entry.is_dir(follow_symlinks=False):
        return None if is_temporary(entry.name) else _unknown(place)
    try:
        return _survey_run(Run(dir=place), look, needed)
    except (MissionError, OSError) as error:
        return _unknown(place, f"it cannot be looked at: {error}")


def _survey_run(run: Run, look: _Look, needed: Collection[str]) -> Found | None:
    place, because = run.dir, None
    kind = Kind.RECORD
    if GONE_NAME.fullmatch(run.id) or BEGUN_NAME.fullmatch(run.id):
        kind = Kind.REST
    elif is_half_laid_out(run):
        kind = Kind.HALF_MADE
    elif (problem := _why_not_ours(run)) is not None:
        is_being_made = RUN_NAME.fullmatch(run.id) and is_folder_held(place)
        return _unknown(place, "it is live" if is_being_made else f"not a run record: {problem}")
    if kind is not Kind.RECORD:
        if not look.is_old(_last_change(place)):
            return None
        because = "it is live" if is_folder_held(place) else None
    elif not look.is_old(_ended_at(run)):
        return None
    else:
        because = _why_kept(run, look.live, needed)
        panel = place.parent
        if because is None and panel.name in look.owners and (panel / "panel.json").exists():
            because = f"its panel has worktrees: `mission panel shutdown {panel.name}` ends it"
    return Found(place, kind, folder_bytes(place), because)


def _survey_panel(folder: Path, files: Sequence[Path], look: _Look) -> list[Found]:
    """Look at the record of a panel that keeps no run."""
    stats = [os.lstat(path) for path in files if os.path.lexists(path)]
    last_change = max((each.st_mtime for each in stats), default=0.0)
    if folder.name in look.owners or not look.is_old(last_change):
        return []
    if (problem := _why_no_panel(folder / "panel.json")) is not None:
        return [_unknown(folder, f"not a panel's record: {problem}")]
    return [Found(folder, Kind.PANEL, sum(each.st_size for each in stats))]


def _panel_files(folder: Path) -> list[Path]:
    if not PANEL_NAME.fullmatch(folder.name):
        return []
    return [
        folder / entry.name
        for entry in _entries(folder)
        if _PANEL_FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
    ]


def _why_no_panel(path: Path) -> str | None:
    """Say why this starts no panel's record; one that was not made to its end has none."""
    if not path.exists():
        return None
    try:
        version = parse_json(find_bytes(path) or b"")["layout_version"]
    except (MissionError, ValueError, KeyError, TypeError):
        return "`panel.json` cannot be read"
    return None if version == PANEL_LAYOUT else "`panel.json` is of another layout"


def _why_not_ours(run: Run) -> str | None:
    if not RUN_NAME.fullmatch(run.id):
        return "it has another name"
    for name in ("meta.json", "state.json"):
        path = run.dir / name
        if not os.path.lexists(path):
            return f"it has no `{name}`"
        if path.is_symlink() or not path.is_file():
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
    return Found(path, Kind.UNKNOWN, kept_because=why)


def _why_kept(run: Run, live: Collection[str], needed: Collection[str]) -> str | None:
    state = run.find_state()
    if state is None:
        return "it cannot be read"
    if run.id in live or state.status is RunStatus.RUNNING or is_folder_held(run.dir):
        return "it is live"
    if state.status is RunStatus.PREPARED:
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


def _ended_at(run: Run) -> float:
    """Return when a run ended, or changed last, in seconds since the epoch."""
    state = run.find_state()
    if state is None:
        return _last_change(run.dir)
    return (state.finished_at or state.updated_at or run.last_sign_of_life()).timestamp()


def _last_change(folder: Path) -> float:
    """Return when a folder, or a file in it, was changed last."""
    return max(each.st_mtime for each in (os.lstat(folder), *_stats_in(folder)))


def _stats_in(folder: Path) -> Iterator[os.stat_result]:
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(path, name))


def _remove(found: Found, layout: Layout, top: Path | None) -> Found:
    root, path = layout.runs_dir.parent, found.path
    try:
        if found.kind in (Kind.FOLDER, Kind.PANEL):
            for file in _panel_files(path):
                removing.remove_file(root, file)
            if not removing.remove_empty_folder(root, path):
                return found._replace(kept_because="it is not empty any more")
            return found
        with hold_folder(path):
            if found.kind is Kind.RECORD:
                if top is not None:
                    forget_trees(top, path.name)
                # At one stroke, so that a crash leaves no half of a record.
                path = removing.rename_folder(root, path, f"{GONE_PREFIX}{path.name}")
            removing.remove_folder(root, path)
    except HeldError:
        return found._replace(kept_because="it is live")
    except MissionError as error:
        words = ": ".join(filter(None, (error.message, error.detail)))
        return found._replace(kept_because=words)
    return found
