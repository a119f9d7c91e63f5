"""`mission init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.options import Json
from mosaic.cli.output import Result, clean, emit, paint, plain
from mosaic.cli.tasks_view import report_problems


def init_command(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The project.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", "-n", help="What the mission is.")] = None,
    description: Annotated[str, typer.Option(help="The same in a sentence.")] = "",
    prefix: Annotated[str, typer.Option(help="What task ids begin with.")] = "T",
    gates: Annotated[str | None, typer.Option(help="A command that must pass.")] = None,
    milestone: Annotated[
        list[str] | None, typer.Option(metavar='"M1: NAME"', help="Repeat for more, in order.")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Keep a TASKS.md and task files that are there.")
    ] = False,
    agents: Annotated[
        bool, typer.Option("--agents", help="Tell agents how to work here, in AGENTS.md.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Create a mission in a project: mission.json, TASKS.md, MISSION.md, tasks/."""
    from mosaic.app.init import init_mission
    from mosaic.store.create import NewMission, parse_milestone

    folder = directory.absolute()
    new = NewMission(
        name=name or folder.name,
        description=description,
        prefix=prefix,
        gates=gates,
        milestones=tuple(parse_milestone(text) for text in milestone or ()),
    )
    created, snapshot = init_mission(folder, new, adopt=adopt, agents=agents)
    lines = [f"created mission {paint(clean(new.name), 'bold')} in {created.mission_file.parent}"]
    if adopt:
        lines.append(f"adopted {created.tasks_adopted} tasks")
    if created.agents_files:
        lines.append(f"wrote instructions for agents to {', '.join(created.agents_files)}")
    result = Result(
        kind="mission.init",
        data={**plain(created), "problems": snapshot.problems},
        lines=lines,
        exit_code=report_problems(snapshot.problems, as_json=as_json),
        next_commands=[
            'mission add "The first task"',
            "mission list",
            *filter(None, [created.git_command]),
        ],
        show_next=True,
    )
    return emit(result, as_json=as_json)
