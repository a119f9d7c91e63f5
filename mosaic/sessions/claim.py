"""Claiming a task so that nobody else takes it, and giving it back if the spawn fails.

In this order, under the mission lock: task `in-progress`, lock with pid 0; then, when the
agent runs: lock with its pid, session listed, mission `active`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mosaic.errors import MissionError, SessionLiveError
from mosaic.git.git import find_work_tree
from mosaic.git.worktrees import has_branch
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import create_private_dir
from mosaic.machine.identity import own_identity
from mosaic.model import MissionStatus, Session, SessionLock, Status
from mosaic.plan.durations import format_duration
from mosaic.plan.graph import needs_of
from mosaic.plan.session_ids import TAIL_LENGTH, next_session_id
from mosaic.prompts.bounded import one_line
from mosaic.records import NamedTuple, replace
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import is_session_run, run_of, runs_of_task
from mosaic.sessions.liveness import Life
from mosaic.sessions.record_end import patiently
from mosaic.sessions.session_lock import write_lock
from mosaic.sessions.unrecorded import find_sessions, is_in_worktree
from mosaic.workspaces.landed import WORKER, find_unlanded
from mosaic.workspaces.provision import WorkspaceRequest, default_branch, holds_work
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.ports import Runtime, Started
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.liveness import FoundLock
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace


class Place(NamedTuple):
    """Where a session works."""

    cwd: Path
    lock_file: Path
    workspace: Workspace | None = None
    """None: the mission's own work tree."""


class Chosen(NamedTuple):
    """What is handed off, to whom, and where it is worked on."""

    task: Task
    runtime: Runtime
    request: HandOffRequest
    session_id: str
    place: Place
    worktree: WorkspaceRequest | None
    """What is to become the place; None: the mission's own work tree is it."""


def home_place(layout: Layout) -> Place:
    """Return the mission's own work tree as a place; one session at a time works there."""
    return Place(layout.project, layout.session_lock)


def worktree_place(layout: Layout, session_id: str, workspace: Workspace | None) -> Place:
    """Return a worktree as a place; before it is made, the place is the mission's own."""
    cwd = workspace.project if workspace else layout.project
    return Place(cwd, layout.session_locks_dir / f"{session_id}.lock", workspace)


def wanted_worktree(
    snapshot: Snapshot, task: Task, request: HandOffRequest
) -> WorkspaceRequest | None:
    """Return the worktree that a task is worked on in; None: the mission's own work tree.

    A task that has one goes on in it: that is where its work is. One that begins before those
    that it needs are merged gets one, from a base with them.
    """
    layout = snapshot.layout
    known = find_workspace(layout, task.id)
    home = find_work_tree(layout.project) or layout.project
    branch = known.branch if known else _branch_of_last(layout, home, task)
    is_begun = known is not None or branch is not None or holds_work(home, task.id, WORKER)
    merges = () if is_begun else _unlanded_needs(snapshot, task)
    if not (is_begun or request.worktree or merges):
        return None
    branch = request.given.branch if request.given else task.branch or branch
    return WorkspaceRequest(
        name=task.id,
        owner=task.id,
        branch=branch or default_branch(home, task.id, WORKER),
        base_ref=task.base_ref,
        with_changes=request.with_changes,
        merges=merges,
    )


