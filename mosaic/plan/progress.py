"""How far a mission has come: derived from its tasks each time it is asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mosaic.model import Milestone, MilestoneStatus, Status
from mosaic.records import dataclass

if TYPE_CHECKING:
    from mosaic.model import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Tasks done of all that are to be done; cancelled ones are not to be done."""

    done: int
    """Those whose work waits to be merged are not among them."""
    total: int
    by_status: Mapping[Status, int]
    to_merge: int = 0

    @property
    def pct(self) -> int:
        """The floor of 100·done/total; 0 when there is nothing to do."""
        return 100 * self.done // self.total if self.total else 0

    def json_values(self) -> dict[str, object]:
        """Return it as JSON has it."""
        counts = {"tasks_done": self.done, "tasks_total": self.total, "pct": self.pct}
        return {**counts, "tasks_to_merge": self.to_merge, "by_status": self.by_status}


@dataclass(frozen=True, kw_only=True, slots=True)
class MilestoneProgress:
    """One milestone and how far it has come."""

    milestone: Milestone
    progress: Progress
    is_current: bool = False
    """Whether what is handed off next comes from it first."""

    @property
    def open_total(self) -> int:
        """How many of its tasks are not closed."""
        counts = self.progress.by_status.items()
        return sum(count for status, count in counts if not status.is_closed)

    @property
    def is_finished(self) -> bool:
        """Whether all its tasks are closed and none waits to be merged, or a person says so."""
        is_over = not (self.open_total or self.progress.to_merge)
        has_any = any(self.progress.by_status.values())
        return self.milestone.status is MilestoneStatus.COMPLETED or (is_over and has_any)

    @property
    def words(self) -> str:
        """Where it stands, in a word; nothing where its progress says it all."""
        if self.is_finished:
            is_early = self.open_total > 0
            return f"finished, with {self.open_total} open" if is_early else "finished"
        if self.milestone.status is MilestoneStatus.BLOCKED:
            return "blocked"
        return "current" if self.is_current else ""

    def json_values(self) -> dict[str, object]:
        """Return the milestone's fields and its progress side by side."""
        milestone = self.milestone
        names = {"id": milestone.id, "name": milestone.name, "status": milestone.status}
        states = {"current": self.is_current, "finished": self.is_finished}
        return {**names, **self.progress.json_values(), **states}


def _milestone_in(heading: str) -> re.Match[str] | None:
    return re.match(
        r"[^\w]*((?:milestone|phase|sprint|stage|iteration|epic)\s+#?\w[\w.]*|[a-z]{1,3}\d+(?:\.\d+)*)"
        r"(?![\w-])",
        heading,
        re.IGNORECASE,
    )


def measure_progress(tasks: Iterable[Task], unlanded: Collection[str] = ()) -> Progress:
    """Count tasks; `unlanded` are the done ones whose work waits to be merged."""
    counts = dict.fromkeys(Status, 0)
    to_merge = 0
    for task in tasks:
        counts[task.status] += 1
        to_merge += task.id in unlanded
    total = sum(counts.values()) - counts[Status.CANCELLED]
    if not counts[Status.UNKNOWN]:
        del counts[Status.UNKNOWN]
    done = counts[Status.DONE] - to_merge
    return Progress(done=done, total=total, by_status=counts, to_merge=to_merge)


def milestone_progress(
    tasks: Sequence[Task], milestones: Sequence[Milestone], unlanded: Collection[str] = ()
) -> list[MilestoneProgress]:
    """Return every milestone with its progress: declared ones first, then those tasks name."""
    groups: dict[str, list[Task]] = {milestone.id: [] for milestone in milestones}
    for task in tasks:
        if task.milestone:
            groups.setdefault(task.milestone, []).append(task)
    declared = {milestone.id: milestone for milestone in milestones}
    current = current_milestone(milestones, tasks)
    return [
        MilestoneProgress(
            milestone=declared.get(name) or Milestone(id=name, name=name),
            progress=measure_progress(group, unlanded),
            is_current=current is not None and current.id == name,
        )
        for name, group in groups.items()
    ]


def milestone_of(headings: Sequence[str], milestones: Sequence[Milestone]) -> str | None:
    """Return the id of the milestone that the nearest of headings names; None where none does.

    Where no milestone is declared, a heading that begins with `M1` or `Phase 1` names one.
    """
    for heading in headings:
        folded = heading.casefold()
        words = re.findall(r"[\w.-]+", folded)
        by_id = [each for each in milestones if each.id.casefold() in words]
        if by_id:
            return min(by_id, key=lambda each: words.index(each.id.casefold())).id
        by_name = [each for each in milestones if each.name and each.name.casefold() in folded]
        if by_name:
            return max(by_name, key=lambda each: len(each.name)).id
        if not milestones and (found := _milestone_in(heading)):
            return " ".join(found[1].split())
    return None


def current_milestone(milestones: Sequence[Milestone], tasks: Iterable[Task]) -> Milestone | None:
    """Return the first milestone that has open tasks, in the order in which they are declared.

    One that a person calls completed or blocked is passed over.
    """
    passed = (MilestoneStatus.COMPLETED, MilestoneStatus.BLOCKED)
    waiting = [each for each in milestones if each.status not in passed]
    if not waiting:
        return None
    with_open = {task.milestone for task in tasks if not task.status.is_closed}
    return next((each for each in waiting if each.id in with_open), None)
