"""Claims in a repository that two clones reach: one wins, and who has lost brings nothing."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mosaic.errors import GitError, HeldError
from mosaic.git.claims import Claim, find_claim, push_claimed, release_claim, take_claim
from tests.support.git import git, make_repo

HERE = "origin"


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of one bare repository."""
    home = make_repo(tmp_path / "one", {"a": "1\n"})
    git(tmp_path, "clone", "-q", "--bare", "one", "shared.git")
    git(home, "remote", "add", HERE, str(tmp_path / "shared.git"))
    git(tmp_path, "clone", "-q", "shared.git", "two")
    # A hook of the person's own has nothing to say about claims.
    hook = home / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    return home, tmp_path / "two"


def take(top: Path, token: str, over: Claim | None = None) -> Claim:
    return take_claim(top, HERE, "T-001", token=token, by=f"session {token}", over=over)


def test_of_all_who_claim_at_once_one_wins(clones: tuple[Path, Path]) -> None:
    def attempt(number: int) -> str:
        with contextlib.suppress(HeldError):
            return take(clones[number % 2], str(number)).token
        return ""

    with ThreadPoolExecutor(4) as threads:
        won = [token for token in threads.map(attempt, range(4)) if token]
    found = find_claim(clones[0], HERE, "T-001")
    assert found is not None
    assert won == [found.token]
    assert found.by == f"session {found.token}"


def test_a_late_attempt_brings_nothing(clones: tuple[Path, Path]) -> None:
    one, two = clones
    shared = one.parent / "shared.git"
    first = take(one, "a")
    assert take(one, "a") == first  # asked again, as when the answer was lost
    ours = push_claimed(one, HERE, first, ["HEAD:refs/mosaic/runs/r1/branch"])
    with pytest.raises(HeldError, match="another attempt"):
        take(two, "b")
    later = take(two, "b", over=find_claim(two, HERE, "T-001"))
    before = git(shared, "for-each-ref")
    with pytest.raises(HeldError, match="another attempt"):
        push_claimed(one, HERE, ours, ["HEAD:refs/mosaic/runs/r1/late", "HEAD:refs/heads/late"])
    with pytest.raises(HeldError, match="another attempt"):
        release_claim(one, HERE, ours)
    assert git(shared, "for-each-ref") == before
    release_claim(two, HERE, later)
    assert find_claim(two, HERE, "T-001") is None
    with pytest.raises(HeldError, match="any more"):
        push_claimed(one, HERE, ours, ["HEAD:refs/heads/late"])
    # The branch of a refused push, or a remote that is not there, is not taken for another's claim.
    with pytest.raises(GitError):
        take_claim(one, str(one / "nowhere"), "T-001", token="c", by="")
