"""Preparing a run, whatever runs in it: a session, a panel's worker, a recorded command."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.errors import GitRefusedError, MissionError
from mosaic.git.git import current_branch, head_commit
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import write_private
from mosaic.machine.paths import safe_segment
from mosaic.machine.person import HOME_VARIABLE, person_dir
from mosaic.plan.durations import parse_duration
from mosaic.ports import Launch, Order
from mosaic.records import NamedTuple, dataclass, field, replace
from mosaic.runs.events import EventLog, EventType, step_data
from mosaic.runs.folders import is_session_run, laying_out, new_run_id, runs_of_task
from mosaic.runs.masking import masked_argv
from mosaic.runs.record import Run, RunMeta, advance, write_request
from mosaic.sessions.agent import describe_agent
from mosaic.sessions.briefing import Occasion, brief_agent, own_command, save_capsule
from mosaic.sessions.choice import usual_model
from mosaic.sessions.claim import (
    Chosen,
    home_place,
    new_session_id,
    wanted_worktree,
    worktree_place,
)
from mosaic.sessions.rules import rules_of, scope_that_counts, write_rules
from mosaic.store.layout import RUNS
from mosaic.workspaces.record import find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mosaic.model import JsonValue, Mode, Task
    from mosaic.plan.rules import Rules
    from mosaic.ports import Invocation, Runtime
    from mosaic.sessions.attempt import Attempt
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """What is asked of a run, and what it is given."""

    step: str
    kind: str
    """The runtime's name, or one of `STEP_KINDS`."""
    mode: Mode
    cwd: Path
    mission_file: str
    attempt: int
    invocation: Invocation
    runtime: Runtime | None = None
    """None: a recorded command."""
    prompt: str = ""
    capsule: str = ""
    origin: Mapping[str, JsonValue] = field(default_factory=dict)
    rules: Rules | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files of the record, by name."""
    conversation: str | None = None
    """The runtime's own conversation that is continued."""
    timeout_seconds: float | None = None
    session_id: str | None = None
    panel_id: str | None = None
    from_checkpoint: int | None = None
    """The work tree was set back to this checkpoint of the task first."""
    heartbeat_file: str | None = None
    """Touched as long as the run goes on."""
    calls_person: bool = True
    """Whether its supervisor calls a person at the end, where one is needed."""


class Prepared(NamedTuple):
    """A run that is prepared, and how it is started."""

    run: Run
    meta: RunMeta
    order: Order


def prepare_run(
    layout: Layout,
    owner: str,
    make_plan: Callable[[Run], RunPlan],
    event: EventType = EventType.RUN_PREPARED,
    *,
    run_id: str | None = None,
) -> Prepared:
    """Write the record of a task's or panel's run; nothing stays behind on failure.

    `make_plan` is called when the run's folder is made; `event` is noted as the first; `run_id`
    is that of another machine, for which it is carried.
    """
    with laying_out(layout.runs_dir, owner, run_id) as run:
        plan = make_plan(run)
        argv = plan.invocation.argv
        seq = plan.from_checkpoint
        set_back: dict[str, JsonValue] = {"from_checkpoint": seq} if seq is not None else {}
        for name, text in plan.files.items():
            write_private(run.dir / name, text.encode("utf-8", "replace"), root=run.dir)
        meta = RunMeta(
            task_id=owner,
            step_id=plan.step,
            step_kind=plan.kind,
            run_id=run.id,
            session_id=plan.session_id,
            panel_id=plan.panel_id,
            attempt=plan.attempt,
            runtime=plan.kind,
            mode=plan.mode,
            argv=masked_argv(argv, plan.prompt),
            cwd=str(plan.cwd),
            mission_file=plan.mission_file,
            branch=current_branch(plan.cwd),
            base_commit=_begin_commit(plan),
            timeout_seconds=plan.timeout_seconds,
            created_at=utc_now(),
            prompt={**plan.origin, **set_back},
            agent=describe_agent(plan.runtime, argv[0], layout) if plan.runtime else {},
            tool_version=__version__,
            rules_sha256=write_rules(run, plan.rules) if plan.rules else None,
        )
        write_request(run, meta, prompt=plan.prompt, capsule=plan.capsule)
        log = EventLog(run)
        log.append(event, "the run is prepared", data=step_data(run))
        if plan.conversation:
            words = "the runtime's own conversation is continued"
            data = {"runtime_session_id": plan.conversation}
            log.append(EventType.RUN_RESUMED, words, data=data)
        if set_back:
            words = f"the work tree was set back to checkpoint {seq}"
            log.append(EventType.RUN_RESUMED, words, data=set_back)
        run.write_state(advance(run.state(), utc_now(), last_event_seq=log.last_seq))
    order = order_of(
        run, meta, plan.invocation, plan.heartbeat_file, calls_person=plan.calls_person
    )
    return Prepared(run, meta, order)


def order_of(
    run: Run,
    meta: RunMeta,
    invocation: Invocation,
    heartbeat_file: str | None = None,
    *,
    calls_person: bool = True,
) -> Order:
    """Return how a prepared run is started; what runs in it finds its record by the environment."""
    if meta.panel_id:
        marks = {"MISSION_PANEL": meta.panel_id, "MISSION_WORKER": meta.step_id}
    else:
        marks = {"MISSION_TASK": meta.task_id}
    if meta.session_id:
        marks |= {"MISSION_SESSION": meta.session_id, "MISSION_RUN": run.id}
    return Order(
        argv=invocation.argv,
        channel=invocation.channel,
        cwd=meta.cwd,
        mode=meta.mode,
        env={
            **_reachable_command(),
            **invocation.env,
            "MISSION_FILE": meta.mission_file,
            "MISSION_RUN_DIR": str(run.dir),
            HOME_VARIABLE: str(person_dir()),
            **marks,
        },
        unset=invocation.unset,
        timeout_seconds=meta.timeout_seconds,
        conversation=invocation.conversation,
        heartbeat_file=heartbeat_file,
        calls_person=calls_person,
    )


