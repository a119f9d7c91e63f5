"""The one selector: what may be handed off, what comes next, and why nothing else does.

Ready is a task that is todo, whose dependencies are all done, that no live session works on,
whose milestone is not finished, and whose write scope does not meet that of a task in progress.
A task in progress without a live session comes before any new one; then the current
milestone, then priority, then plan order.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mosaic.model import MilestoneStatus, Status
from mosaic.plan.graph import ARROW, LONGEST_CYCLE_SHOWN, cycle_words, find_cycles
from mosaic.plan.progress import current_milestone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mosaic.model import Milestone, Task
    from mosaic.plan.scope_index import ScopeIndex

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
MOST_NAMED = 20
"""Dependencies of one task that are named in its reason."""
MOST_REASONS = 8
"""Reasons that are named when nothing is ready."""


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
    words: str = ""
    """Why, in words; nothing where the task itself says it all."""

    @property
    def detail(self) -> str:
        """Why, in words."""
        return self.words or _ready_words(self.task)

    @property
    def is_ready(self) -> bool:
        """Whether it may be handed off now."""
        # Not by a set: the hash of an enum's member takes longer than all of this.
        return self.reason is Reason.READY or self.reason is Reason.RESUMABLE


BY_STATUS = {
    Status.DONE: (Reason.DONE, "is done"),
    Status.CANCELLED: (Reason.CANCELLED, "is cancelled"),
    Status.REVIEW: (Reason.IN_REVIEW, "waits for review"),
    Status.BLOCKED: (Reason.BLOCKED, "is blocked"),
}
"""What a task's status says by itself."""


class Selection:
    """The selector's whole answer; what is not asked of it is not worked out."""

    def __init__(self, judge: _Judge, milestones: Sequence[Milestone]) -> None:
        self._judge = judge
        self._milestones = milestones

    @cached_property
    def _in_order(self) -> list[Task]:
        current = current_milestone(self._milestones)
        # Those that are alike stay in plan order, in which they come.
        return sorted(
            self._judge.candidates(),
            key=lambda task: (
                task.status is not Status.IN_PROGRESS,
                current is None or task.milestone != current.id,
                priority_rank(task.priority),
            ),
        )

    @cached_property
    def ready(self) -> tuple[Verdict, ...]:
        """What may be handed off, in the order in which it should be."""
        return tuple(
            verdict for verdict in map(self._judge.verdict, self._in_order) if verdict.is_ready
        )

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each task, in plan order."""
        return tuple(map(self._judge.verdict, self._judge.tasks))

    @property
    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tasks that wait for each other: ids, the first again last."""
        return self._judge.cycles

    @cached_property
    def chosen(self) -> Task | None:
        """The task that comes next."""
        verdicts = map(self._judge.verdict, self._in_order)
        return next((verdict.task for verdict in verdicts if verdict.is_ready), None)

    def of(self, task_id: str) -> Verdict | None:
        """Return what the selector says of one task."""
        task = self._judge.by_id.get(task_id)
        return self._judge.verdict(task) if task is not None else None


def select_tasks(
    tasks: Sequence[Task],
    milestones: Sequence[Milestone],
    *,
    claimed: Mapping[str, str] | None = None,
    broken: Collection[str] = (),
    only_milestone: str | None = None,
) -> Selection:
    """Judge every task and put the ready ones in order.

    Args:
        tasks: all tasks, in plan order.
        milestones: the declared ones, in order.
        claimed: ids of live sessions by the id of the task that each works on.
        broken: ids of tasks that cannot be trusted.
        only_milestone: the one milestone to choose from.
    """
    judge = _Judge(tasks, milestones, claimed or {}, broken, only_milestone=only_milestone)
    return Selection(judge, milestones)


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
    long = [cycle for cycle in selection.cycles if len(cycle) > LONGEST_CYCLE_SHOWN + 1]
    return lines + [f"cycle: {ARROW.join(cycle)}" for cycle in long]


def summarize_waiting(selection: Selection) -> str:
    """Say in a sentence why nothing is ready."""
    waiting = [verdict for verdict in selection.verdicts if not verdict.task.status.is_closed]
    if not waiting:
        return "every task is done or cancelled" if selection.verdicts else "there are no tasks"
    known = {verdict.task.id: verdict.task for verdict in selection.verdicts}
    counts = Counter(_short_reason(verdict, known) for verdict in waiting).most_common()
    parts = ", ".join(f"{count} {words}" for words, count in counts[:MOST_REASONS])
    if others := sum(count for _, count in counts[MOST_REASONS:]):
        parts += f", {others} for other reasons (`mission next --explain` names them)"
    return f"{len(waiting)} {'task waits' if len(waiting) == 1 else 'tasks wait'}: {parts}"


