"""Committing what stands in a worker's worktree, and bringing its branch home.

The mission's table, its task files, mission.json and the scratchpad have one truth, in the
leader's work tree. A worker's branch carries none of its copies into a merge: they are set
back to what they were where the branch began, or, where the leader's history was merged in
since, to what they are there.

A conflict is left to the user, in the mission's work tree, with the commands to go on; whatever git
or a hook refuses leaves everything as it was.
"""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitError, MissionError, NotReadyError
from mosaic.git.checkpoint_store import PLAIN_IDENTITY
from mosaic.git.diff import compare_trees, shown_paths
from mosaic.git.git import answer_of, current_branch, head_commit, run_git
from mosaic.git.index_copy import index_kept
from mosaic.git.merging import (
    MERGE_SECONDS,
    find_unfinished,
    take_back,
    try_git,
    unmerged_paths,
    way_on,
    words_of,
)
from mosaic.git.snapshot import is_within, take_tree
from mosaic.git.worktrees import BRANCHES, commit_of, is_brought_home
from mosaic.machine.signature import access_error
from mosaic.records import NamedTuple
from mosaic.store.mission_file import load_mission
from mosaic.store.written import note_files, turn_at_home
from mosaic.workspaces.record import write_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.git.git import GitResult
    from mosaic.git.snapshot import TakenTree
    from mosaic.workspaces.record import Workspace

COMMIT_SECONDS = 300.0
# Of no work of anybody's: no hook has anything to say of it.
_QUIET_COMMIT = ("-c", "core.hooksPath=/dev/null", "commit", "--quiet", "--no-verify")
_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")


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
    left_out: tuple[str, ...] = ()
    """What stands in the worktree and is on no branch, each with why."""
    said: str = ""
    """What git and the repository's hooks wrote."""


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
            _git_with(paths, command, top, env=own_identity(top), timeout_seconds=COMMIT_SECONDS)
    return list(changed)


class Committed(NamedTuple):
    """What became of the rest of a worker's work."""

    commit: str | None
    """None: there was nothing to commit."""
    left_out: tuple[str, ...] = ()
    """What could not be committed, each with why."""


def commit_rest(workspace: Workspace, message: str) -> Committed:
    """Commit everything that is not committed in a worktree and that git can hold.

    What was brought into it is ignored: by the project, or by git's `info/exclude`. It is made
    as the user's own commits are: with their name, signature and hooks.

    A GitError where conflicts wait to be resolved, or git makes no commit: the index is as before.
    """
    top = workspace.path
    # Adding a file calls its conflict resolved, with the marks still in it.
    if unmerged := unmerged_paths(top):
        raise GitError(f"conflicts are not resolved: {shown_paths(unmerged)}")
    taken = take_tree(top, scratch=top.parent, largest_bytes=None)
    left_out = (*_words_of(taken), *_empty_folders(top))
    if taken.tree == answer_of(["rev-parse", "HEAD^{tree}"], top):
        return Committed(None, left_out)
    try:
        with index_kept(top, top.parent):
            run_git(["read-tree", "--reset", taken.tree], top, timeout_seconds=COMMIT_SECONDS)
            command = ["commit", "--quiet", "-m", message]
            run_git(command, top, env=own_identity(top), timeout_seconds=COMMIT_SECONDS)
    except GitError as error:
        error.message = f"what is not committed stays so: {error.message}"
        error.hint = f"`git -C {top} commit -a`; with `--no-verify` no hook is asked"
        raise
    return Committed(head_commit(top), left_out)


def own_identity(top: Path) -> dict[str, str]:
    """Return what git needs to commit in the user's name; ours where git knows none of theirs."""
    asked = (["var", f"GIT_{who}_IDENT"] for who in ("AUTHOR", "COMMITTER"))
    is_known = all(answer_of(question, top) is not None for question in asked)
    return {} if is_known else PLAIN_IDENTITY


def _words_of(taken: TakenTree) -> list[str]:
    return [f"`{each.path}` is {each.reason}" for each in taken.left_out]


def _empty_folders(top: Path) -> list[str]:
    command = ["ls-files", "--others", "--directory", "--exclude-standard", "-z"]
    listed = run_git(command, top).text.split("\0")[:-1]
    folders = [Path(path) for path in listed if path.endswith("/")]
    empty = [path for path in folders if not any(files for *_, files in os.walk(top / path))]
    return [f"`{path}` is an empty folder, of which git keeps none" for path in empty]


def merge_workspace(workspace: Workspace, way: MergeWay, message: str) -> Merged:
    """Merge the branch of a worktree into what is checked out in the mission's own.

    A NotReadyError says how to go on, as where a conflict waits for a person; with a GitError
    git refused, and nothing was changed.
    """
    home = workspace.home
    branch, tip = branch_and_tip(workspace)
    into = target_branch(home)
    left_out = refuse_unsaved(workspace, branch, tip) if workspace.is_there else ()
    before = head_commit(home) or ""
    if is_brought_home(home, branch, "HEAD"):
        _note(workspace, tip)
        return Merged(branch, into, before, was_home=True, left_out=left_out)
    refuse_unfinished(home)
    with turn_at_home(workspace.record.parent):
        said = _merge(home, branch, way, message)
        merged = _brought(workspace, branch, tip, before)
    return merged._replace(left_out=left_out, said=said)


