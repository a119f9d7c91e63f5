"""Recorded steps: the record of a run around any command, started now or later.

A step belongs to a task and changes nothing of it: no session, no claim, no status.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.model import EndReason, Mode, RunStatus
from mosaic.ports import EndCause, Ending, Invocation, PromptChannel
from mosaic.records import dataclass, replace
from mosaic.runs.events import EventType
from mosaic.runs.folders import runs_of_task
from mosaic.runs.masking import masked_argv
from mosaic.runs.record import STEP_KINDS
from mosaic.runs.result import RunEnd, write_result
from mosaic.sessions.decide import decide_step_outcome
from mosaic.sessions.prepare import RunPlan, order_of, prepare_run
from mosaic.sessions.record_end import finish_record
from mosaic.sessions.recovery import recover_steps
from mosaic.store.state import ensure_state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mosaic.ports import Executor
    from mosaic.runs.record import Run, RunMeta
    from mosaic.sessions.prepare import Prepared
    from mosaic.store.tasks import Snapshot

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
    """Write a step's record and start nothing.

    Raises:
        UsageError: name or kind will not do, or the command holds what must not be stored.
    """
    if masked_argv(request.argv, "") != request.argv:
        raise UsageError(
            "the command seems to hold a key, and records hold none",
            hint="hand keys over by the environment, or run the step without `--prepare`",
        )
    prepared = _prepare(snapshot, request, EventType.STEP_PREPARED)
    write_result(
        prepared.run,
        prepared.meta,
        _good_end(prepared.meta, exit_code=None),
        status=RunStatus.PREPARED,
        reason=None,
        summary="prepared, not started",
        events=1,
    )
    return prepared.run


def run_step(snapshot: Snapshot, request: StepRequest, executor: Executor) -> Run:
    """Record a step, run its command, and stay to its end."""
    prepared = _prepare(snapshot, request, EventType.RUN_PREPARED)
    with _dropped_on_failure(prepared.run):
        executor.start(prepared.run.dir, prepared.order)
    executor.wait()
    return prepared.run


def start_prepared(run: Run, executor: Executor) -> None:
    """Run a step that was prepared earlier, and stay to its end.

    Raises:
        HeldError: it was started already.
        UsageError: it is an agent's run.
    """
    meta = run.meta()
    if meta.session_id is not None:
        raise UsageError(f"run `{run.id}` is an agent's", hint=f"`mission resume {meta.task_id}`")
    if run.state().status is not RunStatus.PREPARED:
        raise HeldError(f"run `{run.id}` was started already", hint=f"`mission logs {run.id}`")
    executor.start(run.dir, order_of(run, meta, _command(meta.argv)))
    executor.wait()


@contextmanager
def noted_step(snapshot: Snapshot, task_id: str, *, name: str, kind: str) -> Iterator[Run]:
    """Record something that Mosaic itself does for a task, outside of any session."""
    argv, project = ("mission", name, task_id), snapshot.layout.project
    request = StepRequest(task_id=task_id, name=name, kind=kind, argv=argv, cwd=project)
    prepared = _prepare(snapshot, request, EventType.RUN_PREPARED)
    run, meta = prepared.run, prepared.meta
    with _dropped_on_failure(run):
        yield run
    end = _good_end(meta, exit_code=0)
    outcome = decide_step_outcome(ended=end.ended, words=f"{name} done", report=end.report)
    state = replace(run.state(), started_at=meta.created_at)
    finish_record(run, meta, end, outcome, state=state)


@contextmanager
def _dropped_on_failure(run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(run.dir, ignore_errors=True)
        raise


def _prepare(snapshot: Snapshot, request: StepRequest, event: EventType) -> Prepared:
    if not STEP_NAME.fullmatch(request.name):
        hint = "use letters, digits, `.`, `_`, `:`, `-`"
        raise UsageError(f"`{request.name}` cannot name a step", hint=hint)
    if request.kind not in STEP_KINDS:
        known = ", ".join(f"`{each}`" for each in STEP_KINDS)
        raise UsageError(f"`{request.kind}` is not a kind of step", hint=f"use one of {known}")
    if not request.argv:
        raise UsageError("there is no command", hint="put it behind `--`")
    task = snapshot.get(request.task_id).task
    layout = snapshot.layout
    earlier = runs_of_task(layout.runs_dir, task.id)
    recover_steps(earlier, snapshot.document.mission)
    ensure_state_dir(layout)
    metas = (run.find_meta() for run in earlier)  # one that cannot be read is not counted
    plan = RunPlan(
        step=request.name,
        kind=request.kind,
        mode=Mode.HEADLESS,
        cwd=request.cwd,
        mission_file=str(layout.mission_file),
        attempt=1 + sum(meta is not None and meta.step_id == request.name for meta in metas),
        timeout_seconds=request.timeout_seconds,
        invocation=_command(request.argv),
        heartbeat_file=request.heartbeat_file,
    )
    return prepare_run(layout, task.id, lambda _: plan, event)


def _good_end(meta: RunMeta, *, exit_code: int | None) -> RunEnd:
    now = utc_now()
    return RunEnd(
        ended=EndReason.COMPLETED,
        ending=Ending(ok=True, cause=EndCause.OK, message=""),
        ended_at=now,
        duration_seconds=(now - meta.created_at).total_seconds() if exit_code == 0 else 0.0,
        exit_code=exit_code,
        conversation=None,
        started_at=meta.created_at,
    )


def _command(argv: tuple[str, ...]) -> Invocation:
    return Invocation(argv=argv, channel=PromptChannel.ARGUMENT)
