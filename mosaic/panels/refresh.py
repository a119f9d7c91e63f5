"""Bringing a panel's state up to what its run records say.

Every command that looks at a panel does this first, so a launcher or supervisor that was killed
leaves nothing that is reported wrongly. What a worker did to its worktree is committed or
dropped once its run has ended. A worker that may write finds its work committed on its branch.
One that was to look only finds its worktree as it was given; what it changed all the same is
named, and stays in the run's last checkpoint.

    settled.json    {"commit": "…", "dropped": ["…"], "set_back": ["…"], "problem": null}
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.codec import dump_record, load_record
from mosaic.errors import GitError, MissionError
from mosaic.executors import executor_of
from mosaic.git.diff import compare_trees
from mosaic.git.git import head_commit, run_git
from mosaic.git.snapshot import take_tree
from mosaic.machine.disk import find_bytes
from mosaic.machine.identity import is_same_process
from mosaic.model import EndReason, RunStatus
from mosaic.panels.answer import WorkerResult, error_result, parse_answer
from mosaic.panels.brief import ANSWER_NAME
from mosaic.panels.model import LAUNCH_STATES, ExecutionState, PanelEvent, WorkerStatus
from mosaic.panels.record import Panel
from mosaic.records import dataclass, replace
from mosaic.sessions.recovery import is_copied_run, is_dead, recover_steps
from mosaic.store.mission_file import load_mission
from mosaic.text.lines import counted
from mosaic.workspaces.merge import commit_rest, set_own_files_back
from mosaic.workspaces.provision import own_prefixes
from mosaic.workspaces.record import workspace_at

if TYPE_CHECKING:
    from mosaic.model import Mission, Text
    from mosaic.panels.model import PanelState, WorkerPlan, WorkerState
    from mosaic.runs.record import Run, RunMeta, RunState
    from mosaic.workspaces.record import Workspace

LARGEST_ANSWER_BYTES = 4 << 20
CHANGES_NAME = "settled.json"
STATUS_OF = {
    "completed": WorkerStatus.COMPLETED,
    "blocked": WorkerStatus.BLOCKED,
    "error": WorkerStatus.FAILED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerChanges:
    """What happened to a worker's changes."""

    commit: str | None = None
    dropped: tuple[Text, ...] = ()
    set_back: tuple[Text, ...] = ()
    """The mission's own files, which a worker may not change."""
    problem: Text | None = None


def refresh_panel(panel: Panel, mission: Mission) -> PanelState:
    """Read how the workers ended, and record it."""
    plan = panel.plan()
    with panel.changing("refreshing"):
        state = panel.state()
        workers = dict(state.workers)
        for planned in plan.workers:
            workers[planned.name] = _refreshed(panel, planned, workers[planned.name], mission)
        if workers == dict(state.workers):
            return state
        return panel.write_state(replace(state, workers=workers))


def result_of(panel: Panel, planned: WorkerPlan, worker: WorkerState) -> WorkerResult | None:
    """Return a worker's result; None while it has none."""
    run = panel.run_of(worker)
    if worker.is_at_work or (run is None and worker.error is None):
        return None
    if run is None or not (run.dir / "result.json").exists():
        return _error_result(planned, worker.error or "it never ended")
    result = run.find_result()
    answer = _answer_of(planned, run, result.answer)
    if worker.status is not WorkerStatus.STOPPED and result.outcome != RunStatus.FAILED:
        return answer
    if answer.status != "completed":
        return _error_result(planned, result.summary or result.words or "it failed")
    return replace(answer, status="error", error=result.summary or "it failed")


def keep_or_drop_changes(run: Run) -> WorkerChanges:
    """Commit or drop what a worker changed, once.

    A failure of git is put on record, and does not keep the end from being recorded.
    """
    known = find_changes(run)
    if known is not None:
        return known
    meta = run.meta()
    try:
        workspace = workspace_at(meta.cwd, load_mission(Path(meta.mission_file)).layout)
        if workspace is None or not workspace.is_there:
            raise GitError("its worktree is gone")
        plan = Panel(dir=run.dir.parent).plan()
        changes = _commit(meta, workspace) if plan.is_writable else _drop(workspace)
    except MissionError as error:
        changes = WorkerChanges(problem=error.summary)
    run.write_json(CHANGES_NAME, dump_record(changes))
    return changes


def find_changes(run: Run) -> WorkerChanges | None:
    """Return what happened to a worker's changes; None where that is not on record."""
    path = run.dir / CHANGES_NAME
    try:
        data = find_bytes(path)
        return load_record(WorkerChanges, data, path) if data else None
    except MissionError:
        return None


