"""Plan: init, add, list, show, graph, sync, check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    RuntimeName,
    TaskId,
    complete_status,
    complete_task,
)
from mosaic.cli.output import Result, align, clean, clean_block, emit, paint, plain
from mosaic.cli.tasks_view import problem_values, report_problems, session_json, task_values
from mosaic.errors import ExitCode, UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Session, Task
    from mosaic.plan.check import Finding
    from mosaic.store.sync import Side
    from mosaic.store.tasks import Entry, Snapshot

# Imports inside commands keep others quick to start; see decision 0002.


def init_command(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The project.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", "-n", help="What the mission is.")] = None,
    description: Annotated[str, typer.Option(help="The same in a sentence.")] = "",
    prefix: Annotated[str, typer.Option(help="What task ids begin with.")] = "T",
    gates: Annotated[str | None, typer.Option(help="A command that must pass.")] = None,
    milestone: Annotated[
        list[str] | None, typer.Option(metavar='"M1: NAME"', help="Repeat for more, in order.")
    ] = None,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take in what is there.")] = False,
    agents: Annotated[
        bool, typer.Option("--agents", help="Tell agents how to work here, in AGENTS.md.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Lay a mission into a project: mission.json, TASKS.md, MISSION.md, tasks/."""
    from mosaic.machine.clock import utc_now
    from mosaic.store.create import NewMission, lay_mission, parse_milestone, write_agents_section

    folder = directory.absolute()
    new = NewMission(
        name=name or folder.name,
        description=description,
        prefix=prefix,
        gates=gates,
        milestones=tuple(parse_milestone(text) for text in milestone or ()),
    )
    layout = lay_mission(folder, new, utc_now(), adopt=adopt)
    written = write_agents_section(layout) if agents else []
    snapshot = read_mission(layout.mission_file)
    lines = [
        f"laid mission {paint(clean(new.name), 'bold')} into {layout.mission_file.parent}",
        *([f"took in {len(snapshot.tasks)} tasks"] if adopt else []),
        *([f"told agents in {', '.join(written)}"] if written else []),
    ]
    result = Result(
        kind="mission.init",
        data={
            "mission_file": str(layout.mission_file),
            "tasks_adopted": len(snapshot.tasks) if adopt else 0,
            "agents_files": written,
            "problems": problem_values(snapshot),
        },
        lines=lines,
        exit_code=report_problems(snapshot, as_json=as_json),
        next_commands=['mission add "The first task"', "mission list"],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def add_command(
    title: Annotated[str, typer.Argument(help="What is to be done, in one line.")],
    milestone: MilestoneId = None,
    depends_on: Annotated[
        list[str] | None,
        typer.Option("--depends-on", "-d", autocompletion=complete_task, help="Repeat for more."),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", "-s", metavar="GLOB", help="Repeat for more.")
    ] = None,
    priority: Annotated[str | None, typer.Option(help="`high`, `low`, `P1` or a number.")] = None,
    runtime: RuntimeName = None,
    body: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Its text: goal, acceptance criteria.")
    ] = None,
    table_only: Annotated[bool, typer.Option("--table-only", help="Write no task file.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Add a task: the next free id, a file from the template, a row at the table's end."""
    from mosaic.machine.clock import utc_now
    from mosaic.store.create import NewTask, add_task
    from mosaic.store.draft import changing

    new = NewTask(
        title=title,
        milestone=milestone,
        depends_on=tuple(depends_on or ()),
        write_scope=tuple(scope or ()),
        priority=priority,
        runtime=runtime,
        body=read_body(body) if body else None,
        table_only=table_only,
    )
    with changing(locate_mission(mission), doing="adding a task") as draft:
        task_id = add_task(draft, new, utc_now())
        draft.save()
        task = draft.snapshot.get(task_id).task
    result = Result(
        kind="task.added",
        data={"task": task_values(task)},
        lines=[task_id],
        next_commands=[f"mission show {task_id}", "mission next"],
    )
    return emit(result, as_json=as_json)


def read_body(source: str) -> str:
    """Return a text from a file, or from stdin for `-`."""
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{source}` cannot be read", detail=str(error)) from None


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
    sessions = [s for s in snapshot.document.mission.sessions if s.last_task_id == entry.task.id]
    result = Result(
        kind="task",
        data={
            "task": task_values(entry.task, selection),
            "body": body,
            "handoff_sections_missing": list(entry.file.missing_sections) if entry.file else [],
            "dependencies": [_dependency(snapshot, name) for name in entry.task.depends_on],
            "sessions": [session_json(session) for session in sessions],
        },
        lines=[
            *_field_lines(snapshot, entry, selection.of(entry.task.id)),
            *([""] if body.strip() else []),
            *clean_block(body.strip("\r\n")),
            *_session_lines(sessions),
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


def sync_command(
    task_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", autocompletion=complete_task)
    ] = None,
    prefer: Annotated[
        str | None, typer.Option(help="`table` or `file`: who wins where they disagree.")
    ] = None,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring table and files in step, and show what was carried where."""
    from mosaic.store.synchronize import synchronize

    carried = synchronize(locate_mission(mission), task_ids or [], _side(prefer))
    lines = [
        f"{c.task_id}  {c.carry.field}: {_words(c.carry.value)} {paint('→', 'dim')} {c.carry.to}"
        for c in carried.carried
    ]
    result = Result(
        kind="task.sync",
        data={
            "carried": [
                {
                    "task_id": c.task_id,
                    "field": c.carry.field,
                    "value": plain(c.carry.value),
                    "to": c.carry.to.value,
                }
                for c in carried.carried
            ],
            "problems": problem_values(carried.snapshot),
        },
        lines=lines
        or ([paint("table and files are in step", "dim")] if not carried.snapshot.problems else []),
        exit_code=report_problems(carried.snapshot, as_json=as_json),
        next_commands=["mission list"],
    )
    return emit(result, as_json=as_json)


def _side(prefer: str | None) -> Side | None:
    from mosaic.store.sync import Side

    if prefer is None:
        return None
    try:
        return Side(prefer)
    except ValueError:
        raise UsageError(f"`{prefer}` is no side", hint="use `table` or `file`") from None


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return clean(", ".join(value)) or "nothing"
    return clean(value) or "nothing"


def check_command(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what has one right answer.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Look for everything that is wrong, each with file and line."""
    from mosaic.plan.check import Level
    from mosaic.sessions.inspect import inspect_mission, mend_mission

    path = locate_mission(mission)
    mended = mend_mission(path) if fix else []
    findings = inspect_mission(path)
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    lines = [f"mended: {clean(line)}" for line in mended]
    for finding in findings:
        lines += _finding_lines(finding)
    if not findings:
        lines.append(paint("nothing is wrong", "green"))
    else:
        lines.append(f"{len(errors)} errors, {len(findings) - len(errors)} warnings")
    result = Result(
        kind="mission.check",
        data={
            "findings": [
                {name: plain(getattr(f, name)) for name in f.__dataclass_fields__} for f in findings
            ],
            "mended": mended,
        },
        lines=lines,
        exit_code=ExitCode.FAILED if errors else ExitCode.OK,
        next_commands=["mission check --fix"] if any(f.fixable for f in findings) else [],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _finding_lines(finding: Finding) -> list[str]:
    color = "red" if finding.level == "error" else "yellow"
    lines = [f"{paint(f'{finding.level}:', color)} {clean(finding.message)}"]
    if finding.path:
        lines.append(f"  --> {finding.path}{f':{finding.line}' if finding.line else ''}")
    lines += [f"  {clean(line)}" for line in (finding.detail or "").splitlines()]
    if finding.hint:
        lines.append(f"  {paint('hint:', 'cyan')} {clean(finding.hint)}")
    return lines
