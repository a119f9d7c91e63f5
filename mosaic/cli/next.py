"""Hand off: next, resume, sessions, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.completing import complete_task
from mosaic.cli.launch import launch
from mosaic.cli.options import (
    ExecutorName,
    Json,
    MaybeTaskId,
    MilestoneId,
    MissionPath,
    RuntimeName,
)
from mosaic.cli.output import Result, clean, emit
from mosaic.cli.preview import launch_mode
from mosaic.cli.tasks_view import problem_values, report_problems, task_values
from mosaic.errors import ExitCode, UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.sessions.choice import HandOffRequest

ModelName = Annotated[str | None, typer.Option("--model", help="The model that the agent uses.")]
Headless = Annotated[
    bool,
    typer.Option(
        "--headless", help="Capture the agent's output instead of giving it the terminal."
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Run in the background and return at once.")
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="45m", help="Stop it after that.")
]
PrintOnly = Annotated[
    bool, typer.Option("--print", help="Print the prompt, write the capsule, change nothing.")
]
Force = Annotated[bool, typer.Option("--force", help="Also a task that waits for others.")]


def next_command(
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", autocompletion=complete_task, help="This task, not the next."),
    ] = None,
    milestone: MilestoneId = None,
    runtime: RuntimeName = None,
    model: ModelName = None,
    print_only: PrintOnly = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why this task, and why not each other one.")
    ] = False,
    headless: Headless = False,
    detach: Detach = False,
    executor: ExecutorName = None,
    timeout: Timeout = None,
    force: Force = False,
    worktree: Annotated[
        bool, typer.Option("--worktree", "-w", help="In a git worktree of its own.")
    ] = False,
    with_changes: Annotated[
        bool,
        typer.Option("--with-changes", help="Carry what is not committed here into the worktree."),
    ] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Go on with the next task until something says stop.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, metavar="N", help="Up to N ready tasks at once, in worktrees."
        ),
    ] = None,
    max_sessions: Annotated[
        int | None, typer.Option("--max-sessions", min=1, metavar="N", help="Of this loop.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, metavar="USD", help="Of this loop.")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", metavar="2h", help="Of this loop.")
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Hand the next ready task to an agent, and stay with it to its end."""
    from mosaic.sessions.choice import HandOffRequest

    path = locate_mission(mission)
    limits = (max_sessions, max_cost, max_time)
    if (loop and (task or detach or print_only)) or (jobs and (task or print_only)):
        raise UsageError("`--loop` and `-j` choose by themselves, and `--loop` stays")
    if not (loop or jobs) and any(limit is not None for limit in limits):
        raise UsageError("limits go with `--loop`", hint="`mission next --loop --max-sessions 5`")
    request = HandOffRequest(
        task_id=task,
        milestone=milestone,
        runtime=runtime,
        model=model,
        mode=launch_mode(
            headless=headless or as_json or loop or bool(jobs) or _is_unseen(detach, executor)
        ),
        timeout_seconds=_seconds(timeout),
        force=force,
        worktree=worktree or with_changes,
        with_changes=with_changes,
    )
    if explain:
        return _explain(path, request, as_json=as_json)
    if print_only:
        return _print(path, request, as_json=as_json)
    if loop or jobs:
        from mosaic.plan.pace import Limits

        own = Limits(
            max_sessions=max_sessions, max_cost_usd=max_cost, max_seconds=_seconds(max_time)
        )
        if jobs is None:
            from mosaic.cli.looping import run_loop

            return run_loop(path, request, own, as_json=as_json)
        from mosaic.cli.pooling import run_pool

        return run_pool(
            path,
            request,
            own,
            size=jobs,
            executor=executor or "process",
            keeps_full=loop,
            detach=detach,
            as_json=as_json,
        )
    return launch(path, request, executor or ("process" if detach else None), as_json=as_json)


def resume_command(
    task_id: MaybeTaskId = None,
    runtime: RuntimeName = None,
    model: ModelName = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new conversation with the agent.")
    ] = False,
    from_checkpoint: Annotated[
        int | None,
        typer.Option(
            "--from", metavar="SEQ", help="Set the work tree back to this checkpoint first."
        ),
    ] = None,
    print_only: PrintOnly = False,
    headless: Headless = False,
    detach: Detach = False,
    executor: ExecutorName = None,
    timeout: Timeout = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Hand an interrupted task off again, in the agent's own conversation where it can be."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(
        task_id=task_id,
        runtime=runtime,
        model=model,
        mode=launch_mode(headless=headless or as_json or _is_unseen(detach, executor)),
        timeout_seconds=_seconds(timeout),
        resuming=True,
        fresh=fresh,
        from_checkpoint=from_checkpoint,
    )
    if print_only:
        return _print(locate_mission(mission), request, as_json=as_json)
    place = executor or ("process" if detach else None)
    return launch(locate_mission(mission), request, place, as_json=as_json)


def _is_unseen(detach: bool, executor: str | None) -> bool:
    """Tell whether it runs where nobody has a keyboard."""
    return executor == "process" or (detach and executor is None)


def _seconds(timeout: str | None) -> float | None:
    from mosaic.plan.durations import parse_duration

    return parse_duration(timeout) if timeout else None


def _explain(path: Path, request: HandOffRequest, *, as_json: bool) -> int:
    from mosaic.plan.ready import explain_selection, summarize_waiting
    from mosaic.sessions.choice import select_from

    snapshot = read_mission(path)
    selection = select_from(snapshot, milestone=request.milestone)
    lines = [clean(line) for line in explain_selection(selection)]
    if selection.chosen is None:
        lines.append(f"nothing is ready: {clean(summarize_waiting(selection))}")
    result = Result(
        kind="task.selection",
        data={
            "chosen": selection.chosen.id if selection.chosen else None,
            "ready": [verdict.task.id for verdict in selection.ready],
            "tasks": [task_values(v.task, selection) for v in selection.verdicts],
            "cycles": [list(cycle) for cycle in selection.cycles],
            "problems": problem_values(snapshot),
        },
        lines=lines,
        exit_code=report_problems(snapshot, as_json=as_json)
        or (ExitCode.OK if selection.chosen else ExitCode.NOTHING_TO_DO),
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)


def _print(path: Path, request: HandOffRequest, *, as_json: bool) -> int:
    from mosaic.cli.preview import print_hand_off

    return print_hand_off(path, request, as_json=as_json)
