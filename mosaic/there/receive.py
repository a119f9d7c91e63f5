"""Taking in an attempt: its commits, and a copy of the project as it stands there.

Nothing is run yet. Sent a second time, what was taken in whole is left as it is.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm, dump_json, dump_record, load_record
from mosaic.errors import FailedError, HeldError, MissionError
from mosaic.git.checkpoint_store import OUR_REFS
from mosaic.git.claims import Claim, find_claim, take_claim
from mosaic.git.git import refuse_old_git, run_git
from mosaic.git.objects import share_objects
from mosaic.git.packs import take_pack
from mosaic.git.remote_refs import fetch_refs
from mosaic.machine.disk import create_private_dir, find_bytes, write_private
from mosaic.machine.lock import hold_folder
from mosaic.machine.paths import confined, safe_segment
from mosaic.machine.removing import remove_folder
from mosaic.records import dataclass, replace
from mosaic.remote.hub import RUN_REFS
from mosaic.remote.plan import commit_plan, note_common, plan_files
from mosaic.runs.folders import run_of
from mosaic.store.consent import allow, commands_of
from mosaic.store.mission_file import load_mission
from mosaic.store.state import ensure_state_dir
from mosaic.there.parts import remove_parts, unpack_part
from mosaic.workspaces.furnish import run_setup, set_up
from mosaic.workspaces.provision import WorkspaceRequest, provision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mosaic.model import ObjectId, Text
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout
    from mosaic.there import Asked

TURN_SECONDS = 600.0
"""How long to wait for another attempt that is just taken in."""
HUB_REFS = f"{OUR_REFS}/hub"
"""What was fetched of the branches of a remote that both sides reach."""
MOST_KNOWN = 500
FILES, RUNS = "files/", "runs/"
"""Folders in what is sent: the mission's files by the repository, and records of earlier runs."""
PACK = "pack"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """work.json: one attempt at a task, on this machine."""

    json_form = JsonForm(version=1)
    mission: str
    project: str = ""
    """The mission's id, which all its clones have."""
    hub: Text = ""
    """The remote that both sides reach; empty: the machine's own repository."""
    carrier: str = ""
    """Which process carries it by that remote alone, as its claim says."""
    task_id: str
    run_id: str
    session_id: str
    token: str
    branch: Text
    mission_file: Text
    """Relative to the copy of the project's repository."""
    head: ObjectId
    """What is checked out where the mission is."""
    work: ObjectId
    """Where the work begins."""
    is_ready: bool = False
    went: bool = False
    """Whether it was told to begin."""
    is_over: bool = False
    """Whether its end was pushed, or it has lost its claim; only where it has a carrier."""


def place_of(asked: Asked) -> Path:
    """Return the folder of the attempt that is asked about."""
    return place_below(asked.folder, asked.values)


def place_below(folder: Path, values: Mapping[str, Any]) -> Path:
    """Return where an attempt is kept below our folder."""
    mission, run = (safe_segment(str(values[key])) for key in ("mission", "run"))
    return folder / "missions" / mission / "runs" / run


def find_attempt(place: Path) -> Attempt | None:
    """Return what is noted of an attempt; None where there is nothing."""
    data = find_bytes(place / "work.json")
    return None if data is None else load_record(Attempt, data, place / "work.json")


def get_attempt(asked: Asked) -> Attempt:
    """Return the attempt that is asked about; HeldError where another token has its place."""
    attempt = find_attempt(place_of(asked))
    if attempt is None:
        raise FailedError("this attempt was never sent here, or was removed")
    if attempt.token != asked.values.get("token"):
        raise HeldError("another attempt has this place", detail=f"its token: `{attempt.token}`")
    return attempt


def write_attempt(place: Path, attempt: Attempt, **changes: Any) -> Attempt:
    """Write what is known of an attempt, with changes, and return it."""
    attempt = replace(attempt, **changes)
    write_private(place / "work.json", dump_json(dump_record(attempt)), root=place)
    return attempt


def home_of(place: Path) -> Path:
    """Return an attempt's own copy of the repository."""
    return place / "home"


def layout_at(place: Path, attempt: Attempt) -> Layout:
    """Return where the files of the mission are in an attempt's copy."""
    return load_mission(home_of(place) / attempt.mission_file).layout


