"""Recorded steps: the record of a run around any command, laid out now and started now or later.

A step belongs to a task and changes nothing of it: no session, no claim, no status. It may
run beside an agent, and agents run steps themselves.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, TypeVar

from mosaic import __version__
from mosaic.errors import GitRefusedError, HeldError, UsageError
from mosaic.git.git import current_branch, head_commit
from mosaic.machine.clock import utc_now
from mosaic.model import EndReason, Mode, RunStatus
from mosaic.ports import EndCause, Order, PromptChannel
from mosaic.records import dataclass, replace
from mosaic.runs.checkpoint import last_seq
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import laying_out, runs_of_task
from mosaic.runs.masking import masked_argv
from mosaic.runs.record import STEP_KINDS, RunMeta, advance, write_request
from mosaic.runs.result import StepEnd, write_result
from mosaic.sessions.recovery import recover_steps
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from mosaic.ports import Executor
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Snapshot

Done = TypeVar("Done")
STEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRequest:
    """What is to be run and recorded."""

    task_id: str
    name: str
    kind: str
    argv: tuple[str, ...]
    cwd: Path
    timeout_seconds: float | None = None
    heartbeat_file: str | None = None
    """Touched while it runs."""


def prepare_step(snapshot: Snapshot, request: StepRequest) -> Run:
    """Lay a step's record out and start nothing.

    Raises:
        TaskNotFoundError: there is no such task.
        UsageError: name or kind will not do, or the command holds what must not be stored.
    """
    if masked_argv(request.argv, "") != request.argv:
        raise UsageError(
            "the command seems to hold a key, and records hold none",
            hint="hand keys over by the environment, or run the step without `--prepare`",
        )
    run = _lay_out(snapshot, request, EventType.STEP_PREPARED, "laid out, to be started later")
    meta, now = run.meta(), utc_now()
    write_result(run, meta, _not_started(meta, now))
    return run


def run_step(snapshot: Snapshot, request: StepRequest, executor: Executor) -> Run:
    """Lay a step's record out, run the command, and stay to its end.

    Raises:
        TaskNotFoundError: there is no such task.
        UsageError: name or kind will not do.
        ProgramNotFoundError: it cannot be started; no record stays behind.
    """
    run = _lay_out(snapshot, request, EventType.RUN_PREPARED, "the run is laid out")
    try:
        order = _order(run.meta(), request.argv, snapshot, run)
        executor.start(run.dir, replace(order, heartbeat_file=request.heartbeat_file))
    except BaseException:
        shutil.rmtree(run.dir, ignore_errors=True)
        raise
    executor.wait()
    return run


def start_prepared(snapshot: Snapshot, run: Run, executor: Executor) -> None:
    """Run a step that was laid out earlier, and stay to its end.

    Raises:
        HeldError: it was started already.
        UsageError: it is an agent's run.
        ProgramNotFoundError: it cannot be started; it stays as it was.
    """
    meta = run.meta()
    if meta.session_id is not None:
        raise UsageError(f"run `{run.id}` is an agent's", hint=f"`mission resume {meta.task_id}`")
    if run.state().status is not RunStatus.PREPARED:
        raise HeldError(f"run `{run.id}` was started already", hint=f"`mission logs {run.id}`")
    executor.start(run.dir, _order(meta, meta.argv, snapshot, run))
    executor.wait()


def note_step(
    snapshot: Snapshot, task_id: str, *, name: str, kind: str, work: Callable[[Run], Done]
) -> tuple[Run, Done]:
    """Record something that Mosaic itself does for a task, outside of any session.

    Raises:
        TaskNotFoundError: there is no such task.
        MissionError: whatever the work raises; no record stays behind.
    """
    request = StepRequest(
        task_id=task_id,
        name=name,
        kind=kind,
        argv=("mission", name, task_id),
        cwd=snapshot.layout.project,
    )
    run = _lay_out(snapshot, request, EventType.RUN_PREPARED, "the run is laid out")
    try:
        done = work(run)
    except BaseException:
        shutil.rmtree(run.dir, ignore_errors=True)
        raise
    now, log = utc_now(), EventLog(run)
    log.append(EventType.STEP_COMPLETED, f"{name} done")
    meta = run.meta()
    end = StepEnd(
        status=RunStatus.COMPLETED,
        reason=EndReason.COMPLETED,
        ok=True,
        cause=EndCause.OK.value,
        summary=f"{name} done",
        words="",
        started_at=meta.created_at,
        finished_at=now,
        duration_seconds=(now - meta.created_at).total_seconds(),
        exit_code=0,
        events=log.last_seq,
    )
    write_result(run, meta, end)
    state = advance(
        run.state(),
        now,
        status=end.status,
        reason=end.reason,
        started_at=meta.created_at,
        finished_at=now,
        exit_code=0,
        summary=end.summary,
        last_event_seq=log.last_seq,
        checkpoint_seq=last_seq(run),
    )
    run.write_state(state)
    return run, done


def _lay_out(snapshot: Snapshot, request: StepRequest, kind: EventType, words: str) -> Run:
    if not STEP_NAME.fullmatch(request.name):
        raise UsageError(
            f"`{request.name}` cannot name a step", hint="use letters, digits, `.`, `_`, `:`, `-`"
        )
    if request.kind not in STEP_KINDS:
        known = ", ".join(f"`{each}`" for each in STEP_KINDS)
        raise UsageError(f"`{request.kind}` is no kind of step", hint=f"use one of {known}")
    if not request.argv:
        raise UsageError("there is no command", hint="put it behind `--`")
    task = snapshot.get(request.task_id).task
    layout = snapshot.layout
    earlier = runs_of_task(layout.runs_dir, task.id)
    recover_steps(earlier, snapshot.document.mission)
    ensure_state_dir(layout)
    with laying_out(layout.runs_dir, task.id) as run:
        meta = RunMeta(
            task_id=task.id,
            step_id=request.name,
            step_kind=request.kind,
            run_id=run.id,
            session_id=None,
            attempt=1 + _count(earlier, request.name),
            runtime=request.kind,
            mode=Mode.HEADLESS,
            argv=masked_argv(request.argv, ""),
            cwd=str(request.cwd),
            mission_file=str(layout.mission_file),
            branch=current_branch(request.cwd),
            base_commit=_begin_commit(request.cwd),
            timeout_seconds=request.timeout_seconds,
            created_at=utc_now(),
            tool_version=__version__,
        )
        write_request(run, meta, prompt="", capsule="")
        log = EventLog(run)
        log.append(kind, words)
        run.write_state(advance(run.state(), utc_now(), last_event_seq=log.last_seq))
    return run


def _begin_commit(cwd: Path) -> str | None:
    """Return the commit that a step begins on; a step goes on where git refuses to say."""
    try:
        return head_commit(cwd)
    except GitRefusedError:
        return None


def _count(runs: Sequence[Run], step: str) -> int:
    """Return how often a step was run; a record that cannot be read is not counted."""
    return sum(meta.step_id == step for run in runs if (meta := run.find_meta()) is not None)


def _order(meta: RunMeta, argv: tuple[str, ...], snapshot: Snapshot, run: Run) -> Order:
    return Order(
        argv=argv,
        channel=PromptChannel.ARGUMENT,
        cwd=meta.cwd,
        mode=Mode.HEADLESS,
        env={
            "MISSION_FILE": str(snapshot.layout.mission_file),
            "MISSION_TASK": meta.task_id,
            "MISSION_RUN_DIR": str(run.dir),
        },
        timeout_seconds=meta.timeout_seconds,
    )


def _not_started(meta: RunMeta, now: datetime) -> StepEnd:
    return StepEnd(
        status=RunStatus.PREPARED,
        reason=None,
        ok=True,
        cause=EndCause.OK.value,
        summary="laid out, not started",
        words="",
        started_at=meta.created_at,
        finished_at=now,
        duration_seconds=0.0,
        exit_code=None,
        events=1,
    )
