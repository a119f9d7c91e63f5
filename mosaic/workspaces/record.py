"""What is known of each worker's worktree.

    .state/worktrees/<name>/          the worktree
    .state/worktrees/.<name>.json     what it is for; written before git is asked to make it
    .state/worktrees/.<name>.log      what its setup command wrote

`<name>` is a task's id, or that of a panel's worker; none begins with a dot. Deleting a
record by hand loses no work: the worktree stays, and git knows it.

Which repository a worktree belongs to, and where in it the project is, a record also says,
for people. It is not read from there: it is the repository that the mission lies in.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import MissionError, RecordError
from mosaic.git.git import find_work_tree
from mosaic.machine.disk import find_bytes, write_private
from mosaic.machine.git_dir import find_git_dir, read_small
from mosaic.machine.paths import safe_segment
from mosaic.records import dataclass, replace
from mosaic.store.layout import WORKTREES

if TYPE_CHECKING:
    from datetime import datetime

    from mosaic.model import ObjectId, Text
    from mosaic.store.layout import Layout

HINT = "`git worktree list` shows where it is; remove the record when it is not needed"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRequest:
    """The pull request of a worktree's branch, as it was seen last."""

    number: int
    url: Text
    state: Text
    """`open`, `merged` or `closed`."""
    seen_at: datetime
    base: Text = ""
    """The branch of the remote that it goes to."""
    decision: Text = ""
    """What its reviews came to, in the host's words."""
    passed: int = 0
    failed: tuple[Text, ...] = ()
    pending: tuple[Text, ...] = ()
    """Checks of its last commit: how many passed, and the names of others."""
    unread: int = 0
    """Comments that were not handed on to an agent."""
    merge_commit: ObjectId | None = None
    """The commit that it was merged by."""

    @property
    def words(self) -> str:
        """Its number, state and checks on one line."""
        parts = [f"#{self.number} {self.state}"]
        if self.state == "open":
            names = ("failed", self.failed), ("pending", self.pending)
            checks = [f"{self.passed} passed"] if self.passed else []
            checks += [
                f"{len(found)} {word} ({', '.join(found)})" for word, found in names if found
            ]
            parts.append(f"checks: {', '.join(checks)}" if checks else "no checks")
            parts += filter(None, [self.decision])
            parts += [f"{self.unread} comments not handed on"] if self.unread else []
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """A worker's worktree."""

    json_form = JsonForm(version=1)
    name: str
    owner: str
    """The task or panel that it is for."""
    path: Path
    """The top of the worktree."""
    home: Path
    """The top of the work tree that the mission lives in."""
    project: Path
    """Where in it the project is."""
    mission_file: Path
    branch: str | None
    """None: detached, for looking only."""
    is_own_branch: bool
    """Whether the branch was made for it."""
    base_commit: ObjectId
    """The commit that it began from."""
    created_at: datetime
    base_ref: str | None = None
    is_added: bool = False
    """Whether git has made it to the end."""
    is_ready: bool = False
    """Whether it was furnished to the end."""
    needs_setup: bool = False
    """Whether its setup command was left for when it is worked on here."""
    furnished: tuple[Text, ...] = ()
    """What was copied and linked into it, relative to its top."""
    base_branches: tuple[Text, ...] = ()
    """The branches that were merged into what it began from, since they had not landed."""
    merged_commit: ObjectId | None = None
    """The commit of its branch that was brought home last."""
    request: SeenRequest | None = None
    """Its pull request, where it has one."""
    update_from: ObjectId | None = None
    """The commit that its branch had before an update that has begun."""

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
        """Whether its folder is a worktree; a symlink to one does not count."""
        found, real = find_git_dir(self.path), Path(os.path.realpath(self.path))
        is_top = found is not None and found[0] == real and found[1].is_dir()
        return is_top and not self.path.is_symlink()

    @property
    def is_broken(self) -> bool:
        """Whether its folder has files, and git does not know it as a worktree any more."""
        if self.is_there or not self.is_added or self.path.is_symlink():
            return False
        return self.path.is_dir() and any(self.path.iterdir())


