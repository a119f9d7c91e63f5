"""The words that panels are told in, and how a panel stands. Values only.

A panel is `planned` until its first worker runs; what it is then follows from its workers,
and from whether somebody asked it to stop.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mosaic.model import ProcessIdentity


class PanelStatus(StrEnum):
    """Where a panel stands."""

    PLANNED = "planned"
    """Laid out; nothing runs yet."""
    RUNNING = "running"
    STOP_REQUESTED = "stop_requested"
    """Asked to stop, and some still work."""
    COMPLETED = "completed"
    """Every worker has a result."""
    FAILED = "failed"
    """It could not begin, or no worker came to a result."""
    BLOCKED = "blocked"
    """Nobody works, and a worker waits for a person."""
    STOPPED = "stopped"
    """Stopped before every worker had a result."""
    RESUMABLE = "resumable"
    """Nobody works, and workers never came to their end, such as after a crash."""
    DEGRADED = "degraded"
    """A worker failed; others work or have a result."""


class WorkerStatus(StrEnum):
    """Where a worker stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    STOP_REQUESTED = "stop_requested"
    STOPPED = "stopped"

    @property
    def is_at_work(self) -> bool:
        """Whether its agent may still be running."""
        return self in (WorkerStatus.RUNNING, WorkerStatus.STOP_REQUESTED)


class ExecutionState(StrEnum):
    """How far a worker's launch and life have come."""

    NOT_STARTED = "not_started"
    PROVISIONING = "provisioning"
    PROVISIONED = "provisioned"
    LAUNCHING = "launching"
    RUNNING = "running"
    RESULT_READY = "result_ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTDOWN = "shutdown"
    PREFLIGHT_FAILED = "preflight_failed"
    PROVISION_FAILED = "provision_failed"
    LAUNCH_FAILED = "launch_failed"
    CLEANUP_FAILED = "cleanup_failed"


LAUNCH_STATES = (
    ExecutionState.PROVISIONING,
    ExecutionState.PROVISIONED,
    ExecutionState.LAUNCHING,
)


class Cleanup(StrEnum):
    """What became of a worker's worktree."""

    NOT_STARTED = "not_started"
    RETAINED = "retained"
    """Kept: it holds work that is nowhere else."""
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPlan:
    """One worker as it was asked for."""

    name: str
    role: str
    runtime: str
    model: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelPlan:
    """panel.json: what was asked. Written once."""

    id: str
    question: str
    created_at: datetime
    workers: tuple[WorkerPlan, ...]
    mission_file: str
    executor: str = "process"
    is_writable: bool = False
    is_interactive: bool = False
    base_ref: str | None = None
    with_changes: bool = False
    timeout_seconds: float | None = None
    tool_version: str = ""

    def worker(self, name: str) -> WorkerPlan | None:
        """Return the worker of a name."""
        return next((each for each in self.workers if each.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """Where one worker stands."""

    status: WorkerStatus = WorkerStatus.PENDING
    execution_state: ExecutionState = ExecutionState.NOT_STARTED
    cleanup: Cleanup = Cleanup.NOT_STARTED
    run_id: str | None = None
    """Its last run; an earlier one's late result is nothing to it."""
    runs: tuple[str, ...] = ()
    branch: str | None = None
    worktree: str | None = None
    commit: str | None = None
    """The last commit of its branch, once it has ended."""
    dropped: tuple[str, ...] = ()
    """Files that it changed though it was to look only; the changes were dropped."""
    error: str | None = None
    launcher: ProcessIdentity | None = None
    """Who is just starting it."""

    @property
    def is_at_work(self) -> bool:
        """Whether its agent may be running, or is just being started."""
        return self.status.is_at_work or self.execution_state in LAUNCH_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelState:
    """state.json of a panel: where it stands."""

    workers: Mapping[str, WorkerState]
    is_stop_requested: bool = False
    is_shut_down: bool = False
    problems: Sequence[str] = ()
    """What was missing before anything was started."""
    updated_at: datetime | None = None

    @property
    def status(self) -> PanelStatus:
        """Where the panel stands."""
        return panel_status(self)


def panel_status(state: PanelState) -> PanelStatus:
    """Say where a panel stands, from its workers and what was asked of it. Pure."""
    statuses = [worker.status for worker in state.workers.values()]
    at_work = any(worker.is_at_work for worker in state.workers.values())
    failed = WorkerStatus.FAILED in statuses
    if state.problems:
        return PanelStatus.FAILED
    if statuses and all(status is WorkerStatus.COMPLETED for status in statuses):
        return PanelStatus.COMPLETED
    if state.is_stop_requested:
        return PanelStatus.STOP_REQUESTED if at_work else PanelStatus.STOPPED
    if at_work:
        return PanelStatus.DEGRADED if failed else PanelStatus.RUNNING
    if _is_untouched(state):
        return PanelStatus.PLANNED
    if any(status in (WorkerStatus.PENDING, WorkerStatus.STOPPED) for status in statuses):
        return PanelStatus.RESUMABLE
    if failed:
        has_result = any(status is not WorkerStatus.FAILED for status in statuses)
        return PanelStatus.DEGRADED if has_result else PanelStatus.FAILED
    return PanelStatus.BLOCKED


def _is_untouched(state: PanelState) -> bool:
    return all(
        worker.status is WorkerStatus.PENDING
        and not worker.runs
        and worker.error is None
        and worker.execution_state is ExecutionState.NOT_STARTED
        for worker in state.workers.values()
    )
