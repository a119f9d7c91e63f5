"""Where a mission's files are, in either layout.

    PROJECT/coordination/mission.json            today's layout
    PROJECT/.mosaic/orchestrator/mission.json    the older one

The keys `tasksFile`, `tasksDir`, `manifestFile`, `scratchpadFile` and `orchestratorDir`
of mission.json may move the rest; relative ones are relative to `projectPath`. Where they may
lead is decided by `mosaic.store.allowance`, whether the state folder is believed by
`mosaic.store.state`.

With `"stateFolders": "outside"` what tools of the project would find in the state folder, its
runs and worktrees, is kept in the person's own folder instead, under the digest of
mission.json's real path, and the locks stay:

    ~/.local/state/mosaic/work/<digest>/runs
    ~/.local/state/mosaic/work/<digest>/worktrees

One of them that is in the state folder already stays there as long as it does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.machine.person import person_dir
from mosaic.records import dataclass, field
from mosaic.store.allowance import digest_of, refuse_outside
from mosaic.store.state import StateFolder, look_at_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MISSION_PLACES = (
    ("coordination", "mission.json"),
    (".mosaic", "orchestrator", "mission.json"),
)
"""Where mission.json may be below a project, the first that is there wins."""
KEPT_SUFFIX = ".json.migrated"
"""What mission.json is called where it was, once it was moved to today's place."""
RUNS = "runs"
WORKTREES = "worktrees"
"""The folder of workers' worktrees; beside each stands what is known of it."""
HOST_FILE = "host.json"
"""In the record of a run that was sent to another machine; see `mosaic.remote.sent`."""
WORK = "work"
"""The folder in the person's own for the runs and worktrees that are kept outside."""
OUTSIDE_KEY = "stateFolders"
INSIDE, OUTSIDE = "inside", "outside"
DEFAULT_PATHS = {
    "tasksFile": "coordination/TASKS.md",
    "tasksDir": "coordination/tasks",
    "manifestFile": "coordination/MISSION.md",
    "scratchpadFile": "coordination/SCRATCHPAD.md",
    "orchestratorDir": "coordination/.state",
}


class _InState:
    """A path below the state folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: Layout, kind: type[Layout]) -> Path:
        outside = layout.outside.get(self._name)
        # What is not ours leads nowhere, wherever the rest is kept.
        is_usable = outside is not None and layout.state_dir == layout.state.place
        return outside if outside is not None and is_usable else layout.state_dir / self._name


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
    state: StateFolder
    """Where this machine's own state is kept, and whether it is believed."""
    keeps_outside: bool = False
    """Whether mission.json says that runs and worktrees are to be kept outside."""
    outside: Mapping[str, Path] = field(default_factory=dict)
    """The folders that are kept outside of the state folder, by name."""
    mission_lock = _InState("mission.lock")
    """Lock file around every change of the mission's files."""
    session_lock = _InState("session.lock")
    """Who works in the main work tree now."""
    session_locks_dir = _InState("sessions")
    """One lock for each live session in a work tree of its own."""
    capsule_file = _InState("next-task.json")
    """The capsule of the last hand-off."""
    index_file = _InState("index")
    """Derived cache of parsed files; deleting it loses nothing."""
    sync_file = _InState("sync.json")
    """What table and task files last agreed on."""
    intent_file = _InState("intent.json")
    """Note of a change of several files that has begun."""
    landed_file = _InState("landed.json")
    """Derived cache of branches that were compared with what is checked out."""
    runs_dir = _InState(RUNS)
    """Durable run records."""
    worktrees_dir = _InState(WORKTREES)
    """Work trees of parallel workers, and beside each what is known of it."""

    @property
    def state_dir(self) -> Path:
        """Where this machine's own state is read from; leads nowhere where it is not ours."""
        return self.state.dir

    @property
    def templates_dir(self) -> Path:
        """The project's own overrides of the templates."""
        return self.project / "templates"

    @property
    def own_files(self) -> tuple[Path, ...]:
        """The files beside those of tasks that people read and commands change."""
        return (self.mission_file, self.tasks_file, self.manifest_file, self.scratchpad_file)

    @property
    def other_folders(self) -> tuple[Path, ...]:
        """Folders outside of the project that hold files of the mission: the person allowed them.

        `mosaic.store.allowance` decides about that.
        """
        folders = {self.tasks_dir, self.state_dir, *(file.parent for file in self.own_files)}
        return tuple(sorted(one for one in folders if not one.is_relative_to(self.project)))

    def is_own_file(self, path: Path) -> bool:
        """Tell of a real path whether it is one of the files that are changed together."""
        if os.path.dirname(path) == os.path.realpath(self.tasks_dir):
            return path.suffix == ".md"
        older = self.project.joinpath(*MISSION_PLACES[1])  # a migration writes both
        others = (self.sync_file, older, older.with_suffix(KEPT_SUFFIX))
        return str(path) in map(os.path.realpath, (*self.own_files, *others))

    def shown(self, path: Path) -> str:
        """Return a path as people read it: relative to the project where it lies inside."""
        try:
            return path.relative_to(self.project).as_posix()
        except ValueError:
            return str(path)


def default_layout(project: Path) -> Layout:
    """Return the layout of a new mission in a folder."""
    return layout_of(project.joinpath(*MISSION_PLACES[0]), project, {})


def layout_of(mission_file: Path, project: Path, settings: Mapping[str, str]) -> Layout:
    """Return the layout that mission.json's own path settings give."""
    paths = {key: project / settings.get(key, default) for key, default in DEFAULT_PATHS.items()}
    refuse_outside(mission_file, project_above(mission_file), {"projectPath": project, **paths})
    state, is_outside = paths["orchestratorDir"], settings.get(OUTSIDE_KEY) == OUTSIDE
    return Layout(
        project=project,
        mission_file=mission_file,
        tasks_file=paths["tasksFile"],
        tasks_dir=paths["tasksDir"],
        manifest_file=paths["manifestFile"],
        scratchpad_file=paths["scratchpadFile"],
        state=look_at_state(state, mission_file),
        keeps_outside=is_outside,
        outside=_outside(mission_file, state) if is_outside else {},
    )


def work_dir(mission_file: Path) -> Path:
    """Return where a mission's runs and worktrees are that are kept outside."""
    return person_dir() / WORK / digest_of(mission_file)


def _outside(mission_file: Path, state: Path) -> dict[str, Path]:
    folder = work_dir(mission_file)
    names = (name for name in (RUNS, WORKTREES) if not os.path.lexists(state / name))
    return {name: folder / name for name in names}


def project_above(mission_file: Path) -> Path:
    """Return the folder that a mission file belongs to by its place."""
    for parts in MISSION_PLACES:
        if mission_file.parts[-len(parts) :] == parts:
            return mission_file.parents[len(parts) - 1]
    return mission_file.parent