def workspace_path(layout: Layout, name: str) -> Path:
    """Return where the worktree of a name is, or would be."""
    return layout.worktrees_dir / safe_segment(name)


def write_workspace(workspace: Workspace, **changes: Any) -> Workspace:
    """Write what is known of a worktree, with changes, and return it."""
    workspace = replace(workspace, **changes)
    data = dump_json(dump_record(workspace))
    write_private(workspace.record, data, root=workspace.record.parent)
    return workspace


def find_workspace(layout: Layout, name: str) -> Workspace | None:
    """Return the worktree of a name; None where there is none."""
    path = _record_of(workspace_path(layout, name))
    return None if _is_elsewhere(layout) else read_workspace(path, layout)


def workspace_at(cwd: Path | str, layout: Layout | None = None) -> Workspace | None:
    """Return the worker's worktree that a folder lies in; None where it lies in none.

    Without a layout it may be of any mission: only what the record names is to be learned then.
    """
    folder = Path(os.path.abspath(cwd))
    own = os.path.realpath(layout.worktrees_dir) if layout is not None else None
    for place in (folder, *folder.parents):
        if own is not None and os.path.realpath(place.parent) != own:
            continue
        is_named = place.parent.name == WORKTREES
        if is_named and (found := read_workspace(_record_of(place), layout)) is not None:
            return found
    return None


def list_workspaces(layout: Layout) -> list[Workspace]:
    """Return all worktrees of workers; one whose record cannot be read is left out."""
    return read_workspaces(layout)[0]


def read_workspaces(layout: Layout) -> tuple[list[Workspace], list[MissionError]]:
    """Return all worktrees of workers, and why records of others cannot be read."""
    found: list[Workspace] = []
    broken: list[MissionError] = []
    paths = [] if _is_elsewhere(layout) else sorted(layout.worktrees_dir.glob(".*.json"))
    for path in paths:
        try:
            workspace = read_workspace(path, layout)
        except MissionError as error:
            broken.append(error)
        else:
            found += [workspace] if workspace is not None else []
    return found, broken


def place_before_move(folder: Path) -> Path | None:
    """Return where git believes the worktree in a folder to be, which was moved by hand.

    None where the folder is not a worktree, or something stands in that place.
    """
    found = find_git_dir(folder)
    if found is None or found[0] != Path(os.path.realpath(folder)):
        return None
    noted = (read_small(found[1] / "gitdir") or "").strip()
    place = Path(os.path.realpath(Path(noted).parent)) if noted else None
    return None if place is None or os.path.lexists(place) else place


def _is_elsewhere(layout: Layout) -> bool:
    return layout.worktrees_dir.is_symlink() or layout.state_dir.is_symlink()


def read_workspace(path: Path, layout: Layout | None = None) -> Workspace | None:
    """Read a record, of a mission or of one that is not known yet; None where there is none."""
    if path.is_symlink():
        raise _unreadable(path, "it is a symlink")
    data = find_bytes(path)
    if data is None:
        return None
    found = load_record(Workspace, data, path, what="the record of a worktree", hint=HINT)
    commits = (found.base_commit, found.merged_commit, found.update_from)
    if not all(_COMMIT.fullmatch(commit) for commit in commits if commit is not None):
        raise _unreadable(path, "it names what is not a commit")
    # A mission that was moved: the record stands beside its worktree, wherever that is.
    place = path.with_name(path.name[1:].removesuffix(".json"))
    name = found.name if safe_segment(found.name) == place.name else place.name
    return _at_home(replace(found, name=name, path=place), layout)


def _at_home(found: Workspace, layout: Layout | None) -> Workspace:
    """Return a worktree with its home, project and mission as they are, not as recorded."""
    place = found.path
    if layout is None:
        home = find_work_tree(place.parent) or place.parent
        return replace(found, home=home, project=place)
    top = Path(os.path.realpath(layout.project))
    home = find_work_tree(top) or top
    project = place / top.relative_to(home)
    return replace(found, home=home, project=project, mission_file=layout.mission_file)


def _unreadable(path: Path, why: str) -> RecordError:
    return RecordError("the record of a worktree cannot be read", path=path, detail=why, hint=HINT)


def _record_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.json")
