"""Making a worker's worktree, or taking up the one that is there; removing it again.

What is to be made is written down first, so that a crash leaves nothing that nobody knows
of. A worktree that could not be furnished is removed again, with the branch that was made
for it. Nothing is removed that is not kept elsewhere, unless that is asked for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError, MissionError, NotReadyError, UsageError
from mosaic.git import worktrees as trees
from mosaic.git.branches import branch_obstacle, is_branch_name
from mosaic.git.git import (
    answer_of,
    common_dir,
    current_branch,
    find_repository,
    head_commit,
    run_git,
)
from mosaic.git.submodules import check_out_submodules, forget_submodules
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import create_private_dir, find_bytes
from mosaic.machine.paths import confined, safe_segment
from mosaic.machine.removing import remove_empty_folder, remove_file
from mosaic.records import dataclass
from mosaic.runs.snapshots import state_prefix
from mosaic.store.state import ensure_state_dir
from mosaic.workspaces.furnish import bring_files, end_left_setup, forget_files, matching, set_up
from mosaic.workspaces.landed import LARGEST_REFS_BYTES, OWN
from mosaic.workspaces.record import (
    Workspace,
    find_workspace,
    list_workspaces,
    workspace_path,
    write_workspace,
)
from mosaic.workspaces.update import merge_into_base, settle_update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.settings import WorktreeSettings
    from mosaic.store.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkspaceRequest:
    """What worktree is wanted."""

    name: str
    owner: str
    branch: str | None
    """None: detached, for looking only."""
    base_ref: str | None = None
    """Where a new branch begins; None: at what is checked out in the mission's work tree."""
    with_changes: bool = False
    """Carry the uncommitted changes of the mission's work tree over."""
    merges: tuple[str, ...] = ()
    """Branches that a new worktree begins with beside that: work that has not landed."""
    in_use: tuple[str, ...] = ()
    """Where sessions work now: none of these worktrees is taken off its branch."""
    goes_elsewhere: bool = False
    """The work is done on another machine: the setup command waits until it goes on here."""


def provision(layout: Layout, request: WorkspaceRequest, settings: WorktreeSettings) -> Workspace:
    """Make a worktree, or take up the one that was made earlier under the same name.

    A GitError where git refuses or changes do not fit; a FailedError where the setup command fails.
    """
    home = find_repository(layout.project)
    if home is None:
        raise GitError(
            "there is no git repository to make a worktree of",
            path=layout.project,
            hint="`git init` and a first commit, or leave `--worktree` out",
        )
    known = _mended(layout, request.name)
    if known is not None and known.is_there and known.is_ready:
        _take_up(home, known, request)
        _make_project(known)
        _fill(layout, known, request, settings)
        return set_up(known, settings, waits=request.goes_elsewhere)
    if known is not None:
        end_left_setup(known)
    workspace = known or _planned(layout, home, request)
    if known is None:
        # What nobody knows of may hold anybody's work.
        _refuse_occupied(home, workspace, request.in_use)
    ensure_state_dir(layout)
    confined(layout.worktrees_dir.parent, layout.worktrees_dir)
    create_private_dir(layout.worktrees_dir)
    try:
        if not (workspace.is_added and workspace.is_there):
            workspace = _added(home, workspace, request)
        _make_project(workspace)
        _fill(layout, workspace, request, settings)
        brought = bring_files(workspace, layout.project, settings)
        workspace = write_workspace(workspace, furnished=brought, needs_setup=True)
        workspace = set_up(workspace, settings, waits=request.goes_elsewhere)
        return write_workspace(workspace, is_ready=True)
    except BaseException:
        if known is None:
            _undo(home, workspace)
        raise


def _take_up(home: Path, known: Workspace, request: WorkspaceRequest) -> None:
    """Put a worktree on its branch again, which another task's may have been given meanwhile.

    What a landing that was cut off left in it is taken back first.
    """
    known = settle_update(known)
    _refuse_other_branch(known, request.branch)
    if known.branch is not None and current_branch(known.path) is None:
        _refuse_occupied(home, known, request.in_use)
        run_git(["checkout", "--quiet", known.branch], known.path)


