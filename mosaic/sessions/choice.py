"""Choosing what is handed off, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import (
    MergeConflictError,
    NothingReadyError,
    NotReadyError,
    OwnSettingsError,
    ProgramNotFoundError,
    RuntimeUnknownError,
    TaskNotReadyError,
)
from mosaic.model import EndReason, MissionStatus, Mode, Status
from mosaic.plan.names import named_milestone
from mosaic.plan.ready import Reason, Selection, refusal_of
from mosaic.plan.waiting import summarize_waiting
from mosaic.records import dataclass
from mosaic.sessions.at_work import sessions_at_work
from mosaic.workspaces.landed import find_unlanded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.model import Task
    from mosaic.plan.scope_meeting import Ground
    from mosaic.ports import Runtime
    from mosaic.sessions.liveness import FoundLock
    from mosaic.settings import RuntimeSpec
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What another machine has decided of a session that is carried here for it."""

    session_id: str
    run_id: str
    branch: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOffRequest:
    """What a hand-off was asked for."""

    task_id: str | None = None
    milestone: str | None = None
    runtime: str | None = None
    model: str | None = None
    mode: Mode = Mode.HEADLESS
    timeout_seconds: float | None = None
    force: bool = False
    resuming: bool = False
    """Hand the task of an earlier session off again."""
    fresh: bool = False
    """Begin a new conversation even where the earlier one could be continued."""
    from_checkpoint: int | None = None
    """Set the work tree back to this checkpoint of the task first."""
    worktree: bool = False
    """Work in a git worktree of its own; a task that has one works in it without being asked."""
    with_changes: bool = False
    """Carry the uncommitted changes here into the worktree."""
    calls_person: bool = True
    """Its supervisor calls a person at the end; a loop that goes on does that itself."""
    hosts: tuple[str, ...] = ()
    """The other machines that it may be carried on; none: here, unless the task says otherwise."""
    in_pane: bool = False
    """There, in a tmux pane that a person can attach to."""
    given: Given | None = None
    """Ids and branch, where this is that other machine."""


def select_from(
    snapshot: Snapshot,
    *,
    milestone: str | None = None,
    reserved: Mapping[str, str] | None = None,
    live: Sequence[FoundLock] | None = None,
    at_once: bool = False,
) -> Selection:
    """Return which tasks are ready in a mission as it stands, live sessions included.

    Tasks may be `reserved` though no lock says so yet, with by whom; `live` are the sessions that
    live, where the caller has looked already. `at_once`: they are to be worked on at once, by `-j`.
    Raises UsageError where no milestone is called so.
    """
    mission = snapshot.document.mission
    if milestone is not None:
        milestone = named_milestone(milestone, mission.milestones, snapshot.tasks)
    found = sessions_at_work(snapshot) if live is None else live
    taken = {**(reserved or {}), **{each.lock.task_id: each.lock.session_id for each in found}}
    return Selection(
        snapshot.tasks,
        mission.milestones,
        claimed=taken,
        broken=snapshot.broken_ids,
        only_milestone=milestone,
        unlanded=find_unlanded(snapshot.layout, snapshot.tasks),
        merges_dependencies=mission.worktrees.merge_dependencies,
        look=lambda: _ground_of(snapshot),
        at_once=at_once,
        unscoped_together=mission.parallel_without_scope,
        paused=mission.status is MissionStatus.PAUSED,
    )


def _ground_of(snapshot: Snapshot) -> Ground:
    from mosaic.sessions.ground import ground_of  # start-up: few missions compare scopes

    return ground_of(snapshot)


def choose_task(snapshot: Snapshot, request: HandOffRequest) -> Task:
    """Return the task to hand off, or raise NothingReadyError."""
    refuse_paused(snapshot)
    selection = select_from(snapshot, milestone=request.milestone)
    for problem in snapshot.problems:
        is_of_table = problem.error.path == snapshot.layout.shown(snapshot.layout.tasks_file)
        is_merging = is_of_table and isinstance(problem.error, MergeConflictError)
        if (
            problem.task_id is None or is_merging
        ):  # a table that cannot be read may say anything of any task
            raise problem.error
    if request.task_id is not None:
        return _asked_for(snapshot, selection, request.task_id, force=request.force)
    if request.resuming:
        return _task_to_resume(snapshot, selection)
    if selection.chosen is None:
        snapshot.raise_problems()
        words = filter(None, (summarize_waiting(selection), snapshot.left_out_words))
        has_tasks = bool(snapshot.tasks or snapshot.left_out_words)
        raise NothingReadyError("\n".join(words), has_tasks=has_tasks)
    return selection.chosen


