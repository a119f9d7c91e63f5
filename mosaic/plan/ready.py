"""The one selector: what may be handed off, what comes next, and why nothing else does.

`next`, `list --ready`, `status` and their JSON all ask here, so they cannot disagree.

Ready is a task that is todo, whose dependencies are all done, that no live session holds,
whose milestone is not finished, and whose write scope does not meet that of a task that
is being worked on. A task in progress that no live session holds comes before any new one;
then the current milestone, then priority, then plan order.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mosaic.model import MilestoneStatus, Status
from mosaic.plan.graph import ARROW, find_cycles
from mosaic.plan.progress import current_milestone
from mosaic.plan.scopes import scopes_overlap
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mosaic.model import Milestone, Task

PRIORITY_WORDS = {
    "blocker": -2.0,
    "critical": -2.0,
    "urgent": -2.0,
    "highest": -2.0,
    "high": -1.0,
    "medium": 0.0,
    "normal": 0.0,
    "low": 1.0,
    "lowest": 2.0,
}
FIRST_NUMBER = -1000.0
"""Numbers and `P0` come before words: who counts means it."""


class Reason(StrEnum):
    """Why a task is ready, or is not."""

    RESUMABLE = "RESUMABLE"
    READY = "READY"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    IN_REVIEW = "IN_REVIEW"
    BLOCKED = "BLOCKED"
    BROKEN = "BROKEN"
    LIVE_SESSION = "LIVE_SESSION"
    IN_CYCLE = "IN_CYCLE"
    UNKNOWN_DEPENDENCY = "UNKNOWN_DEPENDENCY"
    WAITS = "WAITS"
    MILESTONE_FINISHED = "MILESTONE_FINISHED"
    OTHER_MILESTONE = "OTHER_MILESTONE"
    SCOPE_OVERLAP = "SCOPE_OVERLAP"


class Verdict(NamedTuple):
    """What the selector says of one task."""

    task: Task
    reason: Reason
    said: str = ""
    """Why, in words; nothing where the task itself says it all."""

    @property
    def detail(self) -> str:
        """Why, in words."""
        return self.said or _ready_words(self.task)

    @property
    def is_ready(self) -> bool:
        """Whether it may be handed off now."""
        return self.reason in (Reason.READY, Reason.RESUMABLE)


BY_STATUS = {
    Status.DONE: (Reason.DONE, "is done"),
    Status.CANCELLED: (Reason.CANCELLED, "is cancelled"),
    Status.REVIEW: (Reason.IN_REVIEW, "waits for review"),
    Status.BLOCKED: (Reason.BLOCKED, "is blocked"),
}
"""What a task's status says by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The selector's whole answer."""

    ready: tuple[Verdict, ...]
    """What may be handed off, in the order in which it should be."""
    verdicts: tuple[Verdict, ...]
    """One for each task, in plan order."""
    cycles: tuple[tuple[str, ...], ...]
    by_id: Mapping[str, Verdict]

    @property
    def chosen(self) -> Task | None:
        """The task that comes next."""
        return self.ready[0].task if self.ready else None

    def of(self, task_id: str) -> Verdict | None:
        """Return what is said of one task."""
        return self.by_id.get(task_id)


def select_tasks(
    tasks: Sequence[Task],
    milestones: Sequence[Milestone],
    *,
    held: Mapping[str, str] | None = None,
    broken: Collection[str] = (),
    only_milestone: str | None = None,
) -> Selection:
    """Judge every task and put the ready ones in order.

    Args:
        tasks: all tasks, in plan order.
        milestones: the declared ones, in order.
        held: ids of live sessions by the id of the task that each works on.
        broken: ids of tasks that cannot be trusted.
        only_milestone: the one milestone to choose from.
    """
    cycles = find_cycles(tasks)
    judge = _Judge(
        tasks, milestones, held or {}, broken, only_milestone=only_milestone, cycles=cycles
    )
    doubtful = {*(held or ()), *broken}
    verdicts = tuple(
        Verdict(task, *BY_STATUS[task.status])
        if task.status in BY_STATUS and task.id not in doubtful
        else judge.verdict(task)
        for task in tasks
    )
    current = current_milestone(milestones)
    ready = sorted(
        (verdict for verdict in verdicts if verdict.is_ready),
        key=lambda verdict: (
            verdict.reason is not Reason.RESUMABLE,
            current is None or verdict.task.milestone != current.id,
            priority_rank(verdict.task.priority),
            verdict.task.position,
        ),
    )
    return Selection(
        ready=tuple(ready),
        verdicts=verdicts,
        cycles=tuple(cycles),
        by_id={verdict.task.id: verdict for verdict in verdicts},
    )


def explain_selection(selection: Selection) -> list[str]:
    """Say of each task why it was chosen or not, the chosen one first."""
    order = {verdict.task.id: n for n, verdict in enumerate(selection.ready, 1)}
    lines = []
    for verdict in selection.ready:
        rank = order[verdict.task.id]
        mark = "next" if rank == 1 else f"#{rank}"
        lines.append(f"{mark:>5}  {verdict.task.id}  {verdict.detail}")
    lines += [
        f"    -  {verdict.task.id}  {verdict.detail}"
        for verdict in selection.verdicts
        if not verdict.is_ready and not verdict.task.status.is_closed
    ]
    return lines


def summarize_waiting(selection: Selection) -> str:
    """Say in a sentence why nothing is ready."""
    waiting = [verdict for verdict in selection.verdicts if not verdict.task.status.is_closed]
    if not waiting:
        return "every task is done or cancelled" if selection.verdicts else "there are no tasks"
    counts = Counter(_short_reason(verdict, selection) for verdict in waiting)
    parts = ", ".join(f"{count} {words}" for words, count in counts.most_common())
    return f"{len(waiting)} {'task waits' if len(waiting) == 1 else 'tasks wait'}: {parts}"


def refusal_of(verdict: Verdict, *, force: bool = False) -> str | None:
    """Return why a task that was asked for by name cannot be handed off; None when it can.

    Args:
        verdict: what the selector says of it.
        force: overrides waiting for others, and nothing else.
    """
    waiting = (
        Reason.WAITS,
        Reason.UNKNOWN_DEPENDENCY,
        Reason.IN_CYCLE,
        Reason.MILESTONE_FINISHED,
        Reason.OTHER_MILESTONE,
        Reason.SCOPE_OVERLAP,
    )
    if verdict.is_ready or (force and verdict.reason in waiting):
        return None
    return verdict.detail


@lru_cache(maxsize=256)
def priority_rank(priority: str | None) -> float:
    """Return where a priority sorts, lower first; none and unknown words are in the middle."""
    if not priority:
        return 0.0
    word = priority.strip().lower()
    if number := re.fullmatch(r"p?(\d{1,6})", word):
        return FIRST_NUMBER + float(number[1])
    return PRIORITY_WORDS.get(word, 0.0)


class _Judge:
    """Judges tasks one by one, with what it takes to know of the others at hand."""

    def __init__(
        self,
        tasks: Sequence[Task],
        milestones: Sequence[Milestone],
        held: Mapping[str, str],
        broken: Collection[str],
        *,
        only_milestone: str | None,
        cycles: Sequence[tuple[str, ...]],
    ) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._held = held
        self._broken = broken
        self._only = only_milestone
        self._cycles = {name: cycle for cycle in cycles for name in cycle}
        self._done = {
            task.id for task in tasks if task.status is Status.DONE and task.id not in broken
        }
        self._finished = {m.id for m in milestones if m.status is MilestoneStatus.COMPLETED}
        self._worked_on = [
            task
            for task in tasks
            if task.write_scope and (task.id in held or task.status is Status.IN_PROGRESS)
        ]

    def verdict(self, task: Task) -> Verdict:
        return Verdict(task, *self._reason(task))

    def _reason(self, task: Task) -> tuple[Reason, str]:
        if task.id in self._broken:
            return Reason.BROKEN, "cannot be trusted; `mission check` says why"
        if task.id in self._held:
            return Reason.LIVE_SESSION, f"session `{self._held[task.id]}` works on it"
        if known := BY_STATUS.get(task.status):
            return known
        if self._only is not None and task.milestone != self._only:
            return Reason.OTHER_MILESTONE, f"is not of milestone `{self._only}`"
        if task.status is Status.IN_PROGRESS:
            return Reason.RESUMABLE, "is in progress, and no session works on it"
        return self._waiting(task) or (Reason.READY, "")

    def _waiting(self, task: Task) -> tuple[Reason, str] | None:
        if cycle := self._cycles.get(task.id):
            return Reason.IN_CYCLE, f"is on a cycle `{ARROW.join(cycle)}`"
        if not self._done.issuperset(task.depends_on):
            return self._waiting_for(task)
        if task.milestone in self._finished:
            return Reason.MILESTONE_FINISHED, f"its milestone `{task.milestone}` is completed"
        for other in self._worked_on:
            if other.id != task.id and scopes_overlap(task.write_scope, other.write_scope):
                return (
                    Reason.SCOPE_OVERLAP,
                    f"its write scope meets that of `{other.id}`, in progress",
                )
        return None

    def _waiting_for(self, task: Task) -> tuple[Reason, str]:
        unknown = [name for name in task.depends_on if name not in self._tasks]
        if unknown:
            return Reason.UNKNOWN_DEPENDENCY, f"depends on `{'`, `'.join(unknown)}`, unknown here"
        open_ones = [self._tasks[name] for name in task.depends_on if name not in self._done]
        names = ", ".join(f"`{other.id}` ({other.status})" for other in open_ones)
        return Reason.WAITS, f"waits on {names}"


def _ready_words(task: Task) -> str:
    parts = ["ready"]
    if task.milestone:
        parts.append(f"milestone `{task.milestone}`")
    if task.priority:
        parts.append(f"priority {task.priority}")
    parts.append(f"place {task.position + 1} in the plan")
    return ", ".join(parts)


def _short_reason(verdict: Verdict, selection: Selection) -> str:
    if verdict.reason is Reason.WAITS:
        known = {v.task.id: v.task for v in selection.verdicts}
        open_ones = [
            known[n] for n in verdict.task.depends_on if known[n].status is not Status.DONE
        ]
        other = open_ones[0] if open_ones else known[verdict.task.depends_on[0]]
        return f"on `{other.id}` ({other.status})"
    words = {
        Reason.LIVE_SESSION: "claimed",
        Reason.IN_REVIEW: "in review",
        Reason.BLOCKED: "blocked",
        Reason.BROKEN: "cannot be read",
        Reason.OTHER_MILESTONE: "of other milestones",
    }
    if verdict.reason is Reason.IN_CYCLE:
        return f"on {verdict.detail.removeprefix('is on ')}"
    return words.get(verdict.reason, verdict.detail)
