"""A hand-off, from choosing a task to recording its end. Read this file first.

recover  → sessions whose process is gone are ended
choose   → the next ready task, or the one that was asked for
place    → the mission's own work tree, or a worktree, which is made while nothing is
           locked but the task
set back → the work tree to a checkpoint, where that was asked for
brief    → prompt and capsule
claim    → task in progress, lock with pid 0            ┐ under the mission lock, and
launch   → the executor starts the run's supervisor     │ undone as a whole when the
confirm  → lock with pid, session listed, mission active┘ agent cannot be started
carry    → the supervisor stays to the end and records it
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError, NotReadyError, TaskNotReadyError, UsageError
from mosaic.git.git import find_repository
from mosaic.machine.paths import safe_segment
from mosaic.model import Mode, Status
from mosaic.records import NamedTuple, replace
from mosaic.runs.folders import new_run_id
from mosaic.sessions.attempt import plan_attempt
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.choice import Given, choose_runtime, choose_task, refuse_paused
from mosaic.sessions.claim import (
    Chosen,
    claim_task,
    confirm_claim,
    home_place,
    new_session_id,
    refuse_live,
    reserve_task,
    wanted_worktree,
    worktree_place,
)
from mosaic.sessions.prepare import prepare_session
from mosaic.sessions.recovery import recover_in
from mosaic.sessions.restoring import refuse_half_restored
from mosaic.sessions.session_lock import remove_lock
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.store.consent import require_consent
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.provision import provision, remove_workspace
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mosaic.model import Session, SessionLock, Task
    from mosaic.ports import Executor, Started
    from mosaic.runs.record import Run
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.prepare import Prepared
    from mosaic.store.draft import Draft
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

RESERVED = "reserved-"
"""Begins the run id of a session whose worktree is just being made."""


class HandedOff(NamedTuple):
    """A task in an agent's hands."""

    task: Task
    session: Session
    run: Run
    started: Started
    workspace: Workspace | None
    """The worktree that it works in; None: the mission's own work tree."""
    problem: MissionError | None
    """Why mission.json does not list the session yet; its end puts it there."""


def hand_off(
    mission_file: Path,
    request: HandOffRequest,
    executor: Executor,
    ahead: Callable[[Workspace, str, str], None] | None = None,
) -> HandedOff:
    """Hand a task to an agent and stay with it as far as the executor does.

    `ahead` is called with the worktree, and the ids of session and run, before anything is locked
    but the task: for what an executor has to do that takes long.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the task that was asked for cannot be handed off.
        SessionLiveError: a session works in this work tree already.
        ConsentNeededError: the mission names commands that the person has not allowed.
        RestoreUnfinishedError: the mission's work tree is half-way to a checkpoint.
        ProgramNotFoundError: the agent cannot be started; nothing was changed.
    """
    doing = "handing off a task"
    with changing(mission_file, doing=doing) as draft:
        require_consent(draft.snapshot.document)
        recover_in(draft)
        refuse_half_restored(draft.layout)
        chosen = _choose(draft.snapshot, request)
        if chosen.worktree is None:
            handed = _confirm(draft, chosen, *_begin(draft, chosen, executor))
    if chosen.worktree is not None:
        handed = _hand_off_in_worktree(mission_file, chosen, executor, ahead)
    executor.wait()
    return handed


def _choose(snapshot: Snapshot, request: HandOffRequest) -> Chosen:
    """Choose the task, and where it is worked on; a worktree's task is reserved at once."""
    layout, mission = snapshot.layout, snapshot.document.mission
    try:
        task = choose_task(snapshot, request)
    except NotReadyError:
        if not request.worktree:
            _refuse_second_session(snapshot)
        raise
    worktree = wanted_worktree(snapshot, task, request)
    if worktree is None:
        _refuse_second_session(snapshot)
    elif request.from_checkpoint is not None:
        raise UsageError(
            f"`{task.id}` is worked on in a worktree, and `--from` sets back the mission's own",
            hint=f"`mission checkpoint restore {task.id} SEQ --into DIR` rebuilds it elsewhere",
        )
    found = live_or_unknown(snapshot)
    live = [each.lock.session_id for each in found]
    if worktree is not None:
        worktree = replace(worktree, in_use=tuple(each.lock.project_path for each in found))
    if mission.max_parallel is not None and len(live) >= mission.max_parallel:
        raise HeldError(
            f"`maxParallel` of mission.json allows {mission.max_parallel} at once",
            path=snapshot.document.path,
            detail=f"live now: {', '.join(live)}",
            hint="`mission sessions --live` shows them",
        )
    find_repository(layout.project)  # without checkpoints and evidence nothing is handed off
    runtime = choose_runtime(snapshot, task, request)
    if not runtime.uses_terminal:
        request = replace(request, mode=Mode.HEADLESS)
    given = request.given
    session_id = given.session_id if given else new_session_id(snapshot)
    place = worktree_place(layout, session_id, None) if worktree else home_place(layout)
    chosen = Chosen(task, runtime, request, session_id, place, worktree)
    if worktree is not None:
        reserve_task(layout, chosen, f"{RESERVED}{session_id}")
    return chosen


