"""Earlier attempts at a task: sessions, checkpoints, what they asked, how many count.

`.state/attempts.json` maps a task to the last session that counts no more, because a person has
looked at it since. Sessions are counted from mission.json, so a crash counts nothing twice.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from mosaic.codec import parse_json
from mosaic.errors import CheckpointNotFoundError, MissionError
from mosaic.machine.disk import find_bytes, write_private
from mosaic.model import EndReason
from mosaic.records import dataclass, replace
from mosaic.runs.folders import run_of, runs_of_task

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Session, Task
    from mosaic.ports import Runtime
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.runs.report import Asked
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

REASON_WORDS = {
    EndReason.COMPLETED: "completed",
    EndReason.FAILED: "failed",
    EndReason.BLOCKED: "blocked",
    EndReason.TIMEOUT: "ran out of time",
    EndReason.STOPPED: "was stopped",
    EndReason.CRASHED: "crashed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What is known of earlier sessions on a task."""

    number: int
    asked: Asked
    last_session: Session | None = None
    why_last_ended: str = ""
    conversation: str | None = None
    """The runtime's conversation that is continued."""
    checkpoint: FoundCheckpoint | None = None
    """The task's last one, or the one that the work tree was set back to."""
    is_set_back: bool = False


def attempt_of(snapshot: Snapshot, task: Task) -> Attempt:
    """Return what is known of earlier sessions on a task."""
    from mosaic.runs.checkpoint import last_checkpoint  # start-up: `mission set` needs neither
    from mosaic.runs.report import find_asked

    sessions = _ended_sessions(snapshot, task.id)
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    attempt = Attempt(
        number=len(sessions) + 1, checkpoint=last_checkpoint(runs), asked=find_asked(runs)
    )
    if not sessions:
        return attempt
    last = sessions[-1]
    why = REASON_WORDS[last.ended_reason] if last.ended_reason else "ended"
    result = run_of(snapshot.layout.runs_dir, task.id, last.run_id or "").find_result()
    known = dict.fromkeys(filter(None, (result.summary, result.words)))
    words = ": ".join(filter(None, (f"session {last.id} {why}", "; ".join(known))))
    return replace(attempt, last_session=last, why_last_ended=words)


def plan_attempt(
    snapshot: Snapshot, task: Task, runtime: Runtime, request: HandOffRequest
) -> Attempt:
    """Return what is known of earlier sessions, with what is asked to be gone on from."""
    attempt = attempt_of(snapshot, task)
    if request.from_checkpoint is not None:
        found = find_checkpoint(snapshot, task.id, request.from_checkpoint)
        attempt = replace(attempt, checkpoint=found, is_set_back=True)
    last = attempt.last_session
    conversation = last.runtime_session_id if last else None
    if not request.resuming or request.fresh or last is None or conversation is None:
        return attempt
    if last.runtime != runtime.name:
        return attempt
    if not runtime.can_continue(conversation):
        return attempt
    result = run_of(snapshot.layout.runs_dir, task.id, last.run_id or "").result()
    if result and result.cause == "usage":
        return attempt  # the runtime would not take that conversation: begin a new one
    return replace(attempt, conversation=conversation)


def find_checkpoint(snapshot: Snapshot, task_id: str, seq: int) -> FoundCheckpoint:
    """Return one checkpoint of a task.

    Raises:
        CheckpointNotFoundError: the task has none of that number.
    """
    from mosaic.runs.checkpoint import read_checkpoints  # start-up: `mission set` needs none

    read = read_checkpoints(runs_of_task(snapshot.layout.runs_dir, snapshot.get(task_id).task.id))
    for found in read.found:
        if found.checkpoint.seq == seq:
            return found
    for error in read.broken:
        if error.path and error.path.endswith(f"{seq:04d}.json"):
            raise error
    raise CheckpointNotFoundError(task_id, seq, [each.checkpoint.seq for each in read.found])


def sessions_since(snapshot: Snapshot, task_id: str) -> list[Session]:
    """Return a task's ended sessions since a person last reopened or sent it back."""
    ended = _ended_sessions(snapshot, task_id)
    last = _read(_place(snapshot.layout)).get(task_id)
    for number, session in enumerate(ended):
        if session.id == last:
            return ended[number + 1 :]
    return ended


def forgive_attempts(snapshot: Snapshot, task_id: str) -> None:
    """Count a task's attempts from now on: a person has looked at it.

    Called with the mission lock held.
    """
    sessions = snapshot.document.mission.sessions.of_task(task_id)
    if not sessions:
        return
    place = _place(snapshot.layout)
    known = {**_read(place), task_id: sessions[-1].id}
    with contextlib.suppress(MissionError):  # at worst a task is given up on too early
        write_private(place, json.dumps(known).encode(), root=snapshot.layout.state_dir)


def _ended_sessions(snapshot: Snapshot, task_id: str) -> list[Session]:
    listed = snapshot.document.mission.sessions.of_task(task_id)
    return [session for session in listed if session.ended_at is not None]


def _place(layout: Layout) -> Path:
    return layout.state_dir / "attempts.json"


def _read(place: Path) -> dict[str, str]:
    try:
        values = parse_json(find_bytes(place) or b"{}")
    except (MissionError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
