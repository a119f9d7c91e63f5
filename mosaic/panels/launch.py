"""Starting a panel's workers: worktree, brief, run record, supervisor; each step on record.

A process claims each worker before it does anything for it, so that a second one leaves it
alone; a launch that was killed is found by the next command that looks.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mosaic.errors import FailedError, HeldError, MissionError
from mosaic.executors import executor_of, find_problem, get_executor
from mosaic.git.git import find_repository, find_work_tree
from mosaic.git.worktrees import branch_or_commit, commit_of, has_branch
from mosaic.machine.identity import own_identity
from mosaic.machine.process import find_tool
from mosaic.model import Mode
from mosaic.panels.answer import answer_schema
from mosaic.panels.brief import SCHEMA_NAME, TASK_NAME, Turn, brief_worker, role_template
from mosaic.panels.model import ExecutionState, PanelEvent, WorkerStatus
from mosaic.panels.record import Panel, create_panel
from mosaic.ports import AnswerSchema, Launch
from mosaic.records import replace
from mosaic.runtimes import get_runtime
from mosaic.sessions.prepare import RunPlan, prepare_run
from mosaic.store.consent import require_consent
from mosaic.workspaces.provision import WorkspaceRequest, default_branch, provision

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mosaic.panels.model import PanelPlan, WorkerPlan, WorkerState
    from mosaic.runs.record import Run
    from mosaic.sessions.prepare import Prepared
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.workspaces.record import Workspace

MOST_AT_ONCE = 8
"""How many workers are started at the same time; the others follow."""


def start_panel(document: MissionDocument, plan: PanelPlan) -> Panel:
    """Record a panel, check whether it can begin, and start its workers.

    Where something that it needs is missing, all of it is named in a FailedError, nothing was
    started, and the panel is on record as failed.
    """
    require_consent(document)
    panel = create_panel(document.layout, plan)
    refuse_obstacles(document, panel)
    start_workers(document, panel, dict.fromkeys(worker.name for worker in plan.workers))
    return panel


def refuse_obstacles(
    document: MissionDocument, panel: Panel, *, again: Collection[str] = ()
) -> None:
    """Put everything that keeps a panel from starting on record, and raise `FailedError`."""
    obstacles = tuple(_obstacles(document, panel.plan(), again))
    with panel.changing("checking"):
        state = panel.state()
        if not obstacles:
            if state.problems:
                panel.write_state(replace(state, problems=()))
            return
        reached = ExecutionState.PREFLIGHT_FAILED
        workers = {
            name: worker if worker.runs else worker.moved(WorkerStatus.FAILED, reached)
            for name, worker in state.workers.items()
        }
        panel.write_state(replace(state, workers=workers, problems=obstacles))
        panel.note(PanelEvent.PREFLIGHT_FAILED, "; ".join(obstacles), problems=list(obstacles))
    raise FailedError(
        f"`{panel.id}` cannot be started",
        detail="\n".join(obstacles),
        hint=f"fix that, then `mission panel resume {panel.id}`",
    )


def _obstacles(document: MissionDocument, plan: PanelPlan, again: Collection[str]) -> Iterator[str]:
    layout = document.layout
    yield from _git_obstacles(layout, plan, again)
    if problem := find_problem(plan.executor):
        yield f"{problem}: install it, or use `--executor process`"
    for name in dict.fromkeys(worker.runtime for worker in plan.workers):
        try:
            probe = get_runtime(name, document.mission.runtimes).probe()
        except MissionError as error:
            yield error.message
            continue
        if probe.problem:
            yield f"`{probe.program}`: {probe.problem}{f': {probe.hint}' if probe.hint else ''}"
    for role in dict.fromkeys(worker.role for worker in plan.workers):
        try:
            role_template(role, layout)
        except MissionError as error:
            yield "; ".join(filter(None, (error.summary, error.hint)))


def _git_obstacles(layout: Layout, plan: PanelPlan, again: Collection[str]) -> Iterator[str]:
    home = find_repository(layout.project)
    if home is None:
        yield f"`{layout.project}` is not in a git work tree: `git init` and commit first"
        return
    if find_tool("git", home) is None:
        yield "`git` cannot be started: it is not on the PATH; install git"
        return
    base = plan.base_ref or "HEAD"
    if commit_of(home, branch_or_commit(home, base)) is None:
        yield f"`{base}` is not a commit of this repository"
    for worker in plan.workers if plan.is_writable else ():
        branch = default_branch(home, plan.id, worker.name)
        if worker.name not in again and has_branch(home, branch):
            yield f"branch `{branch}` exists already"


def start_workers(
    document: MissionDocument, panel: Panel, conversations: Mapping[str, str | None]
) -> None:
    """Start workers side by side; one that cannot be started is on record with why.

    `conversations` are the runtimes' own to go on with, by worker; None begins a new one.
    """
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="worker") as threads:
        list(threads.map(lambda each: start_worker(document, panel, *each), conversations.items()))


def start_worker(
    document: MissionDocument,
    panel: Panel,
    name: str,
    conversation: str | None,
    messages: Sequence[str] = (),
) -> Run | None:
    """Start one worker, or one more turn of it; returns its run, None where that failed."""
    try:
        _claim(panel, name)
    except HeldError:
        return None  # another process starts it, or it works
    plan = panel.plan()
    worker = plan.worker(name)
    run: Run | None = None
    at = ExecutionState.PROVISION_FAILED
    try:
        workspace = _provision(document, panel, plan, worker)
        at = ExecutionState.LAUNCH_FAILED
        turn = Turn(plan, worker, workspace, messages, conversation)
        prepared = _prepare(document, panel, turn)
        run = prepared.run
        started = get_executor(plan.executor, document.path).start(run.dir, prepared.order)
    except MissionError as error:
        changes: dict[str, Any] = {"error": error.summary}
        if run is not None:
            shutil.rmtree(run.dir, ignore_errors=True)
            known = panel.state().workers[name].runs
            changes |= {"run_id": None, "runs": tuple(each for each in known if each != run.id)}
        panel.change_worker(name, lambda each: each.moved(WorkerStatus.FAILED, at, **changes))
        panel.note(PanelEvent.WORKER_FAILED, f"{name}: {error.summary}", worker=name)
        return None
    _note_running(panel, name, run)
    pid = started.agent.pid
    words = f"{name} works with {worker.runtime}, pid {pid}"
    kind, place = PanelEvent.WORKER_LAUNCHED, dict(started.place)
    panel.note(kind, words, worker=name, run_id=run.id, pid=pid, place=place)
    return run


def _claim(panel: Panel, name: str) -> None:
    """Take a worker for this process to start; `HeldError` where it works or is started."""

    def claimed(worker: WorkerState) -> WorkerState:
        if worker.is_at_work:
            raise HeldError(f"`{name}` of `{panel.id}` is at work")
        reached = ExecutionState.PROVISIONING
        return worker.moved(WorkerStatus.PENDING, reached, launcher=own_identity(), error=None)

    panel.change_worker(name, claimed)


def _note_running(panel: Panel, name: str, run: Run) -> None:
    """Note that a worker runs, unless its end is known already; stop it if that was asked for."""

    def running(worker: WorkerState) -> WorkerState:
        if worker.run_id != run.id or worker.execution_state is not ExecutionState.LAUNCHING:
            return worker
        return worker.moved(WorkerStatus.RUNNING, ExecutionState.RUNNING, error=None)

    if panel.change_worker(name, running).is_stop_requested:
        executor_of(run).stop()


def workspace_name(panel: Panel, worker: str) -> str:
    """Return the name of a worker's worktree."""
    return f"{panel.id}-{worker}"


