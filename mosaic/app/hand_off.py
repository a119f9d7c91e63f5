"""Handing a task to an agent, staying with it to its end where it runs here; and a look ahead."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mosaic.app.tasks import TaskView
from mosaic.errors import MissionError, MissionOwnerError, StateNotOursError, UsageError
from mosaic.model import Mode, RunStatus, Status
from mosaic.plan.questions import parse_question
from mosaic.records import dataclass, replace
from mosaic.sessions.attempt import has_conversation, plan_attempt
from mosaic.sessions.briefing import Occasion, brief_agent, save_capsule
from mosaic.sessions.choice import choose_runtime, choose_task, select_from
from mosaic.sessions.dead_sessions import read_recovered
from mosaic.store.reading import read_mission
from mosaic.workers import Face as WorkersFace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mosaic.model import Session, Task
    from mosaic.plan.ready import Selection
    from mosaic.ports import Order
    from mosaic.runs.record import RunMeta
    from mosaic.runs.report import Followup
    from mosaic.sessions.carry import RunCarrier
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.output import Progress
    from mosaic.sessions.session import HandedOff
    from mosaic.settings import HostSpec
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
    notices: tuple[str, ...]
    """What the task lacks to be worked on well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which task would be handed off, and why each other one would not."""

    selection: Selection
    problems: tuple[Problem, ...]
    left_out: str | None

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        selection = self.selection
        return {
            "chosen": selection.chosen.id if selection.chosen else None,
            "ready": [verdict.task.id for verdict in selection.ready],
            "tasks": [TaskView(verdict.task, verdict) for verdict in selection.verdicts],
            "cycles": list(selection.cycles),
            "runs_alone": list(selection.runs_alone),
            "problems": self.problems,
            "left_out": self.left_out,
        }


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
    notices: tuple[str, ...]
    """What the task lacks to be worked on well."""


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
    notices: tuple[str, ...]
    """What the task lacks to be worked on well; the face heard it when the agent began."""
    report: str
    needs_human: bool
    """The agent asks a question, or wants a decision."""
    blocked: bool
    """It cannot go on, for another reason."""
    question: str | None
    """What it asks, or why it cannot go on; None where its task is not blocked."""
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


def preview(
    path: Path, request: HandOffRequest, *, with_launch: bool = False, saves: bool = True
) -> HandOffPreview:
    """Do everything up to the claim: the capsule is written, and nothing else is changed.

    Before a task is resumed, a session that is dead is ended, as by every look. `with_launch`
    says also how the agent would be launched, which takes a while. Without `saves` the capsule
    is not written either.
    """
    snapshot = read_recovered(path)[0] if request.resuming else read_mission(path)
    task = choose_task(snapshot, request)
    runtime = choose_runtime(snapshot, task, request, is_preview=True)
    attempt = plan_attempt(snapshot, task, runtime, request)
    occasion = Occasion(runtime=runtime.name, mode=request.mode, attempt=attempt)
    briefing = brief_agent(snapshot, task, occasion)
    unsaved: MissionError | None = None
    try:
        if saves:
            save_capsule(snapshot.layout, briefing.capsule)
    except (StateNotOursError, MissionOwnerError) as error:
        unsaved = error
    launch: dict[str, Any] = {}
    if with_launch:
        from mosaic.sessions.prepare import plan_launch  # start-up

        launch = plan_launch(
            snapshot, task, request, runtime=runtime, attempt=attempt, prompt=briefing.prompt
        )
    return HandOffPreview(
        task=TaskView(task),
        runtime=runtime.name,
        prompt=briefing.prompt,
        **launch,
        capsule_file=str(snapshot.layout.capsule_file) if saves and not unsaved else None,
        unsaved=unsaved,
        problems=tuple(snapshot.problems),
        notices=_what_lacks(snapshot, task),
    )


def explain_choice(snapshot: Snapshot, milestone: str | None, *, at_once: bool = False) -> Choice:
    """Return which task comes next, or next to those that are worked on `at_once`, and why."""
    selection = select_from(snapshot, milestone=milestone, at_once=at_once)
    problems, left_out = tuple(snapshot.problems), snapshot.left_out_words
    return Choice(selection=selection, problems=problems, left_out=left_out)


def hand_off_task(
    mission_file: Path, request: HandOffRequest, place: str | None, face: Face
) -> StartedSession | EndedSession:
    """Hand a task to an agent: by an executor or, without one, to its end in this process."""
    from mosaic.app.placing import placing
    from mosaic.executors import executor_of, get_executor
    from mosaic.executors.background import TerminalExecutor
    from mosaic.sessions.session import hand_off  # start-up: a preview needs none

    carrier: RunCarrier | None = None

    notices: tuple[str, ...] = ()

    def carry(run_dir: Path, order: Order) -> RunCarrier:
        nonlocal carrier, notices
        from mosaic.sessions.examine import SessionCarrier

        watch = face.watch if order.mode is Mode.HEADLESS else None
        heeds = face.heeds_interrupt
        carrier = SessionCarrier(run_dir, order, watch=watch, heeds_interrupt=heeds)
        if order.mode is not request.mode:
            words = f"`{carrier.meta.runtime}` takes its prompt by stdin, so it runs headless"
            face.say(words)
        face.began(carrier.meta, order.mode)
        notices = _notices(mission_file, carrier.meta.task_id)
        for notice in notices:
            face.say(f"warning: {notice}")
        return carrier

    with placing(mission_file, request) as (asked, host):
        if host is not None:
            done = _hand_off_away(mission_file, asked, host)
        else:
            here = TerminalExecutor(carry) if place is None else get_executor(place, mission_file)
            done = hand_off(mission_file, asked, here)
    end = _end_of(done, carrier, notices) if carrier else None
    if carrier and carrier.uncalled:
        face.say(f"warning: {carrier.uncalled}")
    if end is not None:
        return end
    supervised = executor_of(done.run)
    return StartedSession(
        task=TaskView(done.task),
        session=done.session,
        **_place_of(done),
        place=dict(done.started.place),
        where=supervised.words,
        attach=supervised.attach(),
        screen=supervised.screen(),
        problem=done.problem,
        notices=_notices(mission_file, done.task.id),
    )


def _hand_off_away(mission_file: Path, request: HandOffRequest, host: HostSpec) -> HandedOff:
    """Hand a task to an agent on another machine; always in a worktree, and headless."""
    from mosaic.executors import get_away_kind  # start-up, as above
    from mosaic.sessions.session import hand_off

    if request.in_pane and host.scheduler:
        raise UsageError(
            f"`{host.name}` is a fleet, and has no terminal for an agent",
            hint="`mission logs ID -f` follows one that works there",
        )
    mode = request.mode if request.in_pane else Mode.HEADLESS
    request = replace(request, worktree=True, mode=mode, hosts=(host.name,))
    if request.resuming:
        snapshot, task_id = read_mission(mission_file), request.task_id or ""
        is_known = not host.scheduler and has_conversation(snapshot, task_id, host.name)
        request = replace(request, fresh=request.fresh or not is_known)
    names = ("model", "force", "resuming", "fresh", "in_pane")
    asked = {**{name: getattr(request, name) for name in names}, "mode": mode.value}
    kind = get_away_kind(host)
    executor = kind(mission_file, host, asked, calls_person=request.calls_person)
    with contextlib.closing(executor):
        return hand_off(mission_file, request, executor, executor.send_ahead)


def _notices(mission_file: Path, task_id: str) -> tuple[str, ...]:
    with contextlib.suppress(MissionError):  # whatever it is, others name it
        snapshot = read_mission(mission_file)
        stray = filter(None, [snapshot.document.stray_words])
        return (*stray, *_what_lacks(snapshot, snapshot.get(task_id).task))
    return ()


def _what_lacks(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """Return what a task lacks to be worked on well, in words."""
    from mosaic.text.criteria import acceptance_criteria, find_goal  # start-up: mistune

    text = snapshot.task_text(task)
    if task.notes or find_goal(text) or acceptance_criteria(text):
        return ()
    return (f"`{task.id}` has neither a goal nor acceptance criteria: its title alone says it",)


def _end_of(done: HandedOff, carrier: RunCarrier, notices: tuple[str, ...]) -> EndedSession | None:
    settled = carrier.settled
    if settled is None or carrier.end is None or carrier.end.ending is None:
        return None
    ending, outcome, status = carrier.end.ending, settled.outcome, settled.task_status
    result = done.run.find_result()
    return EndedSession(
        task=TaskView(done.task._replace(status=status) if status else done.task),
        task_status=status.value if status else "gone",
        session=settled.session,
        **_place_of(done),
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
        notices=notices,
        report=result.report,
        needs_human=result.needs_human,
        blocked=result.blocked,
        question=parse_question(outcome.summary).text if status is Status.BLOCKED else None,
        suggested_followup=result.suggested_followup,
    )


def _place_of(done: HandedOff) -> dict[str, Any]:
    path, branch = (done.workspace.path, done.workspace.branch) if done.workspace else (None, None)
    return {"run_dir": done.run.dir, "worktree": path, "branch": branch}