def fast_forward(workspace: Workspace, commit: str) -> Merged:
    """Move what is checked out in the mission's work tree forward to a commit of a branch.

    GitError: git refuses, as where a file that changes has changes of the user's; nothing changed.
    """
    home, branch = workspace.home, workspace.branch or ""
    before = head_commit(home) or ""
    command = ["merge", "--quiet", "--no-squash", "--ff-only", commit]
    with turn_at_home(workspace.record.parent):
        answer = try_git(command, home, makes_commit=False)
        if answer.exit_code:
            words = words_of(answer)
            raise _refused(home, branch, words)
        return _brought(workspace, branch, commit, before)._replace(said=words_of(answer))


def branch_and_tip(workspace: Workspace) -> tuple[str, str]:
    """Return the branch of a worktree and its last commit; NotReadyError where there is none."""
    branch = workspace.branch
    tip = commit_of(workspace.home, f"{BRANCHES}{branch}") if branch else None
    if branch is None or tip is None:
        raise NotReadyError(f"the worktree of `{workspace.owner}` has no branch to merge")
    return branch, tip


def target_branch(home: Path) -> str:
    """Return the branch that is checked out in a work tree; NotReadyError where none is."""
    into = current_branch(home)
    if into is None:
        raise NotReadyError(
            "no branch is checked out here: what is merged would be on none",
            path=home,
            hint="`git switch BRANCH`, then merge again",
        )
    return into


def refuse_unfinished(home: Path) -> None:
    """Make sure that nothing of the user's waits to be finished in the mission's work tree."""
    unfinished = find_unfinished(home)
    if unfinished is not None:
        raise NotReadyError(
            f"another {unfinished} is not finished here",
            path=home,
            hint=f"`git {unfinished} --continue` or `git {unfinished} --abort` first",
        )
    if unmerged := unmerged_paths(home):
        raise NotReadyError(
            f"conflicts are not resolved here: {shown_paths(unmerged)}",
            path=home,
            hint="mend them, `git add` them and commit; `git reset --merge` goes back",
        )


def refuse_unsaved(workspace: Workspace, branch: str, tip: str) -> tuple[str, ...]:
    """Make sure that a merge brings all that git can hold; return what git cannot, with why."""
    top = workspace.path
    here = current_branch(top)
    if here != branch and answer_of(["merge-base", "--is-ancestor", "HEAD", tip], top) is None:
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` is on `{here or 'no branch'}`, which has commits "
            f"that `{branch}` has not",
            path=top,
            hint=f"`git -C {top} switch {branch}` and `git -C {top} merge {here or '-'}`",
        )
    taken = take_tree(top, scratch=top.parent, largest_bytes=None)
    if changes := compare_trees(top, "HEAD", taken.tree, find_renames=False):
        paths = shown_paths([change.path for change in changes])
        raise NotReadyError(
            f"the worktree of `{workspace.owner}` holds changes that are not committed: {paths}",
            path=top,
            hint=f"`git -C {top} commit -a`, then merge again",
        )
    return tuple(_words_of(taken))


def _merge(home: Path, branch: str, way: MergeWay, message: str) -> str:
    """Merge, and return what was written meanwhile."""
    options = {
        MergeWay.AUTO: ["-m", message],
        MergeWay.FAST_FORWARD: ["--ff-only"],
        MergeWay.MERGE: ["--no-ff", "-m", message],
        MergeWay.SQUASH: ["--squash"],
    }[way]
    is_squash = way is MergeWay.SQUASH
    if is_squash and answer_of(["diff", "--cached", "--quiet"], home) is None:
        raise NotReadyError(
            "changes are staged here, and a squash would commit them too",
            path=home,
            hint="commit them, or `git restore --staged .`, then merge again",
        )
    ref = f"{BRANCHES}{branch}"
    goes_forward = answer_of(["merge-base", "--is-ancestor", "HEAD", ref], home) is not None
    makes_commit = is_squash or way is MergeWay.MERGE or not goes_forward
    answer = try_git(["merge", "--quiet", *options, ref], home, makes_commit=makes_commit)
    if answer.exit_code:
        conflicts = unmerged_paths(home)
        if not conflicts:  # a hook or a missing signature leaves all of it but the commit
            take_back(home)
            raise _refused(home, branch, words_of(answer))
        go_on, back = "git merge --continue", "git merge --abort"
        if is_squash:
            go_on, back = "git commit", "git reset --merge"
        raise NotReadyError(
            f"`{branch}` conflicts with what is here: {shown_paths(conflicts)}",
            path=home,
            detail="the conflicts stand in these files",
            hint=f"mend them, `git add` them, then `{go_on}`; `{back}` goes back",
        )
    said = [words_of(answer)]
    if is_squash:
        answer = try_git(["commit", "--quiet", "-m", message], home)
        said.append(words_of(answer))
        if answer.exit_code:
            run_git(["reset", "--quiet", "--merge"], home, timeout_seconds=MERGE_SECONDS)
            raise _refused(home, branch, said[-1])
    return "\n".join(filter(None, said))


def _refused(home: Path, branch: str, words: str) -> GitError:
    message = f"git does not merge `{branch}`, and all is as it was"
    return GitError(message, path=home, detail=words or None, hint=way_on(words))


def _brought(workspace: Workspace, branch: str, tip: str, before: str) -> Merged:
    """Note what was brought home, and return it."""
    home = workspace.home
    _note(workspace, tip)
    commit = head_commit(home) or ""
    with contextlib.suppress(MissionError):  # at worst it counts as a live agent's change
        layout = load_mission(workspace.mission_file).layout
        merged = compare_trees(home, before, commit, find_renames=False)
        note_files(layout, [home / change.path for change in merged])
    return Merged(branch, current_branch(home) or "", commit)


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
