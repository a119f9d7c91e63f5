"""What an attempt leaves on this machine: how it ended, and what it made, pushed under its claim.

Both ways back use it: the conversation of `mosaic.there.work`, and `mosaic.there.carry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.codec import dump_record
from mosaic.git.checkpoint_store import HIDDEN_REFS, keep_tree
from mosaic.git.claims import push_claimed
from mosaic.git.git import common_dir, head_commit, run_git
from mosaic.git.objects import STORE, bring_back
from mosaic.git.packs import make_pack
from mosaic.git.snapshot import take_tree
from mosaic.machine.disk import create_private_dir
from mosaic.machine.lock import hold_folder, is_folder_held
from mosaic.records import NamedTuple
from mosaic.remote.hub import run_ref
from mosaic.remote.plan import commit_plan, common_plan
from mosaic.remote.raw import RAW_REF, commit_raw
from mosaic.remote.record import commit_record, cuts_of
from mosaic.runs.checkpoint import last_seq
from mosaic.sessions.dead_sessions import recover_if_needed
from mosaic.sessions.liveness import find_locks
from mosaic.store.reading import read_mission
from mosaic.there.receive import (
    TURN_SECONDS,
    Attempt,
    claim_of,
    home_of,
    layout_at,
    remote_of,
    run_at,
)
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mosaic.git.claims import Claim

END_REF = "end"
"""The name of the work tree as it was left, among the checkpoints of a run."""


class Published(NamedTuple):
    """What a run left so far, as refs that were pushed."""

    commits: dict[str, str]
    """By name: `branch`, `record`, `plan`, and the checkpoints by their numbers."""
    seq: int
    claim: Claim
    """As it is after the push."""
    left_out: tuple[str, ...] = ()
    """Files of the work that no commit has, each with why."""


def find_end(place: Path, attempt: Attempt) -> dict[str, Any] | None:
    """Return how the session ended, recorded now where its supervisor was killed; else None."""
    layout, run = layout_at(place, attempt), run_at(place, attempt)
    if is_folder_held(run.dir):
        return None
    snapshot = read_mission(layout.mission_file)
    if recover_if_needed(snapshot):
        snapshot = read_mission(layout.mission_file)
    session = snapshot.document.mission.sessions.find(attempt.session_id)
    is_unrecorded = session is None or run.find_meta() is None
    if is_unrecorded and not (find_locks(layout) or is_folder_held(place)):
        return {"session": None}  # who began it was killed before it was on record
    if session is None or session.ended_at is None:
        return None
    entry = snapshot.find(attempt.task_id)
    status = entry.task.status.value if entry else None
    cut = [each._asdict() for each in cuts_of(run)]
    return {"session": dump_record(session), "status": status, "cut": cut}


def publish(place: Path, attempt: Attempt) -> Published:
    """Push the branch, the record and the checkpoints of a run as refs, under its claim.

    HeldError where the claim is lost: nothing is pushed.
    """
    with hold_folder(_sent_folder(place), wait_seconds=TURN_SECONDS):  # another may linger
        run = run_at(place, attempt)
        seq = last_seq(run)
        commits, left_out = commits_of(place, attempt)
        commits["record"] = commit_record(home_of(place), run)
        claim = push_commits(place, attempt, claim_of(place, attempt), commits)
    return Published(commits, seq, claim, left_out)


def push_commits(place: Path, attempt: Attempt, claim: Claim, commits: Mapping[str, str]) -> Claim:
    """Push commits as refs of the run under its claim, and return that as it is now."""
    refs = [f"+{oid}:{run_ref(attempt.run_id, name)}" for name, oid in commits.items()]
    return push_claimed(home_of(place), remote_of(place, attempt), claim, refs)


def pack_published(
    place: Path, attempt: Attempt, published: Published, has: Iterable[str]
) -> bytes:
    """Return a pack of what was published, but for what `has` has."""
    folder = _sent_folder(place)
    with hold_folder(folder, wait_seconds=TURN_SECONDS):
        known = [attempt.head, attempt.work, *has]
        pack = make_pack(home_of(place), published.commits.values(), known, folder)
        data = pack.read_bytes()
        for path in folder.glob(f"{pack.stem}.*"):
            path.unlink()
    return data


def _sent_folder(place: Path) -> Path:
    return create_private_dir(place / "sent")


def commits_of(place: Path, attempt: Attempt) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return by name what a run has made, as commits of its copy; and what no commit can have."""
    home, layout, run = home_of(place), layout_at(place, attempt), run_at(place, attempt)
    left_out: tuple[str, ...] = ()
    workspace = find_workspace(layout, attempt.task_id)
    commits: dict[str, str] = {}
    if workspace is not None and workspace.is_there:
        commits["branch"] = head_commit(workspace.path) or attempt.work
        if not is_folder_held(run.dir):
            top, words = workspace.path, f"Work tree of run {run.id}"
            taken = take_tree(top, scratch=place, largest_bytes=None, keep_private=False)
            commits[END_REF] = keep_tree(home, taken, ref=f"{run.id}/{END_REF}", message=words)
            left_out = tuple(f"{each.path} ({each.reason})" for each in taken.left_out)
            if raw := commit_raw(top, home, attempt.work, commits[END_REF]):
                commits[RAW_REF] = raw
    shared = common_dir(home)
    if shared is not None and (shared / STORE).is_dir():
        bring_back(shared)
        prefix = f"{HIDDEN_REFS}/{run.id}/"
        command = [f"--git-dir={shared / STORE}", "for-each-ref"]
        command += ["--format=%(objectname) %(refname)", prefix]
        for line in run_git(command, home).text.splitlines():
            commit, _, name = line.partition(" ")
            commits[name.removeprefix(prefix)] = commit
    commits["plan"] = commit_plan(layout, home, common_plan(home))
    return commits, left_out
