"""Deciding about a task in review: only people do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.actor import is_agent
from mosaic.app.tasks import TaskView
from mosaic.errors import UsageError
from mosaic.records import dataclass
from mosaic.review.decision import approved_before, commit_decision, decide

if TYPE_CHECKING:
    from mosaic.app.actor import Actor
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A decision that was recorded."""

    task: TaskView
    decision: str
    overruled: tuple[str, ...]
    """The evidence against approving, where it was approved anyway."""
    commit: str | None
    notices: tuple[str, ...]


def refuse_agent(snapshot: Snapshot, actor: Actor | None = None) -> None:
    """Make sure that a person decides."""
    if is_agent(actor, snapshot.layout):
        raise UsageError("an agent cannot review", hint="a person decides")


def decide_review(
    snapshot: Snapshot,
    review: Review,
    *,
    approve: bool,
    why: str | None = None,
    force: bool = False,
    commit: bool = False,
    actor: Actor | None = None,
) -> Decision:
    """Set a task done, or back to todo with the reason in its notes.

    With `commit`, the decision and the work that it accepts are committed; an approval that is
    on record already is only committed.

    Raises:
        UsageError: an agent asks, or a rejection has no reason.
        NotReadyError: the task does not wait for a decision, or the evidence is against it.
        GitError: git made no commit; the decision is taken back.
    """
    refuse_agent(snapshot, actor)
    path = snapshot.document.path
    earlier = approved_before(path, review) if approve and commit else None
    decided = earlier or decide(path, review, approve=approve, why=why, force=force)
    return Decision(
        task=TaskView(decided.task),
        decision="approved" if approve else "rejected",
        overruled=decided.overruled,
        commit=commit_decision(review, decided) if commit else None,
        notices=decided.notices,
    )
