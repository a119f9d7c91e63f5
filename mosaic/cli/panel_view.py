"""Panels as lines, as JSON and as markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.cli.output import align, clean, clean_block, paint
from mosaic.cli.sessions_view import usage_words
from mosaic.codec import dump_record
from mosaic.errors import MissionError
from mosaic.model import Usage
from mosaic.plan.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.panels.answer import Aggregate, Voice, WorkerResult
    from mosaic.panels.model import PanelPlan, PanelState, WorkerState
    from mosaic.panels.record import Panel
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
LONGEST_QUESTION = 70
SECTIONS = (
    ("agreement", "several say"),
    ("claims", "one says"),
    ("objections", "objections"),
    ("open_questions", "open questions"),
    ("evidence", "evidence"),
)


def colored(status: str) -> str:
    """Return a status in its colour."""
    return paint(status, COLORS.get(status, ""))


def panel_lines(panel: Panel, plan: PanelPlan, state: PanelState) -> list[str]:
    """Return a panel and where each worker stands."""
    about = " ".join(clean(plan.question).split())[:LONGEST_QUESTION]
    kind = "each on a branch" if plan.is_writable else "looking only"
    lines = [
        f"{paint(panel.id, 'bold')}  {colored(state.status.value)}  {about}",
        paint(f"  {kind}, {plan.executor}, since {plan.created_at:%Y-%m-%d %H:%M} UTC", "dim"),
    ]
    lines += [f"  {paint('missing:', 'red')} {clean(each)}" for each in state.problems]
    lines += align([_worker_row(panel, plan, state, each.name) for each in plan.workers])
    for each in plan.workers:
        worker = state.workers[each.name]
        if worker.error:
            lines.append(f"  {each.name}: {clean(worker.error)}")
        if worker.dropped:
            shown = ", ".join(clean(path) for path in worker.dropped[:5])
            lines.append(f"  {each.name} changed what it was to look at; dropped: {shown}")
    return lines


def panel_values(panel: Panel, plan: PanelPlan, state: PanelState) -> dict[str, Any]:
    """Return the same as JSON holds it."""
    workers = []
    for each in plan.workers:
        worker = state.workers[each.name]
        run = panel.run_of(worker)
        workers.append(
            {
                "name": each.name,
                "role": each.role,
                "runtime": each.runtime,
                "model": each.model,
                "status": worker.status.value,
                "execution_state": worker.execution_state.value,
                "cleanup": worker.cleanup.value,
                "run_id": worker.run_id,
                "run_dir": str(run.dir) if run else None,
                "runs": list(worker.runs),
                "branch": worker.branch,
                "worktree": worker.worktree,
                "commit": worker.commit,
                "dropped": list(worker.dropped),
                "error": worker.error,
                "place": dict(run.find_place()) if run else {},
            }
        )
    return {
        "panel_id": panel.id,
        "status": state.status.value,
        "question": plan.question,
        "created_at": plan.created_at.isoformat(),
        "writable": plan.is_writable,
        "executor": plan.executor,
        "base_ref": plan.base_ref,
        "problems": list(state.problems),
        "dir": str(panel.dir),
        "workers": workers,
    }


def panel_row(panel: Panel, plan: PanelPlan, state: PanelState) -> tuple[str, ...]:
    """Return a panel as one row of a list."""
    done = sum(worker.status.value == "completed" for worker in state.workers.values())
    about = " ".join(plan.question.split())
    count = f"{done}/{len(state.workers)}"
    return (panel.id, state.status.value, count, about)


def result_lines(
    results: Mapping[str, WorkerResult], found: Aggregate, state: PanelState
) -> list[str]:
    """Return what a panel came to, for people."""
    lines: list[str] = []
    for name, result in results.items():
        mark = {"completed": "green", "blocked": "yellow"}.get(result.status, "red")
        lines.append(f"{paint(name, 'bold')}  {paint(result.status, mark)}")
        lines += [f"  {line}" for line in clean_block(result.summary or result.error or "")]
    lines += [
        f"{paint(name, 'bold')}  no result yet" for name in state.workers if name not in results
    ]
    for attribute, title in SECTIONS:
        voices: Sequence[Voice] = getattr(found, attribute)
        if voices:
            lines += ["", paint(title, "bold")]
            lines += [f"  {clean(voice.text)}  {paint(_by(voice), 'dim')}" for voice in voices]
    return lines


def result_markdown(
    panel: Panel, plan: PanelPlan, results: Mapping[str, WorkerResult], found: Aggregate
) -> str:
    """Return what a panel came to as markdown."""
    return "\n".join(_markdown(panel, plan, results, found)) + "\n"


def result_values(results: Mapping[str, WorkerResult], found: Aggregate) -> dict[str, Any]:
    """Return what a panel came to as JSON holds it."""
    values: dict[str, Any] = {
        "results": {name: dump_record(each) for name, each in results.items()}
    }
    for attribute, _ in SECTIONS:
        values[attribute] = [
            {"text": voice.text, "workers": list(voice.workers)}
            for voice in getattr(found, attribute)
        ]
    values["errors"] = dict(found.errors)
    return values


def _markdown(
    panel: Panel, plan: PanelPlan, results: Mapping[str, WorkerResult], found: Aggregate
) -> Iterator[str]:
    yield f"# {panel.id}"
    yield ""
    for line in plan.question.strip().splitlines():
        yield f"> {line}".rstrip()
    for name, result in results.items():
        yield from (
            "",
            f"## {name}: {result.status}",
            "",
            _plain(result.summary or result.error or ""),
        )
    for attribute, title in SECTIONS:
        voices: Sequence[Voice] = getattr(found, attribute)
        if voices:
            yield from ("", f"## {title.capitalize()}", "")
            yield from (f"- {_plain(voice.text)} ({', '.join(voice.workers)})" for voice in voices)


def _plain(text: str) -> str:
    """Return what an agent wrote as one line of text, not as markup of ours."""
    line = " ".join(clean(text).split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|" else sign for sign in line)


def _by(voice: Voice) -> str:
    return f"({', '.join(voice.workers)})"


def _worker_row(panel: Panel, plan: PanelPlan, state: PanelState, name: str) -> tuple[str, ...]:
    worker, planned = state.workers[name], plan.worker(name)
    run = panel.run_of(worker)
    runtime = planned.runtime if planned else ""
    return (f"  {name}", runtime, worker.status.value, *_run_words(run), _where(worker))


def _run_words(run: Run | None) -> tuple[str, str]:
    """Return how long a worker's run took or takes, and for how much."""
    if run is None:
        return "", ""
    result = run.find_result()
    if isinstance(result.get("duration_ms"), int) and result.get("outcome") != "prepared":
        usage = result.get("usage")
        words = usage_words(Usage(**usage)) if isinstance(usage, dict) else ""
        return format_duration(result["duration_ms"] / 1000), words
    try:
        state = run.state()
    except MissionError:
        return "", ""
    return "", state.last_activity[:40]


def _where(worker: WorkerState) -> str:
    if worker.branch:
        return f"{worker.branch} {worker.commit[:10] if worker.commit else ''}".rstrip()
    return worker.execution_state.value