def run_at(place: Path, attempt: Attempt) -> Run:
    """Return the record of an attempt."""
    return run_of(layout_at(place, attempt).runs_dir, attempt.task_id, attempt.run_id)


def repo_of(place: Path) -> Path:
    """Return the repository that attempts of one mission share on this machine."""
    return place.parent.parent / "repo.git"


def remote_of(place: Path, attempt: Attempt) -> str:
    """Return the repository that keeps the claim and what the attempt brings."""
    return attempt.hub or str(repo_of(place))


def claim_of(place: Path, attempt: Attempt) -> Claim:
    """Return the claim of an attempt; HeldError where it has lost it."""
    remote, project = remote_of(place, attempt), _claimed_in(attempt)
    claim = find_claim(top_of(place), remote, attempt.task_id, project)
    if claim is None or claim.token != attempt.token:
        by = claim.by if claim else "nobody"
        raise HeldError(f"`{attempt.task_id}` is another attempt's by now", detail=f"now: {by}")
    return claim


def take_claim_of(place: Path, attempt: Attempt, *, by: str, over: Iterable[str] | None) -> None:
    """Take the task for an attempt, over those of the tokens `over`, or over any for None.

    HeldError where another attempt has it.
    """
    top, remote, project = top_of(place), remote_of(place, attempt), _claimed_in(attempt)
    found = find_claim(top, remote, attempt.task_id, project)
    is_over = over is None or (found is not None and found.token in over)
    take_claim(
        top,
        remote,
        attempt.task_id,
        token=attempt.token,
        by=by,
        mission=project,
        over=found if is_over else None,
    )


def top_of(place: Path) -> Path:
    """Return the repository that commits of claims are written into."""
    home = home_of(place)
    return home if (home / ".git" / "HEAD").exists() else repo_of(place)


def _claimed_in(attempt: Attempt) -> str:
    """Return the mission that a claim names: only a remote of many missions needs it."""
    return attempt.project if attempt.hub else ""


def tell_known(asked: Asked) -> None:
    """Answer with the commits that need not be sent; a FailedError where git is too old."""
    refuse_old_git()
    place = place_of(asked)
    repo = repo_of(place)
    known: list[str] = []
    if hub := str(asked.values.get("hub") or ""):
        create_private_dir(repo.parent)
        with hold_folder(repo.parent, wait_seconds=TURN_SECONDS):
            ensure_repo(repo)
            fetch_refs(repo, hub, f"+refs/heads/*:{HUB_REFS}/*")
    if (repo / "HEAD").exists():
        command = ["for-each-ref", "--sort=-creatordate", f"--count={MOST_KNOWN}"]
        command += ["--format=%(objectname)", RUN_REFS, HUB_REFS]
        known = run_git(command, repo).text.split()
    asked.answer(known=list(dict.fromkeys(known)))


def prepare(asked: Asked) -> None:
    """Take an attempt in, and answer when it could begin."""
    place = create_private_dir(place_of(asked))
    mission_dir, repo = place.parent.parent, repo_of(place)
    with hold_folder(place, wait_seconds=TURN_SECONDS):
        attempt = _noted(asked, place)
        if not attempt.is_ready:
            try:
                received = create_private_dir(place / "received")
                unpack_part(asked.data, received)
                with hold_folder(mission_dir, wait_seconds=TURN_SECONDS):
                    _take_commits(asked, repo, received)
                take_in(asked.values, place, received)
                remove_folder(place, received)
            except (MissionError, OSError):
                with contextlib.suppress(MissionError):  # why it could not be taken in says more
                    remove_attempt(place, attempt.run_id)
                raise
    remove_parts(asked.folder)
    asked.answer(ready=True)


def _noted(asked: Asked, place: Path) -> Attempt:
    """Return what is noted of the attempt; noted before all else, so that no folder is unknown."""
    is_noted = find_attempt(place) is not None
    return get_attempt(asked) if is_noted else write_attempt(place, _attempt_of(asked.values))


def _take_commits(asked: Asked, repo: Path, received: Path) -> None:
    """Put what was sent into the repository that attempts share."""
    ensure_repo(repo)
    for pack in sorted((received / PACK).glob("*.pack")):
        take_pack(repo, pack)
    for name, commit in dict(asked.values["commits"]).items():
        ref = f"{RUN_REFS}/{asked.values['run']}/{name}"
        run_git(["update-ref", ref, str(commit)], repo)


