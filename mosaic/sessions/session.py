"""A hand-off, from choosing a task to recording its end. Read this file first.

recover  → sessions whose process is gone are ended
choose   → the next ready task, or the one that was asked for
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
from mosaic.errors import (
    NothingReadyError,
    NotReadyError,
    TaskNotReadyError,
    UsageError,
)
from mosaic.machine.clock import utc_now
from mosaic.machine.git import current_branch, head_commit
from mosaic.model import EndReason, MissionStatus, Mode, Status
from mosaic.plan.durations import parse_duration
from mosaic.plan.ready import Selection, refusal_of, summarize_waiting
from mosaic.ports import Launch, Order
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.record import (
    Run,
    RunMeta,
    create_run,
    find_run,
    masked_argv,
    runs_of_task,
    write_request,
)
from mosaic.runtimes import default_runtime, get_runtime
from mosaic.sessions.briefing import (
    Attempt,
    Briefing,
    Occasion,
    attempt_of,
    brief_agent,
    own_command,
    save_capsule,
)
from mosaic.sessions.claim import (
    claim_task,
    confirm_claim,
    live_sessions,
    refuse_live,
    undo_claim,
)
from mosaic.sessions.recover import recover_in
from mosaic.sessions.selection import select_from
from mosaic.store.draft import changing
from mosaic.store.mission_file import next_session_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.model import Session, Task
    from mosaic.ports import Executor, Invocation, Runtime, Started
    from mosaic.sessions.settle import Settled
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOffRequest:
    """What a hand-off was asked for."""

    task_id: str | None = None
    milestone: str | None = None
    runtime: str | None = None
    model: str | None = None
    mode: Mode = Mode.HEADLESS
    timeout_seconds: float | None = None
    force: bool = False
    resuming: bool = False
    """Hand the task of an earlier session off again."""
    fresh: bool = False
    """Begin a new conversation even where the earlier one could be continued."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A hand-off that stopped before the claim."""

    task: Task
    runtime: str
    briefing: Briefing


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


def preview_hand_off(snapshot: Snapshot, request: HandOffRequest) -> Preview:
    """Do everything up to the claim: the capsule is written, and nothing else is changed.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the task that was asked for cannot be handed off.
        BrokenFileError: the mission's files are broken.
    """
    task = choose_task(snapshot, request)
    runtime = choose_runtime(snapshot, task, request)
    occasion = Occasion(
        runtime=runtime.name, mode=request.mode, now=utc_now(), attempt=attempt_of(snapshot, task)
    )
    briefing = brief_agent(snapshot, task, occasion)
    save_capsule(snapshot.layout, briefing.capsule)
    return Preview(task=task, runtime=runtime.name, briefing=briefing)


def choose_task(snapshot: Snapshot, request: HandOffRequest) -> Task:
    """Return the task to hand off.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the one that was asked for is not.
        BrokenFileError: no task is ready, and some cannot be read.
    """
    if snapshot.document.mission.status is MissionStatus.PAUSED:
        raise NotReadyError(
            "the mission is paused", hint='set `"status": "active"` in mission.json to go on'
        )
    _refuse_unknown_milestone(snapshot, request.milestone)
    selection = select_from(snapshot, milestone=request.milestone)
    _refuse_broken_table(snapshot)
    if request.resuming:
        return _task_to_resume(snapshot, selection, request)
    if request.task_id is None:
        if selection.chosen is None:
            snapshot.raise_problems()
            raise NothingReadyError(summarize_waiting(selection))
        return selection.chosen
    return _asked_for(snapshot, selection, request.task_id, force=request.force)


def choose_runtime(snapshot: Snapshot, task: Task, request: HandOffRequest) -> Runtime:
    """Return the runtime: asked for, the task's, the mission's, else the first installed.

    Resuming stays with the runtime that the last session on the task had.
    """
    mission = snapshot.document.mission
    last = attempt_of(snapshot, task).last_session if request.resuming else None
    earlier = last.runtime if last is not None else None
    name = request.runtime or earlier or task.runtime or mission.runtime
    if name is None:
        return default_runtime(mission.runtimes)
    return get_runtime(name, mission.runtimes)


def plan_attempt(
    snapshot: Snapshot, task: Task, runtime: Runtime, request: HandOffRequest
) -> Attempt:
    """Return what is known of earlier sessions, and the conversation to continue if any."""
    attempt = attempt_of(snapshot, task)
    last = attempt.last_session
    if not request.resuming or request.fresh or last is None or not runtime.resumable:
        return attempt
    if last.runtime != runtime.name or last.runtime_session_id is None:
        return attempt
    run = find_run(snapshot.layout.runs_dir, last.run_id or "")
    result = run.result() if run else None
    if result and result.get("cause") == "usage":
        return attempt  # the runtime would not have that conversation: begin a new one
    return replace(attempt, conversation=last.runtime_session_id)


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
    number = max(attempt.number, len(earlier) + 1)
    run = create_run(layout.runs_dir, task.id, number)
    try:
        occasion = Occasion(
            runtime=runtime.name,
            mode=request.mode,
            now=now,
            attempt=attempt,
            session_id=session_id,
            run_id=run.id,
            prompt_file=str(run.prompt_file),
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
            agent={"program": invocation.argv[0], "path": shutil.which(invocation.argv[0])},
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


def _refuse_unknown_milestone(snapshot: Snapshot, milestone: str | None) -> None:
    if milestone is None:
        return
    known = {m.id for m in snapshot.document.mission.milestones}
    known |= {task.milestone for task in snapshot.tasks if task.milestone}
    if milestone not in known:
        names = ", ".join(f"`{name}`" for name in sorted(known)) or "none"
        raise UsageError(f"no milestone is called `{milestone}`", detail=f"known: {names}")


def _refuse_broken_table(snapshot: Snapshot) -> None:
    """A table that cannot be read may say anything of any task."""
    for problem in snapshot.problems:
        if problem.task_id is None:
            raise problem.error


def _asked_for(snapshot: Snapshot, selection: Selection, task_id: str, *, force: bool) -> Task:
    task = snapshot.get(task_id).task
    verdict = selection.of(task.id)
    why = refusal_of(verdict, force=force) if verdict else "is not known"
    if why is not None:
        hints = {
            Status.DONE: f"`mission reopen {task.id}` sets it back to todo",
            Status.CANCELLED: f"`mission reopen {task.id}` sets it back to todo",
            Status.REVIEW: f"`mission reopen {task.id}` sends it back",
            Status.BLOCKED: f"`mission reopen {task.id}` when nothing blocks it any more",
        }
        hint = hints.get(
            task.status, f"`mission next --task {task.id} --force` does it all the same"
        )
        raise TaskNotReadyError(task.id, why, hint=hint)
    return task


def _task_to_resume(snapshot: Snapshot, selection: Selection, request: HandOffRequest) -> Task:
    """Return the task of the session to resume: the one named, else the newest unfinished."""
    if request.task_id is not None:
        return _asked_for(snapshot, selection, request.task_id, force=request.force)
    ready = {verdict.task.id: verdict.task for verdict in selection.ready}
    for session in reversed(snapshot.document.mission.sessions):
        task = ready.get(session.last_task_id or "")
        if task is not None and session.ended_reason is not EndReason.COMPLETED:
            return task
    for task in ready.values():
        if task.status is Status.IN_PROGRESS:
            return task
    raise NotReadyError(
        "there is no session to resume",
        hint="`mission next` hands off the next ready task",
    )
