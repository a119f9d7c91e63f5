"""Claims of tasks in a repository that several machines reach: only one attempt can win.

    refs/mosaic/claims/<task>     a commit of nothing, whose message is JSON:
                                  {"task_id": …, "token": …, "by": …}

The commit is the attempt's token. A ref is moved only from the commit that is expected there:
git compares and swaps on the side that keeps it, so of two who claim at once one is refused. What
an attempt brings is pushed together with a new commit of its claim (`push_claimed`), in one
transaction: an attempt that has lost its claim meanwhile brings nothing at all, however late it is.

The remote is one of the repository's own, a URL, or a path. No hook of this side is run.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitError, HeldError
from mosaic.git.checkpoint_store import OUR_REFS, PLAIN_IDENTITY
from mosaic.git.git import run_git
from mosaic.git.hosting import PUSH_SECONDS
from mosaic.machine.paths import safe_segment
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.git.git import GitResult

CLAIM_REFS = f"{OUR_REFS}/claims"
_PUSH = (
    "push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags", "--no-signed",
    "--recurse-submodules=no",
)  # fmt: skip
_REFUSED = ("[rejected]", "[remote rejected]")


class Claim(NamedTuple):
    """Who has a task."""

    task_id: str
    commit: str
    """The commit that its ref is at; another one is another attempt, or a later push of it."""
    token: str
    """The same for the whole attempt."""
    by: str
    """In words, for people."""

    @property
    def ref(self) -> str:
        """The ref that it is kept in."""
        return claim_ref(self.task_id)


def claim_ref(task_id: str) -> str:
    """Return the ref that keeps a task's claim."""
    return f"{CLAIM_REFS}/{safe_segment(task_id)}"


def find_claim(top: Path, remote: str, task_id: str) -> Claim | None:
    """Return who has a task as the remote has it now; a GitError where it cannot be asked."""
    commit = _find_commit(top, remote, claim_ref(task_id))
    if commit is None:
        return None
    command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, commit]
    answer = run_git(["cat-file", "-e", f"{commit}^{{commit}}"], top, check=False)
    if answer.exit_code:
        fetched = run_git(command, top, check=False, timeout_seconds=PUSH_SECONDS)
        if fetched.exit_code:  # before 2.29 there is no such option, and not every side gives ids
            command = ["fetch", "--quiet", "--no-tags", remote, claim_ref(task_id)]
            run_git(command, top, timeout_seconds=PUSH_SECONDS)
    text = run_git(["log", "-1", "--format=%B", commit], top).text
    facts: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        facts = dict(json.loads(text))
    return Claim(task_id, commit, str(facts.get("token")), str(facts.get("by") or "somebody"))


def take_claim(
    top: Path, remote: str, task_id: str, *, token: str, by: str, over: Claim | None = None
) -> Claim:
    """Take a task, from nobody or from the attempt that is given, and return the claim.

    Asked again with the same token it answers the same, also where the first answer was lost.

    Raises:
        HeldError: another attempt has it.
        GitError: the remote cannot be reached, or refuses.
    """
    found = find_claim(top, remote, task_id)
    if found is not None and found.token == token:
        return found
    if found is not None and (over is None or over.token != found.token):
        raise _held(found)
    claim = _written(top, task_id, token, by, found)
    _move(top, remote, claim, found, ())
    return claim


def push_claimed(top: Path, remote: str, claim: Claim, refs: Sequence[str]) -> Claim:
    """Push refs (`from:to`) under a claim, all or none, and return the claim as it is now.

    Raises:
        HeldError: the claim is lost; nothing was pushed.
        GitError: the remote cannot be reached, or refuses.
    """
    later = _written(top, claim.task_id, claim.token, claim.by, claim)
    _move(top, remote, later, claim, refs)
    return later


def release_claim(top: Path, remote: str, claim: Claim) -> None:
    """Give a task back; HeldError where the claim is lost."""
    command = [*_PUSH, f"--force-with-lease={claim.ref}:{claim.commit}", remote, f":{claim.ref}"]
    answer = run_git(command, top, check=False, timeout_seconds=PUSH_SECONDS)
    if answer.exit_code and (now := find_claim(top, remote, claim.task_id)) is not None:
        raise _refusal(answer, claim, now)


def _move(top: Path, remote: str, claim: Claim, before: Claim | None, refs: Sequence[str]) -> None:
    lease = f"--force-with-lease={claim.ref}:{before.commit if before else ''}"
    command = [*_PUSH, lease, remote, f"{claim.commit}:{claim.ref}", *refs]
    answer = run_git(command, top, check=False, timeout_seconds=PUSH_SECONDS)
    if answer.exit_code == 0:
        return
    now = find_claim(top, remote, claim.task_id)
    if now is None or now.commit != claim.commit:  # else only the answer was lost
        raise _refusal(answer, before or claim, now)


def _refusal(answer: GitResult, claim: Claim, now: Claim | None) -> HeldError | GitError:
    """Return why a push was refused: another attempt, or git."""
    if now is not None and now.token != claim.token:
        return _held(now)
    if now is None and any(word in answer.text for word in _REFUSED):
        return HeldError(f"nobody has the claim of `{claim.task_id}` any more")
    said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()
    return GitError(f"the claim of `{claim.task_id}` could not be pushed", detail=said[-2000:])


def _held(claim: Claim) -> HeldError:
    return HeldError(
        f"`{claim.task_id}` is claimed by another attempt",
        detail=f"{claim.by}, with the token `{claim.token}`",
    )


def _written(top: Path, task_id: str, token: str, by: str, before: Claim | None) -> Claim:
    tree = run_git(["mktree"], top, stdin=b"").text
    facts = json.dumps({"task_id": task_id, "token": token, "by": by})
    parent = ["-p", before.commit] if before and before.token == token else []
    command = ["commit-tree", tree, *parent]
    commit = run_git(command, top, stdin=facts.encode(), env=PLAIN_IDENTITY).text
    return Claim(task_id, commit, token, by)


def _find_commit(top: Path, remote: str, ref: str) -> str | None:
    command = ["ls-remote", "--quiet", remote, ref]
    lines = run_git(command, top, timeout_seconds=PUSH_SECONDS).text.splitlines()
    return next((line.partition("\t")[0] for line in lines if line.endswith(f"\t{ref}")), None)
