"""A mission as one record to send: where it stands, what was done, and how that was judged."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from mosaic.app.since import find_since, moves_since
from mosaic.app.task_work import ReviewPage
from mosaic.app.tasks import TaskView
from mosaic.errors import MissionError
from mosaic.machine.clock import utc_now
from mosaic.model import Status
from mosaic.records import NamedTuple, dataclass
from mosaic.review.verdict import review_task
from mosaic.runs.folders import is_session_run, runs_of_task
from mosaic.sessions.rules import decisions_by_hand
from mosaic.text.criteria import acceptance_criteria
from mosaic.text.decisions import read_decisions
from mosaic.text.sections import HANDOFF_SECTIONS, handoff_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from mosaic.app.since import Move, Since
    from mosaic.model import Session, Task, Usage
    from mosaic.review.verdict import Review
    from mosaic.store.tasks import Entry, Snapshot
    from mosaic.text.criteria import Criterion
    from mosaic.text.decisions import Decision

MOST_HANDOFFS = 60
MOST_COMPARED = 40
"""Handoffs whose claims are compared with the evidence: each asks git a few times."""
LONGEST_SECTION = 4_000
LONGEST_HANDOFFS = 400_000
"""Characters of all sections together."""
MOST_DECISIONS = 100
MOST_SESSIONS = 200


class TaskHandoff(NamedTuple):
    """What a task's agent left, and what shows that it is so."""

    task: Task
    sections: Mapping[str, str]
    """Those that say something, cut where they are long."""
    criteria: tuple[Criterion, ...]
    review: Review | None
    """Claims beside evidence; None where they are not compared."""
    why_not: str = ""
    """Why they are not."""

    def json_values(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        compared = ReviewPage(self.review).json_values() if self.review else {}
        return {
            **compared,
            "task": TaskView(self.task),
            "sections": self.sections,
            "criteria": compared.get("criteria", self.criteria),
            "not_compared": self.why_not or None,
        }


class TaskDecision(NamedTuple):
    """What a person decided on a task."""

    task_id: str
    decision: Decision


def _handoffs(snapshot: Snapshot, wanted: Collection[str] | None) -> tuple[list[TaskHandoff], int]:
    """Return handoffs in plan order, and how many more there are.

    Those that wait for review come first to be shown, then those of the newest work.
    """
    found = [entry for entry in snapshot.entries().values() if _has_handoff(entry, wanted)]
    found.sort(key=lambda entry: entry.task.updated_at or "", reverse=True)
    found.sort(key=lambda entry: entry.task.status is not Status.REVIEW)
    shown = found[:MOST_HANDOFFS]
    compared = {entry.task.id for entry in shown[:MOST_COMPARED]}
    room = LONGEST_HANDOFFS
    handoffs = []
    for entry in sorted(shown, key=lambda entry: entry.task.position):
        handoff = _handoff(snapshot, entry.task, room, is_compared=entry.task.id in compared)
        room -= sum(map(len, handoff.sections.values()))
        handoffs.append(handoff)
    return handoffs, len(found) - len(shown)
