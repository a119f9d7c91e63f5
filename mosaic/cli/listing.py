"""What `mission list` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.output import Result, align, emit, paint
from mosaic.cli.tasks_view import problem_values, report_problems, task_values
from mosaic.errors import UsageError
from mosaic.sessions.choice import select_from
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mosaic.model import Task
    from mosaic.store.tasks import Snapshot


def list_tasks(
    *,
    status: Sequence[str] | None = None,
    milestone: str | None = None,
    ready: bool = False,
    sort: str = "plan",
    every: bool = False,
    as_json: bool = False,
    mission: Path | None = None,
) -> int:
    """List the tasks, in plan order unless `sort` says another."""
    snapshot = read_mission(locate_mission(mission))
    statuses = {_status(word, snapshot) for word in status or ()}
    selection = select_from(snapshot)
    tasks = [v.task for v in selection.ready] if ready else list(snapshot.tasks)
    if statuses:
        tasks = [task for task in tasks if task.status in statuses]
    elif not every and not ready:
        tasks = [task for task in tasks if not task.status.is_closed]
    if milestone is not None:
        tasks = [task for task in tasks if task.milestone == milestone]
    tasks = _sorted(tasks, sort)
    hidden = len(snapshot.tasks) - len(tasks)
    rows = [
        (task.id, task.status.value, task.milestone or "", task.priority or "", task.title)
        for task in tasks
    ]
    lines = align(rows, headers=("id", "status", "milestone", "priority", "title"))
    if not rows:
        lines = [paint("no tasks" if not hidden else "no tasks match", "dim")]
    if hidden and not (statuses or ready or milestone):
        lines.append(paint(f"{hidden} done or cancelled; --all shows them", "dim"))
    result = Result(
        kind="task.list",
        data={
            # Thousands of tasks as values cost more than everything else here.
            "tasks": [task_values(task, selection) for task in tasks] if as_json else [],
            "problems": problem_values(snapshot),
        },
        lines=lines,
        exit_code=report_problems(snapshot, as_json=as_json),
        next_commands=["mission next"] if selection.ready else ['mission add "A task"'],
    )
    return emit(result, as_json=as_json)


def _status(word: str, snapshot: Snapshot) -> str:
    from mosaic.plan.statuses import nearest_status, parse_status

    status = parse_status(word, snapshot.document.mission.statuses)
    if status is None:
        near = nearest_status(word)
        raise UsageError(f"`{word}` is no status", detail=f"nearest: `{near}`" if near else None)
    return status


def _sorted(tasks: list[Task], by: str) -> list[Task]:
    from mosaic.model import Status
    from mosaic.plan.ready import priority_rank
    from mosaic.store.tasks import natural_key

    keys = {
        "plan": None,
        "id": lambda task: natural_key(task.id),
        "status": lambda task: list(Status).index(task.status),
        "priority": lambda task: priority_rank(task.priority),
        "milestone": lambda task: task.milestone or "\uffff",
        "updated": lambda task: task.updated_at or "",
    }
    if by not in keys:
        raise UsageError(f"`{by}` is nothing to sort by", hint=f"use one of {', '.join(keys)}")
    key = keys[by]
    return sorted(tasks, key=key, reverse=by == "updated") if key else tasks