def _attempt_of(values: Mapping[str, Any], carrier: str = "") -> Attempt:
    commits: dict[str, str] = dict(values["commits"])
    return Attempt(
        head=commits["head"],
        work=commits["work"],
        run_id=str(values["run"]),
        task_id=str(values["task"]),
        session_id=str(values["session"]),
        mission=str(values["mission"]),
        token=str(values["token"]),
        branch=str(values["branch"]),
        mission_file=str(values["mission_file"]),
        project=str(values.get("project") or ""),
        hub=str(values.get("hub") or ""),
        carrier=carrier,
    )


def ensure_repo(repo: Path) -> None:
    """Make the repository that attempts share, where there is none."""
    if not (repo / "HEAD").exists():
        run_git(["init", "--quiet", "--bare", "--template=", str(repo)], repo.parent)


def take_in(
    values: Mapping[str, Any], place: Path, received: Path, *, carrier: str = ""
) -> Attempt:
    """Make an attempt's copy of the project, from commits that are here and files that were sent.

    `carrier` is the name of the process that carries it by a hub alone.
    """
    if home_of(place).exists():
        remove_folder(place, home_of(place))  # of a try that was cut off
    attempt = write_attempt(place, _attempt_of(values, carrier))
    _make_home(values, place, attempt)
    layout = _furnish(place, attempt, received)
    note_common(home_of(place), commit_plan(layout, home_of(place)))
    document = load_mission(layout.mission_file)
    # Who sends it has allowed them, or could not have sent it.
    allow(document, commands_of(document.mission), settles=True)
    task, branch, settings = attempt.task_id, attempt.branch, document.mission.worktrees
    request = WorkspaceRequest(name=task, owner=task, branch=branch, goes_elsewhere=True)
    workspace = provision(layout, request, settings)
    if tree := values["commits"].get("tree"):
        run_git(["read-tree", "--reset", "-u", tree], workspace.path)
        run_git(["reset", "--quiet"], workspace.path)
    # With what was not committed in place: the mission's setup command, then the machine's own.
    set_up(workspace, settings, waits=False)
    run_setup(workspace, replace(settings, setup=tuple(values.get("setup") or ())))
    return write_attempt(place, attempt, is_ready=True)


def _make_home(values: Mapping[str, Any], place: Path, attempt: Attempt) -> None:
    """Check out a copy of the repository, with the branch that is worked on."""
    home = create_private_dir(home_of(place))
    run_git(["init", "--quiet", str(home)], place)
    share_objects(repo_of(place) / "objects", home / ".git" / "objects")
    for key, value in dict(values.get("user") or {}).items():
        run_git(["config", f"user.{key}", str(value)], home)
    run_git(["checkout", "--quiet", "--detach", attempt.head], home, timeout_seconds=TURN_SECONDS)
    run_git(["branch", "--quiet", attempt.branch, attempt.work], home)


def _furnish(place: Path, attempt: Attempt, received: Path) -> Layout:
    """Lay the mission's files over the copy as they stood, and the records of earlier runs."""
    home = home_of(place)
    sent = set()
    for path in sorted((received / FILES).rglob("*")):
        if path.is_file():
            target = home / path.relative_to(received / FILES)
            confined(home, target)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            sent.add(target.relative_to(home).as_posix())
    layout = load_mission(home / attempt.mission_file).layout
    for name, path in plan_files(layout, home).items():
        if name not in sent:  # it is committed, and gone from where the mission is
            path.unlink()
    ensure_state_dir(layout, is_made_here=True)
    layout = load_mission(layout.mission_file).layout
    folder = create_private_dir(layout.runs_dir) / safe_segment(attempt.task_id)
    if (received / RUNS).is_dir():
        create_private_dir(folder)
        for run in sorted((received / RUNS).iterdir()):
            run.replace(folder / run.name)
    return layout


def remove_attempt(place: Path, run_id: str) -> None:
    """Remove what this machine keeps of an attempt, but for commits that a next one builds on."""
    # First what takes most room: the disk may be full.
    remove_folder(place.parent, place)
    repo = repo_of(place)
    command = ["for-each-ref", "--format=%(refname)", f"{RUN_REFS}/{run_id}/"]
    for name in run_git(command, repo).text.split() if (repo / "HEAD").exists() else ():
        if not name.endswith(("/branch", "/head")):  # by these the next one is sent in parts
            run_git(["update-ref", "-d", name], repo)
