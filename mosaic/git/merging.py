"""Merges and rebases in a work tree: begun, taken back, and what git and hooks say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.git.git import answer_of, run_git
from mosaic.machine.git_dir import find_git_dir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.git.git import GitResult

MERGE_SECONDS = 600.0
"""Hooks run linters and tests."""
LONGEST_WORDS = 2000
# A rebase that stops has `CHERRY_PICK_HEAD` as well: the first that is there counts.
_UNFINISHED = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
# Nothing of the user's is put aside and brought back, and no other branch is moved along.
_PLAINLY = (
    "merge.autoStash=false", "rebase.autoStash=false", "rebase.autoSquash=false",
    "rebase.updateRefs=false",
)  # fmt: skip


def find_unfinished(top: Path) -> str | None:
    """Return which command of git waits to be finished in a work tree, such as `merge`."""
    found = find_git_dir(top)
    states = _UNFINISHED.items() if found is not None else ()
    return next((name for state, name in states if found and (found[1] / state).exists()), None)


def unmerged_paths(top: Path) -> list[str]:
    """Return the files in which conflicts wait to be resolved."""
    listed = answer_of(["diff", "--name-only", "--diff-filter=U", "-z"], top) or ""
    return [path for path in listed.split("\0") if path]


def take_back(top: Path) -> None:
    """Set a work tree to where it was before what is not finished in it was begun."""
    unfinished = find_unfinished(top)
    if unfinished is not None:
        run_git([unfinished, "--abort"], top, timeout_seconds=MERGE_SECONDS)


def try_git(
    args: Sequence[str],
    top: Path,
    *,
    makes_commit: bool = True,
    stdin: bytes | None = None,
    held: Sequence[int] = (),
) -> GitResult:
    """Run a merge or a rebase, whatever comes of it; one that takes too long is a GitError.

    Where this process is killed, git goes on to its end, and has the descriptors of a lock `held`.
    One that makes a commit is taken back where it is interrupted: git begins none beside staged
    changes, so nothing of the user's is among what is reset.
    """
    settings = [word for setting in _PLAINLY for word in ("-c", setting)]
    try:
        return run_git(
            [*settings, *args],
            top,
            stdin=stdin,
            check=False,
            timeout_seconds=MERGE_SECONDS,
            outlives=held,
        )
    except BaseException:
        take_back(top)
        if makes_commit:  # while a hook runs, nothing but the index says that it was begun
            run_git(["reset", "--quiet", "--merge"], top, timeout_seconds=MERGE_SECONDS)
        raise


def words_of(answer: GitResult) -> str:
    """Return what git and the hooks that it ran wrote, its end where it is long."""
    words = (answer.stdout + answer.stderr).decode("utf-8", "replace").strip()
    return words[-LONGEST_WORDS:]


def way_on(words: str) -> str:
    """Return what a user can do where git makes no merge, by what it says."""
    if "fast-forward" in words:
        return "`--no-ff` makes a merge commit; `mission merge` brings the branch up to date first"
    if "tell me who you are" in words or "user.useConfigOnly" in words:
        return '`git config user.name "…"` and `git config user.email "…"`, then merge again'
    if "would be overwritten" in words or "overwrite" in words:
        return "commit or stash what is changed here, then merge again"
    return "mend what git, or a hook of the repository, says, then merge again"
