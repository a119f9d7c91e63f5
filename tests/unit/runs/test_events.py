"""worker.log: numbers without holes, levels that fit, data that says which step it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.model import EndReason, Mode
from mosaic.runs.events import EventLog, EventType, exit_level, read_events, step_data
from mosaic.runs.record import Run, RunMeta

NOW = datetime(2026, 3, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (EventType.RUN_PREPARED, "info"),
        (EventType.STEP_COMPLETED, "info"),
        (EventType.STEP_BLOCKED, "warn"),
        (EventType.STEP_FAILED, "error"),
        (EventType.GATE_FAILED, "warn"),
        (EventType.OUTPUT_STALLED, "warn"),
    ],
)
def test_an_event_has_the_level_of_its_kind(tmp_path: Path, kind: EventType, level: str) -> None:
    EventLog(Run(dir=tmp_path)).append(kind, "words")
    assert [event.level for event in read_events(Run(dir=tmp_path)).events] == [level]


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        (EndReason.COMPLETED, "info"),
        (EndReason.STOPPED, "warn"),
        (EndReason.TIMEOUT, "error"),
        (EndReason.FAILED, "error"),
        (EndReason.CRASHED, "error"),
    ],
)
def test_an_agent_that_ends_badly_is_an_error(reason: EndReason, level: str) -> None:
    assert exit_level(reason) == level


def test_events_that_others_append_are_counted(tmp_path: Path) -> None:
    run = Run(dir=tmp_path)
    log, other = EventLog(run), EventLog(run)
    assert log.last_seq == 0
    log.append(EventType.WORKER_STARTED, "a")
    other.append(EventType.GATE_PASSED, "b", data={"paths": ["x" * 20_000]})
    assert log.last_seq == 2
    with open(run.worker_log, "ab") as file:
        file.write(b'{"seq": 3, "torn')
    assert log.last_seq == 2
    log.append(EventType.STEP_COMPLETED, "c")
    assert [json.loads(line)["seq"] for line in run.worker_log.read_bytes().splitlines()] == [
        1, 2, 3,
    ]  # fmt: skip


def test_the_data_says_which_step_it_is(tmp_path: Path) -> None:
    run = Run(dir=tmp_path)
    assert step_data(run) == {"run_dir": str(tmp_path)}
    run.write_meta(
        RunMeta(
            task_id="T-1", step_id="gate:lint", step_kind="shell", run_id="r1", session_id=None,
            attempt=2, runtime="shell", mode=Mode.HEADLESS, argv=("lint",), cwd="/w",
            mission_file="/m", branch=None, base_commit=None, timeout_seconds=60, created_at=NOW,
        )
    )  # fmt: skip
    assert step_data(run, exit_code=1) == {
        "step": "gate:lint", "kind": "shell", "attempt": 2, "timeout_seconds": 60,
        "run_dir": str(tmp_path), "cwd": "/w", "exit_code": 1,
    }  # fmt: skip