def _unlanded_needs(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """Return the branches that a task's base is to merge, where the mission wants that."""
    if not task.depends_on or not snapshot.document.mission.worktrees.merge_dependencies:
        return ()
    needs = needs_of(snapshot.tasks, task)
    unlanded = find_unlanded(snapshot.layout, snapshot.tasks)
    branches = [branch for name, branch in unlanded.items() if name in needs]
    return tuple(name for name in dict.fromkeys(branches) if name != task.branch)


def _branch_of_last(layout: Layout, home: Path, task: Task) -> str | None:
    """Return the branch of a task's last session, where it had a worktree that is gone now."""
    runs = reversed(runs_of_task(layout.runs_dir, task.id))
    run = next((each for each in runs if is_session_run(each)), None)
    meta = run.find_meta() if run is not None else None
    if meta is None or meta.branch is None or not is_in_worktree(meta.cwd, layout):
        return None
    return meta.branch if has_branch(home, meta.branch) else None


def refuse_live(found: FoundLock) -> SessionLiveError:
    """Return the refusal to work where a session lives already."""
    lock = found.lock
    age = format_duration(max(0.0, (utc_now() - lock.started_at).total_seconds()))
    pid = f"pid {lock.process.pid}" if lock.process.pid else "not yet started"
    verb = "may still work here" if found.judgement.life is Life.UNKNOWN else "works here"
    on_task = f" on `{lock.task_id}`" if lock.task_id else ""
    on_host = f" on `{lock.process.host}`" if lock.process.host else ""
    return SessionLiveError(
        f"session `{lock.session_id}` {verb}{on_task}",
        detail=f"{lock.runtime}, {pid}{on_host}, for {age}: {found.judgement.because}",
        hint=found.way_out,
    )


def new_session_id(snapshot: Snapshot) -> str:
    """Return the next free session id; one that is only reserved is not free."""
    reserved = [found.lock.session_id for found in find_sessions(snapshot)]
    known = [*snapshot.document.mission.sessions.ids(), *reserved]
    return next_session_id(known, os.urandom(TAIL_LENGTH))


def reserve_task(layout: Layout, chosen: Chosen, run_id: str) -> SessionLock:
    """Keep a task from everybody else, without a change of the mission's files yet.

    The caller has made sure, under the mission lock, that no session lives in the place.
    """
    task, place = chosen.task, chosen.place
    lock = SessionLock(
        session_id=chosen.session_id,
        runtime=chosen.runtime.name,
        process=replace(own_identity(), pid=0),
        supervisor_pid=os.getpid(),
        started_at=utc_now(),
        project_path=str(place.cwd),
        task_id=task.id,
        run_id=run_id,
        milestone_id=one_line(task.milestone) if task.milestone else None,
    )
    create_private_dir(place.lock_file.parent)
    write_lock(place.lock_file, lock, state_dir=layout.state_dir)
    return lock


def claim_task(draft: Draft, chosen: Chosen, run_id: str) -> SessionLock:
    """Take a task: set it in progress and lock the work tree.

    The caller has made sure, under the same lock, that no other session lives in the place.
    """
    if chosen.task.status is not Status.IN_PROGRESS:
        draft.edit_task(chosen.task.id, {"status": Status.IN_PROGRESS.value}, utc_now())
    draft.save()
    return reserve_task(draft.layout, chosen, run_id)


def confirm_claim(
    draft: Draft, lock_file: Path, claim: SessionLock, started: Started, conversation: str | None
) -> tuple[Session, MissionError | None]:
    """Put the running agent on record: its pid, its session, an active mission.

    The agent runs already, so nothing here may fail: where mission.json is just being saved by
    somebody else it is read again, and where it cannot be written at all the session is listed
    when it ends, and its run's record says so.
    Returned are the session, and why it could not be listed.
    """
    layout = draft.layout
    lock = replace(claim, process=started.agent, supervisor_pid=started.supervisor_pid)
    session = replace(session_of(lock), runtime_session_id=conversation)

    def put_on_record() -> None:
        draft.start_over()
        draft.put_session(session)
        if draft.snapshot.document.mission.status is not MissionStatus.PAUSED:
            draft.set_mission_status(MissionStatus.ACTIVE)
        draft.save()

    try:
        write_lock(lock_file, lock, state_dir=layout.state_dir)
        patiently(put_on_record)
    except MissionError as error:
        run = run_of(layout.runs_dir, lock.task_id, lock.run_id)
        EventLog(run).append(
            EventType.SESSION_UNLISTED,
            f"the session could not be listed: {error.message}; its end records it",
        )
        return session, error
    return session, None


def session_of(lock: SessionLock) -> Session:
    """Return a session as its lock alone tells it: one whose launcher was killed is not listed."""
    return Session(
        id=lock.session_id,
        runtime=lock.runtime,
        pid=lock.process.pid,
        host=lock.process.host,
        started_at=lock.started_at,
        milestone_id=lock.milestone_id,
        last_task_id=lock.task_id,
        run_id=lock.run_id,
    )
