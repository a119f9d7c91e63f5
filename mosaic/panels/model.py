"""The values of panels: the question and its workers, their status, and the events."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mosaic.codec import JsonForm
from mosaic.errors import UsageError
from mosaic.model import ProcessIdentity  # noqa: TC001 - the codec looks it up
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mosaic.model import FileName, Text

LAYOUT_VERSION = 1


class PanelStatus(StrEnum):
    """The status of a panel; follows from its workers and from requests to stop."""

    PLANNED = "planned"
    """Written down; nothing runs yet."""
    RUNNING = "running"
    STOP_REQUESTED = "stop_requested"
    """Asked to stop, and some workers still run."""
    COMPLETED = "completed"
    """Every worker has a result."""
    FAILED = "failed"
    """It could not begin, or no worker has a result."""
    BLOCKED = "blocked"
    """No worker runs, and one waits for a person."""
    STOPPED = "stopped"
    """Stopped before every worker had a result."""
    RESUMABLE = "resumable"
    """No worker runs, and some never ended, such as after a crash."""
    DEGRADED = "degraded"
    """A worker failed; others work or have a result."""


class WorkerStatus(StrEnum):
    """The status of a worker."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    STOP_REQUESTED = "stop_requested"
    STOPPED = "stopped"


class ExecutionState(StrEnum):
    """The step of its life that a worker has reached."""

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


LAUNCH_STATES = (ExecutionState.PROVISIONING, ExecutionState.PROVISIONED, ExecutionState.LAUNCHING)


class Cleanup(StrEnum):
    """What happened to a worker's worktree."""

    NOT_STARTED = "not_started"
    RETAINED = "retained"
    """Kept: it holds work that is nowhere else."""
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPlan:
    """One worker, as requested."""

    name: FileName
    role: str
    runtime: str
    model: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelPlan:
    """panel.json: what was requested. Written once."""

    json_form = JsonForm(version=LAYOUT_VERSION)
    id: str
    question: Text
    created_at: datetime
    workers: tuple[WorkerPlan, ...]
    mission_file: Text
    executor: str = "process"
    is_writable: bool = False
    is_interactive: bool = False
    base_ref: str | None = None
    with_changes: bool = False
    timeout_seconds: float | None = None
    tool_version: str = ""

    def worker(self, name: str) -> WorkerPlan:
        """Return the worker of a name; raises `UsageError` where there is none."""
        found = next((each for each in self.workers if each.name == name), None)
        if found is None:
            known = ", ".join(f"`{each.name}`" for each in self.workers)
            raise UsageError(f"`{self.id}` has no worker `{name}`", detail=f"workers: {known}")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """The state of one worker."""

    status: WorkerStatus = WorkerStatus.PENDING
    execution_state: ExecutionState = ExecutionState.NOT_STARTED
    cleanup: Cleanup = Cleanup.NOT_STARTED
    run_id: FileName | None = None
    """Its last run; a late result of an earlier one does not count."""
    runs: tuple[FileName, ...] = ()
    branch: str | None = None
    worktree: Text | None = None
    commit: str | None = None
    """The last commit of its branch, once it has ended."""
    dropped: tuple[Text, ...] = ()
    """Files that it changed though it was to look only; the changes were dropped."""
    error: Text | None = None
    launcher: ProcessIdentity | None = None
    """The process that is starting it."""

    @property
    def is_at_work(self) -> bool:
        """Whether its agent may be running, or is just being started."""
        at_work = (WorkerStatus.RUNNING, WorkerStatus.STOP_REQUESTED)
        return self.execution_state in LAUNCH_STATES or self.status in at_work

    def moved(
        self,
        status: WorkerStatus,
        reached: ExecutionState,
        *,
        launcher: ProcessIdentity | None = None,
        **changes: Any,
    ) -> WorkerState:
        """Return it with another status, at another step of its life."""
        return replace(self, status=status, execution_state=reached, launcher=launcher, **changes)


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelState:
    """state.json of a panel."""

    json_form = JsonForm(version=LAYOUT_VERSION)
    workers: Mapping[str, WorkerState]
    is_stop_requested: bool = False
    is_shut_down: bool = False
    problems: Sequence[Text] = ()
    """What was missing before anything was started."""
    updated_at: datetime | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether an agent of it may be running, or is just being started."""
        return any(worker.is_at_work for worker in self.workers.values())

    @property
    def status(self) -> PanelStatus:
        """Where the panel stands."""
        statuses = {worker.status for worker in self.workers.values()}
        if self.problems:
            return PanelStatus.FAILED
        if statuses == {WorkerStatus.COMPLETED}:
            return PanelStatus.COMPLETED
        if self.is_stop_requested:
            return PanelStatus.STOP_REQUESTED if self.is_at_work else PanelStatus.STOPPED
        if self.is_at_work:
            return PanelStatus.DEGRADED if WorkerStatus.FAILED in statuses else PanelStatus.RUNNING
        if all(worker == WorkerState() for worker in self.workers.values()):
            return PanelStatus.PLANNED
        if statuses & {WorkerStatus.PENDING, WorkerStatus.STOPPED}:
            return PanelStatus.RESUMABLE
        if WorkerStatus.FAILED in statuses:
            return PanelStatus.FAILED if len(statuses) == 1 else PanelStatus.DEGRADED
        return PanelStatus.BLOCKED


class PanelEvent(StrEnum):
    """What can happen to a panel."""

    RUN_CREATED = "run_created"
    PREFLIGHT_FAILED = "preflight_failed"
    WORKTREE_PROVISIONED = "worktree_provisioned"
    WORKER_LAUNCHED = "worker_launched"
    WORKER_COMPLETED = "worker_completed"
    WORKER_FAILED = "worker_failed"
    WORKER_BLOCKED = "worker_blocked"
    WORKER_STOPPED = "worker_stopped"
    CHANGES_DROPPED = "changes_dropped"
    STOP_REQUESTED = "stop_requested"
    RESUME_REQUESTED = "resume_requested"
    MESSAGE_SENT = "message_sent"
    MESSAGE_DELIVERED = "message_delivered"
    WORKER_MERGED = "worker_merged"
    SHUTDOWN_REQUESTED = "shutdown_requested"
    WORKTREE_REMOVED = "worktree_removed"
    WORKTREE_RETAINED = "worktree_retained"
    CLEANUP_FAILED = "cleanup_failed"
