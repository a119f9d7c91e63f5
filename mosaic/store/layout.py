"""Where a mission's files are: found from a folder upwards, in either layout.

    PROJECT/coordination/mission.json            today's layout
    PROJECT/.mosaic/orchestrator/mission.json    the older one

The keys `tasksFile`, `tasksDir`, `manifestFile`, `scratchpadFile` and `orchestratorDir`
of mission.json may move the rest; relative ones are relative to `projectPath`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import MissionNotFoundError, UsageError
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSION_PLACES = (
    ("coordination", "mission.json"),
    (".mosaic", "orchestrator", "mission.json"),
)
"""Where mission.json may be below a project, the first that is there wins."""

STATE = ".state"
"""The folder of this machine's own state, beside mission.json unless a setting moves it."""
WORKTREES = "worktrees"
"""The folder of workers' worktrees; beside each stands what is known of it."""

DEFAULT_PATHS = {
    "tasksFile": "coordination/TASKS.md",
    "tasksDir": "coordination/tasks",
    "manifestFile": "coordination/MISSION.md",
    "scratchpadFile": "coordination/SCRATCHPAD.md",
    "orchestratorDir": f"coordination/{STATE}",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The absolute paths of one mission."""

    project: Path
    """The folder that paths in task files and prompts are relative to."""
    mission_file: Path
    tasks_file: Path
    tasks_dir: Path
    manifest_file: Path
    scratchpad_file: Path
    state_dir: Path

    @property
    def mission_lock(self) -> Path:
        """Lock file around every change of the mission's files."""
        return self.state_dir / "mission.lock"

    @property
    def session_lock(self) -> Path:
        """Who works in the main work tree now."""
        return self.state_dir / "session.lock"

    @property
    def session_locks_dir(self) -> Path:
        """One lock for each live session in a work tree of its own."""
        return self.state_dir / "sessions"

    @property
    def capsule_file(self) -> Path:
        """The capsule of the last hand-off."""
        return self.state_dir / "next-task.json"

    @property
    def index_file(self) -> Path:
        """Derived cache of parsed files; deleting it loses nothing."""
        return self.state_dir / "index"

    @property
    def sync_file(self) -> Path:
        """What table and task files last agreed on."""
        return self.state_dir / "sync.json"

    @property
    def intent_file(self) -> Path:
        """Note of a change of several files that has begun."""
        return self.state_dir / "intent.json"

    @property
    def runs_dir(self) -> Path:
        """Durable run records."""
        return self.state_dir / "runs"

    @property
    def worktrees_dir(self) -> Path:
        """Work trees of parallel workers, and beside each what is known of it."""
        return self.state_dir / WORKTREES

    @property
    def templates_dir(self) -> Path:
        """The project's own overrides of the templates."""
        return self.project / "templates"

    def shown(self, path: Path) -> str:
        """Return a path as people read it: relative to the project where it lies inside."""
        try:
            return path.relative_to(self.project).as_posix()
        except ValueError:
            return str(path)


def default_layout(project: Path) -> Layout:
    """Return the layout of a mission that is laid newly into a folder."""
    return layout_of(project.joinpath(*MISSION_PLACES[0]), project, {})


def layout_of(mission_file: Path, project: Path, settings: Mapping[str, str]) -> Layout:
    """Return the layout that mission.json's own path settings give.

    Args:
        mission_file: absolute path of mission.json.
        project: the folder that relative settings start from.
        settings: those of the five path keys that are set.
    """
    paths = {key: project / settings.get(key, default) for key, default in DEFAULT_PATHS.items()}
    return Layout(
        project=project,
        mission_file=mission_file,
        tasks_file=paths["tasksFile"],
        tasks_dir=paths["tasksDir"],
        manifest_file=paths["manifestFile"],
        scratchpad_file=paths["scratchpadFile"],
        state_dir=paths["orchestratorDir"],
    )


def find_mission_file(start: Path) -> Path:
    """Return the path of the nearest mission.json from a folder upwards.

    In a worker's worktree that is the mission it was made for: the copy there is no truth.

    Raises:
        MissionNotFoundError: neither the folder nor one above it holds a mission.
    """
    folder = Path(os.path.abspath(start))  # symlinks kept: people see the path they typed
    for place in (folder, *folder.parents):
        if place.parent.name == WORKTREES and (leader := _leader_of(place)) is not None:
            return leader
    for place in (folder, *folder.parents):
        for parts in MISSION_PLACES:
            candidate = place.joinpath(*parts)
            if os.path.isfile(candidate):
                return candidate
    raise MissionNotFoundError(folder)


def _leader_of(place: Path) -> Path | None:
    """Return the mission that a worktree was made for; None where it is no worker's.

    Believed only if that mission keeps its worktrees there: any repository may hold a folder
    of this name.
    """
    from mosaic.errors import MissionError
    from mosaic.store.mission_file import load_mission
    from mosaic.workspaces.record import workspace_at

    try:
        workspace = workspace_at(place)
        if workspace is None:
            return None
        folder = load_mission(workspace.mission_file).layout.worktrees_dir
    except MissionError:
        return None
    is_its_own = os.path.realpath(folder) == os.path.realpath(place.parent)
    return workspace.mission_file if is_its_own else None


def named_mission_file(named: Path) -> Path:
    """Return the mission.json that `--mission` or `$MISSION_FILE` names: the file or its folder.

    Raises:
        UsageError: there is none.
    """
    path = Path(os.path.abspath(named))
    if not path.is_dir():
        if path.is_file():
            return path
        raise UsageError(f"no mission file at `{named}`", hint="name mission.json or its project")
    for parts in (*MISSION_PLACES, ("mission.json",)):
        if path.joinpath(*parts).is_file():
            return path.joinpath(*parts)
    raise MissionNotFoundError(path)


def project_above(mission_file: Path) -> Path:
    """Return the folder that a mission file belongs to by its place."""
    for parts in MISSION_PLACES:
        if mission_file.parts[-len(parts) :] == parts:
            return mission_file.parents[len(parts) - 1]
    return mission_file.parent
