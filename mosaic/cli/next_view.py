"""What `mission next` and `mission resume` do and print, without Typer."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING

from mosaic.cli.output import Result, clean, emit, error_lines, paint, paint_status, warn
from mosaic.cli.tasks_view import report_problems
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.app.hand_off import EndedSession, StartedSession
    from mosaic.app.loop import PoolStart
    from mosaic.model import Mode
    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.ledger import LoopReport


def launch_mode(*, headless: bool) -> Mode:
    """Return how an agent is launched: interactive where there is a terminal."""
    from mosaic.model import Mode

    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not headless
    return Mode.INTERACTIVE if interactive else Mode.HEADLESS


def print_next(*, as_json: bool = False) -> int:
    """Print the prompt of the next agent, as `mission next --print` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(mode=launch_mode(headless=as_json))
    return print_hand_off(locate_mission(None), request, as_json=as_json)


def print_hand_off(path: Path, request: HandOffRequest, *, as_json: bool) -> int:
    """Print the prompt of a hand-off and write the capsule."""
    from mosaic.app.preview import preview

    found = preview(path, request, with_launch=as_json)
    report_problems(found.problems, as_json=as_json)
    if found.unsaved and not as_json:
        warn(f"{paint('warning:', 'yellow', err=True)} the capsule was not written")
        for line in error_lines(found.unsaved)[1:]:
            warn(line)
    result = Result(
        kind="handoff.preview",
        data=found,
        # As it is: it holds nothing that a person would not see (`fit_prompt`), and who approves
        # it approves every byte that the agent is given.
        lines=found.prompt.removesuffix("\n").split("\n"),
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)


def explain_next(path: Path, milestone: str | None, *, as_json: bool) -> int:
    """Print why a task comes next, and why each other one does not."""
    from mosaic.app.preview import explain_choice
    from mosaic.plan.ready import explain_selection, summarize_waiting

    choice = explain_choice(read_mission(path), milestone)
    selection = choice.selection
    lines = [clean(line) for line in explain_selection(selection)]
    if selection.chosen is None:
        lines.append(f"nothing is ready: {clean(summarize_waiting(selection))}")
    result = Result(
        kind="task.selection",
        data=choice,
        lines=lines,
        exit_code=report_problems(choice.problems, as_json=as_json)
        or (ExitCode.OK if selection.chosen else ExitCode.NOTHING_TO_DO),
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)


def launch_next(*, headless: bool = False, detach: bool = False, as_json: bool = False) -> int:
    """Hand the next ready task to an agent, as `mission next` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(mode=launch_mode(headless=headless or detach or as_json))
    return launch(locate_mission(None), request, "process" if detach else None, as_json=as_json)


def launch(path: Path, request: HandOffRequest, place: str | None, *, as_json: bool) -> int:
    """Hand a task off, and print how it went or where it runs."""
    from mosaic.app.hand_off import EndedSession, hand_off_task
    from mosaic.cli.consent import with_consent
    from mosaic.cli.live import Terminal

    terminal = Terminal(quiet=as_json or place is not None)
    try:
        done = with_consent(
            path, lambda: hand_off_task(path, request, place, terminal), as_json=as_json
        )
    finally:
        terminal.wipe()
    result = _ended(done) if isinstance(done, EndedSession) else _started(done)
    return emit(result, as_json=as_json)


def run_loop(path: Path, request: HandOffRequest, limits: Limits, *, as_json: bool) -> int:
    """Run a loop and print what it did."""
    from mosaic.app import loop
    from mosaic.cli.consent import require_settled
    from mosaic.cli.live import LoopTerminal

    require_settled(path, as_json=as_json)
    terminal = LoopTerminal(quiet=as_json)
    try:
        done = loop.run_loop(path, request, limits, terminal)
    finally:
        terminal.wipe()
    return emit(_loop_ended(done, "loop"), as_json=as_json)


def run_pool(
    path: Path,
    request: HandOffRequest,
    limits: Limits,
    *,
    size: int,
    executor: str,
    keeps_full: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Run a pool and print what it did."""
    from mosaic.app import loop
    from mosaic.cli.consent import require_settled
    from mosaic.cli.live import PoolTerminal
    from mosaic.machine.process import is_ignored

    require_settled(path, as_json=as_json)
    terminal = PoolTerminal(quiet=as_json)

    before = signal.getsignal(signal.SIGINT)
    if not (detach or is_ignored(signal.SIGINT)):
        signal.signal(signal.SIGINT, terminal.interrupt)
    try:
        done = loop.run_pool(
            path,
            request,
            limits,
            terminal,
            size=size,
            executor=executor,
            keeps_full=keeps_full,
            stays=not detach,
        )
    finally:
        signal.signal(signal.SIGINT, before)
        terminal.wipe()
    if isinstance(done, loop.PoolStart):
        return emit(_pool_started(done), as_json=as_json)
    return emit(_loop_ended(done, "pool"), as_json=as_json)


