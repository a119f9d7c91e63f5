"""A hand-off that stops before the claim, and why a task would be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.app.tasks import TaskView
from mosaic.records import dataclass
from mosaic.sessions.choice import preview_hand_off
from mosaic.sessions.selection import select_from

if TYPE_CHECKING:
    from mosaic.errors import MissionError
    from mosaic.plan.ready import Selection
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.tasks import Problem, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOffPreview:
    """What the next agent would be given."""

    task: TaskView
    runtime: str
    prompt: str
    capsule_file: str | None
    unsaved: MissionError | None
    """Why the capsule was not written: it has no state folder to be in."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which task would be handed off, and why each other one would not."""

    chosen: str | None
    ready: tuple[str, ...]
    tasks: tuple[TaskView, ...]
    cycles: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]


def preview(snapshot: Snapshot, request: HandOffRequest) -> HandOffPreview:
    """Do everything up to the claim: the capsule is written, and nothing else is changed.

    Raises:
        NothingReadyError: no task is ready.
        TaskNotReadyError: the task that was asked for cannot be handed off.
    """
    found = preview_hand_off(snapshot, request)
    return HandOffPreview(
        task=TaskView(found.task),
        runtime=found.runtime,
        prompt=found.briefing.prompt,
        capsule_file=None if found.unsaved else str(snapshot.layout.capsule_file),
        unsaved=found.unsaved,
        problems=tuple(snapshot.problems),
    )


def explain_choice(snapshot: Snapshot, milestone: str | None) -> tuple[Choice, Selection]:
    """Return which task comes next, as a record and as the selector has it."""
    selection = select_from(snapshot, milestone=milestone)
    choice = Choice(
        chosen=selection.chosen.id if selection.chosen else None,
        ready=tuple(verdict.task.id for verdict in selection.ready),
        tasks=tuple(TaskView(v.task, selection.of(v.task.id)) for v in selection.verdicts),
        cycles=tuple(tuple(cycle) for cycle in selection.cycles),
        problems=tuple(snapshot.problems),
    )
    return choice, selection
