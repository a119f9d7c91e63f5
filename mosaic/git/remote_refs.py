"""Refs of a repository that others reach too: listed, fetched, pushed, all or none.

The remote is one of the repository's own, a URL, or a path. Nothing of a person's is changed here:
no ref, no hook, no FETCH_HEAD where git knows how, no clean-up that git begins by itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import GitError, UsageError
from mosaic.git.git import answer_of, run_git
from mosaic.git.hosting import PUSH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mosaic.git.git import GitResult

PUSH = (
    "push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags", "--no-signed",
    "--recurse-submodules=no",
)  # fmt: skip
_FETCH = (
    "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "fetch", "--quiet", "--no-tags", "--recurse-submodules=no",
)  # fmt: skip
FETCH_SECONDS = 3600.0


def address_of(top: Path, remote: str) -> str:
    """Return what a remote is called on every machine: its URL, or its whole path.

    `remote` is the name of a remote of the repository, a URL, or a path relative to it.
    UsageError: its URL has a password in it, which must not be sent.
    """
    url = answer_of(["remote", "get-url", "--push", remote], top) or remote
    if "://" in url:
        user, is_there, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
        if is_there and ":" in user:
            raise UsageError(
                f"the URL of the remote `{remote}` has a password in it",
                detail="the URL is sent to other machines, and no password may be",
                hint="take it out, and let git's credential helper or a key of ssh log in",
            )
        return url
    place = os.path.join(top, os.path.expanduser(url))
    is_path = ":" not in url.partition("/")[0] or os.path.isdir(place)
    return os.path.realpath(place) if is_path else url


def list_refs(top: Path, remote: str, *patterns: str) -> dict[str, str]:
    """Return the commits of a remote's refs that fit, by name; GitError: it cannot be asked."""
    command = ["ls-remote", "--quiet", remote, *patterns]
    lines = run_git(command, top, timeout_seconds=PUSH_SECONDS).text.splitlines()
    rows = (line.partition("\t") for line in lines)
    return {name: commit for commit, _, name in rows}


def fetch_commits(top: Path, remote: str, commits: Iterable[str], has: Iterable[str] = ()) -> None:
    """Fetch commits that a remote names; no ref is changed.

    The remote leaves out what `has` has; without that, what the refs here have.
    """
    tips = [f"--negotiation-tip={each}" for each in has]
    last = [*tips, remote, *commits]
    answer = run_git(
        [*_FETCH, "--no-write-fetch-head", *last], top, check=False, timeout_seconds=FETCH_SECONDS
    )
    if answer.exit_code:  # before 2.29 there is no such option
        run_git([*_FETCH, *last], top, timeout_seconds=FETCH_SECONDS)


def fetch_refs(git_dir: Path, remote: str, *specs: str) -> None:
    """Fetch refs of a remote into a repository of ours, by refspecs."""
    run_git([*_FETCH, remote, *specs], git_dir, timeout_seconds=FETCH_SECONDS)


def push_refs(top: Path, remote: str, words: Sequence[str], *, check: bool = True) -> GitResult:
    """Push refspecs, all or none; options may stand before them.

    GitError: the remote cannot be reached or refuses; with `check` off the answer says so.
    """
    options = [each for each in words if each.startswith("--")]
    refs = [each for each in words if not each.startswith("--")]
    answer = run_git(
        [*PUSH, *options, remote, *refs], top, check=False, timeout_seconds=FETCH_SECONDS
    )
    if check and answer.exit_code:
        said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()
        raise GitError(f"`{remote}` did not take what was pushed", detail=said[-2000:])
    return answer