def _provision(
    document: MissionDocument, panel: Panel, plan: PanelPlan, worker: WorkerPlan
) -> Workspace:
    layout = document.layout
    home = find_work_tree(layout.project) or layout.project
    known = panel.state().workers[worker.name].branch
    wanted = known or default_branch(home, panel.id, worker.name)
    request = WorkspaceRequest(
        name=workspace_name(panel, worker.name),
        owner=panel.id,
        branch=wanted if plan.is_writable else None,
        base_ref=plan.base_ref,
        with_changes=plan.with_changes and known is None,
    )
    workspace = provision(layout, request, document.mission.worktrees)
    path, branch = str(workspace.path), workspace.branch
    panel.set_worker(
        worker.name, execution_state=ExecutionState.PROVISIONED, branch=branch, worktree=path
    )
    where = f"on `{branch}`" if branch else "for looking only"
    facts = {"path": path, "branch": branch, "base_commit": workspace.base_commit}
    words = f"{worker.name} has its worktree, {where}"
    panel.note(PanelEvent.WORKTREE_PROVISIONED, words, worker=worker.name, **facts)
    return workspace


def _prepare(document: MissionDocument, panel: Panel, turn: Turn) -> Prepared:
    plan, worker, cwd = turn.plan, turn.worker, turn.workspace.project
    mode = Mode.INTERACTIVE if plan.is_interactive else Mode.HEADLESS
    runtime = get_runtime(worker.runtime, document.mission.runtimes)
    runs = panel.state().workers[worker.name].runs

    def make_plan(run: Run) -> RunPlan:
        brief = brief_worker(document, turn, run)
        schema = AnswerSchema(text=answer_schema(), file=run.dir / SCHEMA_NAME)
        launch = Launch(
            mode=mode,
            cwd=cwd,
            run_dir=run.dir,
            prompt=brief.prompt,
            prompt_file=run.prompt_file,
            capsule_file=run.capsule_file,
            task_id=panel.id,
            task_file=run.dir / TASK_NAME,
            model=worker.model,
            conversation=turn.conversation,
            folders=(run.artifacts,) if plan.is_writable else (),
            answer_schema=schema,
            read_only=not plan.is_writable,
        )
        return RunPlan(
            step=worker.name,
            kind=worker.runtime,
            mode=mode,
            cwd=cwd,
            mission_file=plan.mission_file,
            attempt=1 + len(runs),
            invocation=runtime.invocation(launch),
            runtime=runtime,
            prompt=brief.prompt,
            origin=brief.origin,
            files={TASK_NAME: brief.task, SCHEMA_NAME: schema.text},
            timeout_seconds=plan.timeout_seconds,
            panel_id=panel.id,
        )

    prepared = prepare_run(document.layout, panel.id, make_plan)
    run_id = prepared.run.id
    # On record before the start, so that the run is found should this process be killed.
    panel.set_worker(
        worker.name, execution_state=ExecutionState.LAUNCHING, run_id=run_id, runs=(*runs, run_id)
    )
    return prepared
