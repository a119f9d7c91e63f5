"""The rest of a panel's life: its runs carried, stopped, resumed, shut down, merged."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import FailedError, MissionError, NotReadyError
from mosaic.executors import executor_of
from mosaic.panels.launch import refuse_obstacles, start_workers, workspace_name
from mosaic.panels.mailbox import conversation_of, deliver
from mosaic.panels.model import Cleanup, ExecutionState, PanelEvent, PanelState, WorkerStatus
from mosaic.panels.record import Panel
from mosaic.panels.refresh import keep_or_drop_changes, refresh_panel
from mosaic.records import NamedTuple, replace
from mosaic.sessions.alarm import Need
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.stop import PATIENCE_SECONDS, end_without_supervisor, wait_until
from mosaic.store.consent import require_consent
from mosaic.store.mission_file import load_mission
from mosaic.workspaces.merge import merge_workspace
from mosaic.workspaces.provision import remove_workspace
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from mosaic.runs.record import Run
    from mosaic.runs.result import RunEnd
    from mosaic.sessions.decide import Outcome
    from mosaic.store.layout import Layout
    from mosaic.store.mission_file import MissionDocument
    from mosaic.workspaces.merge import Merged, MergeWay


class WorkerCarrier(RunCarrier):
    """Carries a worker's run, and has the panel take note of its end."""

    def examine(self, end: RunEnd) -> tuple[str, ...]:  # noqa: ARG002
        """Keep what it changed, or drop it."""
        keep_or_drop_changes(self.run)
        return ()

    def conclude(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Begin a turn with messages that came meanwhile; call a person after the last answer."""
        # Whatever fails here, the next command that looks at the panel does it.
        with contextlib.suppress(MissionError):
            document = load_mission(Path(self.meta.mission_file))
            panel = Panel(dir=self.run.dir.parent)
            refresh_panel(panel, document.mission)
            deliver(document, panel, self.meta.step_id)
            state = panel.state()
            if not (state.is_at_work or state.is_stop_requested):
                self.call(Need.PANEL, f"`{panel.id}` is {state.status.value}")


class CleanedUp(NamedTuple):
    """What happened to one worker's worktree."""

    worker: str
    cleanup: Cleanup
    why: str = ""


def stop_panel(document: MissionDocument, panel: Panel, *, now: bool = False) -> PanelState:
    """Interrupt all workers and wait until their ends are recorded."""
    refresh_panel(panel, document.mission)
    with panel.changing("stopping"):
        state = panel.state()
        workers = dict(state.workers)
        for name, worker in workers.items():
            if worker.status is WorkerStatus.RUNNING:
                workers[name] = worker.moved(WorkerStatus.STOP_REQUESTED, ExecutionState.STOPPING)
        panel.write_state(replace(state, workers=workers, is_stop_requested=True))
        panel.note(PanelEvent.STOP_REQUESTED, "asked to stop", now=now)
    asked: set[str] = set()

    def has_ended() -> bool:
        """Ask all that are at work by now: one that was just being started comes later."""
        standing = refresh_panel(panel, document.mission)
        for worker in standing.workers.values():
            run = panel.run_of(worker) if worker.is_at_work else None
            if run is None or run.id in asked:
                continue
            if executor_of(run).stop(now=now) or _end_orphan(run, now=now):
                asked.add(run.id)
        return not standing.is_at_work

    if not wait_until(has_ended, PATIENCE_SECONDS):
        raise FailedError(
            f"workers of `{panel.id}` do not end",
            hint=f"`mission panel stop {panel.id} --now` kills them",
        )
    return panel.state()


def resume_panel(document: MissionDocument, panel: Panel, *, fresh: bool = False) -> PanelState:
    """Start the unfinished workers again; finished ones stay as they are."""
    require_consent(document)
    state = refresh_panel(panel, document.mission)
    again = [
        name
        for name, worker in state.workers.items()
        if worker.status is not WorkerStatus.COMPLETED and not worker.is_at_work
    ]
    if not again:
        raise NotReadyError(
            f"`{panel.id}` has nothing to resume: it is {state.status.value}",
            hint=f"`mission panel show {panel.id}`",
        )
    with panel.changing("resuming"):
        state = panel.state()
        panel.write_state(replace(state, is_stop_requested=False, is_shut_down=False, problems=()))
        panel.note(PanelEvent.RESUME_REQUESTED, f"again: {', '.join(again)}", workers=again)
    provisioned = [
        name
        for name, worker in state.workers.items()
        if worker.branch is not None or worker.status is WorkerStatus.COMPLETED
    ]
    refuse_obstacles(document, panel, again=provisioned)
    conversations = {
        name: None if fresh else conversation_of(document, panel, name) for name in again
    }
    start_workers(document, panel, conversations)
    return refresh_panel(panel, document.mission)


def shut_down(document: MissionDocument, panel: Panel, *, force: bool) -> list[CleanedUp]:
    """End everything of a panel: agents, panes, worktrees; what would be lost is kept."""
    panel.note(PanelEvent.SHUTDOWN_REQUESTED, "asked to shut down", force=force)
    if refresh_panel(panel, document.mission).is_at_work:
        stop_panel(document, panel)
    workers = panel.state().workers
    done = [_clean_up(document.layout, panel, name, force=force) for name in workers]
    with panel.changing("shutting down"):
        state = panel.state()
        panel.write_state(replace(state, is_shut_down=True, is_stop_requested=True))
    return done


def merge_worker(document: MissionDocument, panel: Panel, worker: str, way: MergeWay) -> Merged:
    """Merge a worker's branch into the one that the mission works on."""
    plan = panel.plan()
    plan.worker(worker)  # refuses an unknown one
    state = refresh_panel(panel, document.mission)
    if state.workers[worker].is_at_work:
        raise NotReadyError(
            f"`{worker}` is at work", hint=f"`mission panel stop {panel.id}`, or wait for its end"
        )
    workspace = find_workspace(document.layout, workspace_name(panel, worker))
    if workspace is None or workspace.branch is None:
        raise NotReadyError(
            f"`{worker}` has no branch to merge",
            detail="its panel looks only" if not plan.is_writable else None,
            hint="`panel start --writable` gives each worker a branch",
        )
    question = " ".join(plan.question.split())[:60]
    merged = merge_workspace(workspace, way, f"Merge {panel.id}/{worker}: {question}")
    words, branch = f"{worker} into {merged.into}", merged.branch
    kind = PanelEvent.WORKER_MERGED
    panel.note(kind, words, worker=worker, branch=branch, commit=merged.commit)
    return merged


def look_after(document: MissionDocument, panel: Panel) -> PanelState:
    """Refresh a panel, and deliver what its workers can take now."""
    state = refresh_panel(panel, document.mission)
    begun = [deliver(document, panel, name) for name in state.workers]
    return panel.state() if any(begun) else state


def _end_orphan(run: Run, *, now: bool) -> bool:
    """End an agent whose supervisor is gone; tell whether there was one."""
    state = run.find_state()
    if state is None or state.agent is None or executor_of(run).is_alive():
        return False
    end_without_supervisor(run, state.agent, now=now)
    return True


def _clean_up(layout: Layout, panel: Panel, name: str, *, force: bool) -> CleanedUp:
    run = panel.run_of(panel.state().workers[name])
    try:
        if run is not None:
            executor_of(run).close()
        workspace = find_workspace(layout, workspace_name(panel, name))
        if workspace is not None:
            remove_workspace(layout, workspace, force=force)
        cleanup, why = Cleanup.REMOVED, ""
        kind, reached = PanelEvent.WORKTREE_REMOVED, ExecutionState.SHUTDOWN
    except NotReadyError as error:
        cleanup, why = Cleanup.RETAINED, error.message
        kind, reached = PanelEvent.WORKTREE_RETAINED, ExecutionState.SHUTDOWN
    except MissionError as error:
        cleanup, why = Cleanup.FAILED, error.summary
        kind, reached = PanelEvent.CLEANUP_FAILED, ExecutionState.CLEANUP_FAILED
    panel.set_worker(name, cleanup=cleanup, execution_state=reached)
    panel.note(kind, why or f"{name} is cleaned up", worker=name)
    return CleanedUp(name, cleanup, why)
