"""What `mission next` and `mission resume` do and print, without Typer."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING

from mosaic.cli.output import (
    answer,
    clean,
    error_lines,
    merge_commands,
    paint,
    paint_status,
    warn,
)
from mosaic.cli.tasks_view import report_notices, report_problems
from mosaic.errors import ExitCode, UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.app.hand_off import EndedSession, StartedSession
    from mosaic.app.loop import PoolStart
    from mosaic.model import Mode
    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.report import LoopReport


def usual_executor() -> str:
    """Return where agents run that outlive the command, when no option says so."""
    from mosaic.store.own_settings import own_settings  # start-up

    return own_settings().needed("executor").executor or "process"


def refuse_elsewhere(
    hosts: list[str] | None, executor: str | None, *, is_pool: bool = False
) -> None:
    """Refuse an executor that other machines do not have: there is a pane for one task at a time.

    Raises UsageError.
    """
    if hosts and executor and (is_pool or executor != "tmux"):
        only = "without `-j`" if is_pool else "but `tmux`"
        raise UsageError(
            f"`--on` takes no `--executor` {only}",
            hint="`mission next ID --on HOST --executor tmux` opens a pane there",
        )


def launch_mode(*, headless: bool) -> Mode:
    """Return how an agent is launched: interactive where there is a terminal."""
    from mosaic.model import Mode

    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not headless
    return Mode.INTERACTIVE if interactive else Mode.HEADLESS


def print_next(*, task_id: str | None = None, as_json: bool = False) -> int:
    """Print the prompt of the next agent, as `mission next --print [ID]` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(task_id=task_id, mode=launch_mode(headless=as_json))
    return print_hand_off(locate_mission(None), request, as_json=as_json)


def print_hand_off(path: Path, request: HandOffRequest, *, as_json: bool) -> int:
    """Print the prompt of a hand-off and write the capsule."""
    from mosaic.app.hand_off import preview

    found = preview(path, request, with_launch=as_json)
    report_problems(found.problems, as_json=as_json)
    report_notices(() if as_json else found.notices)
    if found.unsaved and not as_json:
        warn(f"{paint('warning:', 'yellow', err=True)} the capsule was not written")
        for line in error_lines(found.unsaved)[1:]:
            warn(line)
    return answer(
        "handoff.preview",
        found,
        # As it is: it holds nothing that a person would not see (`fit_prompt`), and who approves
        # it approves every byte that the agent is given.
        found.prompt.removesuffix("\n").split("\n"),
        as_is=True,
        then=["mission next"],
        as_json=as_json,
    )


def explain_next(path: Path, milestone: str | None, *, at_once: bool = False, as_json: bool) -> int:
    """Print why a task comes next, and why each other one does not; `at_once`: to `-j`."""
    from mosaic.app.hand_off import explain_choice
    from mosaic.cli.table import ID, WHOLE, Column, table
    from mosaic.plan.waiting import explain_notes, explain_selection, summarize_waiting

    choice = explain_choice(read_mission(path), milestone, at_once=at_once)
    merges = merge_commands([*choice.selection.unlanded])
    columns = (Column(is_number=True), ID, WHOLE)
    lines = table(explain_selection(choice.selection), columns)
    lines += [clean(line) for line in explain_notes(choice.selection)]
    code = report_problems(choice.problems, as_json=as_json)
    if choice.selection.chosen is None:
        lines.append(f"nothing is ready: {clean(summarize_waiting(choice.selection))}")
        lines += [clean(choice.left_out)] if choice.left_out else []
        code = code or ExitCode.NOTHING_TO_DO
    return answer(
        "task.selection",
        choice,
        lines,
        exit_code=code,
        then=["mission next"] if choice.selection.chosen else [*merges, "mission next"],
        show_next=bool(merges) and choice.selection.chosen is None,
        as_json=as_json,
    )


def launch_next(
    *,
    task_id: str | None = None,
    headless: bool = False,
    detach: bool = False,
    as_json: bool = False,
) -> int:
    """Hand a task to an agent, else the next ready one, as `mission next [ID]` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    place = usual_executor() if detach else None
    mode = launch_mode(headless=headless or as_json or place == "process")
    request = HandOffRequest(task_id=task_id, mode=mode)
    return launch(locate_mission(None), request, place, as_json=as_json)


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
    if isinstance(done, EndedSession):
        return _ended(done, as_json=as_json)
    return _started(done, as_json=as_json)


def run_many(
    path: Path,
    request: HandOffRequest,
    limits: Limits,
    jobs: int | None,
    executor: str,
    *,
    keeps_full: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Run a loop, or a pool of so many jobs, and print what it did."""
    from mosaic.app.loop import PoolStart, run_loop, run_pool
    from mosaic.cli.consent import require_settled
    from mosaic.cli.live import Terminal
    from mosaic.machine.process import is_ignored

    require_settled(path, as_json=as_json, with_hosts=not request.hosts)
    terminal = Terminal(quiet=as_json, goes_on=True)
    done: LoopReport | PoolStart
    before = signal.getsignal(signal.SIGINT)
    if jobs and not (detach or is_ignored(signal.SIGINT)):
        signal.signal(signal.SIGINT, terminal.interrupt)
    try:
        if jobs is None:
            done = run_loop(path, request, limits, terminal)
        else:
            done = run_pool(
                path,
                request,
                limits,
                terminal,
                size=jobs,
                executor=executor,
                keeps_full=keeps_full,
                stays=not detach,
            )
    finally:
        signal.signal(signal.SIGINT, before)
        terminal.wipe()
    if isinstance(done, PoolStart):
        return _pool_started(done, as_json=as_json)
    return _loop_ended(done, "pool" if jobs else "loop", as_json=as_json)


