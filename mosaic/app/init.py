"""Creating a mission in a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.git.git import find_work_tree
from mosaic.git.hidden_refs import HIDE_COMMAND, hides_checkpoints
from mosaic.machine.clock import utc_now
from mosaic.records import dataclass
from mosaic.store.create import lay_mission, write_agents_section
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.store.create import NewMission
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class NewlyCreated:
    """A mission that was just created."""

    mission_file: Path
    tasks_adopted: int
    agents_files: tuple[str, ...]
    """Files that now tell agents how to work here."""
    git_command: str | None
    """What keeps checkpoints from being pushed, where git is not set up for that yet."""


def init_mission(
    folder: Path, new: NewMission, *, adopt: bool, agents: bool
) -> tuple[NewlyCreated, Snapshot]:
    """Create a mission's files in a folder; `adopt` keeps a table and tasks that are there."""
    layout = lay_mission(folder, new, utc_now(), adopt=adopt)
    written = write_agents_section(layout) if agents else []
    is_exposed = find_work_tree(folder) is not None and not hides_checkpoints(folder)
    snapshot = read_mission(layout.mission_file)
    created = NewlyCreated(
        mission_file=layout.mission_file,
        tasks_adopted=len(snapshot.tasks) if adopt else 0,
        agents_files=tuple(written),
        git_command=HIDE_COMMAND if is_exposed else None,
    )
    return created, snapshot
