"""Earlier attempts at a task: sessions, checkpoints, what they asked, how many count.

`.state/attempts.json` maps a task to the last session that counts no more, because a person has
looked at it since. Sessions are counted from mission.json, so a crash counts nothing twice.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from mosaic.errors import CheckpointNotFoundError, MissionError
from mosaic.machine.disk import write_private
from mosaic.plan.ends import end_phrase
from mosaic.records import dataclass, replace
from mosaic.runs.folders import run_of, runs_of_task
from mosaic.store.layout import HOST_FILE
from mosaic.store.state import find_object

if TYPE_CHECKING:
    from mosaic.model import Session, Task
    from mosaic.ports import Runtime
    from mosaic.runs.checkpoint import FoundCheckpoint
    from mosaic.runs.record import Run
    from mosaic.runs.report import Asked
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.tasks import Snapshot

ATTEMPTS_NAME = "attempts.json"
BY_FOLDER = frozenset(("claude", "gemini", "opencode"))
"""Runtimes that keep a conversation by the folder that they work in."""


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


def plan_attempt(
    snapshot: Snapshot, task: Task, runtime: Runtime, request: HandOffRequest
) -> Attempt:
    """Return what is known of earlier sessions, with what is asked to be gone on from."""
    from mosaic.runs.report import find_asked  # start-up: `mission set` needs neither

    sessions = _ended_sessions(snapshot, task.id)
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    attempt = Attempt(number=len(sessions) + 1, asked=find_asked(runs))
    if request.from_checkpoint is not None:
        found = find_checkpoint(snapshot, task.id, request.from_checkpoint)
        attempt = replace(attempt, checkpoint=found, is_set_back=True)
    elif any(any(run.checkpoints.glob("*.json")) for run in runs):
        from mosaic.runs.checkpoint import last_checkpoint  # start-up: most tasks have none

        attempt = replace(attempt, checkpoint=last_checkpoint(runs))
    if not sessions:
        return attempt
    last = sessions[-1]
    run = run_of(snapshot.layout.runs_dir, task.id, last.run_id or "")
    result = run.find_result()
    known = dict.fromkeys(filter(None, (result.summary, result.words)))
    words = ": ".join(filter(None, (f"session {last.id} {end_phrase(last)}", "; ".join(known))))
    attempt = replace(attempt, last_session=last, why_last_ended=words)
    conversation = last.runtime_session_id
    if not request.resuming or request.fresh or conversation is None:
        return attempt
    if last.runtime != runtime.name or not runtime.can_continue(conversation):
        return attempt
    wanted = request.hosts[0] if request.hosts else ""
    if machine_of(run) != wanted:
        return attempt  # the machine that has the conversation is another one
    if (recorded := run.result()) and recorded.cause == "usage":
        return attempt  # the runtime would not take that conversation: begin a new one
    return replace(attempt, conversation=conversation)


def machine_of(run: Run) -> str | None:
    """Return the machine that a run was handed to; empty for this one, None where nobody knows."""
    if not os.path.lexists(run.dir / HOST_FILE):
        return ""
    from mosaic.remote.sent import find_sent  # start-up: few are elsewhere

    try:
        sent = find_sent(run)
    except MissionError:
        return None
    return sent.host if sent else ""


def has_conversation(snapshot: Snapshot, task_id: str, host: str) -> bool:
    """Tell whether the conversation of a task's last session can be continued on a machine.

    Each attempt there has a folder of its own, and some agents look for a conversation only in the
    folder that it was begun in.
    """
    sessions = _ended_sessions(snapshot, task_id)
    if not sessions or sessions[-1].runtime in BY_FOLDER:
        return False
    return machine_of(run_of(snapshot.layout.runs_dir, task_id, sessions[-1].run_id or "")) == host


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
    ids = [session.id for session in ended]
    last = find_object(snapshot.layout.state_dir / ATTEMPTS_NAME).get(task_id)
    return ended[ids.index(last) + 1 :] if last in ids else ended


def forgive_attempts(snapshot: Snapshot, task_id: str) -> None:
    """Count a task's attempts from now on: a person has looked at it.

    The caller has the mission lock.
    """
    sessions = snapshot.document.mission.sessions.of_task(task_id)
    if not sessions:
        return
    place = snapshot.layout.state_dir / ATTEMPTS_NAME
    known = {**find_object(place), task_id: sessions[-1].id}
    with contextlib.suppress(MissionError):  # at worst a task is given up on too early
        write_private(place, json.dumps(known).encode(), root=snapshot.layout.state_dir)


def _ended_sessions(snapshot: Snapshot, task_id: str) -> list[Session]:
    listed = snapshot.document.mission.sessions.of_task(task_id)
    return [session for session in listed if session.ended_at is not None]
