"""Claims of tasks in a repository that several machines reach: only one attempt can win.

    refs/mosaic/claims/[<mission>/]<task>   a commit of nothing, whose message is JSON:
                                            {"task_id": …, "token": …, "by": …, "carrier": …}

The commit is the attempt's token. A ref is moved only from the commit that is expected there:
git compares and swaps on the side that keeps it, so of two who claim at once one is refused. What
an attempt brings is pushed together with a new commit of its claim (`push_claimed`), in one
transaction: an attempt that has lost its claim meanwhile brings nothing at all, however late it is.

The remote is one of the repository's own, a URL, or a path. No hook of this side is run. The
mission stands in the ref where missions share the remote. The carrier is who carries the attempt,
once somebody does.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from mosaic.errors import GitError, HeldError
from mosaic.git.checkpoint_store import OUR_REFS, PLAIN_IDENTITY
from mosaic.git.git import run_git
from mosaic.git.remote_refs import fetch_commits, fetch_refs, list_refs, push_refs
from mosaic.machine.paths import safe_segment
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.git.git import GitResult

CLAIM_REFS = f"{OUR_REFS}/claims"
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
    mission: str = ""
    """Which mission's task it is, where missions share the remote."""
    carrier: str = ""
    """Who carries the attempt: a machine, and a word of its own; empty as long as nobody does."""

    @property
    def ref(self) -> str:
        """The ref that it is kept in."""
        return claim_ref(self.task_id, self.mission)


def claim_ref(task_id: str, mission: str = "") -> str:
    """Return the ref that keeps a task's claim."""
    parts = [safe_segment(each) for each in (mission, task_id) if each]
    return "/".join([CLAIM_REFS, *parts])


def find_claim(top: Path, remote: str, task_id: str, mission: str = "") -> Claim | None:
    """Return who has a task as the remote has it now; a GitError where it cannot be asked."""
    ref = claim_ref(task_id, mission)
    commit = list_refs(top, remote, ref).get(ref)
    return read_claim(top, remote, task_id, commit, mission) if commit else None


def read_claim(top: Path, remote: str, task_id: str, commit: str, mission: str = "") -> Claim:
    """Return what a commit that a remote has for a task's claim says."""
    ref = claim_ref(task_id, mission)
    answer = run_git(["cat-file", "-e", f"{commit}^{{commit}}"], top, check=False)
    if answer.exit_code:
        try:
            fetch_commits(top, remote, [commit])
        except GitError:  # not every side gives what it names by its id
            fetch_refs(top, remote, ref)
    text = run_git(["log", "-1", "--format=%B", commit], top).text
    facts: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        facts = dict(json.loads(text))
    return Claim(
        task_id,
        commit,
        str(facts.get("token")),
        str(facts.get("by") or "somebody"),
        mission,
        str(facts.get("carrier") or ""),
    )


def take_claim(
    top: Path,
    remote: str,
    task_id: str,
    *,
    token: str,
    by: str,
    mission: str = "",
    over: Claim | None = None,
    refs: Sequence[str] = (),
) -> Claim:
    """Take a task, from nobody or from the attempt that is given, and return the claim.

    `refs` (`from:to`) are pushed with it, all or none. Asked again with the same token it answers
    the same, also where the first answer was lost.

    Raises:
        HeldError: another attempt has it.
        GitError: the remote cannot be reached, or refuses.
    """
    found = find_claim(top, remote, task_id, mission)
    if found is not None and found.token == token:
        return found
    if found is not None and (over is None or over.token != found.token):
        raise held_by(found)
    claim = _written(top, Claim(task_id, "", token, by, mission))
    _move(top, remote, claim, found, refs)
    return claim


def push_claimed(
    top: Path, remote: str, claim: Claim, refs: Sequence[str], *, carrier: str = ""
) -> Claim:
    """Push refs (`from:to`) under a claim, all or none, and return the claim as it is now.

    `carrier` says who carries the attempt from now on; else that stays.

    Raises:
        HeldError: the claim is lost; nothing was pushed.
        GitError: the remote cannot be reached, or refuses.
    """
    later = _written(top, claim._replace(carrier=carrier or claim.carrier))
    _move(top, remote, later, claim, refs)
    return later


def release_claim(top: Path, remote: str, claim: Claim, refs: Sequence[str] = ()) -> None:
    """Give a task back, and push refs with that; HeldError where the claim is lost."""
    words = [f"--force-with-lease={claim.ref}:{claim.commit}", f":{claim.ref}", *refs]
    answer = push_refs(top, remote, words, check=False)
    if answer.exit_code:
        now = find_claim(top, remote, claim.task_id, claim.mission)
        if now is not None:
            raise _refusal(answer, claim, now)


def _move(top: Path, remote: str, claim: Claim, before: Claim | None, refs: Sequence[str]) -> None:
    lease = f"--force-with-lease={claim.ref}:{before.commit if before else ''}"
    answer = push_refs(top, remote, [lease, f"{claim.commit}:{claim.ref}", *refs], check=False)
    if answer.exit_code == 0:
        return
    now = find_claim(top, remote, claim.task_id, claim.mission)
    if now is None or now.commit != claim.commit:  # else only the answer was lost
        raise _refusal(answer, before or claim, now)


def _refusal(answer: GitResult, claim: Claim, now: Claim | None) -> HeldError | GitError:
    """Return why a push was refused: another attempt, or git."""
    if now is not None and (now.token, now.carrier) != (claim.token, claim.carrier):
        return held_by(now)
    if now is None and any(word in answer.text for word in _REFUSED):
        return HeldError(f"nobody has the claim of `{claim.task_id}` any more")
    said = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip()
    return GitError(f"the claim of `{claim.task_id}` could not be pushed", detail=said[-2000:])


def held_by(claim: Claim) -> HeldError:
    """Return the refusal of a task that another attempt has."""
    return HeldError(
        f"`{claim.task_id}` is claimed by another attempt",
        detail=f"{claim.by}, with the token `{claim.token}`",
    )


def _written(top: Path, claim: Claim) -> Claim:
    """Write a claim as a commit: another one in each second."""
    tree = run_git(["mktree"], top, stdin=b"").text
    facts = {"task_id": claim.task_id, "token": claim.token, "by": claim.by}
    facts |= {"carrier": claim.carrier} if claim.carrier else {}
    stdin = json.dumps(facts).encode()
    commit = run_git(["commit-tree", tree], top, stdin=stdin, env=PLAIN_IDENTITY).text
    return claim._replace(commit=commit)
