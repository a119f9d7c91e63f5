"""A hand-off that stops before the claim, and why a task would be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.app.tasks import TaskView
from mosaic.records import asdict, dataclass
from mosaic.sessions.briefing import preview_hand_off
from mosaic.sessions.choice import select_from
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

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
    launch_command: tuple[str, ...] = ()
    """With `{prompt}` for the prompt; this and the next three as a hand-off now would have them."""
    session_id: str | None = None
    run_id: str | None = None
    lock_file: str | None = None
    capsule_file: str | None
    unsaved: MissionError | None
    """Why the capsule was not written: it has no state folder to be in."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which task would be handed off, and why each other one would not."""

    selection: Selection
    problems: tuple[Problem, ...]

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        selection = self.selection
        return {
            "chosen": selection.chosen.id if selection.chosen else None,
            "ready": [verdict.task.id for verdict in selection.ready],
            "tasks": [TaskView(verdict.task, verdict) for verdict in selection.verdicts],
            "cycles": list(selection.cycles),
            "problems": self.problems,
        }


def preview(path: Path, request: HandOffRequest, *, with_launch: bool = False) -> HandOffPreview:
    """Do everything up to the claim: the capsule is written, and nothing else is changed.

    Before a task is resumed, a session that is dead is ended, as by every look. `with_launch`
    says also how the agent would be launched, which takes a while.
    """
    snapshot = read_recovered(path)[0] if request.resuming else read_mission(path)
    found = preview_hand_off(snapshot, request)
    launch: dict[str, Any] = {}
    if with_launch:
        from mosaic.sessions.prepare import plan_launch  # start-up

        launch = asdict(plan_launch(snapshot, found, request))
    return HandOffPreview(
        task=TaskView(found.task),
        runtime=found.runtime.name,
        prompt=found.briefing.prompt,
        **launch,
        capsule_file=None if found.unsaved else str(snapshot.layout.capsule_file),
        unsaved=found.unsaved,
        problems=tuple(snapshot.problems),
    )


def explain_choice(snapshot: Snapshot, milestone: str | None) -> Choice:
    """Return which task comes next, and why."""
    selection = select_from(snapshot, milestone=milestone)
    return Choice(selection=selection, problems=tuple(snapshot.problems))
