"""Removing old run records and finished worktrees, and nothing that is still needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.records import dataclass
from mosaic.sessions.housekeeping import Kind, clean_runs
from mosaic.sessions.worktrees import sweep_worktrees, unknown_worktrees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.sessions.housekeeping import Cleaned, Found
    from mosaic.sessions.worktrees import SweptWorktree
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanedMission:
    """What was removed, or would be, and what is kept."""

    dry_run: bool
    runs: Cleaned
    worktrees: tuple[SweptWorktree, ...]
    kept_paths: tuple[tuple[str, str], ...]
    """Paths in the folders of runs and worktrees that are kept, with why."""

    @property
    def removed_records(self) -> list[Found]:
        """The run records among what was removed."""
        return _records(self.runs.removed)

    @property
    def size_bytes(self) -> int:
        """What they took."""
        return sum(each.size_bytes for each in self.removed_records)

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "dry_run": self.dry_run,
            "removed": [
                {"run_id": each.path.name, "dir": each.path, "size_bytes": each.size_bytes}
                for each in self.removed_records
            ],
            "kept": [
                {
                    "run_id": each.path.name,
                    "size_bytes": each.size_bytes,
                    "because": each.kept_because,
                }
                for each in _records(self.runs.kept)
            ],
            "size_bytes": self.size_bytes,
            "removed_paths": [
                *({"path": e.path, "kind": e.kind.name.lower()} for e in self.runs.removed),
                *({"path": e.path, "kind": "temporary"} for e in self.runs.leftovers),
            ],
            "kept_paths": [{"path": path, "because": why} for path, why in self.kept_paths],
            "worktrees": [
                {
                    "name": each.workspace.name,
                    "path": each.workspace.path,
                    "branch": each.workspace.branch,
                    "removed": each.kept_because is None,
                    "branch_removed": each.branch_goes,
                    "because": each.kept_because,
                }
                for each in self.worktrees
            ],
        }


def clean_mission(
    snapshot: Snapshot, *, older_than_seconds: float, dry_run: bool
) -> CleanedMission:
    """Remove records of runs that ended long ago, and worktrees that are done with."""
    swept = sweep_worktrees(snapshot, dry_run=dry_run)
    gone = {each.workspace.name for each in swept if each.kept_because is None}
    runs = clean_runs(
        snapshot, older_than_seconds=older_than_seconds, dry_run=dry_run, gone_worktrees=gone
    )
    shown = snapshot.layout.shown
    kept = [(shown(each.path), each.kept_because or "") for each in runs.kept]
    unknown = unknown_worktrees(snapshot)
    kept += [(shown(path), "not a worktree of this mission") for path in unknown]
    return CleanedMission(
        dry_run=dry_run, runs=runs, worktrees=tuple(swept), kept_paths=tuple(kept)
    )


def _records(found: Sequence[Found]) -> list[Found]:
    return [each for each in found if each.kind is Kind.RECORD]
