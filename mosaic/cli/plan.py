"""Plan: init, add, list, show, graph, sync, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.changing import record_kept_ends
from mosaic.cli.completing import complete_task
from mosaic.cli.options import (
    Json,
    MilestoneId,
    MissionPath,
    RuntimeName,
    read_stdin,
)
from mosaic.cli.output import Result, clean, clean_block, emit, paint, plain
from mosaic.cli.tasks_view import (
    problem_values,
    report_notices,
    report_problems,
    task_values,
)
from mosaic.errors import ExitCode, UsageError
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from mosaic.plan.check import Finding
    from mosaic.store.sync import Side

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
    from mosaic.git.git import find_work_tree
    from mosaic.git.hidden_refs import HIDE_COMMAND, hides_checkpoints
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
    is_repository = find_work_tree(folder) is not None
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
        next_commands=[
            'mission add "The first task"',
            "mission list",
            *([HIDE_COMMAND] if is_repository and not hides_checkpoints(folder) else []),
        ],
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
        record_kept_ends(draft)
        task_id = add_task(draft, new, utc_now())
        draft.save()
        report_notices(draft.notices)
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
        return read_stdin("a task").replace("\r\n", "\n")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{source}` cannot be read", detail=str(error)) from None


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
        lines.append(f"  --> {clean(finding.path)}{f':{finding.line}' if finding.line else ''}")
    lines += [f"  {line}" for line in clean_block(finding.detail or "")]
    if finding.hint:
        lines.append(f"  {paint('hint:', 'cyan')} {clean(finding.hint)}")
    return lines
