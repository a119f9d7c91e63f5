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
import shutil
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError, NotReadyError, TaskNotReadyError, UsageError
from mosaic.git.git import find_repository
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.records import dataclass, replace
from mosaic.sessions.attempt import plan_attempt
from mosaic.sessions.checkpoints import restore_checkpoint
from mosaic.sessions.choice import choose_runtime, choose_task
from mosaic.sessions.claim import (
    claim_task,
    confirm_claim,
    new_session_id,
    refuse_live,
    reserve_task,
    undo_claim,
    undo_reservation,
)
from mosaic.sessions.prepare import Chosen, prepare_session
from mosaic.sessions.recovery import recover_in
from mosaic.sessions.restoring import refuse_half_restored
from mosaic.sessions.unrecorded import live_or_unknown
from mosaic.sessions.worktrees import home_place, wanted_worktree, worktree_place
from mosaic.store.consent import require_consent
from mosaic.store.draft import changing
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.provision import provision
from mosaic.workspaces.record import find_workspace
from mosaic.workspaces.removal import remove_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Session, Task
    from mosaic.ports import Executor, Started
    from mosaic.runs.record import Run
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.claim import Claim
    from mosaic.sessions.prepare import Prepared
    from mosaic.sessions.record_end import Settled
    from mosaic.sessions.worktrees import Place
    from mosaic.store.draft import Draft
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.record import Workspace

RESERVED = "reserved-"
"""Begins the run id of a session whose worktree is just being made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOff:
    """A task in an agent's hands."""

    task: Task
    session: Session
    run: Run
    started: Started
    recovered: Sequence[Settled] = ()
    carried: bool = False
    """Whether the run was carried to its end here."""
    workspace: Workspace | None = None
    """The worktree that it works in; None: the mission's own work tree."""
    problem: MissionError | None = None
    """Why mission.json does not list the session yet; its end puts it there."""


def hand_off(mission_file: Path, request: HandOffRequest, executor: Executor) -> HandedOff:
    """Hand a task to an agent and stay with it as far as the executor does.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the task that was asked for cannot be handed off.
        SessionLiveError: a session works in this work tree already.
        ConsentNeededError: the mission names commands that the person has not allowed.
        RestoreUnfinishedError: the mission's work tree is half-way to a checkpoint.
        ProgramNotFoundError: the agent cannot be started; nothing was changed.
    """
    with changing(mission_file, doing="handing off a task") as draft:
        require_consent(draft.snapshot.document)
        recovered = recover_in(draft)
        refuse_half_restored(draft.layout)
        chosen = _choose(draft.snapshot, request)
        if chosen.worktree is None:
            begun = _begin(draft, chosen, home_place(draft.layout), request, executor)
            launched = _confirm(draft, begun)
    if chosen.worktree is not None:
        launched = _launch_in_worktree(mission_file, chosen, request, executor)
    carried = executor.wait()
    return HandedOff(
        task=chosen.task,
        session=launched.session,
        run=launched.run,
        started=launched.started,
        recovered=recovered,
        carried=carried,
        workspace=launched.workspace,
        problem=launched.problem,
    )


