"""Panels as lines."""

import shlex

from mosaic.app.panel import SECTIONS, PanelResult, PanelView
from mosaic.cli.output import answer, clean, clean_block, paint
from mosaic.cli.table import Column, table
from mosaic.executors import executor_of
from mosaic.machine.clock import utc_now
from mosaic.panels.model import WorkerState
from mosaic.plan.durations import format_duration, format_moment
from mosaic.plan.ends import usage_words
from mosaic.runs.record import Run

COLORS = {
    "completed": "green",
    "running": "cyan",
    "failed": "red",
    "degraded": "red",
    "blocked": "yellow",
    "stopped": "yellow",
    "resumable": "yellow",
    "stop_requested": "yellow",
}
PANEL_COLUMNS = (
    Column("panel"), Column("status", colors=COLORS), Column("results", is_number=True, leaves=1),
    Column("question", lines=2),
)  # fmt: skip
SHUT_COLUMNS = (Column("worker"), Column("cleanup"), Column("why", lines=5))
_WORKER_COLUMNS = (
    Column("worker"), Column("runtime", leaves=2), Column("status", colors=COLORS),
    Column("length", is_number=True, leaves=3), Column("used", lines=2, leaves=1),
    Column("where", lines=2),
)  # fmt: skip
LONGEST_QUESTION = 70


def show_panel(view: PanelView, kind: str, *, as_json: bool) -> int:
    """Print a panel and the state of each worker."""
    return answer(
        kind,
        view,
        _panel_lines(view),
        ok=kind == "panel" or view.state.status.value not in ("failed", "degraded"),
        then=_next_commands(view),
        show_next=True,
        as_json=as_json,
    )


def show_result(found: PanelResult, *, markdown: bool, as_json: bool) -> int:
    """Print the result of a panel."""
    state = found.view.state
    is_well = state.is_at_work or state.status.value == "completed"
    return answer(
        "panel.result",
        found,
        found.markdown.splitlines() if markdown else _result_lines(found),
        as_is=markdown,
        ok=is_well,
        then=_next_commands(found.view),
        show_next=not markdown,
        as_json=as_json,
    )


def panel_row(view: PanelView) -> tuple[str, ...]:
    """Return a panel as one row of a list."""
    done = sum(worker.status.value == "completed" for worker in view.state.workers.values())
    about = " ".join(view.plan.question.split())
    count = f"{done}/{len(view.state.workers)}"
    return (view.panel.id, view.state.status.value, count, about)


def _next_commands(view: PanelView) -> list[str]:
    name, state = view.panel.id, view.state
    runs = [run for worker in state.workers.values() if (run := view.panel.run_of(worker))]
    if state.is_at_work and runs:
        return [
            shlex.join(executor_of(runs[0]).attach()),
            f"mission panel refresh {name} --wait",
            f"mission panel stop {name}",
        ]
    if state.status.value in ("stopped", "resumable", "degraded", "failed", "blocked"):
        return [f"mission panel resume {name}", f"mission panel result {name}"]
    return [f"mission panel result {name}", f"mission panel shutdown {name}"]


def _panel_lines(view: PanelView) -> list[str]:
    plan, state = view.plan, view.state
    about = " ".join(clean(plan.question).split())[:LONGEST_QUESTION]
    kind = "each on a branch" if plan.is_writable else "looking only"
    since = format_moment(plan.created_at, utc_now())
    status = paint(state.status.value, COLORS.get(state.status.value, ""))
    lines = [
        f"{paint(view.panel.id, 'bold')}  {status}  {about}",
        paint(f"  {kind}, {plan.executor}, since {since}", "dim"),
    ]
    lines += [f"  {paint('missing:', 'red')} {clean(each)}" for each in state.problems]
    workers = [(each, state.workers[each.name]) for each in plan.workers]
    lines += table(
        [
            (
                planned.name,
                planned.runtime,
                worker.status.value,
                *_run_words(view.panel.run_of(worker)),
                _where(worker),
            )
            for planned, worker in workers
        ],
        _WORKER_COLUMNS,
        indent=2,
    )
    for planned, worker in workers:
        if worker.error:
            lines.append(f"  {planned.name}: {clean(worker.error)}")
        if worker.dropped:
            shown = ", ".join(clean(path) for path in worker.dropped[:5])
            lines.append(f"  {planned.name} changed what it was to look at; dropped: {shown}")
    return lines


def _result_lines(found: PanelResult) -> list[str]:
    lines: list[str] = []
    for name, result in found.results.items():
        mark = {"completed": "green", "blocked": "yellow"}.get(result.status, "red")
        lines.append(f"{paint(name, 'bold')}  {paint(result.status, mark)}")
        lines += [f"  {line}" for line in clean_block(result.summary or result.error or "")]
    lines += [
        f"{paint(name, 'bold')}  no result yet"
        for name in found.view.state.workers
        if name not in found.results
    ]
    for attribute, title in SECTIONS:
        if voices := getattr(found.together, attribute):
            lines += ["", paint(title, "bold")]
            for voice in voices:
                by = paint(f"({', '.join(voice.workers)})", "dim")
                lines.append(f"  {clean(voice.text)}  {by}")
    return lines


def _run_words(run: Run | None) -> tuple[str, str]:
    """Return how long a worker's run took or takes, and for how much."""
    if run is None:
        return "", ""
    result = run.find_result()
    if result.outcome not in ("", "prepared"):
        words = usage_words(result.usage) if result.usage else ""
        return format_duration(result.duration_ms / 1000), words
    state = run.find_state()
    return "", state.last_activity[:40] if state else ""


def _where(worker: WorkerState) -> str:
    if worker.branch:
        return f"{worker.branch} {worker.commit[:10] if worker.commit else ''}".rstrip()
    return worker.execution_state.value
