"""Handing a task to an agent, and staying with it to its end where it runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.app.tasks import TaskView
from mosaic.model import Mode, RunStatus
from mosaic.records import dataclass
from mosaic.sessions.session import hand_off
from mosaic.workers import Face as WorkersFace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.errors import MissionError
    from mosaic.model import Session
    from mosaic.ports import Executor, Order
    from mosaic.runs.record import RunMeta
    from mosaic.runs.report import Followup
    from mosaic.sessions.carry import RunCarrier
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.output import Progress
    from mosaic.sessions.session import HandedOff


@dataclass(frozen=True, kw_only=True, slots=True)
class StartedSession:
    """A task in the hands of an agent that runs somewhere else."""

    task: TaskView
    session: Session
    run_dir: Path
    place: Mapping[str, Any]
    worktree: Path | None
    branch: str | None
    where: str
    attach: Sequence[str]
    """The command that shows the agent at work."""
    screen: Sequence[str]
    """The command that shows the agent's own screen, where that is not in view already."""
    problem: MissionError | None
    """Why mission.json does not list the session until it ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedSession:
    """A session that was carried to its end."""

    task: TaskView
    task_status: str
    """`gone`: the task is not there any more."""
    session: Session
    run_dir: Path
    worktree: Path | None
    branch: str | None
    outcome: str
    summary: str
    completed: bool
    cause: str
    ok: bool
    message: str
    retryable: bool
    hint: str | None
    recorded: bool
    problem: MissionError | None
    """Why the end is not, or not wholly, in the mission's files."""
    warnings: Sequence[str]
    report: str
    needs_human: bool
    suggested_followup: Sequence[Followup]


class Face(WorkersFace):
    """Hears of the sessions that this process stays with; this one is silent."""

    watch: Callable[[Progress], None] | None = None
    """Is called again and again while a headless agent works."""

    def began(self, meta: RunMeta, mode: Mode) -> None:
        """Hear that an agent starts here."""

    def started(self, session: StartedSession) -> None:
        """Hear that a worker of a pool was started."""

    def ended(self, end: EndedSession) -> None:
        """Hear how a session of a loop ended."""

    def ring(self) -> None:
        """Call a person."""

    def heeds_interrupt(self) -> bool:
        """Tell whether Ctrl-C stops the session that runs here."""
        return True


def hand_off_task(
    mission_file: Path, request: HandOffRequest, place: str | None, face: Face
) -> StartedSession | EndedSession:
    """Hand a task to an agent: by an executor or, without one, to its end in this process."""
    carrier: RunCarrier | None = None

    def carry(run_dir: Path, order: Order) -> RunCarrier:
        nonlocal carrier
        from mosaic.sessions.examine import SessionCarrier

        carrier = SessionCarrier(
            run_dir,
            order,
            watch=face.watch if order.mode is Mode.HEADLESS else None,
            heeds_interrupt=face.heeds_interrupt,
        )
        face.began(carrier.meta, order.mode)
        return carrier

    executor: Executor
    if place is None:
        from mosaic.executors.background import TerminalExecutor

        executor = TerminalExecutor(carry)
    else:
        from mosaic.executors import get_executor

        executor = get_executor(place, mission_file)
    done = hand_off(mission_file, request, executor)
    end = _end_of(done, carrier) if carrier else None
    if end is not None:
        return end
    from mosaic.executors import executor_of

    supervised = executor_of(done.run)
    return StartedSession(
        task=TaskView(done.task),
        session=done.session,
        run_dir=done.run.dir,
        place=dict(done.started.place),
        worktree=done.workspace.path if done.workspace else None,
        branch=done.workspace.branch if done.workspace else None,
        where=supervised.words,
        attach=supervised.attach(),
        screen=supervised.screen(),
        problem=done.problem,
    )


def _end_of(done: HandedOff, carrier: RunCarrier) -> EndedSession | None:
    settled = carrier.settled
    if settled is None or carrier.end is None or carrier.end.ending is None:
        return None
    ending, outcome = carrier.end.ending, settled.outcome
    result = done.run.find_result()
    task = done.task
    if settled.task_status is not None:
        task = task._replace(status=settled.task_status)
    return EndedSession(
        task=TaskView(task),
        task_status=settled.task_status.value if settled.task_status else "gone",
        session=settled.session,
        run_dir=done.run.dir,
        worktree=done.workspace.path if done.workspace else None,
        branch=done.workspace.branch if done.workspace else None,
        outcome=outcome.reason.value,
        summary=outcome.summary,
        completed=outcome.run_status is RunStatus.COMPLETED,
        cause=ending.cause.value,
        ok=ending.ok,
        message=ending.message,
        retryable=ending.retryable,
        hint=ending.hint,
        recorded=settled.problem is None,
        problem=settled.problem,
        warnings=result.warnings,
        report=result.report,
        needs_human=result.needs_human,
        suggested_followup=result.suggested_followup,
    )
