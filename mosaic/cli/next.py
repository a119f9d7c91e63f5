"""`mission next`."""

from typer import Argument, Option

from mosaic.cli.completing import complete_task
from mosaic.cli.next_view import (
    explain_next,
    launch,
    launch_mode,
    print_hand_off,
    refuse_elsewhere,
    run_many,
    usual_executor,
)
from mosaic.cli.options import (
    Detach,
    ExecutorName,
    Headless,
    Hosts,
    Json,
    MilestoneId,
    MissionPath,
    ModelName,
    PrintOnly,
    RuntimeName,
    Timeout,
    WithChanges,
    seconds_of,
)
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission next --print", "the prompt that the agent would get; nothing is started"),
    (
        "mission next --headless --timeout 45m",
        "hand off the next ready task; the agent runs by itself",
    ),
    ("mission next T-001 --runtime codex", "this task, to this agent, in this terminal"),
    (
        "mission next -j 4 --loop --max-cost 10",
        "four at a time in worktrees, until 10 USD are spent",
    ),
)


def next_command(
    named: str | None = Argument(
        None, metavar="[ID]", autocompletion=complete_task, help="This task, not the next."
    ),
    task: str | None = Option(
        None,
        "--task",
        "-t",
        metavar="ID",
        autocompletion=complete_task,
        help="The same as `ID`.",
    ),
    milestone: MilestoneId = None,
    runtime: RuntimeName = None,
    model: ModelName = None,
    print_only: PrintOnly = False,
    explain: bool = Option(
        False, "--explain", help="Say why this task, and why not each other one."
    ),
    headless: Headless = False,
    detach: Detach = False,
    executor: ExecutorName = None,
    timeout: Timeout = None,
    force: bool = Option(False, "--force", help="Also a task that waits for others."),
    worktree: bool = Option(False, "--worktree", "-w", help="In a git worktree of its own."),
    hosts: Hosts = None,
    with_changes: WithChanges = False,
    loop: bool = Option(
        False, "--loop", help="Go on with the next task until something says stop."
    ),
    jobs: int | None = Option(
        None, "--jobs", "-j", min=1, metavar="N", help="Up to N ready tasks at once, in worktrees."
    ),
    max_sessions: int | None = Option(None, min=1, metavar="N", help="Of this loop."),
    max_cost: float | None = Option(None, min=0, metavar="USD", help="Of this loop."),
    max_time: str | None = Option(None, metavar="2h", help="Of this loop."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Hand the next ready task, or the one that is named, to an agent, and stay with it."""
    from mosaic.sessions.choice import HandOffRequest

    if named and task and named != task:
        raise UsageError(f"two tasks are named: `{named}` and `{task}`", hint="name one")
    path, task = locate_mission(mission), named or task
    limits = (max_sessions, max_cost, max_time)
    if (loop and (task or detach or print_only)) or (jobs and (task or print_only)):
        raise UsageError(
            "`--loop` and `-j` choose tasks by themselves; `--loop` takes no `--detach`"
        )
    if not (loop or jobs) and any(limit is not None for limit in limits):
        raise UsageError(
            "limits are used with `--loop`", hint="`mission next --loop --max-sessions 5`"
        )
    if hosts and loop and not jobs:
        raise UsageError(
            "`--on` takes no `--loop` without `-j`", hint="`mission next -j 2 --loop --on HOST`"
        )
    refuse_elsewhere(hosts, executor, is_pool=bool(jobs))
    place = executor or (usual_executor() if detach else None)
    request = HandOffRequest(
        task_id=task,
        milestone=milestone,
        runtime=runtime,
        model=model,
        mode=launch_mode(headless=headless or as_json or loop or bool(jobs) or place == "process"),
        timeout_seconds=seconds_of(timeout),
        force=force,
        hosts=tuple(hosts or ()),
        in_pane=executor == "tmux" and not jobs,
        worktree=worktree or with_changes,
        with_changes=with_changes,
    )
    if explain:
        return explain_next(path, milestone, at_once=bool(jobs), as_json=as_json)
    if print_only:
        return print_hand_off(path, request, as_json=as_json)
    if not (loop or jobs):
        return launch(path, request, place, as_json=as_json)
    from mosaic.plan.pace import Limits

    own = Limits(max_sessions=max_sessions, max_cost_usd=max_cost, max_seconds=seconds_of(max_time))
    return run_many(
        path,
        request,
        own,
        jobs,
        executor or usual_executor(),
        keeps_full=loop,
        detach=detach,
        as_json=as_json,
    )
