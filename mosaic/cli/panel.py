"""`mission panel …`: several workers on one question, from start to merge."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option, Typer

from mosaic.app.panel import read_result, start, view_panel, wait_for_panel
from mosaic.cli import options
from mosaic.cli.completing import Word, find_snapshot
from mosaic.cli.consent import with_consent
from mosaic.cli.merge import FastForward, NoFastForward, Squash, merge_way, show_merge
from mosaic.cli.next_view import usual_executor
from mosaic.cli.options import Json, MissionPath, read_stdin, seconds_of
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.cli.panel_view import (
    PANEL_COLUMNS,
    SHUT_COLUMNS,
    panel_row,
    show_panel,
    show_result,
)
from mosaic.cli.table import table
from mosaic.errors import MissionError, UsageError
from mosaic.machine.clock import utc_now
from mosaic.machine.disk import read_text
from mosaic.panels import mailbox
from mosaic.panels.brief import known_roles
from mosaic.panels.life import look_after, merge_worker, resume_panel, shut_down, stop_panel
from mosaic.panels.model import PanelPlan, PanelStatus, WorkerState
from mosaic.panels.record import Panel, find_panel, list_panels
from mosaic.panels.refresh import refresh_panel
from mosaic.store.mission_file import MissionDocument, load_mission, look_at_mission
from mosaic.store.reading import locate_mission, locate_to_change

EXAMPLES = (
    (
        'mission panel start "Which queue do we use?" --role critic --role planner',
        "two workers on one question",
    ),
    (
        "mission panel start -f question.md --role reviewer=codex --wait",
        "a long question, to one agent; stay to its end",
    ),
    ("mission panel list", "all panels"),
    ("mission panel show last", "where each worker of the newest panel stands"),
    ("mission panel refresh last --wait", "stay until every worker has ended"),
    ("mission panel result last --markdown", "the answers beside each other, to paste"),
    ('mission panel send last critic "look at the costs, too"', "a message for its next turn"),
    ("mission panel stop last", "interrupt all workers; what they did stays"),
    ("mission panel resume last --fresh", "start those without a result again"),
    ("mission panel merge last implementer --squash", "bring home what one of them wrote"),
    ("mission panel shutdown last", "end everything of a panel; unmerged work stays"),
)
panel_app = Typer(
    help="Several workers on one question, each with a role and a worktree of its own.",
    no_args_is_help=True,
)


def complete_panel(incomplete: str) -> list[Word]:
    """Complete the id of a panel."""
    snapshot = find_snapshot()
    panels = list_panels(snapshot.layout) if snapshot else []
    return [(p.id, "") for p in reversed(panels) if p.id.startswith(incomplete)]


def complete_running_panel(incomplete: str) -> list[Word]:
    """Complete the id of a panel that has not ended."""
    snapshot = find_snapshot()
    panels = list_panels(snapshot.layout) if snapshot else []
    return [(p.id, "") for p in panels if p.id.startswith(incomplete) and _is_running(p)]


def _is_running(panel: Panel) -> bool:
    try:
        return panel.state().status in (PanelStatus.RUNNING, PanelStatus.STOP_REQUESTED)
    except MissionError:
        return True


def complete_worker(context: Context, incomplete: str) -> list[Word]:
    """Complete a worker of the panel that is named."""
    snapshot, named = find_snapshot(), context.params.get("panel_id")
    if snapshot is None or not named:
        return []
    workers = find_panel(snapshot.layout, named).plan().workers
    return [(w.name, w.runtime) for w in workers if w.name.startswith(incomplete)]


def complete_role(incomplete: str) -> list[Word]:
    """Complete a role, and behind `=` a runtime for it."""
    role, equals, begun = incomplete.partition("=")
    if equals:
        return [(f"{role}={name}", help_) for name, help_ in options.complete_runtime(begun)]
    snapshot = find_snapshot()
    known = known_roles(snapshot.layout if snapshot else None)
    return [(role, "") for role in known if role.startswith(incomplete)]


PanelId = Annotated[
    str, Argument(metavar="RUN", autocompletion=complete_panel, help="A panel, or `last`.")
]
RunningPanelId = Annotated[
    str, Argument(metavar="RUN", autocompletion=complete_running_panel, help="A panel, or `last`.")
]
WorkerName = Annotated[
    str,
    Argument(metavar="WORKER", autocompletion=complete_worker, help="One of its workers."),
]
Wait = Annotated[bool, Option("--wait", help="Stay until every worker has ended.")]


@panel_app.command("start")
def start_command(
    prompt: str | None = Argument(
        None, metavar="[PROMPT]", help="The question.", show_default=False
    ),
    file: Path | None = Option(None, "--file", "-f", metavar="FILE", help="Read it; `-` is stdin."),
    role: list[str] | None = Option(
        None,
        "--role",
        metavar="ROLE[=RUNTIME]",
        autocompletion=complete_role,
        help="A worker; may be given again.",
    ),
    writable: bool = Option(
        False, "--writable", help="Each may change files, on a branch of its own."
    ),
    runtime: options.RuntimeName = None,
    model: options.ModelName = None,
    executor: options.ExecutorName = None,
    interactive: bool = Option(False, "--interactive", help="Agents listen in their tmux panes."),
    base: str | None = Option(None, "--base", metavar="REF", help="Begin there, not at HEAD."),
    with_changes: options.WithChanges = False,
    timeout: options.Timeout = None,
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Put a question to several workers at once."""
    document = _document(mission, to_change=True)
    plan = PanelPlan(
        id="",
        question=_question(prompt, file),
        created_at=utc_now(),
        workers=(),
        mission_file=str(document.path),
        executor=executor or usual_executor(),
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
    document = _document(mission)
    views = [view_panel(document, panel) for panel in list_panels(document.layout)]
    rows = table(map(panel_row, views), PANEL_COLUMNS, headed=True)
    return answer(
        "panel.list",
        {"panels": views},
        rows or [paint("no panels", "dim")],
        then=["mission panel show last"] if views else ["mission panel start --help"],
        as_json=as_json,
    )


@panel_app.command("show")
def show_command(panel_id: PanelId, as_json: Json = False, mission: MissionPath = None) -> int:
    """Show a panel: the state of each worker, its branch, its cost, what went wrong."""
    return _show(*_open(mission, panel_id), "panel", as_json=as_json)


@panel_app.command("refresh")
def refresh_command(
    panel_id: PanelId, wait: Wait = False, as_json: Json = False, mission: MissionPath = None
) -> int:
    """Read the results that are there, and deliver the messages that wait."""
    document, panel = _open(mission, panel_id)
    if not wait:
        look_after(document, panel)
    return _show(document, panel, "panel", wait=wait, as_json=as_json)


@panel_app.command("result")
def result_command(
    panel_id: PanelId,
    markdown: bool = Option(False, "--markdown", help="As markdown."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Set the workers' results beside each other: agreement, objections, open questions."""
    found = read_result(*_open(mission, panel_id))
    return show_result(found, markdown=markdown, as_json=as_json)


@panel_app.command("send")
def send_command(
    panel_id: PanelId,
    worker: WorkerName,
    message: str = Argument(metavar="MESSAGE", help="`-` reads stdin."),
    paste: bool = Option(False, "--paste", help="Type it into the worker's tmux pane."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Send a worker a message: it gets it at its next turn, at once if it is not at work."""
    document, panel = _open(mission, panel_id, to_change=True)
    refresh_panel(panel, document.mission)
    text = read_stdin("a message") if message == "-" else message
    sent = mailbox.send_message(panel, worker, text)
    done = mailbox.paste(panel, worker) if paste else mailbox.deliver(document, panel, worker)
    is_sent = any(each.id == sent.id for each in done)
    data = {"panel_id": panel.id, "worker": worker, "message_id": sent.id, "delivered": is_sent}
    lines = [f"{worker} gets it {'now' if is_sent else 'when its turn has ended'}"]
    then = [f"mission panel show {panel.id}"]
    return answer("panel.message", data, lines, then=then, as_json=as_json)


@panel_app.command("stop")
def stop_command(
    panel_id: RunningPanelId,
    now: bool = Option(False, "--now", help="Kill them at once."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Interrupt all workers; what they did stays, and `resume` goes on."""
    document, panel = _open(mission, panel_id, to_change=True)
    stop_panel(document, panel, now=now)
    return _show(document, panel, "panel.stopped", as_json=as_json)


@panel_app.command("resume")
def resume_command(
    panel_id: PanelId,
    fresh: bool = Option(False, "--fresh", help="In new conversations."),
    wait: Wait = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Start the workers again that have no result; the others stay as they are."""
    document, panel = _open(mission, panel_id, to_change=True)
    with_consent(document.path, lambda: resume_panel(document, panel, fresh=fresh), as_json=as_json)
    return _show(document, panel, "panel.resumed", wait=wait, as_json=as_json)


@panel_app.command("shutdown")
def shutdown_command(
    panel_id: PanelId,
    force: bool = Option(False, "--force", help="Remove also what is merged nowhere."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """End everything of a panel: agents, panes, worktrees; unmerged work stays."""
    document, panel = _open(mission, panel_id, to_change=True)
    done = shut_down(document, panel, force=force)
    kept = next((each.worker for each in done if each.cleanup == "retained"), None)
    then = f"mission panel result {panel.id}"
    if kept:
        then = f"mission panel merge {panel.id} {kept}"
    workers = {each.worker: each for each in done}
    return answer(
        "panel.shutdown",
        {"panel_id": panel.id, "status": panel.state().status, "workers": workers},
        table([(each.worker, each.cleanup.value, each.why) for each in done], SHUT_COLUMNS),
        ok=all(each.cleanup != "failed" for each in done),
        then=[then],
        show_next=kept is not None,
        as_json=as_json,
    )


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
    document, panel = _open(mission, panel_id, to_change=True)
    way = merge_way(ff_only=ff_only, no_ff=no_ff, squash=squash)
    merged = merge_worker(document, panel, worker, way)
    return show_merge(merged, f"mission panel shutdown {panel.id}", as_json=as_json)


def _document(mission: Path | None, *, to_change: bool = False) -> MissionDocument:
    if to_change:
        return load_mission(locate_to_change(mission))
    return look_at_mission(locate_mission(mission))


def _open(
    mission: Path | None, panel_id: str, *, to_change: bool = False
) -> tuple[MissionDocument, Panel]:
    document = _document(mission, to_change=to_change)
    return document, find_panel(document.layout, panel_id)


def _show(
    document: MissionDocument, panel: Panel, kind: str, *, as_json: bool, wait: bool = False
) -> int:
    """Print the state of a panel or, having waited for its end, its result."""

    def tell(name: str, worker: WorkerState) -> None:
        if not as_json:
            warn(f"{name} {worker.status}{f': {clean(worker.error)}' if worker.error else ''}")

    if not wait:
        return show_panel(view_panel(document, panel), kind, as_json=as_json)
    wait_for_panel(document, panel, tell)
    return show_result(read_result(document, panel), markdown=False, as_json=as_json)


def _question(prompt: str | None, file: Path | None) -> str:
    if (prompt is None) == (file is None):
        raise UsageError(
            "a panel needs one question",
            hint='`mission panel start "…" --role critic`, or `-f FILE`',
        )
    if file is None:
        return prompt or ""
    return read_stdin("a question") if str(file) == "-" else read_text(file).text
