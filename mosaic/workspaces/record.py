"""What is known of each worker's work tree.

    .state/worktrees/<name>/          the work tree
    .state/worktrees/.<name>.json     what it is for; written before git is asked to make it
    .state/worktrees/.<name>.log      what its setup command wrote

`<name>` is a task's id, or that of a panel's worker; none begins with a dot. Deleting a
record by hand loses no work: the work tree stays, and git knows it.

Which repository a work tree belongs to, and where in it the project is, a record also says,
for people. It is not read from there: it is the repository that the mission lies in.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import format_moment
from mosaic.errors import MissionError, RecordError
from mosaic.git.git import find_work_tree
from mosaic.machine.clock import read_moment
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.json_data import parse_json
from mosaic.machine.paths import confined, safe_segment
from mosaic.records import dataclass
from mosaic.runs.checked import checked
from mosaic.store.layout import WORKTREES
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

LAYOUT_VERSION = 1
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
        """Whether its folder is a work tree; a symlink to one is none of ours."""
        real = Path(os.path.realpath(self.path))
        return find_work_tree(self.path) == real and not self.path.is_symlink()


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
    if _is_elsewhere(layout):
        return None
    return read_workspace(_record_of(workspace_path(layout, name)), layout)


def workspace_at(cwd: Path | str, layout: Layout | None = None) -> Workspace | None:
    """Return the worker's work tree that a folder lies in; None where it lies in none.

    Args:
        layout: the mission whose work trees are looked at; None for any, where nothing but
            the mission that the record names is to be learned.

    Raises:
        RecordError: what is known of it cannot be read.
    """
    folder = Path(os.path.abspath(cwd))
    own = os.path.realpath(layout.worktrees_dir) if layout is not None else None
    for place in (folder, *folder.parents):
        if own is not None and os.path.realpath(place.parent) != own:
            continue
        if place.parent.name == WORKTREES:
            found = read_workspace(_record_of(place), layout)
            if found is not None:
                return found
    return None


def list_workspaces(layout: Layout) -> list[Workspace]:
    """Return all work trees of workers; one whose record cannot be read is left out."""
    found = []
    for path in _records(layout):
        try:
            workspace = read_workspace(path, layout)
        except MissionError:
            continue
        if workspace is not None:
            found.append(workspace)
    return found


def unreadable_records(layout: Layout) -> list[MissionError]:
    """Return why records of work trees cannot be read."""
    problems = []
    for path in _records(layout):
        try:
            read_workspace(path, layout)
        except MissionError as error:
            problems.append(error)
    return problems


def _records(layout: Layout) -> list[Path]:
    if _is_elsewhere(layout):
        return []
    return sorted(layout.worktrees_dir.glob(".*.json"))


def _is_elsewhere(layout: Layout) -> bool:
    """Tell whether a symlink leads to where the records are: those are not ours."""
    return layout.worktrees_dir.is_symlink() or layout.state_dir.is_symlink()


def read_workspace(path: Path, layout: Layout | None = None) -> Workspace | None:
    """Read a record; None where there is none.

    Args:
        layout: the mission that it is of; None where it is not known yet.

    Raises:
        RecordError: it cannot be read.
    """
    if path.is_symlink():
        raise _unreadable(path, "it is a symlink")
    data = find_bytes(path)
    if data is None:
        return None
    try:
        values: dict[str, Any] = parse_json(data)
        if values.pop("layout_version") > LAYOUT_VERSION:
            raise RecordError("the worktree's record is of a newer Mosaic", path=path)
        known = {name: values[name] for name in Workspace.__dataclass_fields__ if name in values}
        # A mission that was moved: the record stands beside its work tree, wherever that is.
        known["path"] = path.with_name(path.name[1:].removesuffix(".json"))
        if safe_segment(known["name"]) != known["path"].name:
            known["name"] = known["path"].name
        known |= _places(known["path"], Path(known["mission_file"]), layout)
        commits = (known["base_commit"], known.get("merged_commit"))
        if not all(commit is None or _COMMIT.fullmatch(commit) for commit in commits):
            raise _unreadable(path, "it names what is not a commit")
        known["created_at"] = read_moment(known["created_at"])
        known["furnished"] = tuple(known.get("furnished", ()))
        return checked(Workspace(**known), texts=("furnished",))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, str(error)) from None


def _places(place: Path, mission_file: Path, layout: Layout | None) -> dict[str, Path]:
    """Return where a work tree's home, project and mission are, whatever its record says."""
    if layout is None:
        home = find_work_tree(place.parent) or place.parent
        return {"home": home, "project": place, "mission_file": mission_file}
    project = Path(os.path.realpath(layout.project))
    home = find_work_tree(project) or project
    return {
        "home": home,
        "project": place / project.relative_to(home),
        "mission_file": layout.mission_file,
    }


def _unreadable(path: Path, why: str) -> RecordError:
    return RecordError(
        "the record of a worktree cannot be read",
        path=path,
        detail=why,
        hint="`git worktree list` shows where it is; remove the record when it is not needed",
    )


def _record_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.json")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return format_moment(value)
    return list(value) if isinstance(value, tuple) else value
