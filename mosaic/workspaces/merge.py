"""Bringing a worker's branch home: fast-forward, merge or squash.

A conflict is left to the user, in the mission's work tree, with the commands to go on; whatever git
refuses before it begins leaves everything as it was.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import GitError, MissionError, NotReadyError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import answer_of, current_branch, head_commit, run_git
from mosaic.git.worktrees import BRANCHES, commit_of, is_brought_home, what_would_be_lost
from mosaic.records import dataclass, replace
from mosaic.store.mission_file import load_mission
from mosaic.store.written import note_files
from mosaic.workspaces.record import write_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.workspaces.record import Workspace


class MergeWay(StrEnum):
    """How a branch is brought home."""

    AUTO = "auto"
    """Fast-forward where that can be, else a merge commit."""
    FAST_FORWARD = "ff-only"
    MERGE = "merge"
    SQUASH = "squash"


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """What became of a merge."""

    branch: str
    into: str
    commit: str
    """The commit that the branch is in now; for a squash, the new one."""
    was_home: bool = False
    """There was nothing to bring."""


def merge_workspace(workspace: Workspace, way: MergeWay, message: str) -> Merged:
    """Merge the branch of a worktree into what is checked out in the mission's own.

    Raises:
        NotReadyError: the worktree has no branch or holds work that is not committed, or a
            conflict waits for a person; says how to go on.
        GitError: git refused, and nothing was changed.
    """
    home, branch = workspace.home, workspace.branch
    tip = commit_of(home, f"{BRANCHES}{branch}") if branch else None
    if branch is None or tip is None:
        raise NotReadyError(f"the worktree of `{workspace.owner}` has no branch to merge")
    if workspace.is_there and (lost := what_would_be_lost(workspace.path)):
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` holds {lost}",
            path=workspace.path,
            hint=f"`git -C {workspace.path} commit -a`, then merge again",
        )
    into = current_branch(home) or "HEAD"
    before = head_commit(home) or ""
    if is_brought_home(home, branch, "HEAD"):
        _note(workspace, tip)
        return Merged(branch=branch, into=into, commit=before, was_home=True)
    if answer_of(["rev-parse", "--verify", "--quiet", "MERGE_HEAD"], home) is not None:
        raise NotReadyError(
            "another merge is not finished here",
            path=home,
            hint="`git merge --continue` or `git merge --abort` first",
        )
    _merge(home, branch, way, message)
    _note(workspace, tip)
    commit = head_commit(home) or ""
    with contextlib.suppress(MissionError):  # at worst it counts as a live agent's change
        layout = load_mission(workspace.mission_file).layout
        merged = compare_trees(home, before, commit, find_renames=False)
        note_files(layout, [home / change.path for change in merged])
    return Merged(branch=branch, into=into, commit=commit)


def _merge(home: Path, branch: str, way: MergeWay, message: str) -> None:
    options = {
        MergeWay.AUTO: ["-m", message],
        MergeWay.FAST_FORWARD: ["--ff-only"],
        MergeWay.MERGE: ["--no-ff", "-m", message],
        MergeWay.SQUASH: ["--squash"],
    }[way]
    answer = run_git(
        ["merge", "--quiet", *options, f"{BRANCHES}{branch}"],
        home,
        check=False,
        timeout_seconds=300,
    )
    if answer.exit_code:
        conflicts = answer_of(["diff", "--name-only", "--diff-filter=U", "-z"], home)
        told = (answer.stdout + answer.stderr).decode("utf-8", "replace").strip()
        if not conflicts:
            raise GitError(
                f"git does not merge `{branch}`",
                path=home,
                detail=told[:2000] or None,
                hint="commit or stash what is changed here, then merge again",
            )
        paths = [path for path in conflicts.split("\0") if path]
        go_on = "git commit" if way is MergeWay.SQUASH else "git merge --continue"
        back = "git reset --merge" if way is MergeWay.SQUASH else "git merge --abort"
        raise NotReadyError(
            f"`{branch}` conflicts with what is here: {shown_paths(paths)}",
            path=home,
            detail="the conflicts stand in these files",
            hint=f"mend them, `git add` them, then `{go_on}`; `{back}` goes back",
        )
    if way is MergeWay.SQUASH:
        run_git(["commit", "--quiet", "-m", message], home, timeout_seconds=300)


def _note(workspace: Workspace, tip: str) -> None:
    if workspace.record.exists():
        write_workspace(replace(workspace, merged_commit=tip))
