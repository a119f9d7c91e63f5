"""Laying out a hand-off: the run's record, and everything that the agent is given."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.git.git import current_branch, head_commit
from mosaic.machine.clock import utc_now
from mosaic.machine.person import HOME_VARIABLE, person_dir
from mosaic.plan.durations import parse_duration
from mosaic.ports import Launch, Order
from mosaic.records import dataclass
from mosaic.runs.events import EventLog, EventType
from mosaic.runs.folders import is_session_run, laying_out, runs_of_task
from mosaic.runs.masking import masked_argv
from mosaic.runs.record import Run, RunMeta, write_request
from mosaic.sessions.agent_version import describe_agent
from mosaic.sessions.briefing import Occasion, brief_agent, own_command, save_capsule
from mosaic.sessions.changed_rules import claim_rules
from mosaic.sessions.place import folders_of_mission
from mosaic.sessions.run_rules import write_rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.model import Mode, Task
    from mosaic.ports import Invocation, Runtime
    from mosaic.sessions.attempt import Attempt
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.claim import Claim
    from mosaic.sessions.place import Place
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot
    from mosaic.workspaces.provision import WorkspaceRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What is handed off, to whom, and where it is worked on."""

    task: Task
    runtime: Runtime
    session_id: str
    worktree: WorkspaceRequest | None
    """None: the mission's own work tree."""
    reserved: Claim | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A run that is laid out, and how its agent is started."""

    run: Run
    order: Order
    invocation: Invocation


def prepare_run(
    snapshot: Snapshot, chosen: Chosen, place: Place, attempt: Attempt, request: HandOffRequest
) -> Prepared:
    """Lay out the run record, with everything that the agent is given.

    Raises:
        TemplateError: the prompt cannot be rendered.
        FileAccessError: the record cannot be written; nothing of it stays behind.
    """
    layout, task, runtime = snapshot.layout, chosen.task, chosen.runtime
    timeout = request.timeout_seconds or _configured_timeout(snapshot, runtime.name)
    number = _attempt_number(layout, task, attempt)
    rules = claim_rules(snapshot, task)
    with laying_out(layout.runs_dir, task.id) as run:
        occasion = _occasion(chosen, place, attempt, run, request.mode)
        told = task._replace(write_scope=rules.write_scope)  # by what it is judged
        briefing = brief_agent(snapshot, told, occasion)
        launch = Launch(
            mode=request.mode,
            cwd=place.cwd,
            run_dir=run.dir,
            prompt=briefing.prompt,
            prompt_file=run.prompt_file,
            capsule_file=run.capsule_file,
            task_id=task.id,
            task_file=layout.project / task.file if task.file else None,
            model=request.model,
            conversation=attempt.conversation,
            folders=folders_of_mission(layout) if place.workspace else (),
        )
        invocation = runtime.invocation(launch)
        meta = RunMeta(
            task_id=task.id,
            step_id=runtime.name,
            step_kind=runtime.name,
            run_id=run.id,
            session_id=chosen.session_id,
            attempt=number,
            runtime=runtime.name,
            mode=request.mode,
            argv=masked_argv(invocation.argv, briefing.prompt),
            cwd=str(place.cwd),
            mission_file=str(layout.mission_file),
            branch=current_branch(place.cwd),
            base_commit=head_commit(place.cwd),
            timeout_seconds=timeout,
            created_at=utc_now(),
            prompt=briefing.origin(),
            agent=describe_agent(runtime, invocation.argv[0], layout),
            tool_version=__version__,
            rules_sha256=write_rules(run, rules),
        )
        write_request(run, meta, prompt=briefing.prompt, capsule=briefing.capsule)
        save_capsule(layout, briefing.capsule)
        _note_prepared(run, attempt)
    marks = {
        "MISSION_TASK": task.id,
        "MISSION_SESSION": chosen.session_id,
        "MISSION_RUN": run.id,
    }
    order = build_order(meta, invocation, run, marks, place.lock_file)
    return Prepared(run=run, order=order, invocation=invocation)


def _attempt_number(layout: Layout, task: Task, attempt: Attempt) -> int:
    earlier = runs_of_task(layout.runs_dir, task.id)
    return max(attempt.number, 1 + sum(is_session_run(each) for each in earlier))


def _occasion(chosen: Chosen, place: Place, attempt: Attempt, run: Run, mode: Mode) -> Occasion:
    return Occasion(
        runtime=chosen.runtime.name,
        mode=mode,
        now=utc_now(),
        attempt=attempt,
        session_id=chosen.session_id,
        run_id=run.id,
        prompt_file=str(run.prompt_file),
        run_dir=str(run.dir),
        workspace=place.workspace,
    )


def build_order(
    meta: RunMeta,
    invocation: Invocation,
    run: Run,
    marks: Mapping[str, str],
    heartbeat_file: Path | None = None,
) -> Order:
    """Return how a run's agent is started.

    Args:
        meta: what was asked of the run.
        invocation: the runtime's answer.
        run: the run; the agent finds its record by the environment.
        marks: variables that tell the agent what it works on.
        heartbeat_file: touched as long as the run goes on.
    """
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
        heartbeat_file=str(heartbeat_file) if heartbeat_file else None,
    )


def _reachable_command() -> dict[str, str]:
    """Return a PATH on which the agent finds the `mission` that launched it, if it must change."""
    command = own_command()
    if command is None or shutil.which("mission"):
        return {}
    folder = os.path.dirname(command)
    return {"PATH": os.pathsep.join(filter(None, (os.environ.get("PATH"), folder)))}


def _note_prepared(run: Run, attempt: Attempt) -> None:
    events = EventLog(run)
    events.append(EventType.RUN_PREPARED, "the run is laid out")
    if attempt.conversation:
        events.append(
            EventType.RUN_RESUMED,
            "the runtime's own conversation is continued",
            data={"runtime_session_id": attempt.conversation},
        )


def _configured_timeout(snapshot: Snapshot, runtime: str) -> float | None:
    spec = snapshot.document.mission.runtimes.get(runtime)
    return parse_duration(spec.timeout) if spec and spec.timeout else None
