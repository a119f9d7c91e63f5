"""Where a panel stands, from its workers and what was asked of it."""

from __future__ import annotations

import pytest

from mosaic.panels.model import (
    ExecutionState,
    PanelState,
    PanelStatus,
    WorkerState,
    WorkerStatus,
)

DONE = WorkerState(status=WorkerStatus.COMPLETED, runs=("r1",))
FAILED = WorkerState(status=WorkerStatus.FAILED, runs=("r1",))
BLOCKED = WorkerState(status=WorkerStatus.BLOCKED, runs=("r1",))
RUNNING = WorkerState(status=WorkerStatus.RUNNING, runs=("r1",))
STOPPED = WorkerState(status=WorkerStatus.STOPPED, runs=("r1",))
STOPPING = WorkerState(status=WorkerStatus.STOP_REQUESTED, runs=("r1",))
PENDING = WorkerState()
STARTING = WorkerState(execution_state=ExecutionState.PROVISIONING)
INTERRUPTED = WorkerState(error="whoever started it was gone")


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ((PENDING, PENDING), PanelStatus.PLANNED),
        ((STARTING, PENDING), PanelStatus.RUNNING),
        ((RUNNING, DONE), PanelStatus.RUNNING),
        ((RUNNING, FAILED), PanelStatus.DEGRADED),
        ((DONE, DONE), PanelStatus.COMPLETED),
        ((DONE, FAILED), PanelStatus.DEGRADED),
        ((FAILED, FAILED), PanelStatus.FAILED),
        ((DONE, BLOCKED), PanelStatus.BLOCKED),
        ((BLOCKED, FAILED), PanelStatus.DEGRADED),
        ((DONE, STOPPED), PanelStatus.RESUMABLE),
        ((DONE, INTERRUPTED), PanelStatus.RESUMABLE),
        ((INTERRUPTED,), PanelStatus.RESUMABLE),
    ],
)
def test_a_panel_stands_as_its_workers_do(
    workers: tuple[WorkerState, ...], status: PanelStatus
) -> None:
    state = PanelState(workers={str(number): each for number, each in enumerate(workers)})
    assert state.status is status


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ((STOPPING, DONE), PanelStatus.STOP_REQUESTED),
        ((STOPPED, DONE), PanelStatus.STOPPED),
        ((DONE, DONE), PanelStatus.COMPLETED),
    ],
)
def test_a_panel_that_was_asked_to_stop_says_so(
    workers: tuple[WorkerState, ...], status: PanelStatus
) -> None:
    asked = {str(number): each for number, each in enumerate(workers)}
    assert PanelState(workers=asked, is_stop_requested=True).status is status


def test_what_is_missing_before_the_start_is_a_failure() -> None:
    state = PanelState(workers={"critic": PENDING}, problems=["no git"])
    assert state.status is PanelStatus.FAILED
