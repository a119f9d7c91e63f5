"""A mission's worktrees: who needs which, what is wrong with them, and which can go."""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import HeldError, MissionError, UsageError
from mosaic.git.branches import branch_obstacle, is_branch_name
from mosaic.git.git import find_work_tree, local_branches
from mosaic.git.worktrees import forget_worktree, list_worktrees
from mosaic.machine.disk import find_bytes
from mosaic.machine.removing import rename_folder
from mosaic.plan.check import Finding, Level
from mosaic.records import NamedTuple
from mosaic.runs.folders import runs_in
from mosaic.sessions.recovery import is_dead
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.layout import OUTSIDE, OUTSIDE_KEY, RUNS, WORKTREES, work_dir
from mosaic.store.state import OF_MISSION
from mosaic.workspaces.provision import mend_workspace, remove_workspace, why_kept
from mosaic.workspaces.record import (
    find_workspace,
    list_workspaces,
    place_before_move,
    read_workspaces,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

OWN_BRANCHES = "mission/"


class Standing(StrEnum):
    """How a worktree stands."""

    IN_USE = "in use"
    FINISHED = "finished"
    """It is not needed, and removing it loses nothing."""
    UNMERGED = "unmerged"
    """Nobody works on it any more, and it holds work that is nowhere else."""
    GONE = "gone"
    """Its folder is not there."""
    BROKEN = "broken"
    """Its folder is there, and git does not know it as a worktree."""
    UNFINISHED = "unfinished"
    """The process that made it ended before it was set up."""


class Counted(NamedTuple):
    """One worktree, and how it stands."""

    workspace: Workspace
    standing: Standing
    holds: str = ""
    """What would be lost with it, in words."""
    moved_to: Path | None = None
    """Where the folder of one that is gone is now, if that is known."""


class Census(NamedTuple):
    """All worktrees of a mission."""

    counted: tuple[Counted, ...]
    unknown: tuple[Path, ...]
    """Folders among them that no record speaks of."""
    broken: tuple[MissionError, ...]
    """Records that cannot be read."""
    loose_branches: tuple[str, ...]
    """Branches that look like a worker's, and are no worktree's."""
    forgotten: tuple[Path, ...] = ()
    """Worktrees that git alone still knows of: neither a folder nor a record is there."""


class SweptWorktree(NamedTuple):
    """A worktree that was looked at for removal."""

    workspace: Workspace
    kept_because: str | None = None
    """None: it was removed."""
    branch_goes: bool = False
    """Whether the branch that was made for it goes with it."""


def count_worktrees(snapshot: Snapshot) -> Census:
    """Look over a mission's worktrees, with who needs each. Changes nothing."""
    layout = snapshot.layout
    known, broken = read_workspaces(layout)
    live = {found.lock.task_id for found in live_or_unknown(snapshot)}
    live |= {each.owner for each in known if _has_live_run(layout, each)}
    needed = {task.id for task in snapshot.tasks if not task.status.is_closed}
    needed |= {path.parent.name for path in layout.runs_dir.glob("panel-*/panel.json")}
    recorded = {each.path.name for each in known}
    recorded |= {Path(error.path).name[1:].removesuffix(".json") for error in broken if error.path}
    home = find_work_tree(layout.project)
    branches = local_branches(home) if home is not None and not broken else ()
    own = {each.branch for each in known}
    folder = Path(os.path.realpath(layout.worktrees_dir))
    trees = list_worktrees(home) if home is not None else []
    listed = [each.path for each in trees]
    strays = [path for path in _folders(layout) if path.name not in recorded]
    moved = {place: path for path in strays if (place := place_before_move(path)) is not None}
    by_git = {each.branch: each.path for each in trees if each.path not in (home, *moved)}

    def count(each: Workspace) -> Counted:
        counted = _counted(each, needed, live)
        if counted.standing is not Standing.GONE:
            return counted
        place = moved.get(folder / each.path.name) or by_git.get(each.branch)
        is_there = place is not None and place.is_dir()
        return counted._replace(moved_to=place) if is_there else counted

    counted = tuple(map(count, known))
    found_again = {each.moved_to for each in counted}
    return Census(
        forgotten=tuple(
            path
            for path in listed
            if path.parent == folder and path.name not in recorded and not os.path.lexists(path)
        ),
        counted=counted,
        unknown=tuple(path for path in strays if path not in found_again),
        broken=tuple(broken),
        loose_branches=tuple(
            name for name in branches if name.startswith(OWN_BRANCHES) and name not in own
        ),
    )


def _counted(workspace: Workspace, needed: Collection[str], live: Collection[str]) -> Counted:
    holds = ""
    if workspace.owner in live:
        standing = Standing.IN_USE
    elif workspace.is_broken:
        standing, holds = Standing.BROKEN, why_kept(workspace) or ""
    elif not workspace.is_there and workspace.is_added:
        standing = Standing.GONE
    elif not workspace.is_ready:
        standing = Standing.UNFINISHED
    elif workspace.owner in needed:
        standing = Standing.IN_USE
    else:
        try:
            holds = why_kept(workspace) or ""
        except MissionError as error:
            holds = f"what cannot be looked at: {error.message}"
        standing = Standing.UNMERGED if holds else Standing.FINISHED
    return Counted(workspace, standing, holds)


def _folders(layout: Layout) -> list[Path]:
    if layout.worktrees_dir.is_symlink():
        return []  # `check` and `clean` name it as such
    try:
        entries = sorted(os.scandir(layout.worktrees_dir), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    folders = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
    return [layout.worktrees_dir / name for name in folders if not name.startswith(".")]


def sweep_worktrees(snapshot: Snapshot, *, dry_run: bool) -> list[SweptWorktree]:
    """Remove the worktrees that are not needed; a panel's go with `mission panel shutdown`."""
    swept = []
    census = count_worktrees(snapshot)
    for path in () if dry_run else census.forgotten:
        forget_worktree(snapshot.layout.project, path)
    for each in census.counted:
        because, goes = None, False
        if each.standing is Standing.IN_USE:
            continue
        if each.standing in (Standing.UNMERGED, Standing.BROKEN):
            because = f"it holds {each.holds}"
        elif each.moved_to is not None:
            because = f"it was moved to `{snapshot.layout.shown(each.moved_to)}`"
        else:
            try:
                goes = remove_workspace(
                    snapshot.layout, each.workspace, force=False, dry_run=dry_run
                )
            except MissionError as error:
                because = ": ".join(filter(None, (error.message, error.detail)))
        swept.append(SweptWorktree(each.workspace, because, goes))
    return swept


def mend_worktrees(snapshot: Snapshot) -> list[str]:
    """Have git know broken worktrees again, and forget those that are gone; say what was done."""
    census = count_worktrees(snapshot)
    mended = []
    folder = snapshot.layout.worktrees_dir
    for each in census.counted:
        if each.moved_to is not None and each.moved_to.parent == folder:
            rename_folder(folder, each.moved_to, each.workspace.path.name)
            mended.append(f"worktree `{each.workspace.name}` is in its place again")
        if each.standing is Standing.BROKEN:
            with contextlib.suppress(MissionError):  # it stays a finding
                mend_workspace(each.workspace)
                mended.append(f"worktree `{each.workspace.name}` is known to git again")
    for path in census.forgotten:
        forget_worktree(snapshot.layout.project, path)
        mended.append(f"worktree `{path.name}`, which is gone, is forgotten by git")
    return mended


def unknown_worktrees(snapshot: Snapshot) -> list[Path]:
    """Return what stands in the folder of worktrees and no record that can be read speaks of."""
    folder = snapshot.layout.worktrees_dir
    if folder.is_symlink():
        return [folder]
    census = count_worktrees(snapshot)
    return [*census.unknown, *(Path(error.path) for error in census.broken if error.path)]


def drop_worktree(
    snapshot: Snapshot, name: str, *, force: bool, dry_run: bool = False
) -> Workspace:
    """Remove one worktree in which nobody works; in a dry run only what would keep it is found."""
    layout = snapshot.layout
    workspace = find_workspace(layout, name)
    if workspace is None:
        known = ", ".join(f"`{each.name}`" for each in list_workspaces(layout)) or "there is none"
        raise UsageError(f"no worktree is called `{name}`", detail=f"known: {known}")
    at_work = any(found.lock.task_id == workspace.owner for found in live_or_unknown(snapshot))
    if at_work or _has_live_run(layout, workspace):
        raise HeldError(
            f"somebody works in the worktree `{name}`", hint="`mission sessions --live` shows who"
        )
    remove_workspace(layout, workspace, force=force, dry_run=dry_run)
    return workspace


def worktree_findings(snapshot: Snapshot) -> list[Finding]:
    """Return what is wrong with worktrees and their branches."""
    try:
        census = count_worktrees(snapshot)
    except MissionError:
        return []  # told as what it is: a lock that cannot be read
    shown = snapshot.layout.shown
    return [
        *_branch_findings(snapshot),
        *_outside_findings(snapshot.layout),
        *(found for each in census.counted for found in _findings(each, snapshot.layout)),
        *(
            warning(
                "WORKTREE_UNKNOWN",
                "a folder among the worktrees is known to nobody",
                path=shown(path),
                hint="look into it, then `git worktree remove` or remove the folder",
            )
            for path in census.unknown
        ),
        *(finding_of(error, Level.WARNING) for error in census.broken),
        *(
            warning(
                "WORKTREE_GONE",
                f"git knows of a worktree `{path.name}` that is gone",
                path=shown(path),
                hint="`mission check --fix` or `mission clean` has git forget it",
                fixable=True,
            )
            for path in census.forgotten
        ),
        *(
            warning(
                "BRANCH_LEFT",
                f"branch `{name}` was a worker's, and its worktree is gone",
                hint=f"`git merge {name}` or `git branch -D {name}`",
            )
            for name in census.loose_branches
        ),
    ]


def _outside_findings(layout: Layout) -> Iterator[Finding]:
    """Look for runs and worktrees outside that this mission does not find there any more."""
    own = work_dir(layout.mission_file)
    for name in (RUNS, WORKTREES):
        if name not in layout.outside and os.path.lexists(own / name):
            inside = layout.state.place / name
            hint = f'`"{OUTSIDE_KEY}": "{OUTSIDE}"` in mission.json has them seen'
            if os.path.lexists(inside):
                hint += f", once `{layout.shown(inside)}` is moved away"
            words = f"`{name}` of this mission are also kept outside, and not seen there"
            yield warning("FOLDERS_OUTSIDE", words, path=str(own / name), hint=hint)
    for note in sorted(own.parent.glob(f"*/{OF_MISSION}")):
        mark, _, place = (find_bytes(note) or b"").strip().partition(b"\n")
        is_ours = layout.state.mark and mark == layout.state.mark.encode()
        if is_ours and note.parent != own and not os.path.lexists(place):
            words = "runs and worktrees of this mission were kept outside before it was moved"
            hint = f"`mv {note.parent} {own}`, then `mission check --fix`"
            yield warning("FOLDERS_OUTSIDE", words, path=str(note.parent), hint=hint)


def _branch_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Look for branches of open tasks that git will not make."""
    wanted = {t.branch: t for t in snapshot.tasks if t.branch and not t.status.is_closed}
    named = [name for name in wanted if is_branch_name(name)]
    for name, task in wanted.items():
        why = f"`{name}` is not a name that git takes for a branch"
        if name in named:
            why = branch_obstacle(snapshot.layout.project, name, named) or ""
        if why:
            hint = f"`mission set {task.id} branch=another/name`"
            yield warning("BRANCH_IMPOSSIBLE", f"`{task.id}`: {why}", path=task.file, hint=hint)


def _findings(each: Counted, layout: Layout) -> list[Finding]:
    if each.standing is Standing.IN_USE:
        return []
    name, owner = each.workspace.name, each.workspace.owner
    again, home = f"the next session on `{owner}`", f"mission merge {owner}"
    if (layout.runs_dir / owner / "panel.json").exists():
        again, home = f"`mission panel resume {owner}`", f"mission panel merge {owner} WORKER"
    code, words, hint = {
        Standing.FINISHED: (
            "WORKTREE_LEFT", "is not needed any more", "`mission clean` removes it"
        ),
        Standing.UNMERGED: (
            "WORKTREE_UNMERGED", f"holds {each.holds}", f"`{home}` brings it home"
        ),
        Standing.BROKEN: (
            "WORKTREE_BROKEN", "has files, and git does not know it any more",
            f"`mission check --fix` or {again} mends it",
        ),
        Standing.GONE: (
            "WORKTREE_GONE", "is gone", f"{again} makes it anew; `mission clean` forgets it"
        ),
        Standing.UNFINISHED: (
            "WORKTREE_UNFINISHED", "was not made to its end",
            f"{again} goes on with it; `mission clean` removes it",
        ),
    }[each.standing]  # fmt: skip
    path = layout.shown(each.workspace.path)
    if each.moved_to is not None:
        is_beside = each.moved_to.parent == layout.worktrees_dir
        words = f"the worktree `{name}` was moved to `{layout.shown(each.moved_to)}`"
        hint = f"`git worktree move {each.moved_to} {each.workspace.path}` brings it back"
        hint = "`mission check --fix` moves it back" if is_beside else hint
        return [warning("WORKTREE_MOVED", words, path=path, hint=hint, fixable=is_beside)]
    fixable = each.standing is Standing.BROKEN
    words = f"the worktree `{name}` {words}"
    return [warning(code, words, path=path, hint=hint, fixable=fixable)]


def finding_of(error: MissionError, level: Level = Level.ERROR) -> Finding:
    """Return an error as a finding."""
    names = ("code", "message", "path", "line", "detail", "hint")
    return Finding(level=level, **{name: getattr(error, name) for name in names})


def warning(code: str, message: str, **more: Any) -> Finding:
    """Return a finding that is a warning; `more` as `Finding` has it."""
    return Finding(code=code, level=Level.WARNING, message=message, **more)


def _has_live_run(layout: Layout, workspace: Workspace) -> bool:
    """Tell whether a run works in a worktree, though no session speaks of it: a panel's."""
    for run in runs_in(layout.runs_dir / workspace.owner):
        try:
            state = run.state()
            lives = state.finished_at is None and not is_dead(run, state)
            if lives and run.meta().cwd.startswith(str(workspace.path)):
                return True
        except MissionError:
            continue
    return False
