"""Committing what stands in a worker's worktree, and keeping the mission's own files out.

The mission's table, its task files, mission.json and the scratchpad have one truth, in the
leader's work tree. A worker's branch carries none of its copies into a merge: they are set
back to what they were where the branch began, or, where the leader's history was merged in
since, to what they are there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import answer_of, run_git
from mosaic.git.snapshot import PLAIN_IDENTITY, is_within, take_tree
from mosaic.machine.signature import access_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.workspaces.record import Workspace

# No hook, no signature: both may ask a person, and none is there.
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")


def set_own_files_back(workspace: Workspace, own: Sequence[str]) -> list[str]:
    """Set the mission's own files in a worktree back, committed ones by a commit of its own.

    Args:
        own: files and folders of the mission, relative to the top.

    Returns:
        The paths that were set back.
    """
    top = workspace.path
    origin = _origin(workspace)
    now = take_tree(top, scratch=workspace.path.parent).tree
    changed = {
        change.path: change.kind
        for change in compare_trees(top, origin, now, find_renames=False)
        if any(is_within(change.path, folder) for folder in own)
    }
    if not changed:
        return []
    back = [path for path, kind in changed.items() if kind != "added"]
    gone = [path for path, kind in changed.items() if kind == "added"]
    # What is new goes first: it may stand where a folder was, or be in one where a file was.
    if gone:
        for path in gone:
            _unlink(top, path)
        _git(["update-index", "--force-remove", "-z", "--stdin"], top, gone)
    if back:
        options = ["--pathspec-from-file=-", "--pathspec-file-nul"]
        _git(["checkout", "--quiet", origin, *options], top, back)
    if workspace.branch is not None:
        # A file that stood where a folder is again goes with the folder's files.
        paths = [path for path in changed if not _is_folder(Path(top, path))]
        _commit_only(top, paths, "Leave the mission's own files to its own work tree")
    return list(changed)


def commit_rest(workspace: Workspace, message: str) -> str | None:
    """Commit everything that is not committed in a worktree.

    What was brought into it is ignored: by the project, or by git's `info/exclude`.

    Returns:
        The commit; None where there is nothing to commit.

    Raises:
        GitError: git could not do it, or conflicts wait to be resolved.
    """
    top = workspace.path
    # Adding a file calls its conflict resolved, with the marks still in it.
    unmerged = answer_of(["diff", "--name-only", "--diff-filter=U", "-z"], top)
    if unmerged:
        paths = shown_paths(unmerged.split("\0")[:-1])
        raise GitError(f"conflicts are not resolved: {paths}")
    run_git(["add", "--all", "--", ":(top)"], top, timeout_seconds=120)
    staged = run_git(["diff", "--cached", "--quiet"], top, check=False)
    if staged.exit_code == 0:
        return None
    command = [*_QUIET, "commit", "--quiet", "--no-verify", "-m", message]
    run_git(command, top, env=PLAIN_IDENTITY, timeout_seconds=120)
    return answer_of(["rev-parse", "HEAD"], top)


def _origin(workspace: Workspace) -> str:
    """Return the commit whose copies of the mission's files are the right ones."""
    fork = answer_of(["merge-base", "HEAD", _head_of(workspace.home)], workspace.path)
    if (
        fork
        and answer_of(["merge-base", "--is-ancestor", workspace.base_commit, fork], workspace.path)
        is not None
    ):
        return fork
    return workspace.base_commit


def _head_of(home: Path) -> str:
    return answer_of(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], home) or "HEAD"


def _commit_only(top: Path, paths: Sequence[str], message: str) -> None:
    differ = run_git(
        ["--literal-pathspecs", "diff", "--quiet", "HEAD", "--", *paths], top, check=False
    )
    if differ.exit_code == 0:
        return
    listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    command = ["--literal-pathspecs", *_QUIET, "commit", "--only", "--quiet", "--no-verify",
               "-m", message, "--pathspec-from-file=-", "--pathspec-file-nul"]  # fmt: skip
    run_git(command, top, stdin=listed, env=PLAIN_IDENTITY, timeout_seconds=120)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _unlink(top: Path, path: str) -> None:
    try:
        Path(top, path).unlink(missing_ok=True)
    except OSError as error:  # such as a repository of its own, which git lists like a file
        raise access_error("removed", Path(top, path), error) from error


def _git(args: Sequence[str], top: Path, paths: Sequence[str]) -> None:
    listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    run_git(["--literal-pathspecs", *args], top, stdin=listed)
