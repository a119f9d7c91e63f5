"""A hand-off, from choosing a task to recording its end. Read this file first.

recover  → sessions whose process is gone are ended
choose   → the next ready task, or the one that was asked for
set back → the work tree to a checkpoint, where that was asked for
brief    → prompt and capsule
claim    → task in progress, lock with pid 0            ┐ under the mission lock, and
launch   → the executor starts the run's supervisor     │ undone as a whole when the
confirm  → lock with pid, session listed, mission active┘ agent cannot be started
carry    → the supervisor stays to the end and records it
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.machine.clock import utc_now
from mosaic.machine.git import current_branch, head_commit
from mosaic.plan.durations import parse_duration
from mosaic.ports import Launch, Order
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import create_run, is_session_run, runs_of_task
from mosaic.runs.masking import masked_argv
from mosaic.runs.record import Run, RunMeta, write_request
from mosaic.sessions.agent_version import describe_agent
from mosaic.sessions.briefing import (
    Occasion,
    brief_agent,
    own_command,
    save_capsule,
)
from mosaic.sessions.checkpoints import find_checkpoint, restore_checkpoint
from mosaic.sessions.choice import (
    HandOffRequest,
    choose_runtime,
    choose_task,
    plan_attempt,
)
from mosaic.sessions.claim import (
    claim_task,
    confirm_claim,
    live_sessions,
    refuse_live,
    undo_claim,
)
from mosaic.sessions.recover import recover_in
from mosaic.store.draft import changing
from mosaic.store.mission_file import next_session_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Session, Task
    from mosaic.ports import Executor, Invocation, Runtime, Started
    from mosaic.sessions.attempt import Attempt
    from mosaic.sessions.settle import Settled
    from mosaic.store.tasks import Snapshot


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


def hand_off(mission_file: Path, request: HandOffRequest, executor: Executor) -> HandedOff:
    """Hand a task to an agent and stay with it as far as the executor does.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the task that was asked for cannot be handed off.
        SessionLiveError: a session works in this work tree already.
        ProgramNotFoundError: the agent cannot be started; nothing was changed.
        BrokenFileError: the mission's files are broken.
    """
    with changing(mission_file, doing="handing off a task") as draft:
        recovered = recover_in(draft)
        now = utc_now()
        refuse_second_session(draft.snapshot, now)
        task = choose_task(draft.snapshot, request)
        runtime = choose_runtime(draft.snapshot, task, request)
        attempt = plan_attempt(draft.snapshot, task, runtime, request)
        if request.from_checkpoint is not None:
            attempt = set_back(draft.snapshot, task, attempt, request.from_checkpoint)
        launch = _prepare(draft.snapshot, task, runtime, attempt, request, now=now)
        claim = claim_task(
            draft,
            task,
            session_id=launch.session_id,
            run_id=launch.run.id,
            runtime=runtime.name,
            now=now,
        )
        try:
            started = executor.start(launch.run.dir, launch.order)
        except BaseException:
            undo_claim(draft, claim)
            shutil.rmtree(launch.run.dir, ignore_errors=True)
            raise
        session = confirm_claim(draft, claim, started, launch.invocation.conversation)
    carried = executor.wait()
    return HandedOff(
        task=task,
        session=session,
        run=launch.run,
        started=started,
        recovered=recovered,
        carried=carried,
    )


def set_back(snapshot: Snapshot, task: Task, attempt: Attempt, seq: int) -> Attempt:
    """Set the work tree back to a checkpoint of the task; the mission's own files stay.

    Raises:
        CheckpointNotFoundError: there is none of that number.
        DirtyTreeError: the work tree has changes that would be lost.
    """
    found = find_checkpoint(snapshot, task.id, seq)
    restore_checkpoint(snapshot, found, into=None, keep_own=True)
    return replace(attempt, checkpoint=found, is_set_back=True)


def refuse_second_session(snapshot: Snapshot, now: datetime) -> None:
    """Make sure that no live session works in the main work tree.

    Raises:
        SessionLiveError: one does.
    """
    for found in live_sessions(snapshot.layout):
        if found.path == snapshot.layout.session_lock:
            raise refuse_live(found, now)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    session_id: str
    run: Run
    order: Order
    invocation: Invocation


def _prepare(
    snapshot: Snapshot,
    task: Task,
    runtime: Runtime,
    attempt: Attempt,
    request: HandOffRequest,
    *,
    now: datetime,
) -> _Prepared:
    """Lay out the run record, with everything that the agent is given."""
    layout = snapshot.layout
    session_id = next_session_id(snapshot.document.mission.sessions)
    earlier = runs_of_task(layout.runs_dir, task.id)
    number = max(attempt.number, 1 + sum(is_session_run(each) for each in earlier))
    run = create_run(layout.runs_dir, task.id)
    try:
        occasion = Occasion(
            runtime=runtime.name,
            mode=request.mode,
            now=now,
            attempt=attempt,
            session_id=session_id,
            run_id=run.id,
            prompt_file=str(run.prompt_file),
            run_dir=str(run.dir),
        )
        briefing = brief_agent(snapshot, task, occasion)
        launch = Launch(
            mode=request.mode,
            cwd=layout.project,
            run_dir=run.dir,
            prompt=briefing.prompt,
            prompt_file=run.prompt_file,
            capsule_file=layout.capsule_file,
            task_id=task.id,
            task_file=layout.project / task.file if task.file else None,
            model=request.model,
            conversation=attempt.conversation,
        )
        invocation = runtime.invocation(launch)
        timeout = request.timeout_seconds or _configured_timeout(snapshot, runtime.name)
        meta = RunMeta(
            task_id=task.id,
            step_id=runtime.name,
            step_kind=runtime.name,
            run_id=run.id,
            session_id=session_id,
            attempt=number,
            runtime=runtime.name,
            mode=request.mode,
            argv=masked_argv(invocation.argv, briefing.prompt),
            cwd=str(layout.project),
            mission_file=str(layout.mission_file),
            branch=current_branch(layout.project),
            base_commit=head_commit(layout.project),
            timeout_seconds=timeout,
            created_at=now,
            prompt=briefing.origin,
            agent=describe_agent(runtime, invocation.argv[0], layout),
            tool_version=__version__,
        )
        write_request(run, meta, prompt=briefing.prompt, capsule=briefing.capsule)
        save_capsule(layout, briefing.capsule)
        _note_prepared(run, attempt)
    except BaseException:
        shutil.rmtree(run.dir, ignore_errors=True)
        raise
    order = Order(
        argv=invocation.argv,
        channel=invocation.channel,
        cwd=str(layout.project),
        mode=request.mode,
        env={
            **_reachable_command(),
            **invocation.env,
            "MISSION_FILE": str(layout.mission_file),
            "MISSION_TASK": task.id,
            "MISSION_SESSION": session_id,
            "MISSION_RUN_DIR": str(run.dir),
        },
        unset=invocation.unset,
        timeout_seconds=timeout,
        conversation=invocation.conversation,
        heartbeat_file=str(layout.session_lock),
    )
    return _Prepared(session_id=session_id, run=run, order=order, invocation=invocation)


def _reachable_command() -> dict[str, str]:
    """Return a PATH on which the agent finds the `mission` that launched it, if it must change."""
    command = own_command()
    if command is None or shutil.which("mission"):
        return {}
    folder = os.path.dirname(command)
    return {"PATH": os.pathsep.join(filter(None, (os.environ.get("PATH"), folder)))}


def _note_prepared(run: Run, attempt: Attempt) -> None:
    events = EventLog(run)
    events.append(EventType.RUN_PREPARED, "the run is laid out")
    if attempt.conversation:
        events.append(
            EventType.RUN_RESUMED,
            "the runtime's own conversation is continued",
            data={"runtime_session_id": attempt.conversation},
        )


def _configured_timeout(snapshot: Snapshot, runtime: str) -> float | None:
    spec = snapshot.document.mission.runtimes.get(runtime)
    return parse_duration(spec.timeout) if spec and spec.timeout else None
