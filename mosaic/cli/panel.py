"""`mission panel …`: several workers on one question, from start to merge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.consent import with_consent
from mosaic.cli.merge import FastForward, NoFastForward, Squash, emit_merge, merge_way
from mosaic.cli.options import (
    ExecutorName,
    Json,
    MissionPath,
    ModelName,
    RuntimeName,
    Timeout,
    WithChanges,
    read_stdin,
    seconds_of,
)
from mosaic.cli.output import Result, align, clean, emit, paint, warn
from mosaic.errors import ExitCode, MissionError, UsageError
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from mosaic.panels.model import WorkerState
    from mosaic.panels.record import Panel
    from mosaic.store.mission_file import MissionDocument

panel_app = typer.Typer(
    help="Several workers on one question, each with a role and a worktree of its own.",
    no_args_is_help=True,
)


def complete_panel(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a panel."""
    from mosaic.panels.record import list_panels

    try:
        panels = list_panels(_document(None).layout)
    except MissionError:
        return []
    return [(p.id, "") for p in reversed(panels) if p.id.startswith(incomplete)]


def complete_role(incomplete: str) -> list[tuple[str, str]]:
    """Complete a role."""
    from mosaic.panels.brief import BUILT_IN, own_roles

    try:
        own = own_roles(_document(None).layout)
    except MissionError:
        own = []
    return [(role, "") for role in (*BUILT_IN, *own) if role.startswith(incomplete)]


PanelId = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_panel, help="A panel, or `last`.")
]
WorkerName = Annotated[str, typer.Argument(metavar="WORKER", help="One of its workers.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until every worker has ended.")]


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
    model: ModelName = None,
    executor: ExecutorName = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Agents listen in their tmux panes.")
    ] = False,
    base: Annotated[
        str | None, typer.Option("--base", metavar="REF", help="Begin there, not at HEAD.")
    ] = None,
    with_changes: WithChanges = False,
    timeout: Timeout = None,
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Put a question to several workers at once."""
    from mosaic.app.panel import start
    from mosaic.machine.clock import utc_now
    from mosaic.panels.model import PanelPlan

    document = _document(mission, to_change=True)
    plan = PanelPlan(
        id="",
        question=_question(prompt, file),
        created_at=utc_now(),
        workers=(),
        mission_file=str(document.path),
        executor=executor or "process",
        is_writable=writable,
        is_interactive=interactive,
        base_ref=base,
        with_changes=with_changes,
        timeout_seconds=seconds_of(timeout),
    )
    panel = with_consent(
        document.path,
        lambda: start(document, plan, role or [], runtime=runtime, model=model),
        as_json=as_json,
    )
    return _show(document, panel, "panel.started", wait=wait, as_json=as_json)


@panel_app.command("list")
def list_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """List all panels."""
    from mosaic.app.panel import view_panel
    from mosaic.cli.panel_view import panel_row
    from mosaic.panels.record import list_panels

    document = _document(mission)
    views = [view_panel(document, panel) for panel in list_panels(document.layout)]
    rows = [*map(panel_row, views)]
    result = Result(
        kind="panel.list",
        data={"panels": views},
        lines=align(rows, headers=("panel", "status", "results", "question"))
        or [paint("no panels", "dim")],
        next_commands=["mission panel show last"] if views else ["mission panel start --help"],
    )
    return emit(result, as_json=as_json)


@panel_app.command("show")
def show_command(panel_id: PanelId, as_json: Json = False, mission: MissionPath = None) -> int:
    """Show a panel: the state of each worker, its branch, its cost, what went wrong."""
    return _show(*_open(mission, panel_id), "panel", as_json=as_json)


@panel_app.command("refresh")
def refresh_command(
    panel_id: PanelId, wait: Wait = False, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Read the results that are there, and deliver the messages that wait."""
    from mosaic.panels.life import look_after

    document, panel = _open(mission, panel_id)
    if not wait:
        look_after(document, panel)
    return _show(document, panel, "panel", wait=wait, as_json=as_json)


