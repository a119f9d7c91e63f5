"""Committing what stands in a worker's worktree, and bringing its branch home.

The mission's table, its task files, mission.json and the scratchpad have one truth, in the
leader's work tree. A worker's branch carries none of its copies into a merge: they are set
back to what they were where the branch began, or, where the leader's history was merged in
since, to what they are there.

A conflict is left to the user, in the mission's work tree, with the commands to go on; whatever git
refuses before it begins leaves everything as it was.
"""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitError, MissionError, NotReadyError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import answer_of, current_branch, head_commit, run_git
from mosaic.git.snapshot import PLAIN_IDENTITY, is_within, take_tree
from mosaic.git.worktrees import BRANCHES, commit_of, is_brought_home, what_would_be_lost
from mosaic.machine.signature import access_error
from mosaic.records import NamedTuple
from mosaic.store.mission_file import load_mission
from mosaic.store.written import note_files
from mosaic.workspaces.record import write_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.git.git import GitResult
    from mosaic.workspaces.record import Workspace

# No hook, no signature: both may ask a person, and none is there.
_QUIET_COMMIT = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false",
                 "commit", "--quiet", "--no-verify")  # fmt: skip
_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_UNMERGED = ("diff", "--name-only", "--diff-filter=U", "-z")


class MergeWay(StrEnum):
    """How a branch is brought home."""

    AUTO = "auto"
    """Fast-forward where that can be, else a merge commit."""
    FAST_FORWARD = "ff-only"
    MERGE = "merge"
    SQUASH = "squash"


class Merged(NamedTuple):
    """What became of a merge."""

    branch: str
    into: str
    commit: str
    """The commit that the branch is in now; for a squash, the new one."""
    was_home: bool = False
    """There was nothing to bring."""


def set_own_files_back(workspace: Workspace, own: Sequence[str]) -> list[str]:
    """Set the mission's own files in a worktree back, committed ones by a commit of its own.

    `own` are files and folders relative to the top; returned are the paths that were set back.
    """
    top = workspace.path
    origin = _origin(workspace)
    now = take_tree(top, scratch=top.parent).tree
    changed = {
        change.path: change.kind
        for change in compare_trees(top, origin, now, find_renames=False)
        if any(is_within(change.path, folder) for folder in own)
    }
    back = [path for path, kind in changed.items() if kind != "added"]
    gone = [path for path, kind in changed.items() if kind == "added"]
    # What is new goes first: it may stand where a folder was, or be in one where a file was.
    for path in gone:
        try:
            Path(top, path).unlink(missing_ok=True)
        except OSError as error:  # such as a repository of its own, which git lists like a file
            raise access_error("removed", Path(top, path), error) from error
    if gone:
        _git_with(gone, ["update-index", "--force-remove", "-z", "--stdin"], top)
    if back:
        _git_with(back, ["checkout", "--quiet", origin, *_FROM_STDIN], top)
    # A file that stood where a folder is again goes with the folder's files.
    paths = [p for p in changed if not Path(top, p).is_dir() or Path(top, p).is_symlink()]
    if changed and workspace.branch is not None:
        words = "Leave the mission's own files to its own work tree"
        differ = ["--literal-pathspecs", "diff", "--quiet", "HEAD", "--", *paths]
        if run_git(differ, top, check=False).exit_code:
            command = [*_QUIET_COMMIT, "--only", "-m", words, *_FROM_STDIN]
            _git_with(paths, command, top, env=PLAIN_IDENTITY, timeout_seconds=120)
    return list(changed)


def commit_rest(workspace: Workspace, message: str) -> str | None:
    """Commit everything that is not committed in a worktree, and return the commit, if any.

    What was brought into it is ignored: by the project, or by git's `info/exclude`. A GitError
    where conflicts wait to be resolved.
    """
    top = workspace.path
    # Adding a file calls its conflict resolved, with the marks still in it.
    if unmerged := answer_of(_UNMERGED, top):
        paths = shown_paths(unmerged.split("\0")[:-1])
        raise GitError(f"conflicts are not resolved: {paths}")
    run_git(["add", "--all", "--", ":(top)"], top, timeout_seconds=120)
    if run_git(["diff", "--cached", "--quiet"], top, check=False).exit_code == 0:
        return None
    run_git([*_QUIET_COMMIT, "-m", message], top, env=PLAIN_IDENTITY, timeout_seconds=120)
    return answer_of(["rev-parse", "HEAD"], top)


def merge_workspace(workspace: Workspace, way: MergeWay, message: str) -> Merged:
    """Merge the branch of a worktree into what is checked out in the mission's own.

    A NotReadyError says how to go on, as where a conflict waits for a person; with a GitError
    git refused, and nothing was changed.
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
        return Merged(branch, into, before, was_home=True)
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
    return Merged(branch, into, commit)


def _merge(home: Path, branch: str, way: MergeWay, message: str) -> None:
    options = {
        MergeWay.AUTO: ["-m", message],
        MergeWay.FAST_FORWARD: ["--ff-only"],
        MergeWay.MERGE: ["--no-ff", "-m", message],
        MergeWay.SQUASH: ["--squash"],
    }[way]
    command = ["merge", "--quiet", *options, f"{BRANCHES}{branch}"]
    answer = run_git(command, home, check=False, timeout_seconds=300)
    if answer.exit_code:
        conflicts = answer_of(_UNMERGED, home)
        if not conflicts:
            words = (answer.stdout + answer.stderr).decode("utf-8", "replace").strip()
            raise GitError(
                f"git does not merge `{branch}`",
                path=home,
                detail=words[:2000] or None,
                hint="commit or stash what is changed here, then merge again",
            )
        go_on, back = "git merge --continue", "git merge --abort"
        if way is MergeWay.SQUASH:
            go_on, back = "git commit", "git reset --merge"
        paths = shown_paths([path for path in conflicts.split("\0") if path])
        raise NotReadyError(
            f"`{branch}` conflicts with what is here: {paths}",
            path=home,
            detail="the conflicts stand in these files",
            hint=f"mend them, `git add` them, then `{go_on}`; `{back}` goes back",
        )
    if way is MergeWay.SQUASH:
        run_git(["commit", "--quiet", "-m", message], home, timeout_seconds=300)


def _note(workspace: Workspace, tip: str) -> None:
    if workspace.record.exists():
        write_workspace(workspace, merged_commit=tip)


def _origin(workspace: Workspace) -> str:
    """Return the commit whose copies of the mission's files are the right ones."""
    top, base = workspace.path, workspace.base_commit
    fork = answer_of(["merge-base", "HEAD", head_commit(workspace.home) or "HEAD"], top)
    is_later = fork and answer_of(["merge-base", "--is-ancestor", base, fork], top) is not None
    return fork if fork and is_later else base


def _git_with(paths: Sequence[str], args: Sequence[str], top: Path, **options: Any) -> GitResult:
    """Run a git that reads a list of paths."""
    listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    return run_git(["--literal-pathspecs", *args], top, stdin=listed, **options)