def exit_code_of(reason: str | None, *, completed: bool) -> ExitCode:
    """Return what the end of a run means for the command that waited for it."""
    if reason == "timeout":
        return ExitCode.TIMEOUT
    if reason == "stopped":
        return ExitCode.INTERRUPTED
    return ExitCode.OK if completed else ExitCode.FAILED


def _started(done: StartedSession, *, as_json: bool) -> int:
    session, task_id = done.session, done.task.task.id
    about = f"{session.runtime} {done.where}, session {session.id}, pid {session.pid}"
    lines = [f"{paint(task_id, 'bold')} → {about}", *_place_lines(done)]
    if done.problem is not None:
        lines.append(f"  not listed in mission.json until it ends: {clean(done.problem.message)}")
    report_notices(() if as_json else done.notices)
    return answer(
        "session.started",
        done,
        lines,
        then=[shlex.join(done.attach), "mission status", f"mission stop {session.id}"],
        show_next=True,
        as_json=as_json,
    )


def _place_lines(done: StartedSession | EndedSession) -> list[str]:
    """Return where it works, where that is not here."""
    if done.worktree is None:
        return []
    branch = f", branch {clean(done.branch)}" if done.branch else ""
    return [paint(f"  worktree {clean(done.worktree)}{branch}", "dim")]


def _ended(done: EndedSession, *, as_json: bool) -> int:
    from mosaic.cli.live import task_words
    from mosaic.cli.sessions_view import asked_lines
    from mosaic.plan.ends import end_words, length_words, usage_words

    session, task_id, problem = done.session, done.task.task.id, done.problem
    facts = [end_words(session), length_words(session), usage_words(session.usage)]
    lines = [
        f"{paint(task_id, 'bold')} {task_words(done)}: {clean(done.summary)}",
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
    commands = {
        "review": ["review", "done", "merge"] if done.worktree else ["review", "done"],
        "blocked": ["reopen", "show"],
        "in-progress": ["resume", "show"],
    }.get(done.task_status, [])
    then = [f"mission {command} {task_id}" for command in commands]
    if done.task_status == "blocked":
        then.insert(0, f'mission answer {task_id} "…"')
    further = [] if done.task_status == "in-progress" else ["mission next"]
    return answer(
        "session.ended",
        done,
        lines,
        exit_code=code,
        then=[*then, *further],
        show_next=True,
        as_json=as_json,
    )


def _loop_ended(done: LoopReport, what: str, *, as_json: bool) -> int:
    from mosaic.plan.durations import format_duration
    from mosaic.plan.ends import usage_words
    from mosaic.text.lines import counted

    spent = [format_duration(done.elapsed_seconds), usage_words(done.usage)]
    facts = [counted(len(done.sessions), "session"), *filter(None, spent)]
    lines = [f"{paint(f'{what} ended', 'bold')}: {clean(done.why)}"]
    lines += [
        f"  {task_id}  {paint_status(before)} → {paint_status(after)}"
        for task_id, (before, after) in sorted(done.moved.items())
    ]
    lines += [f"  {name}  could not be started" for name in done.not_started]
    lines.append(paint(f"  {', '.join(facts)}", "dim"))
    lines += [f"  {name}  merged, commit {commit[:10]}" for name, commit in done.landed.items()]
    lines += [f"  {name}  not merged: {clean(why)}" for name, why in done.not_landed.items()]
    waits = (("review", done.in_review), ("to merge", done.to_merge), ("blocked", done.blocked))
    for label, waiting in waits:
        if waiting:
            lines.append(f"waits for you, {label}: {', '.join(waiting)}")
    lines += [f"  {clean(name)}  {clean(words)}" for name, words in done.questions.items()]
    code = ExitCode.OK if done.sessions else ExitCode.NOTHING_TO_DO
    if done.needs_person or done.gave_up or done.not_started:
        code = ExitCode.FAILED
    reviews = [f"mission review {task_id}" for task_id in done.in_review[:1]]
    reviews += merge_commands(done.to_merge)
    return answer(
        f"{what}.ended",
        done,
        lines,
        exit_code=ExitCode.INTERRUPTED if done.was_interrupted else code,
        then=reviews or ["mission status"],
        show_next=True,
        as_json=as_json,
    )


def _pool_started(done: PoolStart, *, as_json: bool) -> int:
    not_started, count = done.report.not_started, len(done.sessions)
    work = "session works" if count == 1 else "sessions work"
    lines = [f"{count} {work} in the background"] if count or not_started else []
    lines += [f"{name} could not be started: {clean(why)}" for name, why in not_started.items()]
    code = ExitCode.OK if count else ExitCode.NOTHING_TO_DO
    return answer(
        "pool.started",
        done,
        lines or [clean(done.report.why)],
        exit_code=ExitCode.FAILED if not_started else code,
        then=["mission sessions --live", "mission status"],
        show_next=True,
        as_json=as_json,
    )
