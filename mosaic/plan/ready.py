"""The one selector: what may be handed off, what comes next, and why nothing else does.

Ready is a task that is todo, whose dependencies are all done and landed, that no live session
works on, whose milestone is not finished, and whose write scope does not meet that of a task in
progress.
Where several are worked on at once, a task without a write scope meets every other one.
A task in progress without a live session comes before any new one; then the current
milestone, then priority, then plan order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from mosaic.model import MilestoneStatus, Status
from mosaic.plan.graph import cycle_words, find_cycles
from mosaic.plan.progress import current_milestone
from mosaic.records import NamedTuple
from mosaic.text.fields import shown_status, unknown_word

if TYPE_CHECKING:
    from mosaic.model import Milestone, Task
    from mosaic.plan.scope_index import ScopeIndex
    from mosaic.plan.scope_meeting import Ground, ScopeComparison

PRIORITY_WORDS = {
    **dict.fromkeys(("blocker", "critical", "urgent", "highest"), -2.0),
    "high": -1.0,
    "low": 1.0,
    "lowest": 2.0,
}
"""Those that are not in the middle."""
FIRST_NUMBER = -1000.0
"""Numbers and `P0` come before words: who counts means it."""
MOST_NAMED = 20
"""Dependencies of one task that are named in its reason."""


class Reason(StrEnum):
    """Why a task is ready, or is not."""

    RESUMABLE = "RESUMABLE"
    READY = "READY"
    DONE = "DONE"
    TO_MERGE = "TO_MERGE"
    CANCELLED = "CANCELLED"
    IN_REVIEW = "IN_REVIEW"
    BLOCKED = "BLOCKED"
    STATUS_UNKNOWN = "STATUS_UNKNOWN"
    BROKEN = "BROKEN"
    LIVE_SESSION = "LIVE_SESSION"
    IN_CYCLE = "IN_CYCLE"
    UNKNOWN_DEPENDENCY = "UNKNOWN_DEPENDENCY"
    WAITS = "WAITS"
    MILESTONE_FINISHED = "MILESTONE_FINISHED"
    OTHER_MILESTONE = "OTHER_MILESTONE"
    SCOPE_OVERLAP = "SCOPE_OVERLAP"
    NO_SCOPE = "NO_SCOPE"
    BRANCH_IN_USE = "BRANCH_IN_USE"
    MISSION_PAUSED = "MISSION_PAUSED"


class Verdict(NamedTuple):
    """What the selector says of one task."""

    task: Task
    reason: Reason
    words: str = ""
    """Why, in words; nothing where the task itself says it all."""
    on: tuple[str, ...] = ()
    """The tasks that it waits on."""

    @property
    def detail(self) -> str:
        """Why, in words."""
        if self.words:
            return self.words
        task, parts = self.task, ["ready"]
        if task.milestone:
            parts.append(f"milestone `{task.milestone}`")
        if task.priority:
            parts.append(f"priority {task.priority}")
        return ", ".join([*parts, f"place {task.position + 1} in the plan"])

    @property
    def is_ready(self) -> bool:
        """Whether it may be handed off now."""
        # Not by a set: the hash of an enum's member takes longer than all of this.
        return self.reason is Reason.READY or self.reason is Reason.RESUMABLE


FORCIBLE = (
    Reason.WAITS, Reason.UNKNOWN_DEPENDENCY, Reason.IN_CYCLE, Reason.MILESTONE_FINISHED,
    Reason.OTHER_MILESTONE, Reason.SCOPE_OVERLAP, Reason.NO_SCOPE,
)  # fmt: skip
"""Why a task waits that a person may hand off all the same."""
BY_STATUS = {
    Status.DONE: (Reason.DONE, "is done"),
    Status.CANCELLED: (Reason.CANCELLED, "is cancelled"),
    Status.REVIEW: (Reason.IN_REVIEW, "waits for review"),
    Status.BLOCKED: (Reason.BLOCKED, "is blocked"),
}
"""What a task's status says by itself."""