def _commit(meta: RunMeta, workspace: Workspace) -> WorkerChanges:
    layout = load_mission(Path(meta.mission_file)).layout
    back = set_own_files_back(workspace, own_prefixes(layout, workspace.home))
    message = f"{meta.task_id}: work of {meta.step_id}\n\nMission-Run: {meta.run_id}\n"
    commit_rest(workspace, message)
    return WorkerChanges(commit=head_commit(workspace.path), set_back=tuple(back))


def _drop(workspace: Workspace) -> WorkerChanges:
    top = workspace.path
    now = take_tree(top, scratch=top.parent).tree
    changes = compare_trees(top, workspace.base_commit, now, find_renames=False)
    run_git(["checkout", "--quiet", "--force", "--detach", workspace.base_commit], top)
    run_git(["clean", "-fdq"], top)
    return WorkerChanges(dropped=tuple(change.path for change in changes))


def _refreshed(
    panel: Panel, planned: WorkerPlan, worker: WorkerState, mission: Mission
) -> WorkerState:
    if not worker.is_at_work:
        return worker
    run = panel.run_of(worker)
    is_launching = worker.execution_state in LAUNCH_STATES
    if is_launching and worker.execution_state is not ExecutionState.LAUNCHING:
        run = None  # that of the turn before: the new one is not prepared yet
    state = run.find_state() if run else None
    if is_launching and (state is None or state.status is RunStatus.PREPARED):
        return _launching(worker, run)
    if run is None or state is None:
        return replace(worker, status=WorkerStatus.FAILED, error="its run record is gone")
    if state.status is RunStatus.RUNNING and is_copied_run(run, state):
        error = f"it works in `{run.meta().cwd}`, which this project was copied from"
        return worker.moved(WorkerStatus.FAILED, ExecutionState.STOPPED, error=error)
    if state.status is RunStatus.RUNNING and is_dead(run, state):
        recover_steps([run], mission)
        state = run.find_state()
    if state is not None and state.status not in (RunStatus.RUNNING, RunStatus.PREPARED):
        return _ended(panel, planned, worker, run, state)
    if worker.status is WorkerStatus.STOP_REQUESTED:
        return worker
    return worker.moved(WorkerStatus.RUNNING, ExecutionState.RUNNING)


def _launching(worker: WorkerState, run: Run | None) -> WorkerState:
    lives = worker.launcher is not None and is_same_process(worker.launcher) is not False
    if lives or (run is not None and executor_of(run).is_alive()):
        return worker
    error = "the process that started it ended before its agent ran"
    reached = ExecutionState.NOT_STARTED
    return worker.moved(WorkerStatus.PENDING, reached, run_id=None, error=error)


def _ended(
    panel: Panel, planned: WorkerPlan, worker: WorkerState, run: Run, state: RunState
) -> WorkerState:
    changes = keep_or_drop_changes(run)
    error: str | None = state.summary
    if state.reason in (EndReason.STOPPED, EndReason.CRASHED):
        status, error = WorkerStatus.STOPPED, error or state.reason.value
    elif state.status is RunStatus.FAILED:
        status, error = WorkerStatus.FAILED, error or "it failed"
    else:
        answer = _answer_of(planned, run, run.find_result().answer)
        run.write_json(ANSWER_NAME, dump_record(answer))
        status, error = STATUS_OF[answer.status], answer.error
    error = error or changes.problem
    has_stopped = status is WorkerStatus.STOPPED
    reached = ExecutionState.STOPPED if has_stopped else ExecutionState.RESULT_READY
    name, dropped = planned.name, list(changes.dropped)
    words = f"{name} {status.value}" + (f": {error}" if error else "")
    kind = PanelEvent(f"worker_{status.value}")
    panel.note(kind, words, worker=name, run_id=run.id, commit=changes.commit)
    if dropped:
        words = f"{name} changed {counted(len(dropped), 'file')} though it was to look only"
        panel.note(PanelEvent.CHANGES_DROPPED, words, worker=name, paths=dropped)
    return worker.moved(
        status, reached, commit=changes.commit, dropped=changes.dropped, error=error
    )


def _answer_of(planned: WorkerPlan, run: Run, said: str) -> WorkerResult:
    """Return what a worker said last, or the file that it wrote where that says nothing."""
    if "{" not in said:
        try:
            path = run.artifacts / ANSWER_NAME
            written = find_bytes(path, limit_bytes=LARGEST_ANSWER_BYTES)
        except MissionError:
            written = None
        said = (written or b"").decode("utf-8", "replace") or said
    return parse_answer(said, role=planned.role, label=planned.name)


def _error_result(planned: WorkerPlan, words: str) -> WorkerResult:
    return error_result(words, role=planned.role, label=planned.name)
