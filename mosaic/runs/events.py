"""worker.log: a run's events, one JSON object a line.

    {"seq": 1, "event_id": "<run>:event:0001", "type": "run_prepared", "level": "info",
     "created_at": "2026-03-21T11:41:39.120Z", "message": "…", "data": {}}

`seq` starts at 1 and has no holes. Only the holder of the run's folder lock appends. A
torn last line, left by a crash, is dropped on reading and cut off before the next event.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import append_durable
from mosaic.model import RunStatus
from mosaic.runs.record import format_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mosaic.model import JsonValue
    from mosaic.runs.record import Run


class EventType(StrEnum):
    """What can happen to a run."""

    RUN_PREPARED = "run_prepared"
    WORKER_STARTED = "worker_started"
    OUTPUT_STALLED = "output_stalled"
    CHECKPOINT_CAPTURED = "checkpoint_captured"
    RUNTIME_SESSION_KNOWN = "runtime_session_known"
    GATE_PASSED = "gate_passed"
    GATE_FAILED = "gate_failed"
    SCOPE_VIOLATED = "scope_violated"
    STOP_REQUESTED = "stop_requested"
    WORKER_EXITED = "worker_exited"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    STEP_BLOCKED = "step_blocked"
    STEP_PREPARED = "step_prepared"
    RUN_RESUMED = "run_resumed"


STEP_EVENTS = {
    RunStatus.COMPLETED: EventType.STEP_COMPLETED,
    RunStatus.BLOCKED: EventType.STEP_BLOCKED,
    RunStatus.FAILED: EventType.STEP_FAILED,
}
"""The event that a run's end makes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line of worker.log."""

    seq: int
    type: str
    level: str
    created_at: str
    message: str
    data: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRead:
    """A log as read, and whether its last line was torn."""

    events: tuple[Event, ...]
    torn: bool


class EventLog:
    """Appends to a run's worker.log. One writer: whoever holds the run's folder lock."""

    def __init__(self, run: Run, clock: Callable[[], datetime] = utc_now) -> None:
        self._run = run
        self._clock = clock
        known = read_events(run)
        self.last_seq = known.events[-1].seq if known.events else 0
        if known.torn:
            self._cut_torn_line()

    def append(
        self,
        kind: EventType,
        message: str,
        *,
        level: str = "info",
        data: Mapping[str, JsonValue] | None = None,
    ) -> int:
        """Append an event and return its `seq`. A full disk loses the event, not the run."""
        seq = self.last_seq + 1
        line = json.dumps(
            {
                "seq": seq,
                "event_id": f"{self._run.id}:event:{seq:04d}",
                "type": kind.value,
                "level": level,
                "created_at": format_moment(self._clock()),
                "message": message,
                "data": data or {},
            },
            ensure_ascii=False,
        )
        try:
            append_durable(self._run.worker_log, line.encode("utf-8", "replace") + b"\n")
        except MissionError:
            return self.last_seq
        self.last_seq = seq
        return seq

    def _cut_torn_line(self) -> None:
        data = self._run.worker_log.read_bytes()
        os.truncate(self._run.worker_log, data.rfind(b"\n") + 1)


def read_events(run: Run) -> EventRead:
    """Read a run's events; stops at the first line that is no event."""
    try:
        data = run.worker_log.read_bytes()
    except FileNotFoundError:
        return EventRead(events=(), torn=False)
    lines = data.split(b"\n")
    torn = lines.pop() != b""
    events = []
    for line in lines:
        event = _parse_event(line)
        if event is None:
            torn = True
            break
        events.append(event)
    return EventRead(events=tuple(events), torn=torn)


def _parse_event(line: bytes) -> Event | None:
    try:
        values = json.loads(line)
        return Event(
            seq=int(values["seq"]),
            type=str(values["type"]),
            level=str(values.get("level", "info")),
            created_at=str(values["created_at"]),
            message=str(values.get("message", "")),
            data=dict(values.get("data") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
