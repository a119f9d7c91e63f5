"""`mission graph`."""

from typer import Option

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean_block, paint
from mosaic.cli.tasks_view import report_problems
from mosaic.store.reading import locate_mission, read_mission

EXAMPLES = (
    ("mission graph --open", "what waits for what, without what is done"),
    ("mission graph --mermaid", "the same for a page in markdown"),
)


def graph_command(
    mermaid: bool = Option(False, "--mermaid", help="As a mermaid flowchart."),
    dot: bool = Option(False, "--dot", help="In Graphviz's language."),
    every: bool = Option(True, "--all/--open", help="Also those that are done or cancelled."),
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
        as_is=form != "text",
        exit_code=report_problems(graph.problems, as_json=as_json),
        then=["mission next"],
        as_json=as_json,
    )
