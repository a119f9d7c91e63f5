"""What is known of earlier attempts at a task: sessions, checkpoints, what they asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.codec import format_moment
from mosaic.model import EndReason
from mosaic.prompts.context import CheckpointFacts
from mosaic.records import dataclass, field, replace
from mosaic.runs.checkpoint import last_checkpoint
from mosaic.runs.folders import run_of, runs_of_task
from mosaic.runs.followups import Asked, find_asked

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Session, Task
    from mosaic.runs.checkpoint import FoundCheckpoint
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
    last_session: Session | None = None
    why_last_ended: str = ""
    conversation: str | None = None
    """The runtime's conversation that is continued."""
    checkpoint: FoundCheckpoint | None = None
    """The task's last one, or the one that the work tree was set back to."""
    is_set_back: bool = False
    asked: Asked = field(default_factory=Asked)


def attempt_of(snapshot: Snapshot, task: Task) -> Attempt:
    """Return what is known of earlier sessions on a task."""
    listed = snapshot.document.mission.sessions.of_task(task.id)
    sessions = [session for session in listed if session.ended_at is not None]
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    attempt = Attempt(
        number=len(sessions) + 1,
        checkpoint=last_checkpoint(runs),
        asked=find_asked(runs),
    )
    if not sessions:
        return attempt
    last = sessions[-1]
    why = REASON_WORDS[last.ended_reason] if last.ended_reason else "ended"
    result = run_of(snapshot.layout.runs_dir, task.id, last.run_id or "").find_result()
    words = [str(result[key]) for key in ("summary", "words") if result.get(key)]
    told = "; ".join(dict.fromkeys(words))
    return replace(
        attempt,
        last_session=last,
        why_last_ended=f"session {last.id} {why}: {told}" if told else f"session {last.id} {why}",
    )


def checkpoint_facts(attempt: Attempt) -> CheckpointFacts | None:
    """Return the attempt's checkpoint as a prompt tells it."""
    found = attempt.checkpoint
    if found is None:
        return None
    checkpoint = found.checkpoint
    return CheckpointFacts(
        seq=checkpoint.seq,
        summary="; ".join(filter(None, (checkpoint.summary, checkpoint.note))),
        patch=str(found.patch) if found.patch else None,
        files=tuple(f"{each.path} ({each.kind})" for each in checkpoint.files),
        is_set_back=attempt.is_set_back,
    )


def checkpoint_values(found: FoundCheckpoint | None) -> dict[str, JsonValue] | None:
    """Return a checkpoint as the capsule tells it."""
    if found is None:
        return None
    checkpoint = found.checkpoint
    return {
        "seq": checkpoint.seq,
        "created_at": format_moment(checkpoint.created_at),
        "summary": checkpoint.summary,
        "note": checkpoint.note,
        "run_id": checkpoint.run_id,
        "tree": checkpoint.tree,
        "commit": checkpoint.commit,
        "stat": checkpoint.stat,
        "patch": str(found.patch) if found.patch else None,
    }
