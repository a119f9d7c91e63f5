"""Reviews: the tasks that wait for one, and one with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mosaic.app.tasks import TaskView
from mosaic.model import Status
from mosaic.review.verdict import diff_text, review_task

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Snapshot


class ReviewList(NamedTuple):
    """The tasks that wait for review, in plan order."""

    tasks: tuple[TaskView, ...]


class ReviewPage(NamedTuple):
    """What a task's handoff claims beside what happened."""

    review: Review
    diff: str | None = None
    """The changes themselves, where they were asked for."""

    def json_values(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        review, judged, evidence = self.review, self.review.judged, self.review.evidence
        values: dict[str, Any] = {
            "task": TaskView(review.task),
            "sections": review.sections,
            "missing": review.missing,
            "claims": {
                "files": [{"path": each.claim.path, **_judged(each)} for each in judged.files],
                "commands": [
                    {"command": each.claim.command, **_judged(each)} for each in judged.commands
                ],
            },
            "unclaimed": {"files": judged.unclaimed_files, "commands": judged.unclaimed_commands},
            "evidence": {
                "since": evidence.since,
                "files": evidence.changed,
                "commands": evidence.ran,
                "knows_all_commands": evidence.knows_all_commands,
                "caveats": evidence.caveats,
                "unknown": evidence.unknown,
            },
            "gates": [
                {"name": g.name, "green": g.is_green, "words": g.words, "run_id": g.run_id}
                for g in review.gates
            ],
            "sessions": evidence.sessions,
            "usage": evidence.usage,
        }
        others = ("out_of_scope", "rules_changed", "warnings", "stat", "objections")
        values |= {name: getattr(review, name) for name in others}
        return values if self.diff is None else {**values, "diff": self.diff}


def list_reviews(snapshot: Snapshot) -> ReviewList:
    """Return the tasks that wait for review."""
    return ReviewList(tuple(TaskView(t) for t in snapshot.tasks if t.status is Status.REVIEW))


def show_review(snapshot: Snapshot, task_id: str, *, diff: bool = False) -> ReviewPage:
    """Return what a task's handoff claims beside what git, transcripts and records show.

    Raises:
        TaskNotFoundError: there is no such task.
    """
    review = review_task(snapshot, snapshot.get(task_id).task)
    return ReviewPage(review, diff_text(snapshot, review) if diff else None)


def write_review_page(review: Review, facts: list[str], place: Path) -> None:
    """Write a review as one HTML page to share."""
    from mosaic.machine.disk import write_atomic
    from mosaic.review.html import render_page

    target = place.absolute()
    page = render_page(review, facts)
    write_atomic(target, page.encode("utf-8", "replace"), root=target.parent)


def _judged(each: JudgedClaim[Any]) -> dict[str, str]:
    return {"text": each.claim.text, "standing": each.standing.value, "why": each.why}
