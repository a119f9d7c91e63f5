"""Bringing what a remote has into work trees: merged requests, and commits of others on a branch.

Where git refuses, all is as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import GitError
from mosaic.git.git import answer_of, current_branch, run_git
from mosaic.git.hosting import PUSH_SECONDS
from mosaic.git.merging import find_unfinished, take_back, try_git, words_of
from mosaic.git.worktrees import BRANCHES, commit_of

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.git.hosting import Place, PullRequest


def bring_merge(home: Path, found: PullRequest, place: Place) -> tuple[str, bool]:
    """Bring a merge into what is checked out here; say what came of it, and whether it is here."""
    into = current_branch(home) or "HEAD"

    def has(commit: str) -> bool:
        return answer_of(["merge-base", "--is-ancestor", commit, "HEAD"], home) is not None

    if found.merge_commit and has(found.merge_commit):
        return f"#{found.number} is merged, and its work is in {into}", True
    there = f"#{found.number} is merged into `{found.base}` of {place.remote}"
    if place.base != found.base:
        return f"{there}, and another branch is checked out here", False
    if unfinished := find_unfinished(home):
        return f"{there}, and another {unfinished} is not finished here", False
    try:
        theirs = _fetch(home, place, found.base)
        words = f"Merge {place.remote}/{found.base}"
        answer = try_git(["merge", "--quiet", "--no-edit", "-m", words, theirs], home)
    except GitError as error:
        return f"{there}, not here: {error.summary}", False
    if answer.exit_code:
        take_back(home)
        by_hand = f"`git pull {place.remote} {found.base}` brings it"
        return f"{there}, not here: {words_of(answer)}; {by_hand}", False
    if found.merge_commit and not has(found.merge_commit):
        return f"{there}, and what is checked out here has it not", False
    return f"#{found.number} is merged, and its work came into {into}", True


def _fetch(home: Path, place: Place, branch: str) -> str:
    """Fetch a branch of the remote, and return its commit (or raise GitError)."""
    command = ["fetch", "--quiet", place.remote, f"{BRANCHES}{branch}"]
    run_git(command, home, timeout_seconds=PUSH_SECONDS)
    return run_git(["rev-parse", "--verify", "FETCH_HEAD"], home).text


def take_commits(home: Path, worktree: Path, branch: str, place: Place, head: str) -> str | None:
    """Bring commits that others made on a branch into its worktree; say what came of it.

    Nothing is merged: where both sides have commits of their own, only the push will say so.
    """
    tip = commit_of(home, f"{BRANCHES}{branch}")
    if not head or tip is None or head == tip:
        return None
    if answer_of(["merge-base", "--is-ancestor", head, tip], home) is not None:
        return None  # what is here is not pushed yet
    try:
        theirs = _fetch(home, place, branch)
        if answer_of(["merge-base", "--is-ancestor", tip, theirs], home) is None:
            return None
        run_git(["merge", "--quiet", "--ff-only", theirs], worktree)
    except GitError as error:
        return f"commits of others on {branch} are not here: {error.summary}"
    count = int(answer_of(["rev-list", "--count", f"{tip}..{theirs}"], home) or 0)
    commits = "1 commit" if count == 1 else f"{count} commits"
    return f"took {commits} that others made on {branch}"
