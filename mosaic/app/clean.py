"""Removing old run records and finished worktrees, and nothing that is still needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.records import dataclass
from mosaic.sessions.housekeeping import Kind, clean_runs
from mosaic.sessions.worktrees import sweep_worktrees, unknown_worktrees

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.sessions.housekeeping import Found
    from mosaic.store.tasks import Snapshot

UNKNOWN = "not a worktree of this mission"
WORDS = {
    **{kind.name.lower(): kind.value for kind in Kind},
    "temporary": "temporary file of a killed process",
}
"""What `CleanedPath.kind` says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OldRecord:
    """A run record that is old enough to go."""

    run_id: str
    dir: Path
    size_bytes: int
    because: str | None = None
    """Why it is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanedPath:
    """A path that was removed or kept: what it is, or why it is kept."""

    path: str
    kind: str = ""
    because: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OldWorktree:
    """A worktree that was looked at for removal."""

    name: str
    path: Path
    branch: str | None
    removed: bool
    branch_removed: bool
    because: str | None
    """Why it is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanedMission:
    """What was removed, and what is kept."""

    dry_run: bool
    removed: tuple[OldRecord, ...]
    kept: tuple[OldRecord, ...]
    size_bytes: int
    removed_paths: tuple[CleanedPath, ...]
    """Everything that was removed, records among it."""
    kept_paths: tuple[CleanedPath, ...]
    worktrees: tuple[OldWorktree, ...]


def clean_mission(
    snapshot: Snapshot, *, older_than_seconds: float, dry_run: bool
) -> CleanedMission:
    """Remove records of runs that ended long ago, and worktrees that are done with."""
    swept = sweep_worktrees(snapshot, dry_run=dry_run)
    gone = {each.workspace.name for each in swept if each.kept_because is None}
    cleaned = clean_runs(
        snapshot, older_than_seconds=older_than_seconds, dry_run=dry_run, gone_worktrees=gone
    )
    shown = snapshot.layout.shown
    removed = _records(cleaned.removed)
    return CleanedMission(
        dry_run=dry_run,
        removed=removed,
        kept=_records(cleaned.kept),
        size_bytes=sum(each.size_bytes for each in removed),
        removed_paths=(
            *(CleanedPath(path=str(e.path), kind=e.kind.name.lower()) for e in cleaned.removed),
            *(CleanedPath(path=str(e.path), kind="temporary") for e in cleaned.leftovers),
        ),
        kept_paths=(
            *(CleanedPath(path=shown(e.path), because=e.kept_because or "") for e in cleaned.kept),
            *(
                CleanedPath(path=shown(path), because=UNKNOWN)
                for path in unknown_worktrees(snapshot)
            ),
        ),
        worktrees=tuple(
            OldWorktree(
                name=each.workspace.name,
                path=each.workspace.path,
                branch=each.workspace.branch,
                removed=each.kept_because is None,
                branch_removed=each.branch_goes,
                because=each.kept_because,
            )
            for each in swept
        ),
    )


def _records(found: tuple[Found, ...]) -> tuple[OldRecord, ...]:
    return tuple(
        OldRecord(
            run_id=each.path.name,
            dir=each.path,
            size_bytes=each.size_bytes,
            because=each.kept_because,
        )
        for each in found
        if each.kind is Kind.RECORD
    )
