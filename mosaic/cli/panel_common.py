"""What the `mission panel` commands have in common: finding a panel, showing it, waiting."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.output import Result, clean, emit, warn
from mosaic.cli.panel_view import (
    panel_lines,
    panel_values,
    result_lines,
    result_markdown,
    result_values,
)
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.panels.answer import WorkerResult
    from mosaic.panels.model import PanelState
    from mosaic.panels.record import Panel
    from mosaic.store.mission_file import MissionDocument

WAIT_POLL_SECONDS = 0.5


def complete_panel(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a panel."""
    from mosaic.errors import MissionError
    from mosaic.panels.record import list_panels
    from mosaic.store.mission_file import load_mission

    try:
        layout = load_mission(locate_mission(None)).layout
        return [(p.id, "") for p in reversed(list_panels(layout)) if p.id.startswith(incomplete)]
    except MissionError:
        return []


PanelId = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_panel, help="A panel, or `last`.")
]
WorkerName = Annotated[str, typer.Argument(metavar="WORKER", help="One of its workers.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until every worker has ended.")]


def open_document(mission: Path | None, *, to_change: bool = False) -> MissionDocument:
    """Read the mission that a command is about, or changes something of."""
    from mosaic.store.ended_session import locate_to_change
    from mosaic.store.mission_file import load_mission

    return load_mission((locate_to_change if to_change else locate_mission)(mission))


def panel_named(document: MissionDocument, panel_id: str) -> Panel:
    """Return the panel of an id, or the newest."""
    from mosaic.panels.record import find_panel

    return find_panel(document.layout, panel_id)


def show_panel(document: MissionDocument, panel: Panel, *, kind: str, as_json: bool) -> int:
    """Show where a panel stands."""
    from mosaic.panels.refresh import refresh_panel

    plan, state = panel.plan(), refresh_panel(panel, document.mission)
    failed = state.status.value in ("failed", "degraded") and kind != "panel"
    result = Result(
        kind=kind,
        data=panel_values(panel, plan, state),
        lines=panel_lines(panel, plan, state),
        exit_code=ExitCode.FAILED if failed else ExitCode.OK,
        next_commands=_next_commands(panel, state),
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _next_commands(panel: Panel, state: PanelState) -> list[str]:
    from mosaic.executors import executor_of

    runs = [run for worker in state.workers.values() if (run := panel.run_of(worker)) is not None]
    at_work = any(worker.is_at_work for worker in state.workers.values())
    if at_work and runs:
        attach = shlex.join(executor_of(runs[0]).attach())
        return [
            attach,
            f"mission panel refresh {panel.id} --wait",
            f"mission panel stop {panel.id}",
        ]
    if state.status.value in ("stopped", "resumable", "degraded", "failed", "blocked"):
        return [f"mission panel resume {panel.id}", f"mission panel result {panel.id}"]
    return [f"mission panel result {panel.id}", f"mission panel shutdown {panel.id}"]


def wait_for_panel(document: MissionDocument, panel: Panel, *, as_json: bool) -> int:
    """Stay until every worker has ended, and tell each end."""
    from mosaic.panels.life import look_after

    told: set[str] = set()
    while True:
        state = look_after(document, panel)
        for name, worker in state.workers.items():
            if not worker.is_at_work and name not in told:
                told.add(name)
                why = f": {clean(worker.error)}" if worker.error else ""
                if not as_json:
                    warn(f"{name} {worker.status.value}{why}")
        if not any(worker.is_at_work for worker in state.workers.values()):
            return show_result(document, panel, markdown=False, as_json=as_json)
        time.sleep(WAIT_POLL_SECONDS)


def show_result(document: MissionDocument, panel: Panel, *, markdown: bool, as_json: bool) -> int:
    """Show what a panel came to."""
    from mosaic.panels.answer import aggregate
    from mosaic.panels.refresh import refresh_panel, result_of

    plan, state = panel.plan(), refresh_panel(panel, document.mission)
    results: dict[str, WorkerResult] = {}
    for each in plan.workers:
        found = result_of(panel, each, state.workers[each.name])
        if found is not None:
            results[each.name] = found
    together = aggregate(results)
    text = result_markdown(panel, plan, results, together)
    result = Result(
        kind="panel.result",
        data={
            "panel_id": panel.id,
            "status": state.status.value,
            **result_values(results, together),
            "markdown": text,
        },
        lines=text.splitlines() if markdown else result_lines(results, together, state),
        exit_code=_exit_code(state),
        next_commands=_next_commands(panel, state),
        show_next=not markdown,
    )
    return emit(result, as_json=as_json)


def _exit_code(state: PanelState) -> ExitCode:
    at_work = any(worker.is_at_work for worker in state.workers.values())
    return ExitCode.OK if at_work or state.status.value == "completed" else ExitCode.FAILED