def refuse_paused(snapshot: Snapshot) -> None:
    """Make sure that the mission is not paused."""
    if snapshot.document.mission.status is MissionStatus.PAUSED:
        raise NotReadyError(
            "the mission is paused: nothing is handed off", hint="`mission unpause` goes on"
        )


def choose_runtime(
    snapshot: Snapshot, task: Task, request: HandOffRequest, *, is_preview: bool = False
) -> Runtime:
    """Return the runtime: asked for, the task's, the mission's, one's own, else one installed.

    Resuming stays with the runtime that the last session on the task had. A preview needs none
    that is installed.
    """
    from mosaic.runtimes import PREFERRED, get_runtime  # start-up

    mission = snapshot.document.mission
    earlier = None
    if request.resuming:
        listed = mission.sessions.of_task(task.id)
        earlier = next((each.runtime for each in reversed(listed) if each.ended_at), None)
    name = request.runtime or earlier or task.runtime or mission.runtime
    try:
        found = get_runtime(name, mission.runtimes) if name else usual_runtime(mission.runtimes)
    except (ProgramNotFoundError, OwnSettingsError):
        if name or not is_preview:
            raise
        found = get_runtime(PREFERRED[0], mission.runtimes)
    if not (is_preview or request.model):
        usual_model(found.name, mission.runtimes)
    return found


def usual_runtime(specs: Mapping[str, RuntimeSpec]) -> Runtime:
    """Return what a person set for all missions, else the first that is installed."""
    from mosaic.runtimes import default_runtime, get_runtime  # start-up
    from mosaic.store.own_settings import own_settings

    own = own_settings().needed("runtime")
    if own.runtime is None:
        return default_runtime(specs)
    try:
        return get_runtime(own.runtime, specs)
    except RuntimeUnknownError as error:
        raise OwnSettingsError(
            error.message,
            path=own.place,
            line=own.lines["runtime"],
            detail=error.detail,
            hint="`--runtime NAME` chooses another for once; `mission config unset runtime`",
        ) from None


def usual_model(runtime: str, specs: Mapping[str, RuntimeSpec]) -> str | None:
    """Return the model that a person set for a runtime, where the mission sets none.

    Raises:
        OwnSettingsError: what they set cannot be read.
    """
    from mosaic.store.own_settings import own_settings  # start-up

    if runtime in specs and specs[runtime].model:
        return None
    return own_settings().needed("models", f"models.{runtime}").models.get(runtime)


def _asked_for(snapshot: Snapshot, selection: Selection, task_id: str, *, force: bool) -> Task:
    task = snapshot.get(task_id).task
    verdict = selection.of(task.id)
    if verdict is not None and verdict.reason is Reason.LIVE_SESSION:
        _refuse_second_claim(snapshot, task)
    why = refusal_of(verdict, force=force) if verdict else "is not known"
    if why is None:
        return task
    again = f"`mission reopen {task.id}`"
    hints = {
        Status.DONE: f"{again} sets it back to todo",
        Status.CANCELLED: f"{again} sets it back to todo",
        Status.REVIEW: f"{again} sends it back",
        Status.BLOCKED: f'`mission answer {task.id} "…"` answers it; {again} opens it again',
    }
    forced = f"`mission next --task {task.id} --force` does it all the same"
    waiting = [name for name in task.depends_on if name in selection.unlanded]
    if verdict is not None and verdict.reason is Reason.WAITS and waiting:
        forced = f"`mission merge {waiting[0]}` first; {forced}"
    raise TaskNotReadyError(task.id, why, hint=hints.get(task.status, forced))


def _refuse_second_claim(snapshot: Snapshot, task: Task) -> None:
    """Name the session that has a task already."""
    for found in sessions_at_work(snapshot):
        # One that is just being started may still give the task back.
        if found.lock.task_id == task.id and not found.is_starting:
            from mosaic.sessions.claim import refuse_live  # start-up: a preview claims nothing

            raise refuse_live(found)


def _task_to_resume(snapshot: Snapshot, selection: Selection) -> Task:
    """Return the task of the newest session whose task is unfinished and ready."""
    ready = {verdict.task.id: verdict.task for verdict in selection.ready}
    for session in reversed(snapshot.document.mission.sessions):
        task = ready.get(session.last_task_id or "")
        if task is not None and session.ended_reason is not EndReason.COMPLETED:
            return task
    begun = (task for task in ready.values() if task.status is Status.IN_PROGRESS)
    if (task := next(begun, None)) is not None:
        return task
    raise NotReadyError(
        "there is no session to resume", hint="`mission next` hands off the next ready task"
    )
