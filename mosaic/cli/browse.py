"""Plan: list, show, graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    TaskId,
    complete_status,
)
from mosaic.cli.output import Result, align, clean, clean_block, emit, paint, plain
from mosaic.cli.tasks_view import problem_values, report_problems, session_json, task_values
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Session, Task
    from mosaic.runs.record import Run
    from mosaic.store.tasks import Entry, Snapshot

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
    from mosaic.sessions.selection import select_from

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


def show_command(
    task_id: TaskId,
    section: Annotated[str | None, typer.Option("--section", help="Only this section.")] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Show one task whole: fields, text, handoff, dependencies, sessions."""
    from mosaic.cli.runs_view import MOST_RUNS, run_values
    from mosaic.runs.folders import runs_of_task
    from mosaic.sessions.selection import select_from
    from mosaic.text.frontmatter import find_block
    from mosaic.text.sections import find_sections, section_text

    snapshot = read_mission(locate_mission(mission))
    entry = snapshot.get(task_id)
    text = _file_text(snapshot, entry)
    if section is not None:
        content = section_text(text, section)
        if content is None:
            names = ", ".join(f"`{s.name}`" for s in find_sections(text)) or "none"
            raise UsageError(
                f"`{entry.task.id}` has no section `{section}`", detail=f"it has {names}"
            )
        data: dict[str, JsonValue] = {"id": entry.task.id, "section": section, "content": content}
        result = Result(kind="task.section", data=data, lines=clean_block(content))
        return emit(result, as_json=as_json)
    block = find_block(text)
    body = text[block.body_start :] if block else text
    selection = select_from(snapshot)
    runs = runs_of_task(snapshot.layout.runs_dir, entry.task.id)
    sessions = [s for s in snapshot.document.mission.sessions if s.last_task_id == entry.task.id]
    result = Result(
        kind="task",
        data={
            "task": task_values(entry.task, selection),
            "body": body,
            "handoff_sections_missing": list(entry.file.missing_sections) if entry.file else [],
            "dependencies": [_dependency(snapshot, name) for name in entry.task.depends_on],
            "sessions": [session_json(session) for session in sessions],
            "runs": [run_values(run) for run in runs[-MOST_RUNS:]],
            "runs_total": len(runs),
        },
        lines=[
            *_field_lines(snapshot, entry, selection.of(entry.task.id)),
            *([""] if body.strip() else []),
            *clean_block(body.strip("\r\n")),
            *_session_lines(sessions),
            *_run_lines(runs),
        ],
        next_commands=[f"mission next --task {entry.task.id}"],
    )
    return emit(result, as_json=as_json)


def _file_text(snapshot: Snapshot, entry: Entry) -> str:
    from mosaic.machine.disk import find_text

    if entry.file is None:
        return ""
    file = find_text(snapshot.layout.tasks_dir / entry.file.name)
    return file.text if file else ""


def _dependency(snapshot: Snapshot, name: str) -> dict[str, JsonValue]:
    entry = snapshot.find(name)
    if entry is None:
        return {"id": name, "title": None, "status": None}
    return {"id": name, "title": entry.task.title, "status": entry.task.status.value}


def _field_lines(snapshot: Snapshot, entry: Entry, verdict: object) -> list[str]:
    from mosaic.store.fields import FIELDS

    task = entry.task
    rows = []
    for field in FIELDS:
        if field.name in ("task_id", "title", "depends_on") or not hasattr(task, field.name):
            continue
        value = getattr(task, field.name)
        if value:
            rows.append((field.name, ", ".join(value) if isinstance(value, tuple) else str(value)))
    rows += [(key, str(plain(value))) for key, value in task.extra.items()]
    if task.notes:
        rows.append(("notes", task.notes))
    for place, line in ((task.file, task.file_line), (_table(snapshot, task), task.table_line)):
        if place and line:
            rows.append(("at", f"{place}:{line}"))
    rows += [
        ("depends_on", f"{name}  {_dependency(snapshot, name)['status'] or 'unknown'}")
        for name in task.depends_on
    ]
    detail = getattr(verdict, "detail", "")
    title = f"{paint(task.id, 'bold')}  {paint(clean(task.title), 'bold')}"
    return [title, *[f"  {line}" for line in align([*rows, ("now", detail)])]]


def _table(snapshot: Snapshot, task: Task) -> str | None:
    return snapshot.layout.shown(snapshot.layout.tasks_file) if task.table_line else None


def _session_lines(sessions: list[Session]) -> list[str]:
    from mosaic.cli.sessions_view import session_rows

    rows = session_rows(sessions)
    return ["", paint("sessions", "bold"), *[f"  {line}" for line in align(rows)]] if rows else []


def _run_lines(runs: list[Run]) -> list[str]:
    from mosaic.cli.runs_view import MOST_RUNS, run_rows

    rows = run_rows(runs[-MOST_RUNS:])
    more = [f"  and {len(runs) - MOST_RUNS} before"] if len(runs) > MOST_RUNS else []
    return ["", paint("runs", "bold"), *[f"  {ln}" for ln in align(rows)], *more] if rows else []


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