def refuse_crowd(snapshot: Snapshot) -> None:
    """Make sure that the mission allows one more session.

    Raises:
        HeldError: `maxParallel` of mission.json is reached.
    """
    allowed = snapshot.document.mission.max_parallel
    live = [found.lock.session_id for found in live_or_unknown(snapshot)]
    if allowed is not None and len(live) >= allowed:
        raise HeldError(
            f"`maxParallel` of mission.json allows {allowed} at once",
            path=snapshot.document.path,
            detail=f"live now: {', '.join(live)}",
            hint="`mission sessions --live` shows them",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Launched:
    session: Session
    run: Run
    started: Started
    workspace: Workspace | None
    problem: MissionError | None


def _choose(snapshot: Snapshot, request: HandOffRequest) -> Chosen:
    """Choose the task, and where it is worked on; a worktree's task is reserved at once."""
    layout, now = snapshot.layout, utc_now()
    try:
        task = choose_task(snapshot, request)
    except NotReadyError:
        if not request.worktree:
            refuse_second_session(snapshot, now)
        raise
    worktree = wanted_worktree(layout, task, request)
    if worktree is None:
        refuse_second_session(snapshot, now)
    elif request.from_checkpoint is not None:
        raise UsageError(
            f"`{task.id}` is worked on in a worktree, and `--from` sets back the mission's own",
            hint=f"`mission checkpoint restore {task.id} SEQ --into DIR` rebuilds it elsewhere",
        )
    refuse_crowd(snapshot)
    find_repository(layout.project)  # without checkpoints and evidence nothing is handed off
    runtime = choose_runtime(snapshot, task, request)
    session_id = new_session_id(snapshot)
    chosen = Chosen(task=task, runtime=runtime, session_id=session_id, worktree=worktree)
    if worktree is None:
        return chosen
    reserved = reserve_task(
        layout,
        task,
        worktree_place(layout, session_id, None),
        session_id=session_id,
        run_id=f"{RESERVED}{session_id}",
        runtime=runtime.name,
    )
    return replace(chosen, reserved=reserved)


def _launch_in_worktree(
    mission_file: Path, chosen: Chosen, request: HandOffRequest, executor: Executor
) -> _Launched:
    """Make the worktree while nothing is locked but the task, then launch in it."""
    reserved, wanted = chosen.reserved, chosen.worktree
    assert reserved is not None
    assert wanted is not None
    try:
        document = load_mission(mission_file)
        was_there = find_workspace(document.layout, wanted.name) is not None
        workspace = provision(document.layout, wanted, document.mission.worktrees)
        begun: _Begun | None = None
        try:
            with changing(mission_file, doing=f"handing off {chosen.task.id}") as draft:
                chosen = replace(chosen, task=_still_open(draft.snapshot, chosen.task.id))
                place = worktree_place(draft.layout, chosen.session_id, workspace)
                begun = _begin(draft, chosen, place, request, executor)
                return _confirm(draft, begun)
        except BaseException:
            if not was_there and begun is None:
                with contextlib.suppress(MissionError):  # what stays is listed by `check`
                    remove_workspace(document.layout, workspace, force=False)
            raise
    except BaseException:
        undo_reservation(reserved)
        raise


def _still_open(snapshot: Snapshot, task_id: str) -> Task:
    task = snapshot.get(task_id).task
    if task.status not in (Status.TODO, Status.IN_PROGRESS):
        raise TaskNotReadyError(task.id, f"is {task.status.value} by now")
    return task


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    """An agent that runs, and is not on record yet: from here on nothing is undone."""

    claim: Claim
    prepared: Prepared
    started: Started
    place: Place


def _begin(
    draft: Draft, chosen: Chosen, place: Place, request: HandOffRequest, executor: Executor
) -> _Begun:
    task, runtime = chosen.task, chosen.runtime
    attempt = plan_attempt(draft.snapshot, task, runtime, request)
    if attempt.is_set_back and attempt.checkpoint:
        restore_checkpoint(draft.snapshot, attempt.checkpoint, into=None, keep_own=True)
    launch = prepare_session(draft.snapshot, chosen, place, attempt, request)
    claim = claim_task(
        draft,
        task,
        place,
        session_id=chosen.session_id,
        run_id=launch.run.id,
        runtime=runtime.name,
    )
    try:
        started = executor.start(launch.run.dir, launch.order)
    except BaseException:
        undo_claim(draft, claim)
        shutil.rmtree(launch.run.dir, ignore_errors=True)
        raise
    return _Begun(claim=claim, prepared=launch, started=started, place=place)


def _confirm(draft: Draft, begun: _Begun) -> _Launched:
    prepared = begun.prepared
    conversation = prepared.order.conversation
    session, problem = confirm_claim(draft, begun.claim, begun.started, conversation)
    return _Launched(
        session=session,
        run=prepared.run,
        started=begun.started,
        workspace=begun.place.workspace,
        problem=problem,
    )


def refuse_second_session(snapshot: Snapshot, now: datetime) -> None:
    """Make sure that no live session works in the main work tree."""
    for found in live_or_unknown(snapshot):
        if found.path == snapshot.layout.session_lock:
            raise refuse_live(found, now)
