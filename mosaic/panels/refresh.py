"""Bringing a panel's state up to what its run records say.

Whoever looks does this first, so a launcher or supervisor that was killed leaves nothing
that is told wrongly. A run that is not a worker's last one is nothing to it any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes
from mosaic.machine.identity import is_same_process
from mosaic.machine.lock import is_folder_held
from mosaic.model import EndReason, RunStatus
from mosaic.panels.answer import WorkerResult, error_result, parse_answer
from mosaic.panels.brief import ANSWER_NAME
from mosaic.panels.record import Panel, PanelEvent
from mosaic.panels.settle import settle_tree
from mosaic.panels.words import LAUNCH_STATES, ExecutionState, WorkerStatus
from mosaic.records import replace
from mosaic.sessions.recovery import is_copied_run, is_dead, recover_steps

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Mission
    from mosaic.panels.words import PanelState, WorkerPlan, WorkerState
    from mosaic.runs.record import Run
    from mosaic.runs.record import RunState as StateOfRun

LARGEST_ANSWER_BYTES = 4 << 20
STATUS_OF = {
    "completed": WorkerStatus.COMPLETED,
    "blocked": WorkerStatus.BLOCKED,
    "error": WorkerStatus.FAILED,
}
EVENT_OF = {
    WorkerStatus.COMPLETED: PanelEvent.WORKER_COMPLETED,
    WorkerStatus.BLOCKED: PanelEvent.WORKER_BLOCKED,
    WorkerStatus.FAILED: PanelEvent.WORKER_FAILED,
    WorkerStatus.STOPPED: PanelEvent.WORKER_STOPPED,
}


def refresh_panel(panel: Panel, mission: Mission) -> PanelState:
    """Read what the workers came to, and note it.

    Raises:
        RecordError: the panel's record cannot be read.
        LockTimeoutError: another process holds the panel.
    """
    plan = panel.plan()
    with panel.changing("refreshing"):
        state = panel.state()
        workers = dict(state.workers)
        for planned in plan.workers:
            worker = workers[planned.name]
            if worker.is_at_work:
                workers[planned.name] = _looked_at(panel, planned, worker, mission)
        if workers == dict(state.workers):
            return state
        return panel.write_state(replace(state, workers=workers))


def result_of(panel: Panel, planned: WorkerPlan, worker: WorkerState) -> WorkerResult | None:
    """Return a worker's result; None while it has none."""
    run = panel.run_of(worker)
    if worker.is_at_work or (run is None and worker.error is None):
        return None
    if run is None or not (run.dir / "result.json").exists():
        words = worker.error or "it never came to an end"
        return error_result(words, role=planned.role, label=planned.name)
    result = run.find_result()
    answer = parse_answer(_said(run, result), role=planned.role, label=planned.name)
    if worker.status is WorkerStatus.STOPPED or result.get("outcome") == RunStatus.FAILED:
        if answer.status != "completed":
            words = str(result.get("summary") or result.get("words") or "it failed")
            return error_result(words, role=planned.role, label=planned.name)
        return replace(answer, status="error", error=str(result.get("summary") or "it failed"))
    return answer


def _looked_at(
    panel: Panel, planned: WorkerPlan, worker: WorkerState, mission: Mission
) -> WorkerState:
    run = panel.run_of(worker)
    state = _state_of(run) if run else None
    if worker.execution_state in LAUNCH_STATES:
        if worker.execution_state is not ExecutionState.LAUNCHING:
            run = None  # that of the turn before: the new one is not laid out yet
        if run is None or state is None or state.status is RunStatus.PREPARED:
            return _launch_looked_at(panel, worker, run)
    if run is None or state is None:
        return replace(worker, status=WorkerStatus.FAILED, error="its run record is gone")
    if state.status is RunStatus.RUNNING and is_copied_run(run, state):
        words = f"it works in `{run.meta().cwd}`, which this project was copied from"
        return replace(
            worker,
            status=WorkerStatus.FAILED,
            execution_state=ExecutionState.STOPPED,
            launcher=None,
            error=words,
        )
    if state.status is RunStatus.RUNNING and is_dead(run, state):
        recover_steps([run], mission)
        state = _state_of(run)
    if state is None or state.status in (RunStatus.RUNNING, RunStatus.PREPARED):
        at_work = ExecutionState.RUNNING
        if worker.status is WorkerStatus.STOP_REQUESTED:
            return worker
        return replace(worker, status=WorkerStatus.RUNNING, execution_state=at_work)
    return _ended(panel, planned, worker, run, state)


def _launch_looked_at(panel: Panel, worker: WorkerState, run: Run | None) -> WorkerState:
    """Look at a worker that is just being started, or whose launcher was killed."""
    lives = worker.launcher is not None and is_same_process(worker.launcher) is not False
    if lives or (run is not None and is_folder_held(run.dir)):
        return worker
    del panel
    return replace(
        worker,
        status=WorkerStatus.PENDING,
        execution_state=ExecutionState.NOT_STARTED,
        launcher=None,
        run_id=None,
        error="whoever started it was gone before its agent ran",
    )


def _ended(
    panel: Panel, planned: WorkerPlan, worker: WorkerState, run: Run, state: StateOfRun
) -> WorkerState:
    settled = settle_tree(run)
    status, error = _status(planned, run, state)
    if settled.problem and error is None:
        error = settled.problem
    has_stopped = status is WorkerStatus.STOPPED
    ended = replace(
        worker,
        status=status,
        execution_state=ExecutionState.STOPPED if has_stopped else ExecutionState.RESULT_READY,
        launcher=None,
        commit=settled.commit,
        dropped=settled.dropped,
        error=error,
    )
    words = f"{planned.name} {status.value}" + (f": {error}" if error else "")
    panel.note(EVENT_OF[status], words, worker=planned.name, run_id=run.id, commit=settled.commit)
    if settled.dropped:
        panel.note(
            PanelEvent.CHANGES_DROPPED,
            f"{planned.name} changed {len(settled.dropped)} files though it was to look only",
            worker=planned.name,
            paths=list(settled.dropped),
        )
    return ended


def _status(planned: WorkerPlan, run: Run, state: StateOfRun) -> tuple[WorkerStatus, str | None]:
    if state.reason in (EndReason.STOPPED, EndReason.CRASHED):
        return WorkerStatus.STOPPED, state.summary or state.reason.value
    if state.status is RunStatus.FAILED:
        return WorkerStatus.FAILED, state.summary or "it failed"
    answer = parse_answer(_said(run, run.find_result()), role=planned.role, label=planned.name)
    run.write_json(ANSWER_NAME, answer.values())
    return STATUS_OF[answer.status], answer.error


def _said(run: Run, result: object) -> str:
    """Return what a worker said last, or the file that it wrote where that says nothing."""
    said = str(result.get("answer") or "") if hasattr(result, "get") else ""
    written = _file_text(run.artifacts / ANSWER_NAME)
    return said if "{" in said or not written else written


def _file_text(path: Path) -> str:
    try:
        data = find_bytes(path, limit_bytes=LARGEST_ANSWER_BYTES)
    except MissionError:
        return ""
    return (data or b"").decode("utf-8", "replace")


def _state_of(run: Run) -> StateOfRun | None:
    try:
        return run.state()
    except MissionError:
        return None
