"""What is known of each worker's work tree.

    .state/worktrees/<name>/          the work tree
    .state/worktrees/.<name>.json     what it is for; written before git is asked to make it
    .state/worktrees/.<name>.log      what its setup command wrote

`<name>` is a task's id, or that of a panel's worker; none begins with a dot. Deleting a
record by hand loses no work: the work tree stays, and git knows it.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import MissionError, RecordError
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.git import find_work_tree
from mosaic.machine.json_data import parse_json
from mosaic.machine.paths import confined, safe_segment
from mosaic.records import dataclass
from mosaic.runs.checked import checked
from mosaic.runs.record import format_moment
from mosaic.store.layout import WORKTREES
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

LAYOUT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """A worker's work tree."""

    name: str
    owner: str
    """The task or panel that it is for."""
    path: Path
    """The top of the work tree."""
    home: Path
    """The top of the work tree that the mission lives in."""
    project: Path
    """Where in it the project is."""
    mission_file: Path
    branch: str | None
    """None: detached, for looking only."""
    is_own_branch: bool
    """Whether the branch was made for it."""
    base_commit: str
    """The commit that it began from."""
    created_at: datetime
    base_ref: str | None = None
    is_added: bool = False
    """Whether git has made it to the end."""
    is_ready: bool = False
    """Whether it was furnished to the end."""
    furnished: tuple[str, ...] = ()
    """What was copied and linked into it, relative to its top."""
    merged_commit: str | None = None
    """The commit of its branch that was brought home last."""

    @property
    def record(self) -> Path:
        """Where this is written."""
        return _record_of(self.path)

    @property
    def setup_log(self) -> Path:
        """What the setup command wrote."""
        return self.path.with_name(f".{self.path.name}.log")

    @property
    def is_there(self) -> bool:
        """Whether its folder is a work tree."""
        return find_work_tree(self.path) == Path(os.path.realpath(self.path))


def workspace_path(layout: Layout, name: str) -> Path:
    """Return where the work tree of a name is, or would be."""
    return layout.worktrees_dir / safe_segment(name)


def write_workspace(workspace: Workspace) -> None:
    """Write what is known of a work tree.

    Raises:
        FileAccessError: it cannot be written.
    """
    values = {
        "layout_version": LAYOUT_VERSION,
        **{name: _plain(getattr(workspace, name)) for name in workspace.__dataclass_fields__},
    }
    data = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    folder = workspace.record.parent
    write_private(workspace.record, data.encode("utf-8", "surrogateescape"), root=folder)


def prepare_folder(layout: Layout) -> None:
    """Make the folder that holds the work trees.

    Raises:
        FileAccessError: it cannot be made.
        PathOutsideError: a symlink leads out of the state folder.
    """
    ensure_state_dir(layout)
    confined(layout.state_dir, layout.worktrees_dir)
    create_private_dir(layout.worktrees_dir)


def find_workspace(layout: Layout, name: str) -> Workspace | None:
    """Return the work tree of a name; None where there is none.

    Raises:
        RecordError: what is known of it cannot be read.
    """
    return read_workspace(_record_of(workspace_path(layout, name)))


def workspace_at(cwd: Path | str) -> Workspace | None:
    """Return the worker's work tree that a folder lies in; None where it lies in none.

    Raises:
        RecordError: what is known of it cannot be read.
    """
    folder = Path(os.path.abspath(cwd))
    for place in (folder, *folder.parents):
        if place.parent.name == WORKTREES:
            found = read_workspace(_record_of(place))
            if found is not None:
                return found
    return None


def list_workspaces(layout: Layout) -> list[Workspace]:
    """Return all work trees of workers; one whose record cannot be read is left out."""
    found = []
    for path in sorted(layout.worktrees_dir.glob(".*.json")):
        try:
            workspace = read_workspace(path)
        except MissionError:
            continue
        if workspace is not None:
            found.append(workspace)
    return found


def unreadable_records(layout: Layout) -> list[MissionError]:
    """Return why records of work trees cannot be read."""
    problems = []
    for path in sorted(layout.worktrees_dir.glob(".*.json")):
        try:
            read_workspace(path)
        except MissionError as error:
            problems.append(error)
    return problems


def read_workspace(path: Path) -> Workspace | None:
    """Read a record; None where there is none.

    Raises:
        RecordError: it cannot be read.
    """
    data = find_bytes(path)
    if data is None:
        return None
    try:
        values: dict[str, Any] = parse_json(data)
        if values.pop("layout_version") > LAYOUT_VERSION:
            raise RecordError("the worktree's record is of a newer Mosaic", path=path)
        known = {name: values[name] for name in Workspace.__dataclass_fields__ if name in values}
        for name in ("path", "home", "project", "mission_file"):
            known[name] = Path(known[name])
        # A mission that was moved: the record stands beside its work tree, wherever that is.
        known["path"] = path.with_name(path.name[1:].removesuffix(".json"))
        known["created_at"] = read_moment(known["created_at"])
        known["furnished"] = tuple(known.get("furnished", ()))
        return checked(Workspace(**known), texts=("furnished",))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            "the record of a worktree cannot be read",
            path=path,
            detail=str(error),
            hint="`git worktree list` shows where it is; remove the record when it is not needed",
        ) from None


def _record_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.json")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return format_moment(value)
    return list(value) if isinstance(value, tuple) else value
