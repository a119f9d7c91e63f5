"""`mission panel …`: several workers on one question, from start to merge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli import panel_life
from mosaic.cli.consent import with_consent
from mosaic.cli.options import ExecutorName, Json, MissionPath, RuntimeName, read_stdin
from mosaic.cli.output import Result, align, emit, paint
from mosaic.cli.panel_common import (
    PanelId,
    Wait,
    open_document,
    panel_named,
    show_panel,
    show_result,
    wait_for_panel,
)
from mosaic.cli.panel_view import panel_row, panel_values
from mosaic.errors import UsageError
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from mosaic.store.mission_file import MissionDocument

LARGEST_QUESTION = 400_000

panel_app = typer.Typer(
    help="Several workers on one question, each with a role and a worktree of its own.",
    no_args_is_help=True,
)


def complete_role(incomplete: str) -> list[tuple[str, str]]:
    """Complete a role."""
    from mosaic.errors import MissionError
    from mosaic.panels.brief import BUILT_IN, own_roles
    from mosaic.store.mission_file import load_mission

    try:
        own = own_roles(load_mission(locate_mission(None)).layout)
    except MissionError:
        own = []
    return [(role, "") for role in (*BUILT_IN, *own) if role.startswith(incomplete)]


@panel_app.command("start")
def start_command(
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="The question.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read it; `-` is stdin.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="ROLE[=RUNTIME]",
            autocompletion=complete_role,
            help="A worker; may be given again.",
        ),
    ] = None,
    writable: Annotated[
        bool, typer.Option("--writable", help="Each may change files, on a branch of its own.")
    ] = False,
    runtime: RuntimeName = None,
    model: Annotated[str | None, typer.Option("--model", help="The model of all.")] = None,
    executor: ExecutorName = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Agents listen in their tmux panes.")
    ] = False,
    base: Annotated[
        str | None, typer.Option("--base", metavar="REF", help="Begin there, not at HEAD.")
    ] = None,
    with_changes: Annotated[
        bool, typer.Option("--with-changes", help="Carry what is not committed here along.")
    ] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="45m", help="Stop each worker after that.")
    ] = None,
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Put a question to several workers at once."""
    from mosaic.executors import INTERACTIVE, get_executor
    from mosaic.machine.clock import utc_now
    from mosaic.panels.brief import plan_workers
    from mosaic.panels.launch import start_panel
    from mosaic.panels.model import PanelPlan
    from mosaic.plan.durations import parse_duration

    document = open_document(mission, to_change=True)
    place = executor or "process"
    get_executor(place, document.path)  # refuses an unknown one
    if interactive and place not in INTERACTIVE:
        raise UsageError("`--interactive` needs a pane", hint="add `--executor tmux`")
    plan = PanelPlan(
        id="",
        question=_question(prompt, file),
        created_at=utc_now(),
        workers=plan_workers(
            role or [], runtime=lambda named: _runtime(document, named or runtime), model=model
        ),
        mission_file=str(document.path),
        executor=place,
        is_writable=writable,
        is_interactive=interactive,
        base_ref=base,
        with_changes=with_changes,
        timeout_seconds=parse_duration(timeout) if timeout else None,
    )
    panel = with_consent(document.path, lambda: start_panel(document, plan), as_json=as_json)
    if wait:
        return wait_for_panel(document, panel, as_json=as_json)
    return show_panel(document, panel, kind="panel.started", as_json=as_json)


@panel_app.command("list")
def list_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """List all panels."""
    from mosaic.panels.record import list_panels
    from mosaic.panels.refresh import refresh_panel

    document = open_document(mission)
    panels = list_panels(document.layout)
    found = [(panel, panel.plan(), refresh_panel(panel, document.mission)) for panel in panels]
    rows = [panel_row(*each) for each in found]
    result = Result(
        kind="panel.list",
        data={"panels": [panel_values(*each) for each in found]},
        lines=align(rows, headers=("panel", "status", "results", "question"))
        or [paint("no panels", "dim")],
        next_commands=["mission panel show last"] if found else ["mission panel start --help"],
    )
    return emit(result, as_json=as_json)


@panel_app.command("show")
def show_command(panel_id: PanelId, as_json: Json = False, mission: MissionPath = None) -> int:
    """Show a panel: where each worker stands, its branch, its cost, what went wrong."""
    document = open_document(mission)
    return show_panel(document, panel_named(document, panel_id), kind="panel", as_json=as_json)


@panel_app.command("refresh")
def refresh_command(
    panel_id: PanelId, wait: Wait = False, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Read the results that are there, and deliver the messages that wait."""
    from mosaic.panels.life import look_after

    document = open_document(mission)
    panel = panel_named(document, panel_id)
    if wait:
        return wait_for_panel(document, panel, as_json=as_json)
    look_after(document, panel)
    return show_panel(document, panel, kind="panel", as_json=as_json)


@panel_app.command("result")
def result_command(
    panel_id: PanelId,
    markdown: Annotated[bool, typer.Option("--markdown", help="As markdown.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set the workers' results beside each other: agreement, objections, open questions."""
    document = open_document(mission)
    return show_result(
        document, panel_named(document, panel_id), markdown=markdown, as_json=as_json
    )


def _runtime(document: MissionDocument, named: str | None) -> str:
    from mosaic.runtimes import default_runtime, get_runtime

    mission = document.mission
    name = named or mission.runtime
    if name is None:
        return default_runtime(mission.runtimes).name
    return get_runtime(name, mission.runtimes).name


def _question(prompt: str | None, file: Path | None) -> str:
    from mosaic.machine.disk import read_text

    if (prompt is None) == (file is None):
        raise UsageError(
            "a panel needs one question",
            hint='`mission panel start "…" --role critic`, or `-f FILE`',
        )
    if file is not None:
        is_stdin = str(file) == "-"
        text = read_stdin("a question") if is_stdin else read_text(file).text
    else:
        text = prompt or ""
    if not text.strip():
        raise UsageError("the question is empty")
    if len(text) > LARGEST_QUESTION:
        raise UsageError(f"the question has more than {LARGEST_QUESTION} characters")
    return text


for _name, _function in (
    ("send", panel_life.send_command),
    ("stop", panel_life.stop_command),
    ("resume", panel_life.resume_command),
    ("shutdown", panel_life.shutdown_command),
    ("merge", panel_life.merge_command),
):
    panel_app.command(_name)(_function)