def _make_project(workspace: Workspace) -> None:
    """Make the project's folder, which a branch has not where nothing in it was committed."""
    confined(workspace.path, workspace.project).mkdir(parents=True, exist_ok=True)


def _mended(layout: Layout, name: str) -> Workspace | None:
    known = find_workspace(layout, name)
    if known is not None and known.is_broken:
        mend_workspace(known)
    return known


def mend_workspace(workspace: Workspace) -> None:
    """Have git know the folder of a worktree again; a GitError where that cannot be done."""
    if not trees.repair_worktree(workspace.home, workspace.path, workspace.branch):
        raise GitError(
            f"the worktree of `{workspace.owner}` is not one any more",
            path=workspace.path,
            detail="git has no record of it, or another repository stands there",
            hint="save what you need of it, then "
            f"`mission clean --worktree {workspace.name} --force`",
        )


def own_prefixes(layout: Layout, top: Path) -> list[str]:
    """Return the mission's own files as git names them: they are the leader's to change."""
    paths = (layout.mission_file, layout.tasks_file, layout.tasks_dir, layout.scratchpad_file)
    return [name for path in paths if (name := state_prefix(path, top)) is not None]


def default_branch(home: Path, owner: str, worker: str) -> str:
    """Return the name of a branch that is made for a worker: `mission/<owner>/<worker>`.

    Where a branch is called `mission` git has no room for that, and dashes do it.
    """
    parts = (OWN, safe_segment(owner), safe_segment(worker))
    if trees.has_branch(home, parts[0]) or trees.has_branch(home, "/".join(parts[:2])):
        return "-".join(parts)
    return "/".join(parts)


def holds_work(home: Path, owner: str, worker: str) -> bool:
    """Tell whether a worker's branch is there with work that was not merged, whatever its record.

    Starts no process where there is no such branch.
    """
    branch = "/".join((OWN, safe_segment(owner), safe_segment(worker)))
    shared = common_dir(home)
    if shared is None:
        return False
    packed = find_bytes(shared / "packed-refs", limit_bytes=LARGEST_REFS_BYTES) or b""
    ref = f"{trees.BRANCHES}{branch}"
    if not (shared / ref).exists() and os.fsencode(f" {ref}\n") not in packed:
        return False
    return trees.has_branch(home, branch) and not trees.is_brought_home(home, branch, "HEAD")


def why_kept(workspace: Workspace) -> str | None:
    """Say what removing a worktree would lose; None where it would lose nothing.

    A branch that was made for it and is not brought home counts as work that would be
    forgotten, though removing the worktree leaves the branch.
    """
    if workspace.is_broken:
        return "files, and git does not know it any more: `mission check --fix` mends it"
    if workspace.is_there and (lost := trees.what_would_be_lost(workspace.path)) is not None:
        return lost
    here = current_branch(workspace.path) if workspace.is_there else None
    if here is not None and here != workspace.branch:  # the agent went on beside it
        tip = trees.commit_of(workspace.home, f"{trees.BRANCHES}{here}")
        is_kept = tip is None or trees.holds_commit(workspace.home, tip, beside=here)
        if not (is_kept or _stands_elsewhere(workspace, here)):
            return f"branch `{here}` is not merged"
    branch, tip = _own_branch(workspace)
    if tip in (None, workspace.base_commit, workspace.merged_commit):
        return None
    return None if _stands_elsewhere(workspace, branch) else f"branch `{branch}` is not merged"