class Selection:
    """The selector's whole answer; what is not asked of it is not worked out."""

    def __init__(
        self,
        tasks: Sequence[Task],
        milestones: Sequence[Milestone],
        *,
        claimed: Mapping[str, str] | None = None,
        broken: Collection[str] = (),
        only_milestone: str | None = None,
        unlanded: Mapping[str, str] | None = None,
        merges_dependencies: bool = False,
        look: Callable[[], Ground] | None = None,
        at_once: bool = False,
        unscoped_together: bool = False,
        paused: bool = False,
    ) -> None:
        """Judge tasks, given in plan order.

        Args:
            tasks: all of them.
            milestones: the declared ones, in order.
            claimed: ids of live sessions by the id of the task that each works on.
            broken: ids of tasks that cannot be trusted.
            only_milestone: the one milestone to choose from.
            unlanded: branches in which the work of done tasks waits, by the task's id.
            merges_dependencies: whether a task begins from a base that merges those that it needs.
            look: returns what scopes are compared on, where that is needed.
            at_once: they are to be worked on at once, by `-j`.
            unscoped_together: then also those that name no write scope.
            paused: nothing is handed off, whatever is ready.
        """
        self._tasks = tasks
        self._milestones = milestones
        self._finished = {m.id for m in milestones if m.status is MilestoneStatus.COMPLETED}
        self._claimed = claimed or {}
        self._broken = broken
        self._doubtful = {*self._claimed, *broken}
        self._only = only_milestone
        self.unlanded = unlanded or {}
        """Branches in which the work of done tasks waits, by the task's id."""
        self._merges = merges_dependencies
        self._look = look
        self._at_once = at_once
        self._unscoped_together = unscoped_together
        self.is_paused = paused
        """Whether the mission is paused: then no task is ready."""

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each task, in plan order."""
        return tuple(map(self._judge, self._tasks))

    @cached_property
    def ready(self) -> tuple[Verdict, ...]:
        """What may be handed off, in the order in which it should be."""
        return tuple(verdict for verdict in map(self._judge, self._in_order) if verdict.is_ready)

    @cached_property
    def chosen(self) -> Task | None:
        """The task that comes next."""
        verdicts = map(self._judge, self._in_order)
        return next((verdict.task for verdict in verdicts if verdict.is_ready), None)

    @cached_property
    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tasks that wait for each other: ids, the first again last."""
        return tuple(find_cycles(self._tasks))

    def of(self, task_id: str) -> Verdict | None:
        """Return what the selector says of one task."""
        task = self._by_id.get(task_id)
        return self._judge(task) if task is not None else None

    @cached_property
    def _in_order(self) -> list[Task]:
        current = current_milestone(self._milestones, self._tasks)
        # Those that are alike stay in plan order, in which they come.
        return sorted(
            self._candidates(),
            key=lambda task: (
                task.status is not Status.IN_PROGRESS,
                current is None or task.milestone != current.id,
                priority_rank(task.priority),
            ),
        )

    def _candidates(self) -> Iterator[Task]:
        """Yield the tasks that may be ready: no other is."""
        todo, progress, done = Status.TODO, Status.IN_PROGRESS, self._landed
        for task in self._tasks:
            if task.status is todo:
                if done.issuperset(task.depends_on) or not self._missing(task):
                    yield task
            elif task.status is progress:
                yield task

    @cached_property
    def _by_id(self) -> Mapping[str, Task]:
        return {task.id: task for task in self._tasks}

    @cached_property
    def _landed(self) -> set[str]:
        done = Status.DONE
        found = {task.id for task in self._tasks if task.status is done}
        return found.difference(self._broken, () if self._merges else self.unlanded)

    def _missing(self, task: Task) -> list[str]:
        """Return the dependencies whose work is not where a task would begin."""
        missing = [name for name in task.depends_on if name not in self._landed]
        if missing and task.branch and self.unlanded:  # what waits on its own branch is there
            missing = [name for name in missing if self.unlanded.get(name) != task.branch]
        return missing

    def first_missing(self, task: Task) -> str:
        """Return the first task that a task waits on, with where that stands."""
        other = self._by_id[self._missing(task)[0]]
        return f"`{other.id}` ({self.state_of(other)})"

    def state_of(self, task: Task) -> str:
        """Return where a task stands, in words: its status, and whether its work waits."""
        words = shown_status(task)
        return f"{words}, to merge" if task.id in self.unlanded else words

    @cached_property
    def _cycle_words(self) -> Mapping[str, str]:
        return {
            name: f"is on a cycle `{words}`"
            for cycle, words in zip(self.cycles, map(cycle_words, self.cycles), strict=True)
            for name in cycle
        }

    @cached_property
    def _worked_on(self) -> list[Task]:
        progress, claimed = Status.IN_PROGRESS, self._claimed
        working = (task for task in self._tasks if task.status is progress or task.id in claimed)
        return [task for task in working if task.write_scope]

    @cached_property
    def _by_branch(self) -> Mapping[str, str]:
        """The tasks that sessions work on, by their branches: git gives one to one worktree."""
        claimed = self._claimed
        at_work = (task for task in self._tasks if task.id in claimed) if claimed else ()
        return {task.branch: task.id for task in at_work if task.branch}

    @cached_property
    def _scopes(self) -> ScopeIndex:
        from mosaic.plan.scope_index import ScopeIndex  # start-up: few missions have scopes

        return ScopeIndex([task.write_scope for task in self._worked_on], self._ground.folder)

    @cached_property
    def _ground(self) -> Ground:
        from mosaic.plan.scope_meeting import Ground  # start-up

        return self._look() if self._look else Ground()

    @cached_property
    def _comparison(self) -> ScopeComparison:
        from mosaic.plan.scope_meeting import ScopeComparison  # start-up

        return ScopeComparison(self._ground)

    def _judge(self, task: Task) -> Verdict:
        verdict = self._judge_alone(task)
        if self.is_paused and verdict.is_ready:
            return Verdict(task, Reason.MISSION_PAUSED, "waits: the mission is paused")
        return verdict

    def _judge_alone(self, task: Task) -> Verdict:
        if task.id in self._doubtful:
            if task.id in self._broken:
                return Verdict(task, Reason.BROKEN, "cannot be trusted; `mission check` says why")
            words = f"session `{self._claimed[task.id]}` works on it"
            return Verdict(task, Reason.LIVE_SESSION, words)
        begun = task.status is Status.IN_PROGRESS
        if not begun and task.status is not Status.TODO:
            return self._by_status(task)
        if self._only is not None and task.milestone != self._only:
            return Verdict(task, Reason.OTHER_MILESTONE, f"is not of milestone `{self._only}`")
        other = self._by_branch.get(task.branch) if task.branch else None
        if other and (begun or not self._missing(task)):
            words = f"`{other}` works on branch `{task.branch}`"
            return Verdict(task, Reason.BRANCH_IN_USE, words, (other,))
        if begun:
            return self._judge_beside(task)
        if task.id in self._cycle_words:
            return Verdict(task, Reason.IN_CYCLE, self._cycle_words[task.id])
        if not self._landed.issuperset(task.depends_on) and (missing := self._missing(task)):
            return self._waiting(task, missing)
        if task.milestone in self._finished:
            words = f"its milestone `{task.milestone}` is completed"
            return Verdict(task, Reason.MILESTONE_FINISHED, words)
        return self._judge_beside(task)

    def _judge_beside(self, task: Task) -> Verdict:
        if words := self._beside_unscoped(task):
            return Verdict(task, Reason.NO_SCOPE, words)
        if task.status is Status.IN_PROGRESS:
            words = "is in progress, and no session works on it"
            return Verdict(task, Reason.RESUMABLE, words)
        words, on = self._overlap(task) if task.write_scope and self._worked_on else ("", ())
        return Verdict(task, Reason.SCOPE_OVERLAP if words else Reason.READY, words, on)

    def _waiting(self, task: Task, missing: Sequence[str]) -> Verdict:
        unknown = [f"`{name}`" for name in task.depends_on if name not in self._by_id]
        if unknown:
            words = f"depends on {list_names(unknown)}, unknown here"
            return Verdict(task, Reason.UNKNOWN_DEPENDENCY, words)
        open_ones = map(self._by_id.__getitem__, missing)
        names = list_names([f"`{other.id}` ({self.state_of(other)})" for other in open_ones])
        return Verdict(task, Reason.WAITS, f"waits on {names}", tuple(missing))

    def _by_status(self, task: Task) -> Verdict:
        if branch := self.unlanded.get(task.id):
            words = f"is done, and its work waits in branch `{branch}`: `mission merge {task.id}`"
            return Verdict(task, Reason.TO_MERGE, words)
        if task.status is not Status.UNKNOWN:
            return Verdict(task, *BY_STATUS[task.status])
        word = unknown_word(task)
        words = f"its status `{word}` is not understood" if word else ""
        return Verdict(task, Reason.STATUS_UNKNOWN, words or "has no status")

    def _overlap(self, task: Task) -> tuple[str, tuple[str, ...]]:
        met = self._scopes.meeting(task.write_scope)
        if not met:
            return "", ()
        from mosaic.plan.scope_index import numbers_in

        for other in map(self._worked_on.__getitem__, numbers_in(met)):
            if other.id == task.id:
                continue
            if self._scopes.is_exhausted or self._comparison.is_exhausted:
                return "the write scopes of tasks in progress have too many globs to compare", ()
            if found := self._comparison.meeting(task.write_scope, other.write_scope):
                own, theirs = found
                words = f"its `{own}` meets `{theirs}` of `{other.id}`, in progress"
                return words, (other.id,)
        return "", ()

    def _beside_unscoped(self, task: Task) -> str:
        if self._unscoped_together or not self._at_once:
            return ""
        others = (name for name in self._claimed if name != task.id and name in self._by_id)
        if not task.write_scope:
            other = next(others, None)
            words = f"names no write scope, so it waits until no session works: `{other}` has one"
            return words if other else ""
        other = next((name for name in others if not self._by_id[name].write_scope), None)
        return f"waits for `{other}`, which names no write scope" if other else ""

    @cached_property
    def runs_alone(self) -> tuple[str, ...]:
        """The tasks that are ready and that `-j` runs beside no other: they name no write scope."""
        ready = () if self._unscoped_together else self.ready
        return tuple(verdict.task.id for verdict in ready if not verdict.task.write_scope)


def refusal_of(verdict: Verdict, *, force: bool = False) -> str | None:
    """Return why a task that was asked for by name cannot be handed off; None when it can."""
    is_free = verdict.is_ready or (force and verdict.reason in FORCIBLE)
    return None if is_free else verdict.detail


@lru_cache(maxsize=256)
def priority_rank(priority: str | None) -> float:
    """Return where a priority sorts, lower first; none and unknown words are in the middle."""
    if not priority:
        return 0.0
    word = priority.strip().lower()
    if number := re.fullmatch(r"p?(\d{1,6})", word):
        return FIRST_NUMBER + float(number[1])
    return PRIORITY_WORDS.get(word, 0.0)


def list_names(names: Sequence[str]) -> str:
    """Return names in one line, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
