"""A mission as a whole: creating it, checking it, removing what it does not need any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.app.agent_kits import plan_sections, write_kit
from mosaic.app.change import editing, refuse_agent
from mosaic.app.merge_driver import find_driver
from mosaic.errors import MissionError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import MissionStatus
from mosaic.plan.check import Level
from mosaic.records import NamedTuple, replace
from mosaic.sessions.housekeeping import Kind, clean_runs
from mosaic.sessions.inspect import inspect_mission, mend_mission
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.sessions.worktrees import sweep_worktrees, unknown_worktrees
from mosaic.sources import sources_in
from mosaic.store.adding import complete_pairs, find_plan
from mosaic.store.create import lay_mission
from mosaic.store.layout import MISSION_PLACES, layout_of
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.app.change import Actor
    from mosaic.plan.check import Finding
    from mosaic.sessions.housekeeping import Cleaned, Found
    from mosaic.sessions.worktrees import SweptWorktree
    from mosaic.store.create import NewMission
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Problem, Snapshot


class NewlyCreated(NamedTuple):
    """A mission that was just created."""

    mission_file: Path
    tasks_adopted: int
    agents_files: tuple[str, ...]
    """Files that now tell agents how to work here."""
    problems: Sequence[Problem]
    left_out: Sequence[str]
    """Lines of the table that look like tasks and are none, with why."""
    rows_made: int = 0
    """For task files that had none."""
    files_made: int = 0
    """For rows that had none."""
    sources: Sequence[tuple[str, str]] = ()
    """Other tools whose tasks the project holds, each with one of the files."""
    setup_command: str | None = None
    """What has git merge the mission's files by task and field; None where it does."""
    git_command: None = None
    """Nothing is to be set in git any more: no ref of the repository names a checkpoint."""


class CheckReport(NamedTuple):
    """What was found."""

    findings: tuple[Finding, ...]
    mended: tuple[str, ...]
    errors: int
    """How many findings are errors; the others are warnings."""


class CleanedMission(NamedTuple):
    """What was removed, or would be, and what is kept."""

    dry_run: bool
    runs: Cleaned
    worktrees: Sequence[SweptWorktree]
    kept_paths: Sequence[tuple[str, str]]
    """Paths in the folders of runs and worktrees that are kept, with why."""

    @property
    def removed_records(self) -> list[Found]:
        """The run records among what was removed."""
        return [each for each in self.runs.removed if each.kind is Kind.RECORD]

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
                {"run_id": e.path.name, "size_bytes": e.size_bytes, "because": e.kept_because}
                for e in self.runs.kept
                if e.kind is Kind.RECORD
            ],
            "size_bytes": self.size_bytes,
            "removed_paths": [
                *({"path": e.path, "kind": e.kind.name.lower()} for e in self.runs.removed),
                *({"path": e.path, "kind": "temporary"} for e in self.runs.leftovers),
            ],
            "kept_paths": [{"path": path, "because": why} for path, why in self.kept_paths],
            "worktrees": [
                {
                    **{name: getattr(each.workspace, name) for name in ("name", "path", "branch")},
                    "removed": each.kept_because is None,
                    "branch_removed": each.branch_goes,
                    "because": each.kept_because,
                }
                for each in self.worktrees
            ],
        }


def init_mission(
    folder: Path, new: NewMission, *, adopt: bool | None, agents: bool, files: bool = False
) -> NewlyCreated:
    """Create a mission's files in a folder.

    Args:
        folder: the project.
        new: what the mission is.
        adopt: whether a plan that is there is used; None refuses where there is one.
        agents: whether to tell agents how to work here.
        files: whether adopted rows without a file get one.
    """
    if files and not adopt:
        raise UsageError("`--files` is for rows that are adopted", hint="add `--adopt`")
    places = find_plan(folder) if adopt is not False else {}
    if places and adopt is None:
        raise UsageError(
            f"there is a plan already: {', '.join(f'`{place}`' for place in places.values())}",
            hint="`mission init --adopt` uses it where it is, "
            "`mission init --no-adopt` begins an empty one",
        )
    new = replace(new, places=places)
    planned = layout_of(folder.joinpath(*MISSION_PLACES[0]), folder, places)
    sections = plan_sections(planned) if agents else ()  # refused before anything is there
    layout = lay_mission(folder, new, utc_now(), adopt=bool(adopt))
    made = complete_pairs(layout.mission_file, files=files) if adopt else (0, 0)
    write_kit(layout, sections)
    snapshot = read_mission(layout.mission_file)
    return NewlyCreated(
        mission_file=layout.mission_file,
        tasks_adopted=len(snapshot.tasks) if adopt else 0,
        agents_files=tuple(each.path for each in sections),
        problems=snapshot.problems,
        left_out=tuple(
            f"{layout.shown(layout.tasks_file)}:{each.line} {each.why}"
            for each in snapshot.left_out
        ),
        rows_made=made[0],
        files_made=made[1],
        sources=[each for each in sources_in(folder) if each[1] not in _own(layout)],
        setup_command=_setup_command(layout),
    )


def _own(layout: Layout) -> set[str]:
    paths = [layout.tasks_file, *layout.tasks_dir.glob("*.md")]
    return {layout.shown(path) for path in paths}


def _setup_command(layout: Layout) -> str | None:
    try:
        driver = find_driver(layout)
    except MissionError:
        return None  # git refuses the repository, which the first hand-off says
    is_needed = driver is not None and not (driver.is_named and driver.is_registered)
    return "mission setup git" if is_needed else None


class ChangedMission(NamedTuple):
    """A mission that was paused, or goes on."""

    name: str
    status: MissionStatus
    changed: bool
    live: tuple[str, ...]
    """Ids of sessions that go on to their end."""
    notices: tuple[str, ...] = ()


def pause_mission(mission_file: Path, actor: Actor | None = None) -> ChangedMission:
    """Hand nothing off until `unpause_mission`; sessions that live go on to their end.

    Raises UsageError where an agent asks.
    """
    return _set_paused(mission_file, MissionStatus.PAUSED, actor)


def unpause_mission(mission_file: Path, actor: Actor | None = None) -> ChangedMission:
    """Hand off again; without effect where the mission is not paused.

    Raises UsageError where an agent asks.
    """
    return _set_paused(mission_file, MissionStatus.ACTIVE, actor)


def _set_paused(mission_file: Path, status: MissionStatus, actor: Actor | None) -> ChangedMission:
    with editing(mission_file, f"setting the mission {status}") as draft:
        refuse_agent(draft.layout, actor, "pause a mission")
        is_paused = draft.snapshot.document.mission.status is MissionStatus.PAUSED
        if is_paused is not (status is MissionStatus.PAUSED):
            draft.set_mission_status(status)
        changed = draft.save()
        mission = draft.snapshot.document.mission
        live = tuple(found.lock.session_id for found in live_or_unknown(draft.snapshot))
        return ChangedMission(mission.name, mission.status, changed, live, tuple(draft.notices))


def check(mission_file: Path, *, fix: bool = False) -> CheckReport:
    """Look for everything that is wrong, after mending what can be mended if `fix` is set."""
    mended = tuple(mend_mission(mission_file)) if fix else ()
    findings = tuple(inspect_mission(mission_file))
    return CheckReport(findings, mended, sum(each.level is Level.ERROR for each in findings))


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
    return CleanedMission(dry_run, runs, tuple(swept), kept)