def prepare_session(snapshot: Snapshot, chosen: Chosen, attempt: Attempt) -> Prepared:
    """Prepare the run of an agent's session."""
    layout, task, runtime = snapshot.layout, chosen.task, chosen.runtime
    request, place = chosen.request, chosen.place
    # A write scope that an agent left wider than it was does not count for the next one.
    scope = scope_that_counts(snapshot, task)
    rules = replace(rules_of(snapshot.document, task), write_scope=scope)
    earlier = runs_of_task(layout.runs_dir, task.id)
    number = max(attempt.number, 1 + sum(is_session_run(each) for each in earlier))
    spec = snapshot.document.mission.runtimes.get(runtime.name)
    configured = parse_duration(spec.timeout) if spec and spec.timeout else None

    def make_plan(run: Run) -> RunPlan:
        occasion = Occasion(
            runtime=runtime.name,
            mode=request.mode,
            attempt=attempt,
            session_id=chosen.session_id,
            run=run,
            workspace=place.workspace,
        )
        # It is shown the scope by which it is judged.
        briefing = brief_agent(snapshot, task._replace(write_scope=scope), occasion)
        save_capsule(layout, briefing.capsule)
        prompt = briefing.prompt
        launch = _launch_of(snapshot, chosen, attempt, run, prompt)
        return RunPlan(
            step=runtime.name,
            kind=runtime.name,
            mode=request.mode,
            cwd=place.cwd,
            mission_file=str(layout.mission_file),
            attempt=number,
            invocation=runtime.invocation(launch),
            runtime=runtime,
            prompt=prompt,
            capsule=briefing.capsule,
            origin=briefing.origin(),
            rules=rules,
            conversation=attempt.conversation,
            timeout_seconds=request.timeout_seconds or configured,
            session_id=chosen.session_id,
            from_checkpoint=request.from_checkpoint,
            heartbeat_file=str(place.lock_file),
            calls_person=request.calls_person,
        )

    given = request.given
    return prepare_run(layout, task.id, make_plan, run_id=given.run_id if given else None)


def plan_launch(
    snapshot: Snapshot,
    task: Task,
    request: HandOffRequest,
    *,
    runtime: Runtime,
    attempt: Attempt,
    prompt: str,
) -> dict[str, Any]:
    """Return how a hand-off would be launched now; nothing is changed or reserved.

    `launch_command` has `{prompt}` for the prompt, and keys masked.
    """
    layout = snapshot.layout
    session_id = new_session_id(snapshot)
    wanted = wanted_worktree(snapshot, task, request)
    workspace = find_workspace(layout, wanted.name) if wanted else None
    place = worktree_place(layout, session_id, workspace) if wanted else home_place(layout)
    folder = layout.runs_dir / safe_segment(task.id)
    run = Run(dir=folder / new_run_id(folder, os.urandom(3).hex()))
    chosen = Chosen(task, runtime, request, session_id, place, wanted)
    launch = _launch_of(snapshot, chosen, attempt, run, prompt)
    return {
        "launch_command": masked_argv(runtime.invocation(launch).argv, prompt),
        "session_id": session_id,
        "run_id": run.id,
        "lock_file": str(place.lock_file),
    }


def _launch_of(
    snapshot: Snapshot, chosen: Chosen, attempt: Attempt, run: Run, prompt: str
) -> Launch:
    layout, task, request, place = snapshot.layout, chosen.task, chosen.request, chosen.place
    command = own_command() if snapshot.document.mission.review.ask_handoff else None
    files = (layout.mission_file, layout.tasks_file, layout.scratchpad_file)
    outside = (layout.runs_dir,) if RUNS in layout.outside else ()
    folders = {layout.tasks_dir, layout.state_dir, *outside, *(file.parent for file in files)}
    inner = {one for one in folders for other in folders - {one} if one.is_relative_to(other)}
    return Launch(
        mode=request.mode,
        cwd=place.cwd,
        run_dir=run.dir,
        prompt=prompt,
        prompt_file=run.prompt_file,
        capsule_file=run.capsule_file,
        task_id=task.id,
        task_file=layout.project / task.file if task.file else None,
        model=request.model or _own_model(snapshot, chosen),
        conversation=attempt.conversation,
        # Those of the mission's files, for an agent that works elsewhere.
        folders=tuple(sorted(folders - inner)) if place.workspace else outside,
        before_end=(command, "remind") if command else (),
    )


def _own_model(snapshot: Snapshot, chosen: Chosen) -> str | None:
    try:
        return usual_model(chosen.runtime.name, snapshot.document.mission.runtimes)
    except MissionError:
        return None  # this is a preview: a hand-off would have stopped


def _begin_commit(plan: RunPlan) -> str | None:
    """Return the commit that a run begins on; a recorded command goes on where git refuses."""
    try:
        return head_commit(plan.cwd)
    except GitRefusedError:
        if plan.session_id or plan.panel_id:
            raise
        return None


def _reachable_command() -> dict[str, str]:
    """Return a PATH on which the agent finds the `mission` that launched it, if it must change."""
    command = own_command()
    if command is None or shutil.which("mission"):
        return {}
    places = filter(None, (os.environ.get("PATH"), os.path.dirname(command)))
    return {"PATH": os.pathsep.join(places)}
