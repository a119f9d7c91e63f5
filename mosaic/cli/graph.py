"""`mission graph`."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean_block, paint
from mosaic.cli.tasks_view import report_problems
from mosaic.store.reading import locate_mission, read_mission


def graph_command(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a mermaid flowchart.")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="In Graphviz's language.")] = False,
    every: Annotated[
        bool, typer.Option("--all/--open", help="Also those that are done or cancelled.")
    ] = True,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Draw which task waits for which; cycles are named."""
    from mosaic.app.tasks import graph_tasks

    form = "mermaid" if mermaid else "dot" if dot else "text"
    graph = graph_tasks(read_mission(locate_mission(mission)), form=form, every=every)
    return answer(
        "task.graph",
        graph,
        clean_block(graph.drawing) or [paint("no tasks", "dim")],
        exit_code=report_problems(graph.problems, as_json=as_json),
        next_commands=["mission next"],
        as_json=as_json,
    )