def remove_workspace(
    layout: Layout, workspace: Workspace, *, force: bool, dry_run: bool = False
) -> bool:
    """Remove a worktree, the branch that was made for it, and what is known of it.

    A branch that a person made, or whose commit would be lost, stays; with `force` one that
    was made for the worktree goes too. In a dry run only what would keep it is found: a
    NotReadyError says what would be lost, a GitError what is not a worktree of this repository.
    Returned is whether the branch goes. What is interrupted is gone on with by the next call.
    """
    home, folder = workspace.home, layout.worktrees_dir
    trees.refuse_strange_tree(home, workspace.path)
    kept = None if force else why_kept(workspace)
    if kept is not None:
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` holds {kept}",
            path=workspace.path,
            hint="commit and merge it, or use `--force` to lose it",
        )
    branch, tip = _own_branch(workspace)
    branch_goes = tip is not None and (force or _is_kept_elsewhere(workspace, branch, tip))
    if dry_run:
        return branch_goes
    trees.remove_worktree(home, workspace.path)
    forget_submodules(home, workspace.path)
    if tip is not None and branch_goes:
        trees.delete_branch(home, branch, expected=tip)
    remove_file(folder, workspace.record)
    remove_file(folder, workspace.setup_log)
    if not list_workspaces(layout):
        forget_files(home)
        remove_empty_folder(folder.parent, folder)
    return branch_goes


def _own_branch(workspace: Workspace) -> tuple[str, str | None]:
    """Return the branch that was made for a worktree, and its commit, if there is one."""
    if workspace.branch is None or not workspace.is_own_branch:
        return "", None
    return workspace.branch, trees.commit_of(workspace.home, f"{trees.BRANCHES}{workspace.branch}")


def _is_kept_elsewhere(workspace: Workspace, branch: str, tip: str) -> bool:
    """Tell whether a branch can go: it was merged, or holds no work.

    A squash leaves its commit nowhere; there it goes when `mission merge` made it, and what it
    changed still stands on a branch.
    """
    if tip == workspace.base_commit or trees.holds_commit(workspace.home, tip, beside=branch):
        return True
    return tip == workspace.merged_commit and _stands_elsewhere(workspace, branch)


def _stands_elsewhere(workspace: Workspace, branch: str) -> bool:
    """Tell whether what a branch changed stands on what is checked out, or on its base."""
    home = workspace.home
    names = dict.fromkeys(filter(None, (current_branch(home), workspace.base_ref)))
    targets = [name for name in names if name != branch and trees.has_branch(home, name)]
    return any(trees.is_brought_home(home, branch, name) for name in targets)


def _planned(layout: Layout, home: Path, request: WorkspaceRequest) -> Workspace:
    branch, base_ref = request.branch, request.base_ref
    if branch is not None and not is_branch_name(branch):
        raise UsageError(f"`{branch}` is not a branch name", hint="set another `branch`")
    if branch is not None and (why := branch_obstacle(home, branch)):
        raise GitError(why, path=home, hint="set another `branch` for the task")
    start = trees.commit_of(home, trees.branch_or_commit(home, base_ref) if base_ref else "HEAD")
    if start is None:
        raise GitError(
            f"`{base_ref}` is not in this repository" if base_ref else "there is no commit yet",
            path=home,
            hint="set `base_ref` to a branch or commit" if base_ref else "make a first commit",
        )
    is_there = branch is not None and trees.has_branch(home, branch)
    # Its record may be lost, and its work not.
    is_own = branch is not None and branch.startswith(f"{OWN}/{safe_segment(request.owner)}/")
    if is_there:
        ref = f"{trees.BRANCHES}{branch}"
        start = answer_of(["merge-base", start, ref], home) or start
    path = workspace_path(layout, request.name)
    return Workspace(
        name=request.name,
        owner=request.owner,
        path=path,
        home=home,
        project=path / Path(os.path.realpath(layout.project)).relative_to(home),
        mission_file=layout.mission_file,
        branch=branch,
        is_own_branch=branch is not None and (is_own or not is_there),
        base_commit=start,
        base_ref=base_ref,
        created_at=utc_now(),
    )


def _refuse_occupied(home: Path, workspace: Workspace, in_use: Sequence[str]) -> None:
    """Say in the user's words what git would say in its own."""
    place, branch = workspace.path, workspace.branch
    in_the_way = os.path.lexists(place) and (not place.is_dir() or any(place.iterdir()))
    if in_the_way and not workspace.is_there:
        raise GitError(
            f"`{place}` is in the way of a worktree",
            hint="`mission check` tells what it is; move it away",
        )
    for each in trees.list_worktrees(home):
        if branch is not None and each.branch == branch and each.path != place:
            is_ours = each.path.parent == place.parent and each.path.is_dir()
            cwds = [Path(os.path.realpath(cwd)) for cwd in in_use]
            if is_ours and any(cwd.is_relative_to(each.path) for cwd in cwds):
                raise GitError(
                    f"a session works on branch `{branch}` in `{each.path}`",
                    hint="wait for its end, or set another `branch` for the task",
                )
            if is_ours and trees.what_would_be_lost(each.path) is None:
                # Another task's, whose session has ended: its work is on the branch.
                run_git(["checkout", "--quiet", "--detach"], each.path)
                continue
            raise GitError(
                f"branch `{branch}` is checked out in `{each.path}`",
                detail="git gives one branch to one worktree",
                hint="check out another branch there, or set another `branch` for the task",
            )


def _refuse_other_branch(known: Workspace, branch: str | None) -> None:
    if branch is not None and known.branch not in (None, branch):
        raise GitError(
            f"the worktree of `{known.owner}` is on branch `{known.branch}`",
            path=known.path,
            detail=f"wanted is `{branch}`",
            hint=f"`mission clean --worktree {known.name}` removes it when nothing is lost",
        )


def _added(home: Path, workspace: Workspace, request: WorkspaceRequest) -> Workspace:
    """Have git make a worktree; what an earlier crash left of it goes first."""
    _remove_if_known(home, workspace)
    write_workspace(workspace, is_added=False, is_ready=False)
    _refuse_occupied(home, workspace, request.in_use)
    is_new = trees.add_worktree(
        home,
        workspace.path,
        branch=workspace.branch,
        start=workspace.base_commit,
        reason=f"mosaic: {workspace.owner}",
    )
    merge_into_base(workspace, request.merges)
    base = workspace.base_commit
    if request.merges or not workspace.is_own_branch:
        base = head_commit(workspace.path) or base
    facts = {"is_own_branch": is_new or workspace.is_own_branch, "base_commit": base}
    return write_workspace(workspace, is_added=True, base_branches=request.merges, **facts)


def _remove_if_known(home: Path, workspace: Workspace) -> None:
    place = Path(os.path.realpath(workspace.path))
    if any(each.path == place for each in trees.list_worktrees(home)):
        trees.remove_worktree(home, workspace.path)
        forget_submodules(home, workspace.path)


def _fill(
    layout: Layout, workspace: Workspace, request: WorkspaceRequest, settings: WorktreeSettings
) -> None:
    if settings.submodules:
        check_out_submodules(workspace.home, workspace.path)
    if request.with_changes:
        _carry_changes(layout, workspace, settings)


def _carry_changes(layout: Layout, workspace: Workspace, settings: WorktreeSettings) -> None:
    home = workspace.home
    brought = matching((*settings.copy, *settings.link), layout.project)
    paths = (layout.state_dir, *(layout.project / name for name in brought))
    names = [name for path in paths if (name := state_prefix(path, home))]
    without = [*filter(None, own_prefixes(layout, home)), *names]
    trees.copy_changes(home, workspace.path, without=without, scratch=layout.worktrees_dir)


def _undo(home: Path, workspace: Workspace) -> None:
    """Take back what was made, or half made; the setup's log stays for people.

    git makes the branch first and leaves it where it then fails, as on a full disk or at a
    hook that says no.
    """
    with contextlib.suppress(MissionError):
        _remove_if_known(home, workspace)
        branch, tip = _own_branch(workspace)
        if tip is not None and tip == workspace.base_commit:
            trees.delete_branch(home, branch, expected=tip)
    with contextlib.suppress(MissionError):
        remove_file(workspace.path.parent, workspace.record)
