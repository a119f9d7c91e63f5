"""worker.log: a run's events, one JSON object a line.

    {"seq": 1, "event_id": "<run>:event:0001", "type": "run_prepared", "level": "info",
     "created_at": "2026-03-21T11:41:39.120Z", "message": "…", "data": {}}

`seq` starts at 1 and has no holes, although several processes append: the supervisor, and commands
that take a checkpoint. A torn last line, left by a crash, is dropped on reading and cut off
before the next event.
"""

from __future__ import annotations

import json
import operator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mosaic.codec import format_moment, parse_json
from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import append_next
from mosaic.model import EndReason
from mosaic.records import NamedTuple, dataclass, field
from mosaic.runs.record import tail_bytes

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
    ENDED_AFTER_RESULT = "ended_after_result"
    OUTPUT_UNREAD = "output_unread"
    """Some of what it wrote was passed over or skipped while it was read along."""
    CHECKPOINT_CAPTURED = "checkpoint_captured"
    RUNTIME_SESSION_KNOWN = "runtime_session_known"
    GATE_PASSED = "gate_passed"
    GATE_FAILED = "gate_failed"
    SCOPE_VIOLATED = "scope_violated"
    SCOPE_SET = "scope_set"
    """A person set the task's write scope."""
    DECIDED = "decided"
    """A person decided something on the task while the agent worked."""
    RULES_CHANGED = "rules_changed"
    """What the run is judged by is not what it was when its task was claimed."""
    MERGED_BESIDE = "merged_beside"
    """`mission` itself changed files of the work tree while the agent worked in it."""
    PLAN_EDITED = "plan_edited"
    """Another task's file, or the table, was edited by hand while it worked."""
    CHANGED_BESIDE = "changed_beside"
    """Files of the work tree changed while the agent worked in it, and are not seen to be its."""
    CHANGED_OUTSIDE = "changed_outside"
    """Files of the mission's own work tree changed while the agent had a worktree of its own."""
    HIDDEN_EDITS = "hidden_edits"
    """Files changed that git is told to pass by."""
    WORTH_A_LOOK = "worth_a_look"
    """What git shows beside the work, such as commits on another branch."""
    SESSION_UNLISTED = "session_unlisted"
    """mission.json could not be written when the agent had been started."""
    END_KEPT = "end_kept"
    """Its end could not be recorded in the mission, and is kept until that can be done."""
    STOP_REQUESTED = "stop_requested"
    WORKER_EXITED = "worker_exited"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    STEP_BLOCKED = "step_blocked"
    STEP_PREPARED = "step_prepared"
    RUN_RESUMED = "run_resumed"
    WORKTREE_SETTLED = "worktree_settled"
    """What a run left in its worktree was brought home, or could not be."""
    PLAN_UNITED = "plan_united"
    """What an agent changed in the mission elsewhere, and people meanwhile, was put together."""
    RECORD_CUT = "record_cut"
    """Some of the record stayed on the machine where the agent worked."""
    BRANCH_CHANGED = "branch_changed"
    """Another branch is checked out where it worked than when it began."""


LEVELS = {
    EventType.OUTPUT_STALLED: "warn",
    EventType.OUTPUT_UNREAD: "warn",
    EventType.GATE_FAILED: "warn",
    EventType.SCOPE_VIOLATED: "warn",
    EventType.RULES_CHANGED: "warn",
    EventType.PLAN_EDITED: "warn",
    EventType.CHANGED_OUTSIDE: "warn",
    EventType.HIDDEN_EDITS: "warn",
    EventType.WORTH_A_LOOK: "warn",
    EventType.BRANCH_CHANGED: "warn",
    EventType.SESSION_UNLISTED: "warn",
    EventType.END_KEPT: "error",
    EventType.STEP_BLOCKED: "warn",
    EventType.STEP_FAILED: "error",
}
"""`level` of an event: `info`, unless it stands here or its maker says otherwise."""


def exit_level(reason: EndReason) -> str:
    """Return the level of `worker_exited`."""
    if reason is EndReason.COMPLETED:
        return "info"
    return "warn" if reason in (EndReason.STOPPED, EndReason.BLOCKED) else "error"