@panel_app.command("result")
def result_command(
    panel_id: PanelId,
    markdown: Annotated[bool, typer.Option("--markdown", help="As markdown.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set the workers' results beside each other: agreement, objections, open questions."""
    from mosaic.app.panel import read_result
    from mosaic.cli.panel_view import emit_result

    document, panel = _open(mission, panel_id)
    return emit_result(read_result(document, panel), markdown=markdown, as_json=as_json)


@panel_app.command("send")
def send_command(
    panel_id: PanelId,
    worker: WorkerName,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="`-` reads stdin.")],
    paste: Annotated[
        bool, typer.Option("--paste", help="Type it into the worker's tmux pane.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Send a worker a message: it gets it at its next turn, at once if it is not at work."""
    from mosaic.panels.mailbox import deliver, send_message
    from mosaic.panels.mailbox import paste as paste_messages
    from mosaic.panels.refresh import refresh_panel

    document, panel = _open(mission, panel_id, to_change=True)
    refresh_panel(panel, document.mission)
    sent = send_message(panel, worker, read_stdin("a message") if message == "-" else message)
    done = paste_messages(panel, worker) if paste else deliver(document, panel, worker)
    is_delivered = any(each.id == sent.id for each in done)
    how = "gets it now" if is_delivered else "gets it when its turn has ended"
    result = Result(
        kind="panel.message",
        data={
            "panel_id": panel.id,
            "worker": worker,
            "message_id": sent.id,
            "delivered": is_delivered,
        },
        lines=[f"{worker} {how}"],
        next_commands=[f"mission panel show {panel.id}"],
    )
    return emit(result, as_json=as_json)


@panel_app.command("stop")
def stop_command(
    panel_id: PanelId,
    now: Annotated[bool, typer.Option("--now", help="Kill them at once.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Interrupt all workers; what they did stays, and `resume` goes on."""
    from mosaic.panels.life import stop_panel

    document, panel = _open(mission, panel_id, to_change=True)
    stop_panel(document, panel, now=now)
    return _show(document, panel, "panel.stopped", as_json=as_json)


@panel_app.command("resume")
def resume_command(
    panel_id: PanelId,
    fresh: Annotated[bool, typer.Option("--fresh", help="In new conversations.")] = False,
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Start the workers again that have no result; the others stay as they are."""
    from mosaic.panels.life import resume_panel

    document, panel = _open(mission, panel_id, to_change=True)
    with_consent(document.path, lambda: resume_panel(document, panel, fresh=fresh), as_json=as_json)
    return _show(document, panel, "panel.resumed", wait=wait, as_json=as_json)


@panel_app.command("shutdown")
def shutdown_command(
    panel_id: PanelId,
    force: Annotated[
        bool, typer.Option("--force", help="Remove also what is merged nowhere.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """End everything of a panel: agents, panes, worktrees; unmerged work stays."""
    from mosaic.panels.life import shut_down

    document, panel = _open(mission, panel_id, to_change=True)
    done = shut_down(document, panel, force=force)
    failed = any(each.cleanup == "failed" for each in done)
    merges = [
        f"mission panel merge {panel.id} {each.worker}"
        for each in done
        if each.cleanup == "retained"
    ][:1]
    result = Result(
        kind="panel.shutdown",
        data={
            "panel_id": panel.id,
            "status": panel.state().status,
            "workers": {each.worker: each for each in done},
        },
        lines=align([(each.worker, each.cleanup.value, clean(each.why)) for each in done]),
        exit_code=ExitCode.FAILED if failed else ExitCode.OK,
        next_commands=merges or [f"mission panel result {panel.id}"],
        show_next=bool(merges),
    )
    return emit(result, as_json=as_json)


@panel_app.command("merge")
def merge_command(
    panel_id: PanelId,
    worker: WorkerName,
    ff_only: FastForward = False,
    no_ff: NoFastForward = False,
    squash: Squash = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Merge a worker's branch; a conflict is left to you, with the commands to go on."""
    from mosaic.panels.life import merge_worker

    document, panel = _open(mission, panel_id, to_change=True)
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    merged = merge_worker(document, panel, worker, way)
    return emit_merge(merged, f"mission panel shutdown {panel.id}", as_json=as_json)


def _document(mission: Path | None, *, to_change: bool = False) -> MissionDocument:
    from mosaic.store.ended_session import locate_to_change
    from mosaic.store.mission_file import load_mission

    return load_mission((locate_to_change if to_change else locate_mission)(mission))


def _open(
    mission: Path | None, panel_id: str, *, to_change: bool = False
) -> tuple[MissionDocument, Panel]:
    from mosaic.panels.record import find_panel

    document = _document(mission, to_change=to_change)
    return document, find_panel(document.layout, panel_id)


def _show(
    document: MissionDocument, panel: Panel, kind: str, *, as_json: bool, wait: bool = False
) -> int:
    """Print the state of a panel or, having waited for its end, its result."""
    from mosaic.app.panel import read_result, view_panel, wait_for_panel
    from mosaic.cli.panel_view import emit_panel, emit_result

    def tell(name: str, worker: WorkerState) -> None:
        if not as_json:
            warn(f"{name} {worker.status}{f': {clean(worker.error)}' if worker.error else ''}")

    if not wait:
        return emit_panel(view_panel(document, panel), kind, as_json=as_json)
    wait_for_panel(document, panel, tell)
    return emit_result(read_result(document, panel), markdown=False, as_json=as_json)


def _question(prompt: str | None, file: Path | None) -> str:
    from mosaic.machine.disk import read_text

    if (prompt is None) == (file is None):
        raise UsageError(
            "a panel needs one question",
            hint='`mission panel start "…" --role critic`, or `-f FILE`',
        )
    if file is None:
        return prompt or ""
    return read_stdin("a question") if str(file) == "-" else read_text(file).text