def _refuse_second_session(snapshot: Snapshot) -> None:
    """Make sure that no live session works in the main work tree."""
    for found in live_or_unknown(snapshot):
        if found.path == snapshot.layout.session_lock:
            raise refuse_live(found)


def _hand_off_in_worktree(
    mission_file: Path,
    chosen: Chosen,
    executor: Executor,
    ahead: Callable[[Workspace, str, str], None] | None,
) -> HandedOff:
    """Make the worktree while nothing is locked but the task, then launch in it."""
    assert chosen.worktree is not None
    is_begun = False
    try:
        document = load_mission(mission_file)
        was_there = find_workspace(document.layout, chosen.worktree.name) is not None
        wanted = replace(chosen.worktree, goes_elsewhere=ahead is not None)
        workspace = provision(document.layout, wanted, document.mission.worktrees)
        try:
            if ahead is not None:
                chosen = _send_ahead(document.layout, chosen, workspace, ahead)
            doing = f"handing off {chosen.task.id}"
            with changing(mission_file, doing=doing) as draft:
                task = _still_open(draft.snapshot, chosen.task.id)
                place = worktree_place(draft.layout, chosen.session_id, workspace)
                chosen = chosen._replace(task=task, place=place)
                begun = _begin(draft, chosen, executor)
                is_begun = True
                return _confirm(draft, chosen, *begun)
        except BaseException:
            if not was_there and not is_begun:
                with contextlib.suppress(MissionError):  # what stays is listed by `check`
                    remove_workspace(document.layout, workspace, force=False)
            raise
    except BaseException:
        # That of a run by now stays: it has another id.
        remove_lock(chosen.place.lock_file, f"{RESERVED}{chosen.session_id}")
        raise


def _send_ahead(
    layout: Layout,
    chosen: Chosen,
    workspace: Workspace,
    ahead: Callable[[Workspace, str, str], None],
) -> Chosen:
    """Let an executor do what takes long, with the id that the run will have."""
    folder = layout.runs_dir / safe_segment(chosen.task.id)
    run_id = new_run_id(folder, os.urandom(3).hex())
    ahead(workspace, chosen.session_id, run_id)
    given = Given(session_id=chosen.session_id, run_id=run_id, branch=workspace.branch or "")
    return chosen._replace(request=replace(chosen.request, given=given))


def _still_open(snapshot: Snapshot, task_id: str) -> Task:
    refuse_paused(snapshot)
    task = snapshot.get(task_id).task
    if task.status not in (Status.TODO, Status.IN_PROGRESS):
        raise TaskNotReadyError(task.id, f"is {task.status.value} by now")
    return task


def _begin(
    draft: Draft, chosen: Chosen, executor: Executor
) -> tuple[Prepared, SessionLock, Started]:
    """Start the agent. It is not on record yet, and from here on nothing is undone."""
    attempt = plan_attempt(draft.snapshot, chosen.task, chosen.runtime, chosen.request)
    if attempt.is_set_back and attempt.checkpoint:
        restore_checkpoint(draft.snapshot, attempt.checkpoint, into=None)
    launch = prepare_session(draft.snapshot, chosen, attempt)
    claim = claim_task(draft, chosen, launch.run.id)
    try:
        return launch, claim, executor.start(launch.run.dir, launch.order)
    except BaseException:
        remove_lock(chosen.place.lock_file, claim.run_id)
        with contextlib.suppress(MissionError):  # why nothing was started says more
            draft.undo()
        shutil.rmtree(launch.run.dir, ignore_errors=True)
        raise


def _confirm(
    draft: Draft, chosen: Chosen, launch: Prepared, claim: SessionLock, started: Started
) -> HandedOff:
    place, conversation = chosen.place, launch.order.conversation
    session, problem = confirm_claim(draft, place.lock_file, claim, started, conversation)
    return HandedOff(chosen.task, session, launch.run, started, place.workspace, problem)