def step_data(run: Run, **more: JsonValue) -> dict[str, JsonValue]:
    """Return the data of `run_prepared`, `worker_started` and `step_*`: which step it is of."""
    meta = run.find_meta()
    if meta is None:
        return {"run_dir": str(run.dir), **more}
    return {
        "step": meta.step_id, "kind": meta.step_kind, "attempt": meta.attempt,
        "timeout_seconds": meta.timeout_seconds, "run_dir": str(run.dir), "cwd": meta.cwd, **more,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line of worker.log."""

    seq: int
    type: str
    level: str
    created_at: str
    message: str
    data: Mapping[str, JsonValue] = field(default_factory=dict)


class EventRead(NamedTuple):
    """A log as read, and whether a line of it was torn."""

    events: tuple[Event, ...]
    torn: bool


class EventLog:
    """Appends to a run's worker.log; several processes may, one line after the other."""

    def __init__(self, run: Run, clock: Callable[[], datetime] = utc_now) -> None:
        self._run = run
        self._clock = clock
        self._waiting: list[dict[str, JsonValue]] = []

    @property
    def last_seq(self) -> int:
        """The `seq` of the log's last event, also of another process; 0 when there is none."""
        whole_lines = tail_bytes(self._run.worker_log).rpartition(b"\n")[0]
        return self._seq_of(whole_lines.rpartition(b"\n")[2])

    def append(
        self,
        kind: EventType,
        message: str,
        *,
        level: str | None = None,
        data: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Append an event; `level` is the usual one of its kind where none is given.

        What cannot be written, as on a full disk, is kept and written with the next one.
        """
        values: dict[str, JsonValue] = {
            "type": kind.value,
            "level": level or LEVELS.get(kind, "info"),
            "created_at": format_moment(self._clock()),
            "message": message,
            "data": dict(data or {}),
        }
        self._waiting.append(values)
        with suppress(MissionError):
            append_next(self._run.worker_log, self._lines_after)
            self._waiting.clear()

    def _lines_after(self, last: bytes) -> bytes:
        begin = self._seq_of(last) + 1 if last else 1
        numbered = enumerate(self._waiting, begin)
        return b"".join(event_line(self._run.id, seq, values) for seq, values in numbered)

    def _seq_of(self, last: bytes) -> int:
        event = parse_event(last)
        if event is None:  # it is very long, or somebody else's: look further back
            event = next(reversed(read_events(self._run).events), None)
        return event.seq if event else 0


def read_events(run: Run) -> EventRead:
    """Read a run's events; lines that are not events are left out and reported as torn."""
    try:
        data = run.worker_log.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return EventRead((), torn=False)
    lines = data.split(b"\n")
    torn = lines.pop() != b""
    parsed = [parse_event(line) for line in lines]
    events = tuple(event for event in parsed if event is not None)
    return EventRead(events, torn=torn or len(events) < len(parsed))


def events_after_end(run: Run) -> tuple[Event, ...]:
    """Return the events since a run's agent was gone: none of these is of its own making."""
    events = read_events(run).events
    exits = [at for at, event in enumerate(events) if event.type == EventType.WORKER_EXITED]
    return events[exits[-1] :] if exits else ()


def noted_lists(run: Run, kind: EventType, key: str, *, after_end: bool = False) -> list[list[Any]]:
    """Return the lists that a run's events of one type have under a key."""
    events = events_after_end(run) if after_end else read_events(run).events
    values = [event.data.get(key) for event in events if event.type == kind]
    return [value for value in values if isinstance(value, list)]


def event_line(owner: str, seq: int, values: Mapping[str, JsonValue]) -> bytes:
    """Return an event of a run, or a panel, as one line of its log."""
    numbered = {"seq": seq, "event_id": f"{owner}:event:{seq:04d}", **values}
    return json.dumps(numbered, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def parse_event(line: bytes) -> Event | None:
    """Return the event of a line; None where it is not one."""
    try:
        values = parse_json(line)
        return Event(
            seq=operator.index(values["seq"]),
            type=str(values["type"]),
            level=str(values.get("level", "info")),
            created_at=str(values["created_at"]),
            message=str(values.get("message", "")),
            data=dict(values.get("data") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