def exit_code_of(reason: str | None, *, completed: bool) -> ExitCode:
    """Return what the end of a run means for the command that waited for it."""
    if reason == "timeout":
        return ExitCode.TIMEOUT
    if reason == "stopped":
        return ExitCode.INTERRUPTED
    return ExitCode.OK if completed else ExitCode.FAILED


def _started(done: StartedSession) -> Result:
    session = done.session
    lines = [
        f"{paint(done.task.task.id, 'bold')} → {session.runtime} {done.where}, "
        f"session {session.id}, pid {session.pid}",
        *_place_lines(done),
    ]
    if done.problem is not None:
        lines.append(f"  not listed in mission.json until it ends: {clean(done.problem.message)}")
    return Result(
        kind="session.started",
        data=done,
        lines=lines,
        next_commands=[shlex.join(done.attach), "mission status", f"mission stop {session.id}"],
        show_next=True,
    )


def _place_lines(done: StartedSession | EndedSession) -> list[str]:
    """Say where it works, where that is not here."""
    if done.worktree is None:
        return []
    branch = f", branch {clean(done.branch)}" if done.branch else ""
    return [paint(f"  worktree {clean(done.worktree)}{branch}", "dim")]


def _ended(done: EndedSession) -> Result:
    from mosaic.cli.sessions_view import asked_lines, length_words, usage_words

    session, problem = done.session, done.problem
    facts = [length_words(session), usage_words(session.usage), f"ended {done.outcome}"]
    words = "ended" if done.task_status == "gone" else f"is {paint_status(done.task_status)}"
    lines = [
        f"{paint(done.task.task.id, 'bold')} {words}: {clean(done.summary)}",
        paint(f"  {session.id}, {', '.join(filter(None, facts))}, run {done.run_dir.name}", "dim"),
        *_place_lines(done),
    ]
    if done.summary != done.message and not done.ok:
        lines.append(f"  {clean(done.message)}")
    if problem is not None:
        lines.append(f"  {clean('; '.join(filter(None, (problem.message, problem.detail))))}")
    lines += asked_lines(done)
    if done.hint:
        lines.append(f"  {paint('hint:', 'cyan')} {clean(done.hint)}")
    code = exit_code_of(done.outcome, completed=done.completed)
    if problem is not None and code in (ExitCode.OK, ExitCode.FAILED):
        code = problem.exit_code
    return Result(
        kind="session.ended",
        data=done,
        lines=lines,
        exit_code=code,
        next_commands=_what_next(done),
        show_next=True,
    )


def _what_next(done: EndedSession) -> list[str]:
    task_id = done.task.task.id
    if done.task_status == "review":
        merge = [f"mission merge {task_id}"] if done.worktree else []
        return [f"mission review {task_id}", f"mission done {task_id}", *merge, "mission next"]
    if done.task_status == "blocked":
        return [f"mission show {task_id}", f"mission reopen {task_id}", "mission next"]
    if done.task_status == "in-progress":
        return [f"mission resume {task_id}", f"mission show {task_id}"]
    return ["mission next"]


def _loop_ended(done: LoopReport, what: str) -> Result:
    from mosaic.cli.sessions_view import usage_words
    from mosaic.plan.durations import format_duration

    facts = [
        f"{len(done.sessions)} sessions",
        format_duration(done.elapsed_seconds),
        usage_words(done.usage),
    ]
    lines = [f"{paint(f'{what} ended', 'bold')}: {clean(done.why)}"]
    lines += [
        f"  {task_id}  {paint_status(before)} → {paint_status(after)}"
        for task_id, (before, after) in sorted(done.moved.items())
    ]
    lines += [f"  {name}  could not be started" for name in done.not_started]
    lines.append(paint(f"  {', '.join(filter(None, facts))}", "dim"))
    lines += [
        f"waits for you, {label}: {', '.join(waiting)}"
        for label, waiting in (("review", done.in_review), ("blocked", done.blocked))
        if waiting
    ]
    if done.was_interrupted:
        code = ExitCode.INTERRUPTED
    elif done.needs_person or done.gave_up or done.not_started:
        code = ExitCode.FAILED
    else:
        code = ExitCode.OK if done.sessions else ExitCode.NOTHING_TO_DO
    reviews = [f"mission review {task_id}" for task_id in done.in_review[:1]]
    return Result(
        kind=f"{what}.ended",
        data=done,
        lines=lines,
        exit_code=code,
        next_commands=reviews or ["mission status"],
        show_next=True,
    )


def _pool_started(done: PoolStart) -> Result:
    report = done.report
    failed = [
        f"{name} could not be started: {clean(why)}" for name, why in report.not_started.items()
    ]
    lines = [f"{len(done.sessions)} sessions work in the background", *failed]
    code = ExitCode.OK if done.sessions else ExitCode.NOTHING_TO_DO
    return Result(
        kind="pool.started",
        data=done,
        lines=lines if done.sessions or failed else [clean(report.why)],
        exit_code=ExitCode.FAILED if report.not_started else code,
        next_commands=["mission sessions --live", "mission status"],
        show_next=True,
    )
