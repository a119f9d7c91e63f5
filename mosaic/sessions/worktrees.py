"""Where a session works: the mission's own work tree or a worktree, and who needs which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import HeldError, MissionError, UsageError
from mosaic.git.git import find_work_tree
from mosaic.plan.check import Finding, Level
from mosaic.records import dataclass
from mosaic.runs.folders import runs_in
from mosaic.sessions.recovery import is_dead
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.workspaces.census import Standing, take_census
from mosaic.workspaces.provision import WorkspaceRequest, default_branch
from mosaic.workspaces.record import find_workspace, list_workspaces
from mosaic.workspaces.removal import branch_to_delete, refuse_removal, remove_workspace

if TYPE_CHECKING:
    from mosaic.model import Task
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.census import Census, Counted
    from mosaic.workspaces.record import Workspace

WORKER = "work"
"""The worker in the name of a branch that is made for a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a session works."""

    cwd: Path
    lock_file: Path
    workspace: Workspace | None = None
    """None: the mission's own work tree."""


def home_place(layout: Layout) -> Place:
    """Return the mission's own work tree as a place; one session at a time works there."""
    return Place(cwd=layout.project, lock_file=layout.session_lock)


def worktree_place(layout: Layout, session_id: str, workspace: Workspace | None) -> Place:
    """Return a worktree as a place; before it is made, the place is the mission's own."""
    return Place(
        cwd=workspace.project if workspace else layout.project,
        lock_file=layout.session_locks_dir / f"{session_id}.lock",
        workspace=workspace,
    )


def wanted_worktree(layout: Layout, task: Task, request: HandOffRequest) -> WorkspaceRequest | None:
    """Return the worktree that a task is worked on in; None: the mission's own work tree.

    A task that has one goes on in it: that is where its work is.
    """
    known = find_workspace(layout, task.id)
    if known is None and not request.worktree:
        return None
    home = find_work_tree(layout.project) or layout.project
    branch = task.branch or (known.branch if known else None)
    return WorkspaceRequest(
        name=task.id,
        owner=task.id,
        branch=branch or default_branch(home, task.id, WORKER),
        base_ref=task.base_ref,
        with_changes=request.with_changes,
    )


def folders_of_mission(layout: Layout) -> tuple[Path, ...]:
    """Return the folders that hold the mission's files, for agents that work elsewhere."""
    folders = {
        layout.mission_file.parent,
        layout.tasks_file.parent,
        layout.tasks_dir,
        layout.scratchpad_file.parent,
        layout.state_dir,
    }
    return tuple(
        sorted(
            one
            for one in folders
            if not any(one.is_relative_to(other) for other in folders - {one})
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SweptWorktree:
    """A worktree that was looked at for removal."""

    workspace: Workspace
    kept_because: str | None = None
    """None: it was removed."""
    branch_goes: bool = False
    """Whether the branch that was made for it goes with it."""


def count_worktrees(snapshot: Snapshot) -> Census:
    """Look over a mission's worktrees, with who needs each. Changes nothing."""
    layout = snapshot.layout
    live = {found.lock.task_id for found in live_or_unknown(snapshot)}
    live |= {each.owner for each in list_workspaces(layout) if _has_live_run(layout, each)}
    open_tasks = {task.id for task in snapshot.tasks if not task.status.is_closed}
    panels = {path.parent.name for path in layout.runs_dir.glob("panel-*/panel.json")}
    return take_census(layout, in_use=open_tasks | panels, live=live)


def sweep_worktrees(snapshot: Snapshot, *, dry_run: bool) -> list[SweptWorktree]:
    """Remove the worktrees that are not needed and hold nothing of their own.

    Those of a panel go with `mission panel shutdown`.
    """
    swept = []
    for each in count_worktrees(snapshot).counted:
        if each.standing is Standing.IN_USE:
            continue
        swept.append(_swept(snapshot.layout, each, dry_run=dry_run))
    return swept


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
    """Remove one worktree; in a dry run only what would keep it is found.

    Raises:
        UsageError: there is none of that name.
        HeldError: somebody works in it.
    """
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
    if dry_run:
        refuse_removal(workspace, force=force)
    else:
        remove_workspace(layout, workspace, force=force)
    return workspace


def worktree_findings(snapshot: Snapshot) -> list[Finding]:
    """Return what is wrong with worktrees and their branches."""
    try:
        census = count_worktrees(snapshot)
    except MissionError:
        return []  # told as what it is: a lock that cannot be read
    findings = [_finding(each, snapshot.layout) for each in census.counted]
    found = [finding for finding in findings if finding is not None]
    found += [
        warning(
            "WORKTREE_UNKNOWN",
            "a folder among the worktrees is known to nobody",
            path=snapshot.layout.shown(path),
            hint="look into it, then `git worktree remove` or remove the folder",
        )
        for path in census.unknown
    ]
    found += [finding_of(error, Level.WARNING) for error in census.broken]
    found += [
        warning(
            "BRANCH_LEFT",
            f"branch `{name}` was a worker's, and its worktree is gone",
            hint=f"`git merge {name}` or `git branch -D {name}`",
        )
        for name in census.loose_branches
    ]
    return found


def finding_of(error: MissionError, level: Level = Level.ERROR) -> Finding:
    """Return an error as a finding."""
    return Finding(
        code=error.code,
        level=level,
        message=error.message,
        path=error.path,
        line=error.line,
        detail=error.detail,
        hint=error.hint,
    )


def warning(code: str, message: str, **more: Any) -> Finding:
    """Return a finding that is a warning; `more` as `Finding` has it."""
    return Finding(code=code, level=Level.WARNING, message=message, **more)


def _finding(each: Counted, layout: Layout) -> Finding | None:
    name, owner = each.workspace.name, each.workspace.owner
    is_panel = (layout.runs_dir / owner / "panel.json").exists()
    again = f"`mission panel resume {owner}`" if is_panel else f"the next session on `{owner}`"
    home = f"mission panel merge {owner} WORKER" if is_panel else f"mission merge {owner}"
    told = {
        Standing.FINISHED: (
            "WORKTREE_LEFT",
            "is not needed any more",
            "`mission clean` removes it",
        ),
        Standing.UNMERGED: (
            "WORKTREE_UNMERGED",
            f"holds {each.holds}",
            f"`{home}` brings it home",
        ),
        Standing.GONE: (
            "WORKTREE_GONE",
            "is gone",
            f"{again} makes it anew; `mission clean` forgets it",
        ),
        Standing.UNFINISHED: (
            "WORKTREE_UNFINISHED",
            "was not made to its end",
            f"{again} goes on with it; `mission clean` removes it",
        ),
    }.get(each.standing)
    if told is None:
        return None
    code, words, hint = told
    return warning(
        code,
        f"the worktree `{name}` {words}",
        path=layout.shown(each.workspace.path),
        hint=hint,
    )


def _swept(layout: Layout, each: Counted, *, dry_run: bool) -> SweptWorktree:
    workspace = each.workspace
    if each.standing is Standing.UNMERGED:
        return SweptWorktree(workspace=workspace, kept_because=f"it holds {each.holds}")
    try:
        goes = branch_to_delete(workspace) is not None
        if dry_run:
            refuse_removal(workspace, force=False)
        else:
            remove_workspace(layout, workspace, force=False)
    except MissionError as error:
        words = ": ".join(filter(None, (error.message, error.detail)))
        return SweptWorktree(workspace=workspace, kept_because=words)
    return SweptWorktree(workspace=workspace, branch_goes=goes)


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
