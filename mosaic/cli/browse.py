"""Plan and review: list, show, graph, status."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    TaskId,
    complete_status,
)
from mosaic.cli.output import Result, clean_block, emit, paint
from mosaic.cli.tasks_view import problem_values, report_problems
from mosaic.store.reading import locate_mission, read_mission

# Imports inside commands keep others quick to start; see decision 0002.


def list_command(
    status: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", autocompletion=complete_status, help="Repeat for more."),
    ] = None,
    milestone: MilestoneId = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Only what may be handed off now.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="plan, id, status, priority, milestone or updated.")
    ] = "plan",
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Done and cancelled ones too.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """List the tasks, in plan order."""
    from mosaic.cli.listing import list_tasks

    return list_tasks(
        status=status,
        milestone=milestone,
        ready=ready,
        sort=sort,
        every=every,
        as_json=as_json,
        mission=mission,
    )


def show_command(
    task_id: TaskId,
    section: Annotated[str | None, typer.Option("--section", help="Only this section.")] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show one task whole: fields, text, handoff, dependencies, sessions."""
    from mosaic.cli.showing import show_task

    return show_task(task_id, section=section, as_json=as_json, mission=mission)


def status_command(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every 2 s.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show where the mission stands: progress, live sessions, what waits, what comes next."""
    from mosaic.cli.look import show_status

    return show_status(watch=watch, as_json=as_json, mission=mission)


def graph_command(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a mermaid flowchart.")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="In Graphviz's language.")] = False,
    every: Annotated[
        bool, typer.Option("--all/--open", help="Done and cancelled ones too.")
    ] = True,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Draw what waits for what; cycles are named."""
    from mosaic.plan.graph import (
        dangling_dependencies,
        find_cycles,
        render_dot,
        render_mermaid,
        render_text,
    )

    snapshot = read_mission(locate_mission(mission))
    tasks = [task for task in snapshot.tasks if every or not task.status.is_closed]
    render = render_mermaid if mermaid else render_dot if dot else render_text
    cycles = find_cycles(tasks)
    dangling = dangling_dependencies(snapshot.tasks)
    result = Result(
        kind="task.graph",
        data={
            "nodes": [
                {"id": task.id, "title": task.title, "status": task.status.value} for task in tasks
            ],
            "edges": [{"from": name, "to": task.id} for task in tasks for name in task.depends_on],
            "cycles": [list(cycle) for cycle in cycles],
            "unknown": [{"task": task.id, "depends_on": name} for task, name in dangling],
            "problems": problem_values(snapshot),
        },
        lines=clean_block(render(tasks)) or [paint("no tasks", "dim")],
        exit_code=report_problems(snapshot, as_json=as_json),
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)