def refusal_of(verdict: Verdict, *, force: bool = False) -> str | None:
    """Return why a task that was asked for by name cannot be handed off; None when it can."""
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
        claimed: Mapping[str, str],
        broken: Collection[str],
        *,
        only_milestone: str | None,
    ) -> None:
        self.tasks = tasks
        self._claimed = claimed
        self._broken = broken
        self._doubtful = {*claimed, *broken}
        self._only = only_milestone
        self._finished = {m.id for m in milestones if m.status is MilestoneStatus.COMPLETED}

    @cached_property
    def by_id(self) -> Mapping[str, Task]:
        """All tasks by id."""
        return {task.id: task for task in self.tasks}

    @cached_property
    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tasks that wait for each other."""
        return tuple(find_cycles(self.tasks))

    @cached_property
    def _done(self) -> set[str]:
        done = Status.DONE
        return {task.id for task in self.tasks if task.status is done}.difference(self._broken)

    @cached_property
    def _cycle_words(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for cycle in self.cycles:
            found.update(dict.fromkeys(cycle, f"is on a cycle `{cycle_words(cycle)}`"))
        return found

    @cached_property
    def _worked_on(self) -> list[Task]:
        progress = Status.IN_PROGRESS
        return [
            task
            for task in self.tasks
            if (task.status is progress or task.id in self._claimed) and task.write_scope
        ]

    @cached_property
    def _scopes(self) -> ScopeIndex:
        from mosaic.plan.scope_index import ScopeIndex  # start-up: few missions have scopes

        return ScopeIndex([task.write_scope for task in self._worked_on])

    def candidates(self) -> Iterator[Task]:
        """Yield the tasks that may be ready: no other is."""
        todo, progress, done = Status.TODO, Status.IN_PROGRESS, self._done
        for task in self.tasks:
            if task.status is todo:
                if done.issuperset(task.depends_on):
                    yield task
            elif task.status is progress:
                yield task

    def verdict(self, task: Task) -> Verdict:
        """Judge one task."""
        if task.id in self._doubtful:
            return Verdict(task, *self._doubt(task))
        begun = task.status is Status.IN_PROGRESS
        if not begun and task.status is not Status.TODO:
            return Verdict(task, *BY_STATUS[task.status])
        if self._only is not None and task.milestone != self._only:
            return Verdict(task, Reason.OTHER_MILESTONE, f"is not of milestone `{self._only}`")
        if begun:
            words = "is in progress, and no session works on it"
            return Verdict(task, Reason.RESUMABLE, words)
        return self._waiting(task) or Verdict(task, Reason.READY)

    def _doubt(self, task: Task) -> tuple[Reason, str]:
        if task.id in self._broken:
            return Reason.BROKEN, "cannot be trusted; `mission check` says why"
        return Reason.LIVE_SESSION, f"session `{self._claimed[task.id]}` works on it"

    def _waiting(self, task: Task) -> Verdict | None:
        if task.id in self._cycle_words:
            return Verdict(task, Reason.IN_CYCLE, self._cycle_words[task.id])
        if not self._done.issuperset(task.depends_on):
            return Verdict(task, *self._waiting_for(task))
        if task.milestone in self._finished:
            words = f"its milestone `{task.milestone}` is completed"
            return Verdict(task, Reason.MILESTONE_FINISHED, words)
        return self._scope_verdict(task) if task.write_scope else None

    def _scope_verdict(self, task: Task) -> Verdict | None:
        from mosaic.plan.scope_index import numbers_in

        for number in numbers_in(self._scopes.meeting(task.write_scope)):
            other = self._worked_on[number]
            if other.id == task.id:
                continue
            words = f"its write scope meets that of `{other.id}`, in progress"
            if self._scopes.is_exhausted:
                words = "the write scopes of tasks in progress have too many globs to compare"
            return Verdict(task, Reason.SCOPE_OVERLAP, words)
        return None

    def _waiting_for(self, task: Task) -> tuple[Reason, str]:
        unknown = [name for name in task.depends_on if name not in self.by_id]
        if unknown:
            names = _listed([f"`{name}`" for name in unknown])
            return Reason.UNKNOWN_DEPENDENCY, f"depends on {names}, unknown here"
        open_ones = [self.by_id[name] for name in task.depends_on if name not in self._done]
        names = _listed([f"`{other.id}` ({other.status})" for other in open_ones])
        return Reason.WAITS, f"waits on {names}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ready_words(task: Task) -> str:
    parts = ["ready"]
    if task.milestone:
        parts.append(f"milestone `{task.milestone}`")
    if task.priority:
        parts.append(f"priority {task.priority}")
    parts.append(f"place {task.position + 1} in the plan")
    return ", ".join(parts)


def _short_reason(verdict: Verdict, known: Mapping[str, Task]) -> str:
    if verdict.reason is Reason.WAITS:
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
