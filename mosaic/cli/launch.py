"""What `mission next` and `mission resume` do and say when they launch an agent."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mosaic.cli.consent import with_consent
from mosaic.cli.output import Result, clean, emit, paint, paint_status
from mosaic.cli.preview import launch_mode
from mosaic.cli.runs_view import asked_lines
from mosaic.cli.sessions_view import length_words, usage_words
from mosaic.cli.tasks_view import session_json, task_values
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.errors import MissionError
    from mosaic.ports import Ending
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.sessions.decide import Outcome
    from mosaic.sessions.record_end import Settled
    from mosaic.sessions.session import HandedOff


def launch_next(*, headless: bool = False, detach: bool = False, as_json: bool = False) -> int:
    """Hand the next ready task to an agent, as `mission next` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(mode=launch_mode(headless=headless or detach or as_json))
    return launch(locate_mission(None), request, "process" if detach else None, as_json=as_json)


def launch(path: Path, request: HandOffRequest, place: str | None, *, as_json: bool) -> int:
    """Hand a task off, and say how it went or where it runs.

    Args:
        path: mission.json.
        request: what is handed off, and to whom.
        place: the executor that runs it; None: this terminal.
        as_json: whether to say it as JSON.
    """
    from mosaic.cli.live import LiveRun
    from mosaic.sessions.session import hand_off

    live = LiveRun(quiet=as_json or place is not None)
    executor = live.executor(place, path)
    try:
        done = with_consent(path, lambda: hand_off(path, request, executor), as_json=as_json)
    finally:
        live.end()
    settled = live.carrier.settled if live.carrier else None
    ending = live.carrier.end.ending if live.carrier and live.carrier.end else None
    if settled is None or ending is None:
        return _tell_started(done, as_json=as_json)
    return _tell_ended(done, settled, ending, as_json=as_json)


def _tell_started(done: HandedOff, *, as_json: bool) -> int:
    from mosaic.executors import executor_of

    session = done.session
    executor = executor_of(done.run)
    result = Result(
        kind="session.started",
        data={
            "task": task_values(done.task),
            "session": session_json(session),
            "run_dir": str(done.run.dir),
            "place": dict(done.started.place),
            "worktree": str(done.workspace.path) if done.workspace else None,
            "branch": done.workspace.branch if done.workspace else None,
        },
        lines=[
            f"{paint(done.task.id, 'bold')} → {session.runtime} {executor.words}, "
            f"session {session.id}, pid {session.pid}",
            *_place_lines(done),
            *_problem_lines(done),
        ],
        next_commands=[
            shlex.join(executor.attach()),
            "mission status",
            f"mission stop {session.id}",
        ],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _place_lines(done: HandedOff) -> list[str]:
    """Say where it works, where that is not here."""
    if done.workspace is None:
        return []
    branch = f", branch {clean(done.workspace.branch)}" if done.workspace.branch else ""
    return [paint(f"  worktree {clean(str(done.workspace.path))}{branch}", "dim")]


def _problem_lines(done: HandedOff) -> list[str]:
    """Say that the session is not listed, where mission.json could not be written."""
    if done.problem is None:
        return []
    return [f"  not listed in mission.json until it ends: {clean(done.problem.message)}"]


def _tell_ended(done: HandedOff, settled: Settled, ending: Ending, *, as_json: bool) -> int:
    session, outcome = settled.session, settled.outcome
    status = settled.task_status.value if settled.task_status else "gone"
    problem = settled.problem
    facts = [length_words(session), usage_words(session.usage), f"ended {outcome.reason.value}"]
    stands = f"is {paint_status(status)}" if settled.task_status else "ended"
    lines = [
        f"{paint(done.task.id, 'bold')} {stands}: {clean(outcome.summary)}",
        paint(f"  {session.id}, {', '.join(filter(None, facts))}, run {done.run.id}", "dim"),
    ]
    lines += _place_lines(done)
    if outcome.summary != ending.message and not ending.ok:
        lines.append(f"  {clean(ending.message)}")
    if problem is not None:
        lines.append(f"  {clean('; '.join(filter(None, (problem.message, problem.detail))))}")
    told = done.run.find_result()
    lines += asked_lines(told)
    if ending.hint:
        lines += [f"  {paint('hint:', 'cyan')} {clean(ending.hint)}"]
    result = Result(
        kind="session.ended",
        data={
            "task": {**task_values(done.task), "status": status},
            "task_status": status,
            "session": session_json(session),
            "run_dir": str(done.run.dir),
            "worktree": str(done.workspace.path) if done.workspace else None,
            "branch": done.workspace.branch if done.workspace else None,
            "outcome": outcome.reason.value,
            "summary": outcome.summary,
            "cause": ending.cause.value,
            "message": ending.message,
            "warnings": told.get("warnings", []),
            "needs_human": told.get("needs_human", False),
            "suggested_followup": told.get("suggested_followup", []),
            "retryable": ending.retryable,
            "hint": ending.hint,
            "recorded": problem is None,
        },
        lines=lines,
        exit_code=_exit_code(outcome, problem),
        next_commands=_what_next(done, status),
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _exit_code(outcome: Outcome, problem: MissionError | None) -> ExitCode:
    """Return what a session's end means for the command that waited for it."""
    from mosaic.model import EndReason, RunStatus

    if outcome.reason is EndReason.TIMEOUT:
        return ExitCode.TIMEOUT
    if outcome.reason is EndReason.STOPPED:
        return ExitCode.INTERRUPTED
    if problem is not None:
        return problem.exit_code
    return ExitCode.OK if outcome.run_status is RunStatus.COMPLETED else ExitCode.FAILED


def _what_next(done: HandedOff, status: str) -> list[str]:
    task_id = done.task.id
    if status == "review":
        merge = [f"mission merge {task_id}"] if done.workspace else []
        return [f"mission review {task_id}", f"mission done {task_id}", *merge, "mission next"]
    if status == "blocked":
        return [f"mission show {task_id}", f"mission reopen {task_id}", "mission next"]
    if status == "in-progress":
        return [f"mission resume {task_id}", f"mission show {task_id}"]
    return ["mission next"]
