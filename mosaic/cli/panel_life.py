"""The rest of a panel's life on the command line: send, stop, resume, shutdown, merge."""

from __future__ import annotations

from typing import Annotated

import typer

from mosaic.cli.consent import with_consent
from mosaic.cli.merging import FastForward, NoFastForward, Squash
from mosaic.cli.options import Json, MissionPath, read_stdin
from mosaic.cli.output import Result, align, clean, emit
from mosaic.cli.panel_common import (
    PanelId,
    Wait,
    WorkerName,
    open_document,
    panel_named,
    show_panel,
    wait_for_panel,
)
from mosaic.errors import ExitCode


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
    """Send a worker a message: it is told at its next turn, at once if it is not at work."""
    from mosaic.panels.mailbox import deliver, send_message
    from mosaic.panels.mailbox import paste as paste_messages
    from mosaic.panels.refresh import refresh_panel

    document = open_document(mission, to_change=True)
    panel = panel_named(document, panel_id)
    refresh_panel(panel, document.mission)
    sent = send_message(panel, worker, read_stdin("a message") if message == "-" else message)
    done = paste_messages(panel, worker) if paste else deliver(document, panel, worker)
    is_delivered = any(each.id == sent.id for each in done)
    how = "is told now" if is_delivered else "is told when its turn has ended"
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


def stop_command(
    panel_id: PanelId,
    now: Annotated[bool, typer.Option("--now", help="Kill them at once.")] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Interrupt all workers; what they did stays, and `resume` goes on."""
    from mosaic.panels.life import stop_panel

    document = open_document(mission, to_change=True)
    panel = panel_named(document, panel_id)
    stop_panel(document, panel, now=now)
    return show_panel(document, panel, kind="panel.stopped", as_json=as_json)


def resume_command(
    panel_id: PanelId,
    fresh: Annotated[bool, typer.Option("--fresh", help="In new conversations.")] = False,
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Start the workers again that have no result; the others stay as they are."""
    from mosaic.panels.life import resume_panel

    document = open_document(mission, to_change=True)
    panel = panel_named(document, panel_id)
    with_consent(document.path, lambda: resume_panel(document, panel, fresh=fresh), as_json=as_json)
    if wait:
        return wait_for_panel(document, panel, as_json=as_json)
    return show_panel(document, panel, kind="panel.resumed", as_json=as_json)


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
    from mosaic.panels.model import Cleanup

    document = open_document(mission, to_change=True)
    panel = panel_named(document, panel_id)
    done = shut_down(document, panel, force=force)
    failed = any(each.cleanup is Cleanup.FAILED for each in done)
    retained = [each for each in done if each.cleanup is Cleanup.RETAINED]
    merges = [f"mission panel merge {panel.id} {each.worker}" for each in retained[:1]]
    result = Result(
        kind="panel.shutdown",
        data={
            "panel_id": panel.id,
            "status": panel.state().status.value,
            "workers": {e.worker: {"cleanup": e.cleanup.value, "why": e.why} for e in done},
        },
        lines=align([(each.worker, each.cleanup.value, clean(each.why)) for each in done]),
        exit_code=ExitCode.FAILED if failed else ExitCode.OK,
        next_commands=merges or [f"mission panel result {panel.id}"],
        show_next=bool(merges),
    )
    return emit(result, as_json=as_json)


def merge_command(
    panel_id: PanelId,
    worker: WorkerName,
    ff_only: FastForward = False,
    no_ff: NoFastForward = False,
    squash: Squash = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring a worker's branch home; a conflict is left to you, with the commands to go on."""
    from mosaic.cli.merging import merge_result, merge_way
    from mosaic.panels.life import merge_worker

    document = open_document(mission, to_change=True)
    panel = panel_named(document, panel_id)
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    merged = merge_worker(document, panel, worker, way)
    return emit(merge_result(merged, [f"mission panel shutdown {panel.id}"]), as_json=as_json)
